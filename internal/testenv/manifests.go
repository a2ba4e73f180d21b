package testenv

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

const (
	fieldOwner = client.FieldOwner("testenv")
	readAhead  = 4096
)

// ApplyFolder applies a folder of manifests, named from the repository's root, as
// `kubectl apply -k` would; a folder without a kustomization.yaml as `kubectl apply -f`
// would. A folder that is not there, or is empty, has nothing to apply.
func (e *Environment) ApplyFolder(ctx context.Context, folder string) error {
	manifests, err := e.render(ctx, filepath.Join(e.Root, filepath.FromSlash(folder)))
	if err != nil {
		return err
	}
	objects, err := decode(manifests)
	if err != nil {
		return fmt.Errorf("reading %s: %w", folder, err)
	}
	for _, object := range objects {
		apply := client.ApplyConfigurationFromUnstructured(object)
		if err := e.Client.Apply(ctx, apply, fieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s %s of %s: %w", object.GetKind(), object.GetName(), folder, err)
		}
	}
	return nil
}

// render is the YAML of a folder, or nothing.
func (e *Environment) render(ctx context.Context, dir string) ([]byte, error) {
	_, err := os.Stat(filepath.Join(dir, "kustomization.yaml"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return concatenated(dir)
	case err != nil:
		return nil, fmt.Errorf("looking for manifests: %w", err)
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, filepath.Join(e.Assets, "kubectl"), "kustomize", dir)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w: %s", dir, err, complaint.String())
	}
	return out, nil
}

func concatenated(dir string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
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

// decode reads the objects of a stream of YAML documents; empty documents are none.
func decode(manifests []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), readAhead)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("reading a YAML document: %w", err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}
