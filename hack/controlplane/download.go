package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// downloadLimit is how long setup-envtest may take in all, its own build included.
const downloadLimit = time.Minute

// download gets ready binaries with setup-envtest.
type download struct {
	tools      string // the folder of the module that holds setup-envtest
	kubernetes string // such as v1.37.2
	log        io.Writer
}

func (*download) name() string { return "downloading with setup-envtest" }

func (d *download) fill(ctx context.Context, dir string) error {
	major, minorVersion, err := minor(d.kubernetes)
	if err != nil {
		return err
	}
	sayf(d.log, "asking setup-envtest for ready binaries (a minute at most)")
	limited, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()

	unpacked := filepath.Join(dir, "setup-envtest")
	var out, complaint bytes.Buffer
	err = command{
		dir: d.tools,
		env: []string{"GOWORK=off"},
		args: []string{
			"go", "tool", "setup-envtest", "use", major + "." + minorVersion + ".x",
			"--bin-dir", unpacked, "--print", "path",
		},
		stdout: &out,
		stderr: &complaint,
	}.run(limited)
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("nothing came within %s", downloadLimit)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(complaint.String()))
	}
	for _, binary := range binaries {
		from := filepath.Join(strings.TrimSpace(out.String()), binary)
		if err := os.Rename(from, filepath.Join(dir, binary)); err != nil {
			return fmt.Errorf("taking %s from the download: %w", binary, err)
		}
	}
	if err := removeAll(unpacked); err != nil {
		return fmt.Errorf("removing what the download has left: %w", err)
	}
	return nil
}

// lastLine is the last line of a tool's complaint: what it stumbled over in the end.
func lastLine(complaint string) string {
	lines := strings.Split(strings.TrimSpace(complaint), "\n")
	return lines[len(lines)-1]
}
