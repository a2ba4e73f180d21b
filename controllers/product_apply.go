package controllers

import (
	"context"
	"errors"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// applyTries is how many times a product is applied again without what others own.
const applyTries = 5

// applyProduct applies an EsimProduct for a field owner, less what somebody else owns of it: what
// a person edits stays edited.
func applyProduct(ctx context.Context, writer client.Client, owner string, object *unstructured.Unstructured) error {
	var err error
	for range applyTries {
		err = writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(owner))
		if err == nil || !apierrors.IsConflict(err) || !leaveToOthers(object, err) {
			return err
		}
	}
	return err
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
