package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// check makes a release twice, from two folders, compares what came out, and reads it as users will.
func check(ctx context.Context, s settings, c commit) error {
	work, err := os.MkdirTemp("", "esim-operator-check")
	if err != nil {
		return fmt.Errorf("making a folder to check in: %w", err)
	}
	// Modules are fetched read-only, but not into this folder: a cache of builds can be removed.
	defer os.RemoveAll(work) //nolint:errcheck // a leftover in the system's folder for such
	first, second, cache := filepath.Join(work, "first"), filepath.Join(work, "second"), ""
	if s.cold {
		cache = filepath.Join(work, "cache")
	}
	if err := c.release(ctx, s, first, ""); err != nil {
		return err
	}
	if err := c.release(ctx, s, second, cache); err != nil {
		return err
	}
	a, err := filesOf(os.DirFS(first))
	if err != nil {
		return fmt.Errorf("reading the first release: %w", err)
	}
	b, err := filesOf(os.DirFS(second))
	if err != nil {
		return fmt.Errorf("reading the second release: %w", err)
	}
	if differing := differing(a, b); len(differing) > 0 {
		return fmt.Errorf("two releases of one commit differ in %s", strings.Join(differing, ", "))
	}
	if err := agree(os.DirFS(first), s.platforms()); err != nil {
		return err
	}
	fmt.Printf("release: two builds of %s at %s gave the same %d files\n", c.version, c.hash, len(a))
	return nil
}

// differing are the files that two folders do not have alike.
func differing(a, b map[string][]byte) []string {
	var names []string
	for name, content := range a {
		if other, ok := b[name]; !ok || sum(other) != sum(content) {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// agree tells whether the parts of a release are of one make: its sums are those of its files, and
// the manager in the image is the manager in the archive.
func agree(release fs.FS, platforms []platform) error {
	sums, err := fs.ReadFile(release, sumsFile)
	if err != nil {
		return fmt.Errorf("reading the sums: %w", err)
	}
	for line := range strings.Lines(string(sums)) {
		want, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return fmt.Errorf("%s has the line %q", sumsFile, line)
		}
		content, err := fs.ReadFile(release, name)
		if err != nil {
			return fmt.Errorf("reading what %s names: %w", sumsFile, err)
		}
		if got := sum(content); got != want {
			return fmt.Errorf("%s has the sum %s, and %s says %s", name, got, sumsFile, want)
		}
	}
	shipped, err := managersOf(release)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range platforms {
		if !slices.Contains(p.programs(), manager) {
			continue
		}
		archived, err := archived(release, p.archive(manager), manager)
		if err != nil {
			return err
		}
		if got, ok := shipped[p]; !ok || sum(got) != sum(archived) {
			errs = append(errs, fmt.Errorf("the manager for %s in the image is not the one in %s", p, p.archive(manager)))
		}
		delete(shipped, p)
	}
	for p := range maps.Keys(shipped) {
		errs = append(errs, fmt.Errorf("the image has a manager for %s, which was not asked for", p))
	}
	return errors.Join(errs...)
}

// archived is one file of a compressed archive of a release.
func archived(release fs.FS, archive, name string) ([]byte, error) {
	content, err := fs.ReadFile(release, archive)
	if err != nil {
		return nil, fmt.Errorf("reading the release: %w", err)
	}
	entries, err := readTarGz(content)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", archive, err)
	}
	for _, e := range entries {
		if e.name == name {
			return e.content, nil
		}
	}
	return nil, fmt.Errorf("%s has no %s", archive, name)
}
