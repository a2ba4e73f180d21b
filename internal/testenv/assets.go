package testenv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// assetsVariable names the folder of the control plane's binaries, as envtest knows it.
const assetsVariable = "KUBEBUILDER_ASSETS"

// stopGrace is how long a build of the control plane may tidy up after a cancellation.
const stopGrace = 10 * time.Second

// findAssets is the folder of etcd, kube-apiserver and kubectl: KUBEBUILDER_ASSETS, as
// `make test` sets it, else what hack/controlplane finds or builds, so that a plain
// `go test` works too.
func findAssets(ctx context.Context, root string) (string, error) {
	if dir := os.Getenv(assetsVariable); dir != "" {
		for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				return "", fmt.Errorf("%s is set to %s, which lacks %s; unset it, or name a folder with all three: %w",
					assetsVariable, dir, name, err)
			}
		}
		return dir, nil
	}

	cmd := exec.CommandContext(ctx, "go", "run", ".")
	cmd.Dir = filepath.Join(root, "hack", "controlplane")
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("getting the control plane with `go run .` in hack/controlplane: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// repositoryRoot is the closest folder above the test's own that holds this module.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil && strings.HasPrefix(string(content), "module github.com/telcodev/esim-operator\n"):
			return dir, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("finding the repository: %w", err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("finding the repository: no go.mod of github.com/telcodev/esim-operator above the test's folder")
		}
		dir = parent
	}
}
