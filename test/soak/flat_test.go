package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// samplesOf makes half an hour of samples, of which one figure goes as given and the others stay.
func samplesOf(figure string, goes func(minutes float64) float64) []sample {
	noise := rand.New(rand.NewPCG(1, 2)) // it shall be drawn again
	var all []sample
	for at := 30 * time.Second; at <= 30*time.Minute; at += 30 * time.Second {
		now := sample{at: at, figures: map[string]float64{
			ofManager + memory: 100, ofManager + goroutines: 300, ofManager + files: 60,
			ofFacade + memory: 60, ofFacade + goroutines: 80, ofFacade + files: 20,
			written: 8 * 200 * at.Minutes(), ended: 200 * at.Minutes(),
		}}
		now.figures[figure] = goes(at.Minutes()) * (0.95 + noise.Float64()/10)
		all = append(all, now)
	}
	return all
}

func steadySoak() *soak { return &soak{settings: settings{steady: 500, storm: 30 * time.Minute}} }

func TestWhatGrowsFromTheFifthMinuteOnFails(t *testing.T) {
	for figure, first := range map[string]float64{
		ofManager + memory: 100, ofManager + goroutines: 300, ofManager + files: 80, ofFacade + memory: 100,
	} {
		leak := samplesOf(figure, func(minutes float64) float64 { return first * (1 + minutes/100) })
		if err := steadySoak().judgeCourse(&tally{}, leak); err == nil || !strings.Contains(err.Error(), figure) {
			t.Errorf("%s grows by a quarter: %v", figure, err)
		}
	}
}

func TestOrdersThatTakeMoreAndMoreWritesFail(t *testing.T) {
	for each, grows := range map[float64]bool{0: false, 0.02: false, 0.2: true} {
		all := samplesOf("nothing", func(float64) float64 { return 0 })
		for _, now := range all { // each of the 200 orders of a minute takes a little more than before
			minutes := now.at.Minutes()
			now.figures[written] = 200 * (8*minutes + each*minutes*minutes/2)
		}
		err := steadySoak().judgeCourse(&tally{}, all)
		if grows != (err != nil && strings.Contains(err.Error(), writesEach)) {
			t.Errorf("%.2f more each minute: %v", each, err)
		}
	}
}

func TestWhatStaysOrOnlyGrowsAtFirstPasses(t *testing.T) {
	for name, goes := range map[string]func(minutes float64) float64{
		"it stays":                       func(float64) float64 { return 100 },
		"it grows at first":              func(minutes float64) float64 { return 100 * min(1, minutes/4) },
		"it shrinks":                     func(minutes float64) float64 { return 100 - minutes },
		"it is large for a moment":       func(minutes float64) float64 { return map[bool]float64{true: 200, false: 100}[minutes == 20] },
		"it is larger by a few per cent": func(minutes float64) float64 { return 100 + minutes/10 },
	} {
		var told tally
		if err := steadySoak().judgeCourse(&told, samplesOf(ofManager+memory, goes)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFigureThatIsMissingFails(t *testing.T) {
	if err := steadySoak().judgeCourse(&tally{}, nil); err == nil {
		t.Error("a soak of which nothing is known passes")
	}
}

func TestAShortSoakOrOneWithKillsIsNotJudged(t *testing.T) {
	leak := samplesOf(ofManager+memory, func(minutes float64) float64 { return 100 * minutes })
	for name, of := range map[string]settings{
		"short": {steady: 500, storm: 5 * time.Minute}, "with kills": {steady: 500, storm: 30 * time.Minute, kill: time.Second},
	} {
		told := &tally{}
		if err := (&soak{settings: of}).judgeCourse(told, leak); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if last := told.figures[len(told.figures)-1]; !strings.HasPrefix(last.value, "it is not judged") {
			t.Errorf("%s: the table says %q", name, last.value)
		}
	}
}
