package main

import (
	"fmt"
	"time"
)

const (
	// settledIn is when a steady soak has become what it stays: caches are filled, the pool of
	// connections is open, and there are as many orders as shall be.
	settledIn = 5 * time.Minute
	// judgedFrom is how long a soak must be for its course to be judged.
	judgedFrom = 2 * settledIn
	// growth is by how much of what it was after settledIn a figure may be larger in the end.
	growth = 0.10
)

// figures of a sample, by what they are of.
const (
	memory      = "memory, MiB"
	goroutines  = "goroutines"
	files       = "open files"
	writesEach  = "API writes for an order"
	written     = "API writes so far"
	ended       = "orders ended so far"
	ofManager   = "manager: "
	ofFacade    = "facade: "
	bytesPerMiB = 1 << 20
)

// slack is by how much a figure may grow whatever it was: less than that is noise.
func slack(of string) float64 {
	switch of {
	case ofManager + memory, ofFacade + memory:
		return 8
	case ofManager + goroutines, ofFacade + goroutines:
		return 20
	case ofManager + files, ofFacade + files:
		return 5
	default:
		return 0
	}
}

// sample is how large everything was at a time since the load began.
type sample struct {
	at      time.Duration
	figures map[string]float64
}

// course is how a figure went: what it was once things had settled, and in the end, both read from
// the straight line that comes closest to all samples between, so that a moment's load is not
// taken for a leak.
type course struct {
	of          string
	first, last float64
}

// grew is by how much of what it was first.
func (c course) grew() float64 {
	if c.first == 0 {
		return 0
	}
	return (c.last - c.first) / c.first
}

// flat tells whether it grew no more than it may.
func (c course) flat() bool {
	return c.last-c.first <= max(growth*c.first, slack(c.of))
}

// courseOf is how a figure went from a time on; false where fewer than three samples have it.
func courseOf(samples []sample, of string, from time.Duration) (course, bool) {
	var times, values []float64
	for _, s := range samples {
		if value, told := s.figures[of]; told && s.at >= from {
			times, values = append(times, s.at.Seconds()), append(values, value)
		}
	}
	if len(times) < 3 {
		return course{}, false
	}
	meanTime, meanValue := mean(times), mean(values)
	var above, below float64
	for i := range times {
		above += (times[i] - meanTime) * (values[i] - meanValue)
		below += (times[i] - meanTime) * (times[i] - meanTime)
	}
	at := func(t float64) float64 { return meanValue + above/below*(t-meanTime) }
	return course{of: of, first: at(times[0]), last: at(times[len(times)-1])}, true
}

// writesOf is how many writes an order took that ended within the first minutes from a time on, and
// within the last ones: within minutes, as a write is seldom made in the moment in which the order
// that it is for ends.
func writesOf(samples []sample, from time.Duration) (course, bool) {
	var within []sample
	for _, s := range samples {
		if s.at >= from {
			within = append(within, s)
		}
	}
	if len(within) < 3 {
		return course{}, false
	}
	begin, end := within[0], within[len(within)-1]
	span := min(settledIn, (end.at-begin.at)/2)
	firstEnd, lastBegin := begin, begin
	for _, s := range within {
		if s.at <= begin.at+span {
			firstEnd = s
		}
		if s.at <= end.at-span {
			lastBegin = s
		}
	}
	each := func(a, b sample) float64 {
		return (b.figures[written] - a.figures[written]) / max(1, b.figures[ended]-a.figures[ended])
	}
	return course{of: writesEach, first: each(begin, firstEnd), last: each(lastBegin, end)}, true
}

func mean(of []float64) float64 {
	sum := 0.0
	for _, value := range of {
		sum += value
	}
	return sum / float64(len(of))
}

// judgeCourse adds to the table how all figures went, and tells which grew. A soak that is short, or
// whose manager was killed, only shows them: what has just begun grows.
func (s *soak) judgeCourse(t *tally, samples []sample) error {
	from, judged := settledIn, s.storm >= judgedFrom && s.kill == 0
	if s.storm < judgedFrom {
		from = s.storm / 2
	}
	var grown []string
	for _, of := range []string{
		writesEach, ofManager + memory, ofManager + goroutines, ofManager + files, ofFacade + memory, ofFacade + goroutines, ofFacade + files,
	} {
		c, told := courseOf(samples, of, from)
		if of == writesEach {
			c, told = writesOf(samples, from)
		}
		if !told {
			if judged {
				return fmt.Errorf("there are no figures of %q", of)
			}
			continue
		}
		t.add(of+", first, last, growth", "%.1f, %.1f, %+.1f %%", c.first, c.last, 100*c.grew())
		if judged && !c.flat() {
			grown = append(grown, fmt.Sprintf("%s from %.1f to %.1f", of, c.first, c.last))
		}
	}
	if !judged {
		t.add("is it flat", "it is not judged: it takes %s, and a manager that is not killed", judgedFrom)
		return nil
	}
	if len(grown) > 0 {
		t.add("is it flat", "no")
		return fmt.Errorf("these grew, from the minute %.0f to the last: %q", from.Minutes(), grown)
	}
	t.add("is it flat", "yes")
	return nil
}
