package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// read is what the files of a program, one a platform, are built from: the modules of any of them,
// by path, and the toolchain. It is read from the files themselves, so it cannot be wrong about
// them.
func read(files []string) (modules []debug.Module, toolchain string, err error) {
	known := map[string]debug.Module{}
	for _, file := range files {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return nil, "", fmt.Errorf("reading what %s is built from: %w", file, err)
		}
		toolchain = info.GoVersion
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			known[m.Path+"@"+m.Version] = *m
		}
	}
	for _, m := range known {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b debug.Module) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Version, b.Version))
	})
	return modules, toolchain, nil
}

// legal are the names of files that have to go with a program that a module is part of.
var legal = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

// notices are the licences and notices of modules, as the licences themselves demand that they are
// passed on, and the Go toolchain's, whose standard library is in each program.
func notices(ctx context.Context, source string, modules []debug.Module) ([]byte, error) {
	folders, err := foldersOf(ctx, source, modules)
	if err != nil {
		return nil, err
	}
	goroot, err := output(exec.CommandContext(ctx, "go", "env", "GOROOT"))
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.WriteString("The programs of esim-operator are built from these Go modules.\n")
	if err := appendLegal(&text, "The Go standard library", strings.TrimSpace(string(goroot))); err != nil {
		return nil, err
	}
	for _, m := range modules {
		if err := appendLegal(&text, m.Path+" "+m.Version, folders[m.Path+"@"+m.Version]); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

func appendLegal(to *bytes.Buffer, title, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("looking for the licence of %s: %w", title, err)
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !legal.MatchString(e.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return fmt.Errorf("reading the licence of %s: %w", title, err)
		}
		fmt.Fprintf(to, "\n%s\n%s, %s\n\n%s\n", strings.Repeat("=", 80), title, e.Name(), bytes.TrimSpace(content))
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no file with a licence in %s", title, folder)
	}
	return nil
}

// foldersOf are where the modules' sources are, by path@version.
func foldersOf(ctx context.Context, source string, modules []debug.Module) (map[string]string, error) {
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		args = append(args, m.Path+"@"+m.Version)
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = source
	out, err := output(command)
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var m struct{ Path, Version, Dir string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading where modules are: %w", err)
		}
		folders[m.Path+"@"+m.Version] = m.Dir
	}
}
