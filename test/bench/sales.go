package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/telcodev/esim-operator/test/bench/figures"
	"github.com/telcodev/esim-operator/test/bench/sales"
)

const (
	// Where results go and ranges are, from the root of the repository.
	resultsFile = "test/bench/results.json"
	rangesFile  = "test/bench/ranges.yaml"
	// Finished orders, with which memory and restarts are measured.
	someStored, manyStored, mostStored = 2_000, 10_000, 100_000
)

// selling are the measurements of the manager. Each has control planes and processes of its own.
func selling(scale sales.Scale) []measurement {
	return []measurement{
		{name: "orders", sale: func(ctx context.Context) ([]figures.Figure, error) { return sales.Orders(ctx, scale) }},
		{name: "counts", sale: sales.Counts},
		{name: "memory", sale: func(ctx context.Context) ([]figures.Figure, error) {
			return sales.Memory(ctx, scale, someStored, manyStored)
		}},
		{name: "polls", sale: func(ctx context.Context) ([]figures.Figure, error) { return sales.Polls(ctx, sales.DueOrders) }},
		{name: "slow", sale: sales.Slow},
		{name: "large", sale: func(ctx context.Context) ([]figures.Figure, error) {
			return sales.Memory(ctx, scale, manyStored, mostStored)
		}, long: true},
	}
}

// book makes lines of the table of figures, with what their ranges want.
func book(taken []figures.Figure) ([]figure, error) {
	ranges, err := figures.ReadRanges(rangesFile)
	if err != nil {
		return nil, err
	}
	var lines []figure
	for _, f := range taken {
		line := figure{what: f.What, value: measured(f), baseline: f.Baseline, result: &f}
		if within, ok := ranges[f.Name]; ok {
			met := within.Holds(f.Median())
			line.wanted, line.met = within.String(), &met
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// measured is a figure's median, and how far its repetitions lie apart.
func measured(f figures.Figure) string {
	text := inUnit(f.Median(), f.Unit)
	if len(f.Values) > 1 {
		text += fmt.Sprintf(" (%s to %s)", inUnit(slices.Min(f.Values), f.Unit), inUnit(slices.Max(f.Values), f.Unit))
	}
	return text
}

func inUnit(value float64, unit string) string {
	switch unit {
	case "s":
		if value < 1 {
			return fmt.Sprintf("%.0f ms", 1000*value)
		}
		return fmt.Sprintf("%.1f s", value)
	case "B":
		if value >= 1<<20 {
			return fmt.Sprintf("%.0f MiB", value/(1<<20))
		}
		return fmt.Sprintf("%.1f KiB", value/(1<<10))
	case "1/s":
		return perSecond(value)
	}
	return fmt.Sprintf("%.3g", value)
}
