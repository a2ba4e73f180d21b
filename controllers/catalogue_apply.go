package controllers

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/assortment"
)

// applyTries is how many times a product is applied again without what others own.
const applyTries = 5

// apply writes one product, unless it was written like that before. What somebody else owns is
// left to them.
func (r *CatalogueReconciler) apply(ctx context.Context, operator, name string, spec *v1alpha1.EsimProductSpec, before *v1alpha1.EsimProduct) (bool, error) {
	hash, err := assortment.Hash(spec)
	if err != nil {
		return false, err
	}
	if before != nil && before.Annotations[v1alpha1.CatalogueHashAnnotation] == hash {
		return false, nil
	}
	object, err := productToApply(operator, name, hash, spec)
	if err != nil {
		return false, err
	}
	for range applyTries {
		err = r.Writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(v1alpha1.CatalogueFieldOwner))
		if err == nil {
			return true, nil
		}
		if !apierrors.IsConflict(err) || !leaveToOthers(object, err) {
			return false, err
		}
	}
	return false, err
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

// Fields of a product, as the API server names them in conflicts of field owners.
var (
	variantField = regexp.MustCompile(`^\.spec\.variants\[name="([^"]+)"\]\.([A-Za-z]+)`)
	productField = regexp.MustCompile(`^\.spec\.([A-Za-z]+)`)
)

// leaveToOthers takes off what is to be applied what somebody else owns; false where that is
// nothing that could be taken off.
func leaveToOthers(object *unstructured.Unstructured, conflict error) bool {
	var status apierrors.APIStatus
	if !errors.As(conflict, &status) || status.Status().Details == nil {
		return false
	}
	spec, _, err := unstructured.NestedMap(object.Object, "spec")
	if err != nil {
		return false
	}
	taken := false
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		if m := variantField.FindStringSubmatch(cause.Field); len(m) == 3 {
			taken = leaveVariantField(spec, m[1], m[2]) || taken
		} else if m := productField.FindStringSubmatch(cause.Field); len(m) == 2 && m[1] != "variants" {
			delete(spec, m[1])
			taken = true
		}
	}
	object.Object["spec"] = spec
	return taken
}

func leaveVariantField(spec map[string]any, name, field string) bool {
	variants, _ := spec["variants"].([]any)
	for _, v := range variants {
		variant, ok := v.(map[string]any)
		if ok && variant["name"] == name && field != "name" {
			delete(variant, field)
			return true
		}
	}
	return false
}
