package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// howTo is a page with ' for `, of two sections and manifests of two groups.
const howTo = "# Add\n'''yaml\napiVersion: v1\nkind: Namespace\nmetadata: {name: globex}\n'''\n\n'''yaml\nreplicas: 2\n'''\n\n" +
	"'''yaml\napiVersion: cert-manager.io/v1\nkind: Certificate\n'''\n\n'''sh\necho to operator.example\n'''\n\n## Remove\n'''sh\necho away\n'''\n"

// kubectl puts a script in the place of kubectl.
func kubectl(t *testing.T, script string) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "kubectl"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

func TestOfAPageIsRunWhatIsAskedFor(t *testing.T) {
	kubectl(t, `[ "$1 $2" = 'apply -f' ] && exec cat "$3"`)
	for name, test := range map[string]struct{ args, printed, complaint string }{
		"the commands":                      {"", "to operator.example\naway\n", ""},
		"manifests, which parts are not":    {"-apply -absent cert-manager.io", "apiVersion: v1\nkind: Namespace\nmetadata: {name: globex}\nto operator.example\naway\n", ""},
		"one section":                       {"-only remove", "away\n", ""},
		"the others":                        {"-but remove", "to operator.example\n", ""},
		"something in place of what it has": {"-apply -absent cert-manager.io -but remove -replace globex=acme -replace operator.example=a=b", "apiVersion: v1\nkind: Namespace\nmetadata: {name: acme}\nto a=b\n", ""},
		"a section that it does not have":   {"-but removal", "", "there is no section removal"},
		"a group that it does not have":     {"-apply -absent argoproj.io", "", "there is no manifest of the group argoproj.io"},
		"what it does not have":             {"-replace globex=acme", "", `there is no "globex" to replace`},
		"what is replaced by nothing":       {"-replace globex", "", "it takes OLD=NEW"},
		"nothing":                           {"-only add -but add", "", "there is no sh block to run"},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			err := follow(t.Context(), append(strings.Fields("-log "+log+" "+test.args), written(t, howTo)), &bytes.Buffer{})
			if (err == nil) != (test.complaint == "") || (err != nil && !strings.Contains(err.Error(), test.complaint)) {
				t.Fatalf("complains: %v, want %q", err, test.complaint)
			}
			if err != nil {
				return
			}
			kept, err := os.ReadFile(log)
			if printed := strings.ReplaceAll(string(kept), "\n\n", "\n"); err != nil || printed != test.printed {
				t.Errorf("printed %q, %v, want %q", printed, err, test.printed)
			}
		})
	}
}

func TestAManifestThatIsRefusedFailsWithItsLine(t *testing.T) {
	kubectl(t, "echo 'EsimWallet is invalid' >&2; exit 1")
	err := follow(t.Context(), []string{"-apply", "-absent", "cert-manager.io", written(t, howTo)}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "page.md:3: these commands fail (exit status 1); they printed:\n  EsimWallet is invalid") {
		t.Errorf("got %v", err)
	}
}
