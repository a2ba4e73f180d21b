package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// outage is a failure and how long it took to recover from it.
type outage struct {
	// story is what failed.
	story string
	// lasted is from its beginning to its end; for what is killed and started again, until it answers.
	lasted time.Duration
	// meanwhile is how many orders were made from its beginning to its end; backlog is how long
	// after the end the last of them was delivered, fresh the same of an order made at the end.
	meanwhile      int
	backlog, fresh time.Duration
	// note is what else is worth knowing.
	note string
}

// report is what is told of all stories.
type report struct {
	began time.Time
	// opening is held by who puts up a control plane.
	opening sync.Mutex

	mu      sync.Mutex
	outages []outage
	facts   []string
}

func (r *report) sayf(who, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A terminal that is gone is no reason to stop.
	_, _ = fmt.Fprintf(os.Stdout, "%6s  %-14s %s\n", time.Since(r.began).Round(100*time.Millisecond), who, fmt.Sprintf(format, args...))
}

func (r *report) add(one outage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outages = append(r.outages, one)
}

func (r *report) factf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts = append(r.facts, fmt.Sprintf(format, args...))
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// print the table.
func (r *report) print(to io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.outages, func(a, b outage) int { return cmp.Compare(a.story, b.story) })
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	lines := []string{"FAILURE\tLASTED\tORDERS MEANWHILE\tTHESE DELIVERED AFTER\tFRESH ORDER AFTER\tNOTE"}
	for _, o := range r.outages {
		lines = append(lines, fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%s", o.story, seconds(o.lasted), o.meanwhile, seconds(o.backlog), seconds(o.fresh), o.note))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(table, line); err != nil {
			return fmt.Errorf("printing the table: %w", err)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	slices.Sort(r.facts)
	for _, fact := range slices.Compact(r.facts) {
		if _, err := fmt.Fprintln(to, fact); err != nil {
			return fmt.Errorf("printing what is left: %w", err)
		}
	}
	return nil
}
