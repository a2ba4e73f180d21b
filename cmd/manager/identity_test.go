package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/telcodev/esim-operator/internal/version"
)

const aKubeconfig = `
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: https://api.example.com:6443}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`

func TestTheAPIServerIsCalledWithTheVersion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(aKubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	want := version.Get().APIServerAgent(os.Args[0])
	named, err := identity(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", file)
	found, err := identity("")
	if err != nil {
		t.Fatal(err)
	}
	for how, got := range map[string]string{"named": named.UserAgent, "found": found.UserAgent} {
		if got != want {
			t.Errorf("%s: as %q, want %q", how, got, want)
		}
	}
}

func TestTheManagerTellsItsVersion(t *testing.T) {
	for _, argument := range []string{"version", "--version"} {
		var out bytes.Buffer
		if err := run([]string{argument}, &out); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), version.Get().String()+"\n"; got != want {
			t.Errorf("%s: %q, want %q", argument, got, want)
		}
	}
}
