package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// makeVariable is set by make for what it runs.
	makeVariable  = "MAKELEVEL"
	makePoll      = 250 * time.Millisecond
	caughtSignals = "SigCgt"
)

// watchMake calls end when the make that runs us is interrupted or gone. SIGTERM it passes
// on; but a SIGINT that only make gets, as by `kill -INT`, it keeps to itself, and waits for
// us for ever. It shows, though: make no longer catches the signal then.
func watchMake(ctx context.Context, end func()) {
	if os.Getenv(makeVariable) == "" {
		return
	}
	parent := os.Getppid()
	if caught, err := catches(parent, syscall.SIGINT); err != nil || !caught {
		return // nothing that could be watched
	}
	ticker := time.NewTicker(makePoll)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if caught, err := catches(parent, syscall.SIGINT); err != nil || !caught || os.Getppid() != parent {
			end()
			return
		}
	}
}

// catches tells whether a process has a handler for a signal.
func catches(pid int, signal syscall.Signal) (bool, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != caughtSignals {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return false, fmt.Errorf("reading the signals of process %d: %w", pid, err)
		}
		return mask&(1<<(uint(signal)-1)) != 0, nil
	}
	return false, fmt.Errorf("process %d does not tell which signals it catches", pid)
}
