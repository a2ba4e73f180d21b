package testenv

import (
	"context"
	"path/filepath"

	"github.com/telcodev/esim-operator/internal/manifests"
)

// ApplyFolder applies a folder of manifests, named from the repository's root, as
// `kubectl apply --server-side -k` would. A folder that is not there has nothing to apply.
func (e *Environment) ApplyFolder(ctx context.Context, folder string) error {
	kubectl := filepath.Join(e.Assets, "kubectl")
	objects, err := manifests.Read(ctx, kubectl, filepath.Join(e.Root, filepath.FromSlash(folder)))
	if err != nil {
		return err
	}
	return manifests.Apply(ctx, e.Client, "testenv", objects)
}
