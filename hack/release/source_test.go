package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository makes one with two commits, the first of which is tagged v1.0.0, by annotation or not.
func repository(t *testing.T, annotated bool) string {
	t.Helper()
	root := t.TempDir()
	do := func(args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "git", append([]string{"-C", root, "-c", "user.name=me", "-c", "user.email=me@example.com"}, args...)...)
		command.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-03-01T05:30:00+01:00")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
	}
	do("init", "--quiet")
	for _, content := range []string{"first", "second"} {
		if err := os.WriteFile(filepath.Join(root, "file"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		do("add", "file")
		do("commit", "--quiet", "--message", content)
		if content == "first" && annotated {
			do("tag", "--annotate", "--message", "v1.0.0", "v1.0.0")
		} else if content == "first" {
			do("tag", "v1.0.0")
		}
	}
	return root
}

func TestAVersionIsThatOfItsTag(t *testing.T) {
	for _, annotated := range []bool{false, true} {
		root := repository(t, annotated)
		for version, want := range map[string]string{"v1.0.0": "the tag v1.0.0 is on commit ", "v1.0.1": "", "v1.0.0-rc.1": ""} {
			c, err := readCommit(t.Context(), root, version)
			if err != nil {
				t.Fatal(err)
			}
			err = c.publishable(t.Context())
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, annotated %t: %v, want %q", version, annotated, err, want)
			}
		}
		if _, err := git(t.Context(), root, "checkout", "--quiet", "v1.0.0"); err != nil {
			t.Fatal(err)
		}
		c, err := readCommit(t.Context(), root, "v1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.publishable(t.Context()); err != nil {
			t.Errorf("on the tag, annotated %t: %v", annotated, err)
		}
	}
}

func TestWhatIsNotCommittedIsNotReleased(t *testing.T) {
	root := repository(t, false)
	for _, name := range []string{"file", "new"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("not committed"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := readCommit(t.Context(), root, "v1.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 3, 1, 4, 30, 0, 0, time.UTC); c.date != want {
		t.Errorf("its date is %s, want %s", c.date, want)
	}
	folder := t.TempDir()
	if err := c.checkout(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	files, err := filesOf(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || string(files["file"]) != "second" {
		t.Errorf("it holds %q", files)
	}
}
