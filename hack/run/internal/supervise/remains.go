//go:build unix

package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	markerVariable = "ESIM_OPERATOR_RUN"
	remainsPoll    = 20 * time.Millisecond
	remainsGrace   = 10 * time.Second
)

// marker is an environment variable by which a process is known to be ours, and which of
// them it is: a PID alone may have gone to somebody else's since.
func marker(dir, name string) string {
	return markerVariable + "=" + filepath.Join(dir, name)
}

// EndRemains ends the processes that an earlier supervisor of this folder has left running,
// as it was killed itself, and removes their PID files. A process that is not verifiably
// ours is left alone. The caller holds the folder's lock.
func EndRemains(ctx context.Context, dir string, sayf func(format string, args ...any)) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	if err != nil {
		return fmt.Errorf("looking for PID files: %w", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pid")
		pid, err := readPID(file)
		if err != nil {
			return err
		}
		ours, err := isOurs(ctx, pid, dir, name)
		if err != nil {
			return fmt.Errorf("looking at process %d, which was %s: %w", pid, name, err)
		}
		if ours {
			sayf("%s (PID %d) is left from an earlier run; ending it", name, pid)
			if err := endRemaining(ctx, pid, dir, name); err != nil {
				return err
			}
		}
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("removing a PID file: %w", err)
		}
	}
	return nil
}

// endRemaining ends a process that is not our child, gracefully and then by force.
func endRemaining(ctx context.Context, pid int, dir, name string) error {
	if err := send(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending %s (PID %d): %w", name, pid, err)
	}
	deadline := time.Now().Add(remainsGrace)
	forced := false
	for {
		ours, err := isOurs(ctx, pid, dir, name)
		if err != nil {
			return fmt.Errorf("waiting for %s (PID %d) to end: %w", name, pid, err)
		}
		if !ours {
			return nil
		}
		if !forced && time.Now().After(deadline) {
			if err := send(pid, syscall.SIGKILL); err != nil {
				return fmt.Errorf("ending %s (PID %d) by force: %w", name, pid, err)
			}
			forced = true
		}
		select {
		case <-time.After(remainsPoll):
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s (PID %d) to end: %w", name, pid, context.Cause(ctx))
		}
	}
}

// send sends a signal to a process, which may be gone.
func send(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
