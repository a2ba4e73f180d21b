// Package manifests reads folders of Kubernetes manifests and applies them, as `kubectl
// apply --server-side -k` does.
package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// readAhead is how far the decoder looks to tell YAML from JSON.
const readAhead = 4096

// Read returns the objects of a folder: what its kustomization makes of it, rendered by the
// given kubectl, else those of its *.yaml files by name. A folder that does not exist, or is
// empty, has none.
func Read(ctx context.Context, kubectl, folder string) ([]*unstructured.Unstructured, error) {
	content, err := render(ctx, kubectl, folder)
	if err != nil {
		return nil, err
	}
	objects, err := Decode(content)
	if err != nil {
		return nil, fmt.Errorf("reading the manifests of %s: %w", folder, err)
	}
	return objects, nil
}

// Decode reads the objects of a stream of YAML documents; empty documents are none.
func Decode(content []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), readAhead)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("reading YAML document %d: %w", len(objects)+1, err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

// Apply applies the objects in their order, by server-side apply, and takes over fields that
// others have set.
func Apply(ctx context.Context, c client.Client, owner client.FieldOwner, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		apply := client.ApplyConfigurationFromUnstructured(object)
		if err := c.Apply(ctx, apply, owner, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

func render(ctx context.Context, kubectl, folder string) ([]byte, error) {
	_, err := os.Stat(filepath.Join(folder, "kustomization.yaml"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return concatenate(folder)
	case err != nil:
		return nil, fmt.Errorf("looking for manifests: %w", err)
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, kubectl, "kustomize", folder)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w: %s", folder, err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}

func concatenate(folder string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("looking for manifests: %w", err)
	}
	var all bytes.Buffer
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		all.WriteString("---\n")
		all.Write(content)
		all.WriteString("\n")
	}
	return all.Bytes(), nil
}
