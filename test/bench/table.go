package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/telcodev/esim-operator/test/bench/figures"
)

// figure is a line of the table: what was measured, against what, and what is wanted of it.
type figure struct {
	what, value, baseline, ratio, wanted string
	// load is how busy the machine was when it was taken: see loadNow.
	load string
	// met is nil where nothing is wanted.
	met *bool
	// kept is the bar that what was recorded sets, with NO where it is missed.
	kept string
	// result is what is written of it into the file of results; nil where nothing is.
	result *figures.Figure
}

// as has a figure written into the file of results: its name there, the unit, and what its
// repetitions gave.
func (f figure) as(name, unit string, values ...float64) figure {
	f.result = &figures.Figure{Name: name, What: f.what, Unit: unit, Values: values}
	return f
}

// keep writes those of the figures that have results into their file, and compares them with what
// was recorded of them; or records them.
func keep(lines []figure, recording bool) error {
	ranges, err := figures.ReadRanges(rangesFile)
	if err != nil {
		return err
	}
	var results []figures.Figure
	for i := range lines {
		f := lines[i].result
		if f == nil {
			continue
		}
		results = append(results, *f)
		of := ranges[f.Name]
		if lines[i].kept = of.Recorded(); !of.Kept(f.Median()) {
			lines[i].kept += " NO"
		}
	}
	if len(results) == 0 {
		return nil
	}
	if recording {
		if err := figures.Record(rangesFile, results); err != nil {
			return err
		}
	}
	return figures.Write(resultsFile, results)
}

// against makes a figure of two measured values. What is wanted is said in words, and met
// tells whether the ratio is it.
func against(what, value, baseline string, ratio float64, wanted string, met bool) figure {
	return figure{what: what, value: value, baseline: baseline, ratio: fmt.Sprintf("%.2f", ratio), wanted: wanted, met: &met}
}

// compared makes a figure of two measured values of which nothing is wanted.
func compared(what, value, baseline string, ratio float64) figure {
	return figure{what: what, value: value, baseline: baseline, ratio: fmt.Sprintf("%.2f", ratio)}
}

// alone makes a figure that is measured against no other.
func alone(what, value, wanted string, met bool) figure {
	return figure{what: what, value: value, wanted: wanted, met: &met}
}

// told makes a figure of which nothing is wanted.
func told(what, value string) figure { return figure{what: what, value: value} }

func printTable(to io.Writer, lines []figure) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	rows := []figure{{what: "WHAT", value: "FIGURE", baseline: "BASELINE", ratio: "RATIO", wanted: "WANTED", kept: "RECORDED × 1.2", load: "LOAD"}}
	for _, f := range append(rows, lines...) {
		verdict := ""
		switch {
		case f.what == "WHAT":
			verdict = "OK?"
		case f.met != nil && *f.met:
			verdict = "yes"
		case f.met != nil:
			verdict = "NO"
		}
		cells := []any{f.what, dash(f.value), dash(f.baseline), dash(f.ratio), dash(f.wanted), dash(verdict), dash(f.kept), dash(f.load)}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cells...); err != nil {
			return fmt.Errorf("printing the table: %w", err)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	return nil
}

// loadNow is the machine's load average of the last minute, the measurement's own included, and
// how many processors there are. It is empty where the system does not tell.
func loadNow() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return fmt.Sprintf("%s on %d", minute, runtime.NumCPU())
}

func dash(text string) string { return cmp.Or(text, "-") }

func median[T cmp.Ordered](values []T) T { return quantile(values, 0.5) }

// quantile is the smallest value that the share of all values is not greater than.
func quantile[T cmp.Ordered](values []T, share float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// short is a duration in milliseconds, or microseconds where it is less than one.
func short(d time.Duration) string {
	if d.Abs() < time.Millisecond {
		return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func perSecond(rate float64) string { return fmt.Sprintf("%.0f/s", rate) }
