package rights

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// evidence is how the documents name a test: its file, and a part of its name.
var evidence = regexp.MustCompile("`([a-z0-9/_]+\\.(?:go|sh))` \"([^\"]+)\"")

func TestWhatTheThreatModelNamesIsThere(t *testing.T) { isThere(t, "security.md", 40) }

func TestWhatThePromisesNameIsThere(t *testing.T) { isThere(t, "reliability.md", 30) }

// isThere checks every test that a document names, of which there are so many at least.
func isThere(t *testing.T, document string, least int) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", document))
	if err != nil {
		t.Fatal(err)
	}
	named := evidence.FindAllStringSubmatch(string(text), -1)
	if len(named) < least {
		t.Errorf("it names %d tests", len(named))
	}
	if mentioned := strings.Count(string(text), ".go`") + strings.Count(string(text), ".sh`"); mentioned != len(named) {
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
