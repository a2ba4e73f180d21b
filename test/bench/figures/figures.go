// Package figures keeps what was measured: each figure with its repetitions, and what it is
// expected to be.
package figures

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"

	"sigs.k8s.io/yaml"
)

// Figure is one thing that was measured, once for each repetition.
type Figure struct {
	// Name by which results and ranges know it, such as orders_ratio.
	Name string
	// What was measured, in words.
	What string
	// Unit of the values, such as s, B or 1/s; empty for a ratio or a number.
	Unit string
	// Values of the repetitions, in their order.
	Values []float64
	// Baseline says what a ratio is to, in words.
	Baseline string
}

// Median of the repetitions; the upper one of two.
func (f Figure) Median() float64 {
	if len(f.Values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(f.Values))
	return sorted[len(sorted)/2]
}

// Result is a figure as it is written into a file.
type Result struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
}

// Write writes the results of figures into a file. Those of other names that are in it stay:
// not everything is measured each time.
func Write(path string, figures []Figure) error {
	var results []Result
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("reading the earlier results: %w", err)
	default:
		if err := json.Unmarshal(text, &results); err != nil {
			return fmt.Errorf("reading the earlier results in %s: %w", path, err)
		}
	}
	for _, f := range figures {
		if len(f.Values) == 0 {
			return fmt.Errorf("%s was not measured", f.Name)
		}
		results = slices.DeleteFunc(results, func(r Result) bool { return r.Name == f.Name })
		results = append(results, Result{
			Name: f.Name, Unit: f.Unit, Median: f.Median(), Min: slices.Min(f.Values), Max: slices.Max(f.Values), Runs: len(f.Values),
		})
	}
	slices.SortFunc(results, func(a, b Result) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if text, err = json.MarshalIndent(results, "", "  "); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // results are for everybody
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// Range is what a figure's median may be.
type Range struct {
	// Least and Most, where set, are the bounds.
	Least *float64 `json:"least,omitempty"`
	Most  *float64 `json:"most,omitempty"`
	// Higher, or Lower, where set, is the mean that was recorded last of a figure that had better be
	// higher, or lower.
	Higher *float64 `json:"higher,omitempty"`
	Lower  *float64 `json:"lower,omitempty"`
}

// slack is how many times worse than recorded a figure may be.
const slack = 1.2

// Holds tells whether a value is within.
func (r Range) Holds(value float64) bool {
	return (r.Least == nil || value >= *r.Least) && (r.Most == nil || value <= *r.Most)
}

// Kept tells whether a value is as good as what was recorded, but for the slack.
func (r Range) Kept(value float64) bool {
	return (r.Higher == nil || value >= *r.Higher/slack) && (r.Lower == nil || value <= *r.Lower*slack)
}

// Recorded is the bar that what was recorded sets, in words; empty where nothing was.
func (r Range) Recorded() string {
	switch {
	case r.Higher != nil:
		return fmt.Sprintf("≥ %.4g", *r.Higher/slack)
	case r.Lower != nil:
		return fmt.Sprintf("≤ %.4g", *r.Lower*slack)
	}
	return ""
}

// String is the range in words; empty where there are no bounds.
func (r Range) String() string {
	switch {
	case r.Least != nil && r.Most != nil:
		return fmt.Sprintf("%.4g to %.4g", *r.Least, *r.Most)
	case r.Least != nil:
		return fmt.Sprintf("≥ %.4g", *r.Least)
	case r.Most != nil:
		return fmt.Sprintf("≤ %.4g", *r.Most)
	}
	return ""
}

// recordedMean is where a line of the ranges says what was recorded.
var recordedMean = regexp.MustCompile(`(?m)^(\w+): ?\{(.*)(higher|lower): ?[^,}]+`)

// Record writes the means of figures into the file of ranges, in the place of those that were
// recorded before. A figure of which nothing is kept there is left out.
func Record(path string, measured []Figure) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the ranges: %w", err)
	}
	means := map[string]float64{}
	for _, f := range measured {
		sum := 0.0
		for _, value := range f.Values {
			sum += value / float64(len(f.Values))
		}
		means[f.Name] = sum
	}
	text = recordedMean.ReplaceAllFunc(text, func(line []byte) []byte {
		parts := recordedMean.FindSubmatch(line)
		mean, known := means[string(parts[1])]
		if !known {
			return line
		}
		return fmt.Appendf(nil, "%s: {%s%s: %.3g", parts[1], parts[2], parts[3], mean)
	})
	if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // ranges are for everybody
		return fmt.Errorf("writing the ranges: %w", err)
	}
	return nil
}

// ReadRanges reads the ranges of figures, by name.
func ReadRanges(path string) (map[string]Range, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the ranges: %w", err)
	}
	var ranges map[string]Range
	if err := yaml.UnmarshalStrict(text, &ranges); err != nil {
		return nil, fmt.Errorf("reading the ranges in %s: %w", path, err)
	}
	return ranges, nil
}
