//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommandEndsItsChildrenToo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	started := make(notice, 1)
	// The child ignores the interrupt, as a compiler in the middle of its work might.
	script := `sh -c 'trap "" INT; echo $$; exec sleep 3600'; exit 1`
	done := make(chan error, 1)
	go func() {
		done <- command{args: []string{"sh", "-c", script}, stdout: started, stderr: io.Discard}.run(ctx)
	}()
	child := strings.TrimSpace(<-started)
	cancel()
	if err := <-done; err == nil {
		t.Error("a command that was cancelled reports success")
	}
	// The kernel ends a process some time after it was told to.
	deadline := time.After(10 * time.Second)
	for alive(t, child) {
		select {
		case <-time.Tick(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("process %s, a child of the command, is still there", child)
		}
	}
}

func TestCommandAddsToTheEnvironment(t *testing.T) {
	var out bytes.Buffer
	err := command{env: []string{"CGO_ENABLED=0"}, args: []string{"sh", "-c", "echo $CGO_ENABLED $PATH"}, stdout: &out}.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(out.String()), "0 "+os.Getenv("PATH"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLockIsGivenUpByUnlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for range 2 {
		unlock, err := lock(t.Context(), path, func() { t.Error("the lock is held, and nobody holds it") })
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	}
}

// alive tells whether a process still runs; one that has ended and that its parent has not
// asked about yet does not.
func alive(t *testing.T, pid string) bool {
	t.Helper()
	var n int
	for _, digit := range pid {
		n = n*10 + int(digit-'0')
	}
	err := syscall.Kill(n, 0)
	if errors.Is(err, syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return !bytes.Contains(stat, []byte(") Z "))
}
