package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const said = `{"n":1.50,"b":true,"t":"x","l":[{"n":2},{"n":3}],"e":[]}`

// call makes one call through the injector. got is the status and the body, or that the
// connection was dropped; executed tells whether the fake saw it.
func call(i *Injector, path string) (got string, executed bool) {
	fake := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		executed = true
		_, _ = io.WriteString(w, said)
	})
	defer func() {
		if recover() != nil {
			got = "dropped"
		}
	}()
	answer := httptest.NewRecorder()
	i.Wrap(fake).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, path, strings.NewReader("sent")))
	return fmt.Sprintf("%d %s", answer.Code, answer.Body), executed
}

func TestEachKindDoesWhatItSays(t *testing.T) {
	for _, tc := range []struct {
		fault    Fault
		want     string
		executed bool
	}{
		{Fault{Kind: Drop}, "dropped", true},
		{Fault{Kind: Drop, Execution: Never}, "dropped", false},
		{Fault{Kind: Status, Status: 503}, "503 {}", false},
		{Fault{Kind: Status, Status: 503, Execution: First}, "503 {}", true},
		{Fault{Kind: HTML}, "502 " + page, false},
		{Fault{Kind: Empty}, "200 ", true},
		{Fault{Kind: Truncated}, "dropped", true},
		{Fault{Kind: Malformed}, "200 " + said[:len(said)/2], true},
		{Fault{Kind: Redirect}, "307 ", false},
		{Fault{Kind: NumbersAsStrings}, `200 {"b":true,"e":[],"l":[{"n":"2"},{"n":"3"}],"n":"1.50","t":"x"}`, true},
		{Fault{Kind: BooleansAsStrings}, `200 {"b":"true","e":[],"l":[{"n":2},{"n":3}],"n":1.50,"t":"x"}`, true},
		{Fault{Kind: ObjectsForLists}, `200 {"b":true,"e":[],"l":{"0":{"n":2},"1":{"n":3}},"n":1.50,"t":"x"}`, true},
		{Fault{Kind: WrongTypes}, `200 {"b":true,"e":[],"l":[{"n":{"value":2}},{"n":{"value":3}}],"n":{"value":1.50},"t":["x"]}`, true},
		{Fault{Kind: Watch}, "200 " + said, true},
	} {
		var i Injector
		if _, err := i.Inject(tc.fault); err != nil {
			t.Fatal(err)
		}
		got, executed := call(&i, "/orders")
		if diff := cmp.Diff(tc.want, got); diff != "" || executed != tc.executed {
			t.Errorf("%s: executed %v, want %v; -want +got:\n%s", tc.fault.Kind, executed, tc.executed, diff)
		}
		if calls := i.Calls(); len(calls) != 1 || calls[0].Executed != tc.executed || calls[0].Fault != tc.fault.Kind {
			t.Errorf("%s: noted as %+v", tc.fault.Kind, calls)
		}
	}
}

func TestAnEchoRepeatsWhatWasSent(t *testing.T) {
	var i Injector
	if _, err := i.Inject(Fault{Kind: Echo}); err != nil {
		t.Fatal(err)
	}
	if got, executed := call(&i, "/orders"); !strings.HasPrefix(got, "400 ") || !strings.Contains(got, "sent") || executed {
		t.Errorf("got %s, executed %v", got, executed)
	}
}

func TestFaultsHitTheCallsThatTheyAreMeantFor(t *testing.T) {
	draws := []float64{0.1, 0.9, 0.2, 0.8}
	i := Injector{
		Name:   func(r *http.Request) string { return r.URL.Path },
		Chance: func() float64 { draw := draws[0]; draws = draws[1:]; return draw },
	}
	for _, f := range []Fault{
		{Kind: Status, Status: 500, Function: "/a", Skip: 1, Times: 2},
		{Kind: Status, Status: 501, Function: "/b", Fraction: 0.5},
	} {
		if _, err := i.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, path := range []string{"/a", "/a", "/c", "/a", "/a", "/b", "/b", "/b", "/b"} {
		answer, _ := call(&i, path)
		got = append(got, path+" "+answer[:3])
	}
	want := []string{"/a 200", "/a 500", "/c 200", "/a 500", "/a 200", "/b 501", "/b 200", "/b 501", "/b 200"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if hits := i.Hits(1); hits != 2 {
		t.Errorf("the first fault hit %d calls", hits)
	}
	i.Clear()
	if answer, _ := call(&i, "/b"); !strings.HasPrefix(answer, "200") {
		t.Errorf("a fault that was cleared answers %s", answer)
	}
}

func TestAFaultThatMakesNoSenseIsNamed(t *testing.T) {
	for want, fault := range map[string]Fault{
		"unknown kind": {Kind: "gremlins"}, "times": {Kind: Drop, Times: -1}, "skip": {Kind: Drop, Skip: -1},
		"fraction": {Kind: Drop, Fraction: 2}, "execution": {Kind: Drop, Execution: "maybe"}, "status": {Kind: Status}, "delay": {Kind: Late},
	} {
		var i Injector
		if _, err := i.Inject(fault); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error that names %s", fault, err, want)
		}
	}
}
