package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/internal/markdown"
)

const root = "../.."

// pages are all pages of the project, by their path from its root.
func pages(t *testing.T) map[string]*markdown.Page {
	t.Helper()
	found := map[string]*markdown.Page{}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "node_modules"):
			return fs.SkipDir // what is no part of the project, such as .run
		case filepath.Ext(path) != ".md":
			return nil
		}
		page, err := markdown.Read(filepath.Join(root, path))
		found[path] = page
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLinksLeadSomewhere(t *testing.T) {
	all, followed := pages(t), 0
	for path, page := range all {
		for _, link := range page.Links {
			if strings.Contains(link.Target, ":") {
				continue // another site's
			}
			followed++
			file, anchor, _ := strings.Cut(link.Target, "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s:%d: there is no %s", path, link.Line, link.Target)
				continue
			}
			if to := all[target]; anchor != "" && (to == nil || !to.Anchors[anchor]) {
				t.Errorf("%s:%d: %s has no heading #%s", path, link.Line, target, anchor)
			}
		}
	}
	if followed < 50 {
		t.Errorf("%d links were followed; there are more", followed)
	}
}

func TestTheIndexNamesEveryPage(t *testing.T) {
	all := pages(t)
	named := map[string]bool{}
	for _, link := range all["docs/README.md"].Links {
		file, _, _ := strings.Cut(link.Target, "#")
		named[filepath.Join("docs", file)] = true
	}
	for path := range all {
		// Runbooks are named by the alerts' table in monitoring.md.
		if strings.HasPrefix(path, "docs/") && !strings.HasPrefix(path, "docs/runbooks/") && path != "docs/README.md" && !named[path] {
			t.Errorf("docs/README.md does not name %s", path)
		}
	}
}
