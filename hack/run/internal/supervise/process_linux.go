package supervise

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// diesWithItsParent tells that a supervisor that is killed leaves no orphans.
const diesWithItsParent = true

// attributes put a process into a group of its own, so that Ctrl-C reaches the supervisor
// alone and the order of the end is kept; and let the kernel end it when the supervisor
// dies without a chance to.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// isOurs tells whether a process runs and bears our marker.
func isOurs(_ context.Context, pid int, dir, name string) (bool, error) {
	environment, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	switch {
	// A process that has ended, that is about to, or that belongs to somebody else.
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH), errors.Is(err, fs.ErrPermission):
		return false, nil
	case err != nil:
		return false, err
	}
	return slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(variable []byte) bool {
		return string(variable) == marker(dir, name)
	}), nil
}
