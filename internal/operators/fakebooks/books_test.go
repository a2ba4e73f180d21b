package fakebooks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// opened are books, and what they held.
func opened(t *testing.T, path string) (*Books, []string) {
	t.Helper()
	var held []string
	books, err := Open(path, func(line []byte) error {
		var record string
		err := json.Unmarshal(line, &record)
		held = append(held, record)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return books, held
}

func TestWhatIsKeptOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "books.jsonl")
	books, held := opened(t, path)
	if len(held) > 0 {
		t.Errorf("new books hold %q", held)
	}
	for _, record := range []string{"first", "second"} {
		if err := books.Keep(record); err != nil {
			t.Fatal(err)
		}
	}
	if err := books.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	books, held = opened(t, path)
	if diff := cmp.Diff([]string{"first", "second"}, held); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := books.Close(); err != nil {
		t.Fatal(err)
	}
	if err := books.Keep("late"); err == nil || books.Err() == nil {
		t.Error("what cannot be written passes for kept")
	}
}

func TestATornLineIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "books.jsonl")
	if err := os.WriteFile(path, []byte("\"whole\"\n\"to"), 0o600); err != nil {
		t.Fatal(err)
	}
	books, _ := opened(t, path)
	if err := books.Keep("next"); err != nil {
		t.Fatal(err)
	}
	if err := books.Close(); err != nil {
		t.Fatal(err)
	}
	books, held := opened(t, path)
	if diff := cmp.Diff([]string{"whole", "next"}, held); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := books.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBooksThatCannotBeReadAreNotBegunAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "books.jsonl")
	if err := os.WriteFile(path, []byte("{\"secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, func(line []byte) error { return json.Unmarshal(line, new(string)) })
	if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}

func TestNoBooksKeepNothing(t *testing.T) {
	var books *Books
	if books.Keep("lost") != nil || books.Err() != nil || books.Close() != nil {
		t.Error("books that do not exist fail")
	}
}
