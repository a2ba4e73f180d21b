package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/telcodev/esim-operator/internal/lifeline"
)

// everywhere has every disturbance tried, as `make test-crash` does; otherwise a few of each
// story are, drawn by the seed.
var everywhere = os.Getenv("CRASH_EVERYWHERE") != ""

// sampled are drawn of each story where not all are tried, unless CRASH_SAMPLE says otherwise.
const sampled = 2

// moments of which each point has one after another.
var moments = []lifeline.Moment{
	lifeline.Before, lifeline.After, lifeline.Answered, lifeline.Conflict, lifeline.Refused, lifeline.Failed, lifeline.Lost, lifeline.Held,
}

// lags by which caches are late in whole runs.
var lags = []int{1, 10}

// applies tells whether something can happen at a point: only the API server answers 409.
func applies(point lifeline.Point, moment lifeline.Moment) bool {
	verb, _, _ := strings.Cut(point.Name, " ")
	return moment != lifeline.Conflict || verb != "call" && verb != "tell" && verb != "mail"
}

// plan is what is tried of a story whose undisturbed run passed these points.
func plan(story Story, passed []lifeline.Passing, seed uint64, sample int) []Disturbance {
	random := rand.New(rand.NewPCG(seed, uint64(len(story.Name))))
	var all []Disturbance
	for _, passing := range passed {
		for _, moment := range moments {
			if applies(passing.Point, moment) {
				all = append(all, Disturbance{Point: passing.Point, Moment: moment, Random: random.Uint64()})
			}
		}
	}
	for _, lag := range lags {
		all = append(all, Disturbance{Lag: lag})
	}
	if everywhere {
		return all
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(sample, len(all))]
}

// chosenSeed is CRASH_SEED, or one drawn.
func chosenSeed() (uint64, error) {
	text := os.Getenv("CRASH_SEED")
	if text == "" {
		return rand.Uint64N(1_000_000), nil
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
// of a run is waiting.
func chosenStages() (int, error) { return chosen("CRASH_STAGES", 1, 4, 16) }

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
