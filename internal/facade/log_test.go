package facade_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/telcodev/esim-operator/internal/facade"
)

func TestTheLogLosesNoLineOfABusyMoment(t *testing.T) {
	const requests = 1000
	var text bytes.Buffer
	log := facade.NewLog(&text, "info")
	for range requests {
		log.Info("Request", "status", 200)
	}
	if lines := bytes.Count(text.Bytes(), []byte("\n")); lines != requests {
		t.Errorf("%d lines of %d requests", lines, requests)
	}
}

func TestTheLogHasItsLevel(t *testing.T) {
	for level, want := range map[string]int{"debug": 3, "info": 2, "error": 1} {
		var text bytes.Buffer
		log := facade.NewLog(&text, level)
		log.V(1).Info("An answer could not be sent")
		log.Info("Request")
		log.Error(errors.New("panic"), "An operation panicked")
		if lines := bytes.Count(text.Bytes(), []byte("\n")); lines != want {
			t.Errorf("%s: %d lines, want %d: %s", level, lines, want, &text)
		}
	}
}
