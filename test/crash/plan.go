package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/telcodev/esim-operator/internal/lifeline"
)

// everywhere has every disturbance tried, as `make test-crash` does; otherwise a few of each
// story are, drawn by the seed.
var everywhere = os.Getenv("CRASH_EVERYWHERE") != ""

// sampled are drawn of each story where not all are tried, unless CRASH_SAMPLE says otherwise.
const sampled = 1

// moments of which each point has one after another.
var moments = []lifeline.Moment{
	lifeline.Before, lifeline.After, lifeline.Answered, lifeline.Conflict, lifeline.Refused, lifeline.Failed, lifeline.Lost, lifeline.Held,
}

// lags by which caches are late in whole runs.
var lags = []int{1, 10}

// chosenMoments are those that are tried: all, or the one that CRASH_MOMENT names.
func chosenMoments() ([]lifeline.Moment, error) {
	only := lifeline.Moment(os.Getenv("CRASH_MOMENT"))
	if only == "" {
		return moments, nil
	}
	if !slices.Contains(moments, only) {
		return nil, fmt.Errorf("CRASH_MOMENT is %q; it may be one of %q", only, moments)
	}
	return []lifeline.Moment{only}, nil
}

// applies tells whether something can happen at a point: only the API server answers 409.
func applies(point lifeline.Point, moment lifeline.Moment) bool {
	verb, _, _ := strings.Cut(point.Name, " ")
	return moment != lifeline.Conflict || verb != "call" && verb != "tell" && verb != "mail"
}

// beside tells whether a point comes in every story alike, beside what the story is about: what
// is written of operators and products, how the first wallet begins, and what is asked of an account.
func beside(point lifeline.Point) bool {
	if point.Nth == 1 && strings.HasSuffix(point.Name, " main") && strings.Contains(point.Name, " esimwallet") {
		return true
	}
	for _, about := range []string{" esimoperator", " esimproduct", "call GET balance"} {
		if strings.Contains(point.Name, about) {
			return true
		}
	}
	return false
}

// claims are the points beside the stories that some story has tried in full.
type claims struct {
	mu    sync.Mutex
	taken map[lifeline.Point]bool
}

// take tells whether a story is the first to come to a point.
func (c *claims) take(point lifeline.Point) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken[point] {
		return false
	}
	if c.taken == nil {
		c.taken = map[lifeline.Point]bool{}
	}
	c.taken[point] = true
	return true
}

// plan is what is tried of a story whose undisturbed run passed these points: all at each, or one
// that is drawn where the point is beside the story and another story tries all.
func plan(story Story, passed []lifeline.Passing, chosen choice, others *claims) []Disturbance {
	random := drawn(chosen.seed, uint64(len(story.Name)))
	var all []Disturbance
	for _, passing := range passed {
		var here []Disturbance
		for _, moment := range moments {
			// Drawn also for what is not tried, so that a seed means the same whatever is.
			d := Disturbance{Point: passing.Point, Moment: moment, Random: random.Uint64()}
			if applies(passing.Point, moment) && slices.Contains(chosen.moments, moment) {
				here = append(here, d)
			}
		}
		if len(here) == 0 {
			continue
		}
		if everywhere && beside(passing.Point) && !others.take(passing.Point) {
			one := random.IntN(len(here))
			here = here[one : one+1]
		}
		all = append(all, here...)
	}
	for _, lag := range lags {
		if len(chosen.moments) == len(moments) {
			all = append(all, Disturbance{Lag: lag})
		}
	}
	if everywhere {
		return all
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(chosen.sample, len(all))]
}

// drawn is a source of what a test tries: from the same seed the same.
func drawn(seed, of uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, of)) //nolint:gosec // it only chooses what a test tries
}

// choice is what the environment says is to be tried of each story.
type choice struct {
	seed    uint64
	sample  int
	moments []lifeline.Moment
}

func chosenTries() (made choice, err error) {
	if made.seed, err = chosenSeed(); err != nil {
		return made, err
	}
	if made.sample, err = chosenSample(); err != nil {
		return made, err
	}
	made.moments, err = chosenMoments()
	return made, err
}

// chosenSeed is CRASH_SEED, or one drawn.
func chosenSeed() (uint64, error) {
	text := os.Getenv("CRASH_SEED")
	if text == "" {
		return rand.Uint64N(1_000_000), nil //nolint:gosec // it only chooses what a test tries
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("CRASH_SEED is %q; it must be a number", text)
	}
	return seed, nil
}

// chosen is what an environment variable says, from least to most.
func chosen(variable string, least, otherwise, most int) (int, error) {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is %q; it may be %d to %d", variable, text, least, most)
	}
	return n, nil
}

// chosenStages is how many runs go on at one time: as many as keep two cores busy, because most
// of a run is waiting. Each takes seconds to build.
func chosenStages() (int, error) {
	otherwise := 3
	if everywhere {
		otherwise = 6
	}
	return chosen("CRASH_STAGES", 1, otherwise, 16)
}

// chosenSample is how many disturbances of each story are tried, where not all are.
func chosenSample() (int, error) { return chosen("CRASH_SAMPLE", 0, sampled, 1000) }

// result of a disturbance.
type result string

const (
	fine       result = "ok"
	notReached result = "-"
	broken     result = "FAIL"
)

// table of what came of each point of a story, with a column for each moment.
func table(story Story, passed []lifeline.Passing, results map[Disturbance]result) string {
	var text strings.Builder
	of := map[lifeline.Point]map[lifeline.Moment]result{}
	counts := map[result]int{}
	for d, r := range results {
		counts[r]++
		if d.Lag > 0 {
			continue
		}
		if of[d.Point] == nil {
			of[d.Point] = map[lifeline.Moment]result{}
		}
		of[d.Point][d.Moment] = r
	}
	fmt.Fprintf(&text, "%s: %d points, %d disturbances: %d ok, %d not reached, %d failed\n",
		story.Name, len(passed), len(results), counts[fine], counts[notReached], counts[broken])
	fmt.Fprintf(&text, "  %-46s", "point")
	for _, moment := range moments {
		fmt.Fprintf(&text, " %-*s", len(moment), moment)
	}
	text.WriteString("\n")
	for _, passing := range passed {
		if of[passing.Point] == nil && !everywhere {
			continue
		}
		fmt.Fprintf(&text, "  %-46s", passing.Point)
		for _, moment := range moments {
			fmt.Fprintf(&text, " %-*s", len(moment), of[passing.Point][moment])
		}
		text.WriteString("\n")
	}
	lagging := []string{}
	for d, r := range results {
		if d.Lag > 0 {
			lagging = append(lagging, fmt.Sprintf("%d events: %s", d.Lag, r))
		}
	}
	slices.Sort(lagging)
	if len(lagging) > 0 {
		fmt.Fprintf(&text, "  with a cache that lags by %s\n", strings.Join(lagging, ", "))
	}
	return text.String()
}
