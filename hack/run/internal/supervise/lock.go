//go:build unix

package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockName is the file in a supervisor's folder that tells that one is at work.
const lockName = "lock"

// RunningError tells that another supervisor is at work in the same folder.
type RunningError struct {
	// PID of the other supervisor, or "" where it has not said it yet.
	PID string
}

func (e *RunningError) Error() string {
	if e.PID == "" {
		return "another `make run` is at work in the same folder"
	}
	return "another `make run` is at work in the same folder, with PID " + e.PID
}

// Lock takes a supervisor's folder, so that no two work in it at once. The kernel gives it
// back when the process ends, however it ends. Its error is a *RunningError where another
// one has it.
func Lock(dir string) (unlock func() error, err error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, readErr := os.ReadFile(filepath.Join(dir, lockName))
		return nil, errors.Join(&RunningError{PID: strings.TrimSpace(string(holder))}, readErr, file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the folder: %w", err), file.Close())
	}
	if err := writeHolder(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file.Close, nil
}

// IsFolder tells whether a folder has been a supervisor's, so that it may be removed.
func IsFolder(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at the folder: %w", err)
	}
	return true, nil
}

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	if _, err := fmt.Fprintln(file, os.Getpid()); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	return nil
}
