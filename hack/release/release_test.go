package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// someCommit is what the tests release.
var someCommit = commit{version: "v1.2.3", hash: "0123456789abcdef0123456789abcdef01234567", date: time.Date(2026, 3, 1, 4, 30, 0, 0, time.UTC)}

func TestTheCommandLineIsHeldToWhatCanBeReleased(t *testing.T) {
	for args, want := range map[string]string{
		"-version v0.1.0 make":                                    "",
		"-version v0.1.0-rc.1 check":                              "",
		"-version v0.1.0 -only linux/arm64 check":                 "",
		"-version v0.1.0 -repository r.example.com:5000/a/b make": "",
		"-version v0.1.0":                                         "make or check",
		"-version v0.1.0 push":                                    "make or check",
		"make":                                                    `-version "" is none`,
		"-version 0.1.0 make":                                     `-version "0.1.0" is none`,
		"-version v0.1 make":                                      `-version "v0.1" is none`,
		"-version v0.1.0+dirty make":                              `-version "v0.1.0+dirty" is none`,
		"-version v0.1.0 -repository Esim make":                   `-repository "Esim" is no name`,
		"-version v0.1.0 -repository esim:latest make":            `-repository "esim:latest" is no name`,
		"-version v0.1.0 -only plan9/amd64 make":                  `-only "plan9/amd64" is no platform`,
	} {
		_, _, err := parse(strings.Fields(args))
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.Contains(got, want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestABuildDependsOnNothingThatIsSetOnTheMachine(t *testing.T) {
	environment := platform{"linux", "arm64"}.environment([]string{"GOFLAGS=-tags=debug", "CGO_ENABLED=1", "GOAMD64=v3", "HOME=/home/me"})
	last := map[string]string{} // as os/exec takes it
	for _, setting := range environment {
		name, value, _ := strings.Cut(setting, "=")
		last[name] = value
	}
	want := map[string]string{
		"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": "arm64", "GOAMD64": "v1", "GOARM64": "v8.0", "GOFLAGS": "-mod=readonly",
		"GOEXPERIMENT": "", "GOFIPS140": "off", "GOWORK": "off", "GOTOOLCHAIN": "local", "HOME": "/home/me",
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestArchivesDoNotTellWhereTheyWereMade(t *testing.T) {
	one := []entry{{name: "b/c", content: []byte("2")}, {name: "a", content: []byte("1"), executable: true}}
	other := []entry{one[1], one[0]}
	for name, write := range map[string]func(*bytes.Buffer, []entry) error{
		"tar.gz": func(to *bytes.Buffer, e []entry) error { return writeTarGz(to, someCommit.date, e) },
		"zip":    func(to *bytes.Buffer, e []entry) error { return writeZip(to, someCommit.date, e) },
	} {
		var a, b bytes.Buffer
		if err := write(&a, one); err != nil {
			t.Fatal(err)
		}
		if err := write(&b, other); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: the order in which files were collected shows", name)
		}
	}
}

func TestAnArchiveHoldsWhatItWasGiven(t *testing.T) {
	want := []entry{{"a", []byte("1"), true}, {"b/c", []byte("2"), false}}
	var packed bytes.Buffer
	if err := writeTarGz(&packed, someCommit.date, want); err != nil {
		t.Fatal(err)
	}
	got, err := readTarGz(packed.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); diff != "" {
		t.Errorf("tar.gz (-want +got):\n%s", diff)
	}
	var zipped bytes.Buffer
	if err := writeZip(&zipped, someCommit.date, want); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(zipped.Bytes()), int64(zipped.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if file := archive.File[0]; file.Name != "a" || file.Mode() != 0o755 || !file.Modified.Equal(someCommit.date) {
		t.Errorf("zip: %s, %s, %s", file.Name, file.Mode(), file.Modified)
	}
}

func TestTheSumsAreWhatSha256sumReads(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"b.txt": "2", "a.txt": "1", "image/index.json": "{}"} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := sumsOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b  a.txt\n" +
		"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35  b.txt\n"
	if diff := cmp.Diff(want, sumsText(sums)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyAReleasesFolderIsEmptied(t *testing.T) {
	for holds, want := range map[string]bool{"": true, "SHA256SUMS": true, "install.yaml": true, "letters.txt": false} {
		folder := filepath.Join(t.TempDir(), "dist")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if holds != "" {
			if err := os.WriteFile(filepath.Join(folder, holds), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := makeRoom(folder)
		if got := err == nil; got != want {
			t.Errorf("one that holds %q: %v", holds, err)
		}
		if _, err := os.Stat(folder); want != os.IsNotExist(err) {
			t.Errorf("one that holds %q: it is there afterwards: %v", holds, err)
		}
	}
	if err := makeRoom(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestWhatDiffersIsNamed(t *testing.T) {
	a := map[string][]byte{"same": []byte("1"), "changed": []byte("1"), "gone": nil}
	b := map[string][]byte{"same": []byte("1"), "changed": []byte("2"), "new": nil}
	if diff := cmp.Diff([]string{"changed", "gone", "new"}, differing(a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEachModuleIsInTheBillWithItsSum(t *testing.T) {
	modules := []debug.Module{{Path: "example.com/m", Version: "v1.0.0+incompatible", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}
	of := map[string]terms{goTerms: {licences: []string{"BSD-3-Clause"}}, "example.com/m@v1.0.0+incompatible": {licences: []string{"Apache-2.0", "MIT"}}}
	text := func() string {
		bill, err := someCommit.bill(manager, modules, "go1.26.8", of)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := writeBill(&out, bill); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := text()
	if diff := cmp.Diff(first, text()); diff != "" {
		t.Errorf("it is not the same twice:\n%s", diff)
	}
	for _, part := range []string{
		`"specVersion": "1.6"`, `"timestamp": "2026-03-01T04:30:00Z"`, `"purl": "pkg:golang/std@1.26.8"`,
		`"purl": "pkg:golang/github.com/telcodev/esim-operator@v1.2.3?type=module#cmd/manager"`,
		`"purl": "pkg:golang/example.com/m@v1.0.0%2Bincompatible"`,
		`"content": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"`,
		`"id": "BSD-3-Clause"`, `"id": "Apache-2.0"`, `"id": "MIT"`, `"acknowledgement": "concluded"`,
	} {
		if !strings.Contains(first, part) {
			t.Errorf("it has no %s:\n%s", part, first)
		}
	}
	if _, err := someCommit.bill(manager, modules, "go1.26.8", nil); err == nil {
		t.Error("a module is taken of which nobody knows the licence")
	}
	for _, sum := range []string{"", "h1:", "h1:AAEC", "h2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="} {
		bad := []debug.Module{{Path: "example.com/m", Version: "v1.0.0+incompatible", Sum: sum}}
		if _, err := someCommit.bill(manager, bad, "go1.26.8", of); err == nil {
			t.Errorf("a module with the sum %q is taken", sum)
		}
	}
}

func TestProgramsTellWhatTheyAreBuiltFrom(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	modules, toolchain, err := read([]string{self, self})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range modules {
		paths = append(paths, m.Path)
	}
	if !strings.HasPrefix(toolchain, "go1.") || len(paths) == 0 {
		t.Fatalf("%s, %v", toolchain, paths)
	}
	of, err := termsOf(t.Context(), ".", modules)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string][]string{}
	for _, path := range []string{"github.com/google/go-cmp", "github.com/google/uuid", "github.com/CycloneDX/cyclonedx-go", "sigs.k8s.io/yaml"} {
		at := slices.IndexFunc(modules, func(m debug.Module) bool { return m.Path == path })
		if at < 0 {
			t.Fatalf("%s is none of %v", path, paths)
		}
		told[path] = of[path+"@"+modules[at].Version].licences
	}
	want := map[string][]string{
		"github.com/google/go-cmp": {"BSD-3-Clause"}, "github.com/google/uuid": {"BSD-3-Clause"},
		"github.com/CycloneDX/cyclonedx-go": {"Apache-2.0"}, "sigs.k8s.io/yaml": {"Apache-2.0", "BSD-3-Clause", "MIT"},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("licences (-want +got):\n%s", diff)
	}
	text := notices(modules, of)
	for _, want := range append(paths, "The Go standard library") {
		if !strings.Contains(string(text), want+" v") && !strings.Contains(string(text), want+", LICENSE") {
			t.Errorf("the notices do not name %s", want)
		}
	}
}

func TestAModuleWithoutALicenceThatIsKnownIsNotShipped(t *testing.T) {
	for name, test := range map[string]struct{ file, text, want string }{
		"none":    {"README.md", "Take it.", "example.com/m v1.0.0 has no file with a licence"},
		"unknown": {"LICENSE", "Ask my lawyer.", "example.com/m v1.0.0 has a licence that nobody knows, in LICENSE"},
		"notices": {"NOTICE", "Made by us.", "example.com/m v1.0.0 has a licence that nobody knows, in NOTICE"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, test.file), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readTerms("example.com/m v1.0.0", folder); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}

func TestTheManifestOfKrewOffersEveryArchive(t *testing.T) {
	template, err := os.ReadFile("../../.krew.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, p := range allPlatforms {
		sums[p.archive(plugin)] = sum([]byte(p.String()))
	}
	manifest, err := krewManifest(template, "v1.2.3", sums)
	if err != nil {
		t.Fatal(err)
	}
	want := "    uri: https://github.com/telcodev/esim-operator/releases/download/v1.2.3/kubectl-esim_linux_arm64.tar.gz\n" +
		"    sha256: " + sum([]byte("linux/arm64")) + "\n    bin: kubectl-esim\n"
	if !strings.Contains(string(manifest), want) {
		t.Errorf("it has no\n%s\n%s", want, manifest)
	}
	delete(sums, "kubectl-esim_darwin_arm64.tar.gz")
	if _, err := krewManifest(template, "v1.2.3", sums); err == nil || !strings.Contains(err.Error(), "kubectl-esim_darwin_arm64.tar.gz is no file of the release") {
		t.Errorf("without an archive: %v", err)
	}
	first, _, _ := bytes.Cut(template, []byte("  - selector: {matchLabels: {os: darwin, arch: arm64}}"))
	if _, err := krewManifest(first, "v1.2.3", sums); err == nil || !strings.Contains(err.Error(), "does not offer kubectl-esim_darwin_arm64.tar.gz") {
		t.Errorf("a template without a platform: %v", err)
	}
}

func TestPartsOfDifferentMakeAreTold(t *testing.T) {
	release := fstest.MapFS{
		sumsFile: {Data: []byte(sum([]byte("1")) + "  a.txt\n")},
		"a.txt":  {Data: []byte("2")},
	}
	if err := agree(release, nil); err == nil || !strings.Contains(err.Error(), "a.txt has the sum") {
		t.Errorf("a changed file: %v", err)
	}
	delete(release, "a.txt")
	if err := agree(release, nil); err == nil || !strings.Contains(err.Error(), "a.txt") {
		t.Errorf("a lost file: %v", err)
	}
}
