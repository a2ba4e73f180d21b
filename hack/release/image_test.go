package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/google/go-cmp/cmp"
)

// someImages are images of programs that say which they are.
func someImages() []contents {
	var images []contents
	for _, p := range allPlatforms[:2] {
		images = append(images, contents{
			platform: p, base: base([]byte("authorities"), []entry{{name: "LICENSE", content: []byte("yes")}}), program: []byte("manager of " + p.String()),
		})
	}
	return images
}

// laidOut writes the layout of someImages.
func laidOut(t *testing.T) (folder string, digest v1.Hash) {
	t.Helper()
	index, err := someCommit.index(someImages())
	if err != nil {
		t.Fatal(err)
	}
	folder = filepath.Join(t.TempDir(), imageFolder)
	if digest, err = someCommit.writeLayout(folder, index); err != nil {
		t.Fatal(err)
	}
	return folder, digest
}

func TestTwoLayoutsOfOneReleaseAreTheSame(t *testing.T) {
	first, one := laidOut(t)
	second, other := laidOut(t)
	if one != other {
		t.Errorf("the digests are %s and %s", one, other)
	}
	a, err := filesOf(os.DirFS(first))
	if err != nil {
		t.Fatal(err)
	}
	b, err := filesOf(os.DirFS(second))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

func TestALayoutIsValidUntilSomebodyChangesIt(t *testing.T) {
	folder, digest := laidOut(t)
	if err := validateLayout(folder, digest); err != nil {
		t.Fatal(err)
	}
	blobs := filepath.Join(folder, "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		blob := filepath.Join(blobs, e.Name())
		content, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(blob, append(bytes.Clone(content), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := validateLayout(folder, digest); err == nil {
			t.Errorf("it is valid with a blob that was changed: %.80s", content)
		}
		if err := os.WriteFile(blob, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheImageRunsTheManagerAsNobody(t *testing.T) {
	folder, digest := laidOut(t)
	root, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	top, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := top.Manifests[0]; got.Digest != digest || got.Annotations[refName] != "v1.2.3" {
		t.Errorf("the layout names %s %v", got.Digest, got.Annotations)
	}
	index, err := root.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(someCommit.annotations(), manifest.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	for i, of := range manifest.Manifests {
		want := allPlatforms[i]
		if of.Platform.OS != want.os || of.Platform.Architecture != want.arch {
			t.Errorf("image %d is for %s, want %s", i, of.Platform, want)
		}
		image, err := index.Image(of.Digest)
		if err != nil {
			t.Fatal(err)
		}
		expectImage(t, image, want)
	}
}

func expectImage(t *testing.T, image v1.Image, p platform) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		User: "65532:65532", WorkingDir: "/", Entrypoint: []string{"/manager"}, Cmd: []string{"controllers"}, Labels: someCommit.annotations(),
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Errorf("%s: config (-want +got):\n%s", p, diff)
	}
	files := mutate.Extract(image)
	entries, err := readTar(files)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		got[e.name] = string(e.content)
		if e.executable != (e.name == "manager") {
			t.Errorf("%s: %s can be executed: %t", p, e.name, e.executable)
		}
	}
	passwd := got["etc/passwd"]
	delete(got, "etc/passwd")
	if !strings.Contains(passwd, "nonroot:x:65532:65532:") {
		t.Errorf("%s: nobody is called 65532 in\n%s", p, passwd)
	}
	if diff := cmp.Diff(map[string]string{
		"manager": "manager of " + p.String(), "etc/group": "root:x:0:\nnonroot:x:65532:\n",
		"etc/ssl/certs/ca-certificates.crt": "authorities", "usr/share/doc/esim-operator/LICENSE": "yes",
	}, got); diff != "" {
		t.Errorf("%s: files (-want +got):\n%s", p, diff)
	}
}

func TestTheManagerInTheImageIsTheOneInTheArchive(t *testing.T) {
	folder, _ := laidOut(t)
	entries, err := layoutEntries(folder)
	if err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	if err := writeTar(&image, someCommit.date, entries); err != nil {
		t.Fatal(err)
	}
	release := fstest.MapFS{imageFile: {Data: image.Bytes()}, sumsFile: {}}
	for _, p := range allPlatforms[:2] {
		var archive bytes.Buffer
		if err := writeTarGz(&archive, someCommit.date, []entry{{manager, []byte("manager of " + p.String()), true}}); err != nil {
			t.Fatal(err)
		}
		release[p.archive(manager)] = &fstest.MapFile{Data: archive.Bytes()}
	}
	if err := agree(release, allPlatforms); err != nil {
		t.Error(err)
	}
	if err := agree(release, allPlatforms[:1]); err == nil || !strings.Contains(err.Error(), "for linux/arm64, which was not asked for") {
		t.Errorf("with a platform too many: %v", err)
	}
	release["manager_linux_arm64.tar.gz"] = release["manager_linux_amd64.tar.gz"]
	if err := agree(release, allPlatforms); err == nil || !strings.Contains(err.Error(), "the manager for linux/arm64 in the image is not the one in manager_linux_arm64.tar.gz") {
		t.Errorf("with the archive of another platform: %v", err)
	}
}

func TestTheAuthoritiesAreCertificates(t *testing.T) {
	text, err := authorities()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !certificate.IsCA {
			t.Errorf("%s is no authority", certificate.Subject)
		}
		count++
	}
	if count < 100 {
		t.Errorf("there are only %d", count)
	}
}
