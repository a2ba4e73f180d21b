package activation_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/telcodev/esim-operator/internal/activation"
)

func TestAMatchingIDCarriesAHundredBits(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	seen := map[string]bool{}
	for range 2000 {
		id, err := activation.NewMatchingID(source)
		if err != nil {
			t.Fatal(err)
		}
		if bits := float64(len(id.Reveal())) * math.Log2(36); bits < 100 {
			t.Fatalf("a matching ID of %.1f bits can be guessed", bits)
		}
		if strings.Trim(id.Reveal(), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Fatal("a matching ID holds a character outside [0-9A-Z]")
		}
		if seen[id.Reveal()] {
			t.Fatal("two matching IDs are equal")
		}
		seen[id.Reveal()] = true
	}
}

// The seed is fixed, so the counts are the same each time.
func TestMatchingIDCharactersAreEquallyLikely(t *testing.T) {
	source := rand.NewChaCha8([32]byte{2})
	count := map[rune]int{}
	for range 20_000 {
		id, err := activation.NewMatchingID(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range id.Reveal() {
			count[c]++
		}
	}
	lowest, highest := math.MaxInt, 0
	for _, n := range count {
		lowest, highest = min(lowest, n), max(highest, n)
	}
	// A bare modulo would give the first four characters 8/7 of the others' share.
	if len(count) != 36 || float64(highest) > 1.08*float64(lowest) {
		t.Errorf("%d characters, drawn between %d and %d times", len(count), lowest, highest)
	}
}

func TestNoMatchingIDFromABrokenSource(t *testing.T) {
	failure := errors.New("no entropy")
	if _, err := activation.NewMatchingID(iotest.ErrReader(failure)); !errors.Is(err, failure) {
		t.Errorf("the error is %v, want the source's", err)
	}
	stuck := bytes.NewReader(bytes.Repeat([]byte{255}, 1<<16))
	if id, err := activation.NewMatchingID(stuck); err == nil {
		t.Errorf("a source that is stuck gave a matching ID of %d characters", len(id.Reveal()))
	}
}

func TestParseMatchingIDKeepsToTheAlphabet(t *testing.T) {
	for _, good := range []string{"", "-", "04386-AGYFT-A74Y8-3F815", strings.Repeat("Z", 255)} {
		if id, err := activation.ParseMatchingID(good); err != nil || id.Reveal() != good {
			t.Errorf("%.40q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{"SECRETa", "SECRET$", "SECRET ", "SECRET\n", "SECRETÄ", strings.Repeat("SECRET", 50)} {
		_, err := activation.ParseMatchingID(bad)
		if err == nil {
			t.Errorf("%.40q is accepted", bad)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("the error shows the matching ID: %v", err)
		}
	}
}
