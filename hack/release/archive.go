package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// entry is a file in an archive.
type entry struct {
	name       string
	content    []byte
	executable bool
}

func (e entry) mode() int64 {
	if e.executable {
		return 0o755
	}
	return 0o644
}

// sorted are entries by name, in an order that does not depend on who collected them.
func sorted(entries []entry) []entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return strings.Compare(a.name, b.name) })
}

// writeTar writes a tar archive in which nothing tells of the machine: owner 0, no names, one time.
// The folders that files are in come before them.
func writeTar(to io.Writer, at time.Time, entries []entry) error {
	archive := tar.NewWriter(to)
	folders := map[string]bool{".": true}
	for _, e := range sorted(entries) {
		for _, folder := range above(e.name) {
			if folders[folder] {
				continue
			}
			folders[folder] = true
			if err := archive.WriteHeader(&tar.Header{
				Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: at, Format: tar.FormatUSTAR,
			}); err != nil {
				return fmt.Errorf("writing %s: %w", folder, err)
			}
		}
		if err := archive.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode(), Size: int64(len(e.content)), ModTime: at, Format: tar.FormatUSTAR,
		}); err != nil {
			return fmt.Errorf("writing %s: %w", e.name, err)
		}
		if _, err := archive.Write(e.content); err != nil {
			return fmt.Errorf("writing %s: %w", e.name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("closing the archive: %w", err)
	}
	return nil
}

// above are the folders that a file is in, the outermost first.
func above(name string) []string {
	var folders []string
	for folder := path.Dir(name); folder != "." && folder != "/"; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

// writeTarGz is writeTar, compressed.
func writeTarGz(to io.Writer, at time.Time, entries []entry) error {
	compressed, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	return errors.Join(writeTar(compressed, at, entries), compressed.Close())
}

// writeZip writes a zip archive with the same care.
func writeZip(to io.Writer, at time.Time, entries []entry) error {
	archive := zip.NewWriter(to)
	for _, e := range sorted(entries) {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		header.SetMode(os.FileMode(e.mode()))
		file, err := archive.CreateHeader(header)
		if err == nil {
			_, err = file.Write(e.content)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", e.name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("closing the archive: %w", err)
	}
	return nil
}

// save writes a file with what a function gives it.
func save(name string, give func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing the release: %w", err)
	}
	if err := errors.Join(give(file), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
