package controllers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/assortment"
)

// apply writes one product, unless it was written like that before. What somebody else owns is
// left to them; over what another list was written into meanwhile nothing is written.
func (r *CatalogueReconciler) apply(ctx context.Context, operator, name string, spec *v1alpha1.EsimProductSpec, before *v1alpha1.EsimProduct) (bool, error) {
	hash, err := assortment.Hash(spec)
	if err != nil {
		return false, err
	}
	if before != nil && hashOf(before) == hash {
		return false, nil
	}
	object, err := productToApply(operator, name, hash, spec)
	if err != nil {
		return false, err
	}
	for range recordTries {
		if before != nil {
			object.SetResourceVersion(before.ResourceVersion)
		}
		err := applyProduct(ctx, r.Writer, v1alpha1.CatalogueFieldOwner, object)
		if err == nil || !apierrors.IsConflict(err) || before == nil {
			return err == nil, err
		}
		stood := hashOf(before)
		before = &v1alpha1.EsimProduct{}
		if err := r.Live.Get(ctx, types.NamespacedName{Name: name}, before); err != nil {
			return false, fmt.Errorf("reading the product after a conflict: %w", err)
		}
		if hashOf(before) != stood {
			return false, errImportedMeanwhile
		}
	}
	return false, errImportedMeanwhile
}

func productToApply(operator, name, hash string, spec *v1alpha1.EsimProductSpec) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return nil, fmt.Errorf("writing the product: %w", err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	object.SetKind("EsimProduct")
	object.SetName(name)
	object.SetLabels(map[string]string{v1alpha1.CatalogueOperatorLabel: operator})
	object.SetAnnotations(map[string]string{v1alpha1.CatalogueHashAnnotation: hash})
	return object, nil
}
