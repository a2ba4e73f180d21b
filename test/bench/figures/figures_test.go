package figures

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsMeasuredAgainReplacesItsResultAndLeavesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	for _, measured := range [][]Figure{
		{{Name: "orders_ratio", Values: []float64{0.5}}, {Name: "restart", Unit: "s", Values: []float64{7}}},
		{{Name: "orders_ratio", Values: []float64{0.9, 0.7, 0.8}}},
	} {
		if err := Write(path, measured); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []Result
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{Name: "orders_ratio", Median: 0.8, Min: 0.7, Max: 0.9, Runs: 3},
		{Name: "restart", Unit: "s", Median: 7, Min: 7, Max: 7, Runs: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if err := Write(path, []Figure{{Name: "nothing"}}); err == nil {
		t.Error("a figure without values is written")
	}
}

func TestRangesBoundWhatTheySay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ranges.yaml")
	if err := os.WriteFile(path, []byte("a: {least: 0.85}\nb: {most: 15}\nc: {least: 1, most: 2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ranges, err := ReadRanges(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		text    string
		in, out float64
	}{
		"a": {"≥ 0.85", 0.85, 0.84}, "b": {"≤ 15", 15, 15.1}, "c": {"1 to 2", 1.5, 2.1},
	} {
		of := ranges[name]
		if of.String() != test.text || !of.Holds(test.in) || of.Holds(test.out) {
			t.Errorf("%s is %q: holds %t for %g and %t for %g", name, of, of.Holds(test.in), test.in, of.Holds(test.out), test.out)
		}
	}
	if err := os.WriteFile(path, []byte("a: {lest: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRanges(path); err == nil || !strings.Contains(err.Error(), "lest") {
		t.Errorf("a bound that there is not: %v", err)
	}
}

func TestWhatIsRecordedIsTheBarForTheNextRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ranges.yaml")
	const before = "# said\na: {least: 0.85, higher: 0.5} # why\nb: {lower: 7}\nc: {lower: 7}\nd: {most: 1}\n"
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Record(path, []Figure{{Name: "a", Values: []float64{0.9, 1.1}}, {Name: "b", Values: []float64{2}}, {Name: "d", Values: []float64{3}}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "# said\na: {least: 0.85, higher: 1} # why\nb: {lower: 2}\nc: {lower: 7}\nd: {most: 1}\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("the ranges (-want +got):\n%s", diff)
	}
	ranges, err := ReadRanges(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		bar     string
		in, out float64
	}{
		"a": {"≥ 0.8333", 0.84, 0.83}, "b": {"≤ 2.4", 2.4, 2.5},
	} {
		of := ranges[name]
		if of.Recorded() != test.bar || !of.Kept(test.in) || of.Kept(test.out) {
			t.Errorf("%s is to be %q: kept %t by %g and %t by %g", name, of.Recorded(), of.Kept(test.in), test.in, of.Kept(test.out), test.out)
		}
	}
	if ranges["d"].Recorded() != "" || !ranges["d"].Kept(100) {
		t.Error("a figure that was never recorded has a bar")
	}
}
