package facade_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/facade"
)

// sink is where a log goes.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	fault  error
}

func (s *sink) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.fault != nil {
		return 0, s.fault
	}
	return s.text.Write(text)
}

func (s *sink) state() (lines, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Count(s.text.Bytes(), []byte("\n")), s.writes
}

func TestLinesAreWrittenTogetherAndSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &sink{}
		buffer := facade.NewLogBuffer(to)
		for range 1000 {
			if _, err := buffer.Write([]byte("line\n")); err != nil {
				t.Fatal(err)
			}
		}
		if lines, _ := to.state(); lines != 0 {
			t.Errorf("%d lines were written one by one", lines)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if lines, writes := to.state(); lines != 1000 || writes != 1 {
			t.Errorf("%d lines in %d writes after a moment, want 1000 in 1", lines, writes)
		}
	})
}

func TestACrowdLosesNoLineAndKeepsEachOnesOrder(t *testing.T) {
	const writers, each = 8, 5000
	to := &sink{}
	buffer := facade.NewLogBuffer(to)
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for i := range each {
				if _, err := fmt.Fprintf(buffer, "%d %d\n", writer, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := buffer.Close(); err != nil {
		t.Fatal(err)
	}
	next := map[int]int{}
	for line := range strings.Lines(to.text.String()) {
		var writer, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &writer, &i); err != nil || i != next[writer] {
			t.Fatalf("line %q comes where %d of %d should: %v", line, next[writer], writer, err)
		}
		next[writer]++
	}
	for writer := range writers {
		if next[writer] != each {
			t.Errorf("%d lines of writer %d", next[writer], writer)
		}
	}
}

func TestAFullBufferIsWrittenOutByWhoFillsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &sink{}
		buffer := facade.NewLogBuffer(to)
		line := append(bytes.Repeat([]byte("x"), 1<<20), '\n')
		if _, err := buffer.Write(line); err != nil {
			t.Fatal(err)
		}
		if lines, _ := to.state(); lines != 1 {
			t.Errorf("%d lines are out, want 1: memory is not bounded", lines)
		}
		time.Sleep(time.Second)
	})
}

func TestLinesAfterTheEndGoOutAtOnce(t *testing.T) {
	to := &sink{}
	buffer := facade.NewLogBuffer(to)
	if err := buffer.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := buffer.Write([]byte("late\n")); err != nil {
		t.Fatal(err)
	}
	if to.text.String() != "late\n" {
		t.Errorf("the log has %q", &to.text)
	}
}

func TestLinesThatAreLostAreTold(t *testing.T) {
	full := errors.New("no space left on device")
	to := &sink{fault: full}
	buffer := facade.NewLogBuffer(to)
	for range 3 {
		if _, err := buffer.Write([]byte("line\n")); err != nil {
			t.Fatal(err)
		}
	}
	err := buffer.Close()
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "3 lines") {
		t.Errorf("got %v, want it to say that 3 lines are lost", err)
	}
	to.fault = nil
	if _, err := buffer.Write([]byte("again\n")); err != nil {
		t.Errorf("once there is room again: %v", err)
	}
}
