//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// killGrace is how long a command may tidy up after it was interrupted.
const killGrace = 5 * time.Second

// command is a program to run to its end.
type command struct {
	dir            string
	env            []string // added to the environment
	args           []string
	stdout, stderr io.Writer
}

// run runs the command in a process group of its own. When ctx ends, so does the whole
// group: the go command starts compilers, and the tools it runs, as children.
func (c command) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = killGrace
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		if killErr := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("ending the process group: %w", killErr))
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(append([]string{filepath.Base(c.args[0])}, c.args[1:min(3, len(c.args))]...), " "), err)
	}
	return nil
}

// lockPoll is how often a lock that somebody else holds is tried again.
const lockPoll = 250 * time.Millisecond

// lock waits for an exclusive lock on a file, which the kernel gives up when its holder
// dies. Whoever has to wait is told so once, through waiting.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	told := false
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			// Closing gives up the lock. Nothing was written, so nothing can be lost.
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
		}
		if !told {
			waiting()
			told = true
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for another run: %w", context.Cause(ctx)), file.Close())
		}
	}
}
