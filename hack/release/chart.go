package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// chart packages the Helm chart in source with the release's version, and returns the name of the
// file that it has made in folder. Helm writes the time of packaging into it: it is written anew
// without.
func (c commit) chart(ctx context.Context, helm, source, folder string) (string, error) {
	work, err := os.MkdirTemp("", "esim-operator-chart")
	if err != nil {
		return "", fmt.Errorf("packaging the chart: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a leftover in the system's folder for such
	name := "esim-operator-" + chartVersion(c.version) + ".tgz"
	if _, err := output(exec.CommandContext(ctx, helm, "package", filepath.Join(source, "charts", "esim-operator"),
		"--version", chartVersion(c.version), "--app-version", c.version, "--destination", work)); err != nil {
		return "", err
	}
	packaged, err := os.ReadFile(filepath.Join(work, name))
	if err != nil {
		return "", fmt.Errorf("packaging the chart: %w", err)
	}
	entries, err := readTarGz(packaged)
	if err != nil {
		return "", fmt.Errorf("reading the chart's package: %w", err)
	}
	return name, save(filepath.Join(folder, name), func(to io.Writer) error { return writeTarGz(to, c.date, entries) })
}

// readTarGz are the files of an archive.
func readTarGz(archive []byte) ([]entry, error) {
	content, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	return readTar(content)
}

// readTar are the files of an archive; folders are left out.
func readTar(archive io.Reader) ([]entry, error) {
	var entries []entry
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{header.Name, content, header.Mode&0o100 != 0})
	}
}
