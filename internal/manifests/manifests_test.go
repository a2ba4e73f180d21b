package manifests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecode(t *testing.T) {
	tests := map[string]struct {
		content string
		want    []string // kind/name
	}{
		"nothing":                      {"", nil},
		"comments alone":               {"# nothing\n---\n# here\n", nil},
		"one":                          {"kind: A\nmetadata: {name: one}\n", []string{"A/one"}},
		"two, with empty ones between": {"---\n---\nkind: A\nmetadata: {name: one}\n---\n\n---\nkind: B\nmetadata: {name: two}\n", []string{"A/one", "B/two"}},
		"JSON":                         {`{"kind": "A", "metadata": {"name": "one"}}`, []string{"A/one"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects, err := Decode([]byte(test.content))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, object := range objects {
				got = append(got, object.GetKind()+"/"+object.GetName())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNoObject(t *testing.T) {
	for _, content := range []string{"- a\n- b\n", "kind: [", "just words\n"} {
		if objects, err := Decode([]byte(content)); err == nil {
			t.Errorf("%q was read as %v", content, objects)
		}
	}
}

func TestReadTakesFilesByNameWhereThereIsNoKustomization(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"b.yaml":     "kind: B\nmetadata: {name: second}\n",
		"a.yaml":     "kind: A\nmetadata: {name: first}\n",
		"readme.txt": "not a manifest",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := Read(t.Context(), "kubectl-is-not-needed", folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].GetName() != "first" || objects[1].GetName() != "second" {
		t.Errorf("got %v, want first and second", objects)
	}
}

func TestReadTakesAMissingFolderForAnEmptyOne(t *testing.T) {
	objects, err := Read(t.Context(), "kubectl-is-not-needed", filepath.Join(t.TempDir(), "none"))
	if err != nil || len(objects) != 0 {
		t.Errorf("got %v, %v, want nothing", objects, err)
	}
}
