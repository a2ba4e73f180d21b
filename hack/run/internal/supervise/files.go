//go:build unix

package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxLog is the size from which a log is put aside when its process is started.
const maxLog = 64 << 20

// openLog opens a log to append to. One that has become long is put aside as <name>.old,
// in place of an earlier one.
func openLog(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() > maxLog:
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, fmt.Errorf("putting a long log aside: %w", err)
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("looking at the log: %w", err)
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return log, nil
}

// writePID writes a PID file, which is never seen half written.
func writePID(path string, pid int) error {
	return WriteFile(path, []byte(strconv.Itoa(pid)+"\n"))
}

// WriteFile writes a private file in one step: who reads it sees the old or the new content.
func WriteFile(path string, content []byte) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return nil
}

// readPID reads a PID file. One that holds no PID is an error.
func readPID(path string) (int, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading a PID file: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s does not hold a process ID; remove it", path)
	}
	return pid, nil
}
