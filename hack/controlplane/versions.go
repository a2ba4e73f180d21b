package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

const (
	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
)

// versions of the control plane, as go.mod has them; there is no other place that says.
type versions struct {
	// Kubernetes, such as v1.37.2.
	Kubernetes string
	// Etcd, such as v3.7.0.
	Etcd string
}

// key names a result, so that another version or platform never uses it.
func (v versions) key(goos, goarch string) string {
	return fmt.Sprintf("%s-etcd%s-%s-%s",
		strings.TrimPrefix(v.Kubernetes, "v"), strings.TrimPrefix(v.Etcd, "v"), goos, goarch)
}

// readVersions reads the go.mod of the module in a folder.
func readVersions(ctx context.Context, module string) (versions, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "edit", "-json")
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		return versions{}, fmt.Errorf("reading go.mod in %s: %w", module, err)
	}
	return parseVersions(out)
}

func parseVersions(goMod []byte) (versions, error) {
	var file struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(goMod, &file); err != nil {
		return versions{}, fmt.Errorf("reading go.mod: %w", err)
	}
	found := map[string]string{}
	for _, required := range file.Require {
		found[required.Path] = required.Version
	}
	for _, module := range []string{kubernetesModule, etcdModule} {
		if found[module] == "" {
			return versions{}, fmt.Errorf("go.mod does not require %s; run controlplane in hack/controlplane, or name that folder with -C", module)
		}
	}
	return versions{Kubernetes: found[kubernetesModule], Etcd: found[etcdModule]}, nil
}

// minor splits v1.37.2 into 1 and 37.
func minor(kubernetes string) (major, minorVersion string, err error) {
	parts := strings.Split(strings.TrimPrefix(kubernetes, "v"), ".")
	if len(parts) < 3 {
		return "", "", fmt.Errorf("%s %s is not of the form v1.2.3", kubernetesModule, kubernetes)
	}
	return parts[0], parts[1], nil
}
