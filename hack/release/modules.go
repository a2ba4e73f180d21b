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

// terms are what a module may be passed on under.
type terms struct {
	// title names the module, for people.
	title string
	// files are its licences and notices.
	files []entry
	// licences are SPDX's names for them.
	licences []string
}

// goTerms is the key of the Go toolchain's, whose standard library is in each program.
const goTerms = "go"

// termsOf reads the terms of modules, by path@version, and those of the Go toolchain.
func termsOf(ctx context.Context, source string, modules []debug.Module) (map[string]terms, error) {
	folders, err := foldersOf(ctx, source, modules)
	if err != nil {
		return nil, err
	}
	goroot, err := output(exec.CommandContext(ctx, "go", "env", "GOROOT"))
	if err != nil {
		return nil, err
	}
	all := map[string]terms{}
	if all[goTerms], err = readTerms("The Go standard library", strings.TrimSpace(string(goroot))); err != nil {
		return nil, err
	}
	for _, m := range modules {
		key := m.Path + "@" + m.Version
		if all[key], err = readTerms(m.Path+" "+m.Version, folders[key]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func readTerms(title, folder string) (terms, error) {
	found, err := os.ReadDir(folder)
	if err != nil {
		return terms{}, fmt.Errorf("looking for the licence of %s: %w", title, err)
	}
	read := terms{title: title}
	for _, e := range found {
		if e.IsDir() || !legal.MatchString(e.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return terms{}, fmt.Errorf("reading the licence of %s: %w", title, err)
		}
		read.files = append(read.files, entry{name: e.Name(), content: content})
	}
	if len(read.files) == 0 {
		return terms{}, fmt.Errorf("%s has no file with a licence in %s", title, folder)
	}
	read.licences, err = licencesOf(title, read.files)
	return read, err
}

// notices are the licences and notices of modules, as the licences themselves demand that they are
// passed on.
func notices(modules []debug.Module, of map[string]terms) []byte {
	var text bytes.Buffer
	text.WriteString("The programs of esim-operator are built from these Go modules.\n")
	add := func(t terms) {
		for _, file := range t.files {
			fmt.Fprintf(&text, "\n%s\n%s, %s\n\n%s\n", strings.Repeat("=", 80), t.title, file.name, bytes.TrimSpace(file.content))
		}
	}
	add(of[goTerms])
	for _, m := range modules {
		add(of[m.Path+"@"+m.Version])
	}
	return text.Bytes()
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
