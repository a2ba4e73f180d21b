package es2plus

import (
	"io"
	"log"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package if a goroutine outlives its test: a driver is made anew whenever
// certificates change.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cutCode is subject and reason of a code such as 8.2.1/3.5.
func cutCode(code string) (subject, reason string) {
	subject, reason, _ = strings.Cut(code, "/")
	return subject, reason
}

// discardLog is for servers whose handshakes are meant to fail.
var discardLog = log.New(io.Discard, "", 0)
