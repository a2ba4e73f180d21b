package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeSource puts files into a folder and then answers an error, or not.
type fakeSource struct {
	label string
	files []string
	err   error
	// during is called after the files are there.
	during func(dir string)
	calls  int
}

func (s *fakeSource) name() string { return s.label }

func (s *fakeSource) fill(_ context.Context, dir string) error {
	s.calls++
	for _, file := range s.files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(s.label), 0o755); err != nil {
			return err
		}
	}
	if s.during != nil {
		s.during(dir)
	}
	return s.err
}

var errOffline = errors.New("no network")

func newFinder(t *testing.T, sources ...source) *finder {
	t.Helper()
	return &finder{cache: filepath.Join(t.TempDir(), "cache"), key: "1.37.2", sources: sources, log: io.Discard}
}

func folderWith(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := (&fakeSource{label: "given", files: files}).fill(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFindTakesTheFirstThatHasAll(t *testing.T) {
	tests := map[string]struct {
		given    []string // files in KUBEBUILDER_ASSETS; nil leaves it unset
		earlier  []string // files in the cache
		download fakeSource
		build    fakeSource
		want     string // what the binaries say where they come from
		calls    [2]int // of download and build
	}{
		"what the user names": {
			given: binaries, earlier: binaries,
			want: "given",
		},
		"the cache, where the user's folder lacks kubectl": {
			given: []string{"etcd", "kube-apiserver"}, earlier: binaries,
			want: "earlier",
		},
		"the cache, where the user names nothing": {
			earlier: binaries,
			want:    "earlier",
		},
		"the download, where the cache is empty": {
			download: fakeSource{files: binaries},
			want:     "download", calls: [2]int{1, 0},
		},
		"the download, where the cache lacks a binary": {
			earlier:  []string{"etcd"},
			download: fakeSource{files: binaries},
			want:     "download", calls: [2]int{1, 0},
		},
		"the build, where the download fails": {
			download: fakeSource{err: errOffline},
			build:    fakeSource{files: binaries},
			want:     "build", calls: [2]int{1, 1},
		},
		"the build, where the download fails half-way": {
			download: fakeSource{files: []string{"etcd", "kubectl"}, err: errOffline},
			build:    fakeSource{files: binaries},
			want:     "build", calls: [2]int{1, 1},
		},
		"the build, where the download is short of a binary": {
			download: fakeSource{files: []string{"etcd", "kubectl"}},
			build:    fakeSource{files: binaries},
			want:     "build", calls: [2]int{1, 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.download.label, test.build.label = "download", "build"
			f := newFinder(t, &test.download, &test.build)
			if test.given != nil {
				f.given = folderWith(t, test.given...)
			}
			if test.earlier != nil {
				place := filepath.Join(f.cache, f.key)
				if err := os.MkdirAll(place, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := (&fakeSource{label: "earlier", files: test.earlier}).fill(t.Context(), place); err != nil {
					t.Fatal(err)
				}
			}

			dir, err := f.find(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, binary := range binaries {
				content, err := os.ReadFile(filepath.Join(dir, binary))
				if err != nil {
					t.Fatal(err)
				}
				if got := string(content); got != test.want {
					t.Errorf("%s comes from %q, want %q", binary, got, test.want)
				}
			}
			if got := [2]int{test.download.calls, test.build.calls}; got != test.calls {
				t.Errorf("download and build were asked %v times, want %v", got, test.calls)
			}
			wantNoRemains(t, f)
		})
	}
}

func TestFindMakesItOnce(t *testing.T) {
	built := &fakeSource{label: "build", files: binaries}
	f := newFinder(t, built)
	for range 2 {
		if _, err := f.find(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if built.calls != 1 {
		t.Errorf("the control plane was built %d times, want once", built.calls)
	}
}

func TestFindMakesAnotherVersionAnew(t *testing.T) {
	built := &fakeSource{label: "build", files: binaries}
	f := newFinder(t, built)
	first, err := f.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.key = "1.38.0"
	second, err := f.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first == second || built.calls != 2 {
		t.Errorf("version 1.38.0 uses %s, which is that of 1.37.2", second)
	}
}

func TestFindLeavesNothingOfABuildThatFails(t *testing.T) {
	errBroken := errors.New("does not compile")
	broken := &fakeSource{label: "build", files: []string{"etcd", "kube-apiserver"}, err: errBroken}
	f := newFinder(t, broken)
	if _, err := f.find(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the build's own error", err)
	}
	wantNoRemains(t, f)
	if _, err := os.Stat(filepath.Join(f.cache, f.key)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a result is there after a build that failed: %v", err)
	}
}

func TestFindStopsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := &fakeSource{label: "download", files: binaries[:1], err: context.Canceled, during: func(string) { cancel() }}
	next := &fakeSource{label: "build", files: binaries}
	f := newFinder(t, interrupted, next)
	if _, err := f.find(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if next.calls != 0 {
		t.Error("the next source was asked after the interruption")
	}
	wantNoRemains(t, f)
}

func TestFindSurvivesABuildThatWasKilled(t *testing.T) {
	killed := newFinder(t)
	remains := filepath.Join(killed.cache, killed.key+buildingInfix+"1234")
	if err := os.MkdirAll(remains, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(remains, "kube-apiserver"), []byte("half"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(remains, 0o500); err != nil {
		t.Fatal(err)
	}

	f := &finder{cache: killed.cache, key: killed.key, log: io.Discard,
		sources: []source{&fakeSource{label: "build", files: binaries}}}
	if _, err := f.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNoRemains(t, f)
}

func TestFindTwiceAtOnceBuildsOnce(t *testing.T) {
	started, proceed := make(chan struct{}), make(chan struct{})
	slow := &fakeSource{label: "build", files: binaries, during: func(string) { close(started); <-proceed }}
	first := newFinder(t, slow)
	waits := make(notice, 16)
	idle := &fakeSource{label: "second build", files: binaries}
	second := &finder{cache: first.cache, key: first.key, sources: []source{idle}, log: waits}

	results := make(chan error, 2)
	go func() { _, err := first.find(t.Context()); results <- err }()
	<-started
	go func() { _, err := second.find(t.Context()); results <- err }()
	if said := <-waits; !strings.Contains(said, "waiting") {
		t.Errorf("the second run said %q, want that it waits", said)
	}
	close(proceed)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if idle.calls != 0 {
		t.Error("the second run built too, beside the first")
	}
}

func TestFindGivesUpWaitingWhenInterrupted(t *testing.T) {
	f := newFinder(t, &fakeSource{label: "build", files: binaries})
	if err := os.MkdirAll(f.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(t.Context(), filepath.Join(f.cache, f.key+".lock"), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.find(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// notice passes on what is written, line by line.
type notice chan string

func (n notice) Write(p []byte) (int, error) {
	n <- string(p)
	return len(p), nil
}

func wantNoRemains(t *testing.T, f *finder) {
	t.Helper()
	entries, err := os.ReadDir(f.cache)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(entries, func(e os.DirEntry) bool { return strings.Contains(e.Name(), buildingInfix) }); i >= 0 {
		t.Errorf("%s was left behind", entries[i].Name())
	}
}
