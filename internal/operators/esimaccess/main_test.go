package esimaccess_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package if a goroutine outlives its test: a driver is made anew whenever
// credentials change.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
