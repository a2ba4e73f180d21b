package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// built are the programs of a release.
type built map[platform]map[string]string

// build builds the programs for each platform from the files in source, into folder.
// A cache that is named is used in place of the machine's.
func (c commit) build(ctx context.Context, source, folder, cache string, platforms []platform) (built, error) {
	files := built{}
	for _, p := range platforms {
		into := filepath.Join(folder, p.os+"_"+p.arch)
		if err := os.MkdirAll(into, 0o755); err != nil { //nolint:gosec // for everybody to read
			return nil, fmt.Errorf("making a folder for %s: %w", p, err)
		}
		args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", c.linkerFlags(), "-o", into + string(filepath.Separator)}
		files[p] = map[string]string{}
		for _, program := range p.programs() {
			args = append(args, "./cmd/"+program)
			files[p][program] = filepath.Join(into, p.executable(program))
		}
		command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the version in it was checked, and no shell reads it
		command.Dir = source
		command.Env = p.environment(os.Environ())
		if cache != "" {
			command.Env = append(command.Env, "GOCACHE="+cache)
		}
		fmt.Fprintf(os.Stderr, "release: building %s for %s\n", strings.Join(p.programs(), ", "), p)
		if _, err := output(command); err != nil {
			return nil, fmt.Errorf("building for %s: %w", p, err)
		}
	}
	return files, nil
}

// linkerFlags leave out what only a debugger reads, and write the version into the one package
// that holds it. The build's own ID, which is a hash of hashes, says nothing that those of the
// files do not.
func (c commit) linkerFlags() string {
	const in = module + "/internal/version."
	return strings.Join([]string{
		"-s", "-w", "-buildid=",
		"-X", in + "version=" + c.version,
		"-X", in + "commit=" + c.hash,
		"-X", in + "date=" + c.stamp(),
	}, " ")
}
