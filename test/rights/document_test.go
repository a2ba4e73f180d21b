package rights

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// evidence is how docs/security.md names a test: its file, and a part of its name.
var evidence = regexp.MustCompile("`([a-z0-9/_]+_test\\.go)` \"([^\"]+)\"")

func TestWhatTheThreatModelNamesIsThere(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := evidence.FindAllStringSubmatch(string(text), -1)
	if len(named) < 40 {
		t.Errorf("it names %d tests", len(named))
	}
	if mentioned := strings.Count(string(text), "_test.go`"); mentioned != len(named) {
		t.Errorf("%d files are mentioned, %d with a test's name", mentioned, len(named))
	}
	for _, test := range named {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(test[1])))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(source), test[2]) {
			t.Errorf("%s has no test %q", test[1], test[2])
		}
	}
}
