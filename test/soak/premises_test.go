package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/test/stand"
)

// A manager that ends by itself ends the soak, and its error names it; one that is killed on
// purpose does not.
func TestGuard(t *testing.T) {
	for name, killed := range map[string]bool{"a steady soak": false, "a storm": true} {
		t.Run(name, func(t *testing.T) {
			s := &premises{killed: killed, simulator: &stand.Simulator{Process: started(t, "simulator", "sleep 60")}}
			s.manager = started(t, "manager", "exit 1")
			ctx, give := context.WithCancelCause(t.Context())
			defer give(nil)
			s.guard(ctx, give)
			if killed {
				<-s.manager.Ended()
				if err := s.simulator.Signal(os.Kill); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Second):
				t.Fatal("the soak goes on without a process")
			}
			want := "manager: " + stand.ErrEnded.Error()
			if killed {
				want = "simulator: " + stand.ErrEnded.Error()
			}
			if got := context.Cause(ctx); !errors.Is(got, stand.ErrEnded) || got.Error() != want {
				t.Errorf("the soak ended by %q, want %q", got, want)
			}
		})
	}
}

// started runs a line of shell as a process.
func started(t *testing.T, name, line string) *stand.Process {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+line+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	process, err := stand.StartProcess(folder, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Kill(); err != nil && !errors.Is(err, stand.ErrEnded) {
			t.Error(err)
		}
	})
	return process
}
