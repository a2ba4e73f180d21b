package lifeline_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/telcodev/esim-operator/internal/lifeline"
)

func note(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
}

func exists(t *testing.T, api client.Reader, name string) bool {
	t.Helper()
	err := api.Get(t.Context(), client.ObjectKeyFromObject(note(name)), note(name))
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

func TestEachMomentExecutesAndAnswersAsItSays(t *testing.T) {
	for _, tc := range []struct {
		when           lifeline.Moment
		executed, dead bool
		answer         func(error) bool
	}{
		{lifeline.Before, false, true, func(err error) bool { return errors.Is(err, lifeline.ErrDead) }},
		{lifeline.After, true, true, func(err error) bool { return errors.Is(err, lifeline.ErrDead) }},
		{lifeline.Answered, true, true, func(err error) bool { return err == nil }},
		{lifeline.Conflict, false, false, apierrors.IsConflict},
		{lifeline.Refused, false, false, apierrors.IsInternalError},
		{lifeline.Failed, true, false, apierrors.IsInternalError},
		{lifeline.Lost, true, false, func(err error) bool { return errors.Is(err, lifeline.ErrLost) }},
	} {
		t.Run(string(tc.when), func(t *testing.T) {
			api := fake.NewClientBuilder().Build()
			line := lifeline.New()
			line.At(lifeline.Point{Name: "create configmap b", Nth: 1}, tc.when)
			writer := line.Writer(api)
			if err := writer.Create(t.Context(), note("a")); err != nil {
				t.Fatalf("the point before: %v", err)
			}
			if err := writer.Create(t.Context(), note("b")); !tc.answer(err) {
				t.Errorf("the answer is %v", err)
			}
			if got := exists(t, api, "b"); got != tc.executed {
				t.Errorf("executed is %t, want %t", got, tc.executed)
			}
			if got := line.Dead(); got != tc.dead {
				t.Errorf("dead is %t, want %t", got, tc.dead)
			}
			if err := writer.Create(t.Context(), note("c")); errors.Is(err, lifeline.ErrDead) != tc.dead {
				t.Errorf("the point after answers %v, and dead is %t", err, tc.dead)
			}
			if err := line.Reader(api).Get(t.Context(), client.ObjectKeyFromObject(note("a")), note("a")); errors.Is(err, lifeline.ErrDead) != tc.dead {
				t.Errorf("a read answers %v, and dead is %t", err, tc.dead)
			}
		})
	}
}

func TestPointsAreCountedByName(t *testing.T) {
	line := lifeline.New()
	line.Rename(func(name string) string { return strings.ReplaceAll(name, "w3", "shop") })
	writer := line.Writer(fake.NewClientBuilder().Build())
	for _, name := range []string{"w3", "other"} {
		if err := writer.Create(t.Context(), note(name)); err != nil {
			t.Fatal(err)
		}
		if err := writer.Update(t.Context(), note(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Update(t.Context(), note("w3")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, passing := range line.Passed() {
		got = append(got, passing.String())
	}
	want := []string{"create configmap shop #1", "update configmap shop #1", "create configmap other #1", "update configmap other #1", "update configmap shop #2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

func TestWhatIsHeldWaitsForRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := lifeline.New()
		line.At(lifeline.Point{Name: "send", Nth: 1}, lifeline.Held)
		executed := make(chan struct{})
		go func() {
			if err := line.Pass(t.Context(), "send", nil, func() error { close(executed); return nil }); err != nil {
				t.Error(err)
			}
		}()
		<-line.Reached
		synctest.Wait()
		select {
		case <-executed:
			t.Fatal("it was executed while it was held")
		default:
		}
		line.Release()
		<-executed
	})
}

func TestWhatIsHeldEndsWithItsCaller(t *testing.T) {
	line := lifeline.New()
	line.At(lifeline.Point{Name: "send", Nth: 1}, lifeline.Held)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := line.Pass(ctx, "send", nil, func() error { t.Error("it was executed"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// operator counts the calls that it executes.
type operator struct{ calls int }

func (o *operator) RoundTrip(request *http.Request) (*http.Response, error) {
	o.calls++
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}")), Request: request}, nil
}

func TestCallsGetAStatusOrATimeout(t *testing.T) {
	for when, tc := range map[lifeline.Moment]struct{ status, calls int }{
		"":                  {200, 1},
		lifeline.Refused:    {500, 0},
		lifeline.Failed:     {500, 1},
		lifeline.Lost:       {0, 1},
		lifeline.Before:     {0, 0},
		lifeline.After:      {0, 1},
		lifeline.Answered:   {200, 1},
		lifeline.Conflict:   {409, 0},
		"another call only": {200, 1},
	} {
		t.Run(string(when), func(t *testing.T) {
			inner, line := &operator{}, lifeline.New()
			point := lifeline.Point{Name: "call refund", Nth: 1}
			if when == "another call only" {
				point.Nth = 2
			}
			line.At(point, when)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://vendor.example/v1/purchases/4711/refund", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := line.Transport(inner).RoundTrip(request)
			status := 0
			if err == nil {
				status = response.StatusCode
				err = response.Body.Close()
			}
			var timeout net.Error
			if when == lifeline.Lost && (!errors.As(err, &timeout) || !timeout.Timeout()) {
				t.Errorf("a lost answer is %v, and no timeout", err)
			}
			if status != tc.status || inner.calls != tc.calls {
				t.Errorf("status %d after %d calls, want %d after %d", status, inner.calls, tc.status, tc.calls)
			}
		})
	}
}
