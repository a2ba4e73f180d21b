package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// refName is the annotation by which an OCI layout names what is in it.
const refName = "org.opencontainers.image.ref.name"

// writeLayout writes an OCI layout that holds the index under the version's name, and returns the
// index' digest, by which a cluster can be told exactly what to run.
func (c commit) writeLayout(folder string, index v1.ImageIndex) (v1.Hash, error) {
	path, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: c.version}))
	}
	if err != nil {
		return v1.Hash{}, fmt.Errorf("writing the image to %s: %w", folder, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("summing up the image: %w", err)
	}
	return digest, nil
}

// layoutEntries are the files of a folder, to be written into an archive.
func layoutEntries(folder string) ([]entry, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the image: %w", err)
	}
	files, err := filesOf(root.FS())
	if err != nil {
		return nil, fmt.Errorf("reading the image: %w", err)
	}
	var entries []entry
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, entry{name: name, content: files[name]})
	}
	return entries, root.Close()
}

// validateLayout reads a layout back as whoever pushes it will, and sums up everything in it: first
// each file, which is named by its sum, then what the manifests say of one another.
func validateLayout(folder string, digest v1.Hash) error {
	blobs, err := filesOf(os.DirFS(filepath.Join(folder, "blobs", "sha256")))
	if err != nil {
		return fmt.Errorf("reading the image back: %w", err)
	}
	for name, content := range blobs {
		if sum(content) != name {
			return fmt.Errorf("the image in %s is not valid: the blob %s has the sum %s", folder, name, sum(content))
		}
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return fmt.Errorf("reading the image back: %w", err)
	}
	inner, err := index.ImageIndex(digest)
	if err != nil {
		return fmt.Errorf("reading the image back: %w", err)
	}
	if err := validate.Index(inner); err != nil {
		return fmt.Errorf("the image in %s is not valid: %w", folder, err)
	}
	return nil
}

// managersOf are the managers in the one-file image of a release, by platform.
func managersOf(release fs.FS) (map[platform][]byte, error) {
	archive, err := release.Open(imageFile)
	if err != nil {
		return nil, fmt.Errorf("reading the image back: %w", err)
	}
	defer archive.Close() //nolint:errcheck // it was only read
	folder, err := os.MkdirTemp("", "esim-operator-image")
	if err != nil {
		return nil, fmt.Errorf("reading the image back: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a leftover in the system's folder for such
	if err := unpack(archive, folder); err != nil {
		return nil, fmt.Errorf("reading the image back: %w", err)
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the image back: %w", err)
	}
	managers := map[platform][]byte{}
	err = eachImage(index, func(image v1.Image) error {
		config, err := image.ConfigFile()
		if err != nil {
			return err
		}
		files := mutate.Extract(image)
		entries, err := readTar(files)
		if err := errors.Join(err, files.Close()); err != nil {
			return err
		}
		for _, e := range entries {
			if e.name == manager && e.executable {
				managers[platform{config.OS, config.Architecture}] = e.content
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the image back: %w", err)
	}
	return managers, nil
}

// eachImage goes through the images of an index, and of those in it.
func eachImage(index v1.ImageIndex, do func(v1.Image) error) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, of := range manifest.Manifests {
		if of.MediaType.IsIndex() {
			inner, err := index.ImageIndex(of.Digest)
			if err == nil {
				err = eachImage(inner, do)
			}
			if err != nil {
				return err
			}
			continue
		}
		image, err := index.Image(of.Digest)
		if err == nil {
			err = do(image)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
