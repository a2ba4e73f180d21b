package main

import (
	"bytes"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonRoot is the user of the image, by number, so that runAsNonRoot can be checked.
const nonRoot = "65532:65532"

// contents are the files of an image for one platform.
type contents struct {
	platform platform
	// base are the files that change seldom: they make a layer of their own.
	base []entry
	// program is the manager.
	program []byte
}

// base are the files that a static program wants of a system: who it is, and whom TLS trusts. What
// is shipped comes with its licences.
func base(authorities []byte, legal []entry) []entry {
	files := []entry{
		{name: "etc/passwd", content: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{name: "etc/group", content: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{name: "etc/ssl/certs/ca-certificates.crt", content: authorities},
	}
	for _, text := range legal {
		files = append(files, entry{name: "usr/share/doc/esim-operator/" + text.name, content: text.content})
	}
	return files
}

// annotations are those of the OCI image specification, for the index and each image.
func (c commit) annotations() map[string]string {
	const in = "org.opencontainers.image."
	return map[string]string{
		in + "title":         "esim-operator",
		in + "description":   "Sells eSIMs through the Kubernetes API, each delivered exactly once and paid exactly once",
		in + "version":       c.version,
		in + "revision":      c.hash,
		in + "created":       c.stamp(),
		in + "source":        "https://" + module,
		in + "url":           "https://" + module,
		in + "documentation": "https://" + module + "/tree/" + c.version + "/docs",
		in + "licenses":      "Apache-2.0",
		in + "vendor":        "esim-operator maintainers",
	}
}

// image is the manager's image for one platform.
func (c commit) image(of contents) (v1.Image, error) {
	config := &v1.ConfigFile{
		Architecture: of.platform.arch, OS: of.platform.os,
		Created: v1.Time{Time: c.date},
		RootFS:  v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: nonRoot, WorkingDir: "/", Entrypoint: []string{"/manager"}, Cmd: []string{"controllers"},
			Labels: c.annotations(),
		},
	}
	image, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), config)
	if err != nil {
		return nil, fmt.Errorf("configuring the image for %s: %w", of.platform, err)
	}
	for _, part := range []struct {
		comment string
		files   []entry
	}{
		{"accounts, certificate authorities, licences", of.base},
		{"the manager", []entry{{name: "manager", content: of.program, executable: true}}},
	} {
		layer, err := c.layer(part.files)
		if err != nil {
			return nil, fmt.Errorf("making the layer of %s for %s: %w", part.comment, of.platform, err)
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{
			Created: v1.Time{Time: c.date}, CreatedBy: "hack/release", Comment: part.comment,
		}})
		if err != nil {
			return nil, fmt.Errorf("adding the layer of %s for %s: %w", part.comment, of.platform, err)
		}
	}
	annotated, ok := mutate.Annotations(image, c.annotations()).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("annotating the image for %s: it is no image any more", of.platform)
	}
	return annotated, nil
}

func (c commit) layer(files []entry) (v1.Layer, error) {
	var content bytes.Buffer
	if err := writeTar(&content, c.date, files); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// index is the image for all platforms.
func (c commit) index(images []contents) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, of := range images {
		image, err := c.image(of)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: of.platform.os, Architecture: of.platform.arch},
		}})
	}
	annotated, ok := mutate.Annotations(index, c.annotations()).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotating the image of %s: it is no index any more", c.version)
	}
	return annotated, nil
}
