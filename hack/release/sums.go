package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sumsFile is in the format of sha256sum.
const sumsFile = "SHA256SUMS"

// filesOf are the files below a folder by their names, with slashes.
func filesOf(folder fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(folder, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(folder, name)
		return err
	})
	return files, err
}

func sum(content []byte) string {
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}

// sumsOf are the sums of what is published: the files in the folder itself, and not those in the
// image's layout, which are named by their sums.
func sumsOf(folder string) (map[string]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("summing up the release: %w", err)
	}
	sums := map[string]string{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("summing up the release: %w", err)
		}
		sums[e.Name()] = sum(content)
	}
	return sums, nil
}

// sumsText is what sha256sum would print.
func sumsText(sums map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&text, "%s  %s\n", sums[name], name)
	}
	return text.String()
}

// makeRoom empties the folder of a release, and refuses to where it looks like something else.
func makeRoom(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("emptying the folder of the release: %w", err)
	}
	ours := len(entries) == 0 || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == installer || e.Name() == sumsFile })
	if !ours {
		return fmt.Errorf("%s holds neither %s nor %s, so it is not a release's to empty: choose another -out", folder, installer, sumsFile)
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("emptying the folder of the release: %w", err)
	}
	return nil
}
