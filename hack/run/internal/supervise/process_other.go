//go:build unix && !linux

package supervise

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// diesWithItsParent tells that a supervisor that is killed leaves no orphans.
const diesWithItsParent = false

// attributes put a process into a group of its own, so that Ctrl-C reaches the supervisor
// alone and the order of the end is kept. Only Linux can also tie a process's life to its
// parent's; elsewhere the next start ends what a killed supervisor has left.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// isOurs tells whether a process runs whose command line is one of ours: the binary's name,
// and files of the supervisor's folder among its arguments.
func isOurs(ctx context.Context, pid int, dir, name string) (bool, error) {
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return false, nil // there is no such process
	}
	if err != nil {
		return false, err
	}
	binary, args, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return filepath.Base(binary) == name && strings.Contains(args, dir+string(filepath.Separator)), nil
}
