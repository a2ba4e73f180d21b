package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// givenVariable names a folder with ready binaries; envtest reads it too.
const givenVariable = "KUBEBUILDER_ASSETS"

// buildingInfix is in the name of every folder that is not complete yet.
const buildingInfix = ".incomplete-"

// binaries are what makes a folder a control plane.
var binaries = []string{"etcd", "kube-apiserver", "kubectl"}

// source can put the binaries into a folder.
type source interface {
	// name of the source, for people.
	name() string
	// fill puts all binaries into dir. What it leaves there after an error is of no use.
	fill(ctx context.Context, dir string) error
}

// finder finds a folder that holds all binaries, or makes one.
type finder struct {
	given   string   // a folder that the user names, or ""
	cache   string   // the folder of earlier results
	key     string   // the name of this version's result
	sources []source // tried in this order
	log     io.Writer
}

// find returns the folder. Results are made beside their place and renamed into it, so
// whatever stands there is complete, however an earlier run ended.
func (f *finder) find(ctx context.Context) (string, error) {
	if f.given != "" {
		missing, err := firstMissing(f.given)
		if err != nil {
			return "", fmt.Errorf("looking into %s: %w", givenVariable, err)
		}
		if missing == "" {
			return f.given, nil
		}
		f.sayf("%s (%s) has no %s; looking elsewhere", givenVariable, f.given, missing)
	}
	if done, err := f.earlier(); done != "" || err != nil {
		return done, err
	}

	if err := os.MkdirAll(f.cache, 0o755); err != nil { //nolint:gosec // it holds nothing secret.
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(f.cache, f.key+".lock"), func() {
		f.sayf("another run is making the control plane; waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	// Who held the lock may have made it.
	if done, err := f.earlier(); done != "" || err != nil {
		return done, err
	}
	return f.make(ctx)
}

// earlier is the result of an earlier run, or "".
func (f *finder) earlier() (string, error) {
	dir := filepath.Join(f.cache, f.key)
	missing, err := firstMissing(dir)
	if err != nil {
		return "", fmt.Errorf("looking into the cache: %w", err)
	}
	if missing != "" {
		return "", nil
	}
	return dir, nil
}

// make asks each source in turn. The caller holds the lock.
func (f *finder) make(ctx context.Context) (string, error) {
	if err := f.removeRemains(); err != nil {
		return "", err
	}
	var errs []error
	for _, s := range f.sources {
		err := f.makeFrom(ctx, s)
		if err == nil {
			dir := filepath.Join(f.cache, f.key)
			f.sayf("the control plane is in %s", dir)
			return dir, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("interrupted; nothing incomplete was left behind: %w", context.Cause(ctx))
		}
		f.sayf("%s: %v", s.name(), err)
		errs = append(errs, fmt.Errorf("%s: %w", s.name(), err))
	}
	return "", fmt.Errorf("no control plane could be had: %w", errors.Join(errs...))
}

func (f *finder) makeFrom(ctx context.Context, s source) (err error) {
	building, err := os.MkdirTemp(f.cache, f.key+buildingInfix)
	if err != nil {
		return fmt.Errorf("making a folder for the binaries: %w", err)
	}
	defer func() { err = errors.Join(err, removeAll(building)) }()

	if err := s.fill(ctx, building); err != nil {
		return err
	}
	missing, err := firstMissing(building)
	switch {
	case err != nil:
		return err
	case missing != "":
		return fmt.Errorf("%s is missing from the result", missing)
	}
	if err := os.Chmod(building, 0o755); err != nil { //nolint:gosec // MkdirTemp's is private.
		return fmt.Errorf("opening the folder of the binaries: %w", err)
	}
	place := filepath.Join(f.cache, f.key)
	// Only somebody who took binaries out by hand can have left a folder here.
	if err := removeAll(place); err != nil {
		return fmt.Errorf("making room for the binaries: %w", err)
	}
	if err := os.Rename(building, place); err != nil {
		return fmt.Errorf("putting the binaries into place: %w", err)
	}
	return nil
}

// removeRemains removes what runs that were killed have left. The caller holds the lock, so
// nobody is at work on them.
func (f *finder) removeRemains() error {
	remains, err := filepath.Glob(filepath.Join(f.cache, f.key+buildingInfix+"*"))
	if err != nil {
		return fmt.Errorf("looking for remains of earlier runs: %w", err)
	}
	for _, dir := range remains {
		if err := removeAll(dir); err != nil {
			return fmt.Errorf("removing the remains of an earlier run: %w", err)
		}
	}
	return nil
}

// firstMissing is the first binary that dir does not hold, or "".
func firstMissing(dir string) (string, error) {
	for _, name := range binaries {
		info, err := os.Stat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", fmt.Errorf("looking for %s: %w", name, err)
		}
		if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || info.Size() == 0 {
			return name, nil
		}
	}
	return "", nil
}

// removeAll removes a folder, also where a tool has taken the right to write to it away.
func removeAll(root string) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return os.Chmod(path, 0o700) //nolint:gosec // about to be removed.
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unsealing %s: %w", root, err)
	}
	return os.RemoveAll(root)
}

func (f *finder) sayf(format string, args ...any) { sayf(f.log, format, args...) }

// sayf tells people what is going on. A terminal that is gone is no reason to stop.
func sayf(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, "control plane: "+format+"\n", args...)
}
