package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/assortment"
)

// writeMerged writes the variants that a rule makes, unless it wrote them like that before; true
// where that changed the product, which brings it a further pass.
func (r *ProductReconciler) writeMerged(ctx context.Context, product *v1alpha1.EsimProduct, variants []v1alpha1.EsimVariant) (bool, error) {
	hash, err := assortment.Hash(&v1alpha1.EsimProductSpec{Variants: variants})
	if err != nil {
		return false, err
	}
	if product.Annotations[v1alpha1.MergeHashAnnotation] == hash && complete(product, variants) {
		return false, nil
	}
	live, err := r.ownersOf(ctx, product)
	if live == nil || err != nil {
		return false, err
	}
	owned, err := ownedVariants(live)
	if err != nil {
		return false, err
	}
	object, err := mergeToApply(live, hash, applicable(live, owned, variants))
	if err != nil {
		return false, err
	}
	if err := applyProduct(ctx, r.Writer, v1alpha1.MergeFieldOwner, object); err != nil {
		return false, err
	}
	// Where all of it is left to others, or there is nothing to say, the annotation alone has changed.
	return object.GetGeneration() != product.Generation, nil
}

// ownersOf is a product with what the cache does not keep: who owns which field. nil where it is
// not the product any more that the rule was read from.
func (r *ProductReconciler) ownersOf(ctx context.Context, product *v1alpha1.EsimProduct) (*v1alpha1.EsimProduct, error) {
	var live v1alpha1.EsimProduct
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(product), &live)
	if apierrors.IsNotFound(err) || err == nil && (live.UID != product.UID || !live.DeletionTimestamp.IsZero()) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading it from the API server: %w", err)
	}
	return &live, nil
}

// complete tells whether a product has all variants, or holds no more.
func complete(product *v1alpha1.EsimProduct, variants []v1alpha1.EsimVariant) bool {
	return len(product.Spec.Variants) >= assortment.MaxVariants || len(missing(product, variants)) == 0
}

// missing are those of variants that a product does not have, by name.
func missing(product *v1alpha1.EsimProduct, variants []v1alpha1.EsimVariant) []v1alpha1.EsimVariant {
	return slices.DeleteFunc(slices.Clone(variants), func(v v1alpha1.EsimVariant) bool { return hasVariant(product.Spec.Variants, v.Name) })
}

func hasVariant(variants []v1alpha1.EsimVariant, name string) bool {
	return slices.ContainsFunc(variants, func(v v1alpha1.EsimVariant) bool { return v.Name == name })
}

// applicable are the variants to apply to a product: those that the rule makes, as far as there
// is room, and those that it made before, which would be deleted if they were left out. These
// have no sources any more and are inactive, unless somebody gave them sources of their own.
func applicable(live *v1alpha1.EsimProduct, owned map[string]fieldSet, variants []v1alpha1.EsimVariant) []v1alpha1.EsimVariant {
	var all []v1alpha1.EsimVariant
	room := assortment.MaxVariants - len(live.Spec.Variants)
	for i := range variants {
		if !hasVariant(live.Spec.Variants, variants[i].Name) {
			if room <= 0 {
				continue
			}
			room--
		}
		all = append(all, variants[i])
	}
	for i := range live.Spec.Variants {
		before := &live.Spec.Variants[i]
		fields, ours := owned[before.Name]
		if !ours || hasVariant(variants, before.Name) {
			continue
		}
		all = append(all, v1alpha1.EsimVariant{
			Name: before.Name, DisplayName: before.DisplayName, Amount: before.Amount,
			DataAmountGB: before.DataAmountGB, ValidityDays: before.ValidityDays,
			Inactive: fields["f:sources"] != nil || len(before.Sources) == 0,
		})
	}
	return all
}

// fieldSet holds the fields of an object, as managedFields writes them.
type fieldSet map[string]json.RawMessage

// ownedVariants are the variants that the rule has made, with the fields of each that nobody else
// has changed since.
func ownedVariants(live *v1alpha1.EsimProduct) (map[string]fieldSet, error) {
	owned := map[string]fieldSet{}
	for i := range live.ManagedFields {
		entry := &live.ManagedFields[i]
		if entry.Manager != v1alpha1.MergeFieldOwner || entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Spec struct {
				Variants map[string]fieldSet `json:"f:variants"`
			} `json:"f:spec"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			return nil, fmt.Errorf("reading who owns the variants: %w", err)
		}
		for key, set := range fields.Spec.Variants {
			var variant struct {
				Name string `json:"name"`
			}
			if text, ok := strings.CutPrefix(key, "k:"); ok && json.Unmarshal([]byte(text), &variant) == nil {
				owned[variant.Name] = set
			}
		}
	}
	return owned, nil
}

// mergeToApply is what the rule has to say of a product. The UID keeps a product that was deleted
// from being made anew.
func mergeToApply(live *v1alpha1.EsimProduct, hash string, variants []v1alpha1.EsimVariant) (*unstructured.Unstructured, error) {
	items := make([]any, 0, len(variants))
	for i := range variants {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&variants[i])
		if err != nil {
			return nil, fmt.Errorf("writing variant %s: %w", variants[i].Name, err)
		}
		items = append(items, fields)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"variants": items}}}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	object.SetKind("EsimProduct")
	object.SetName(live.Name)
	object.SetUID(live.UID)
	object.SetAnnotations(map[string]string{v1alpha1.MergeHashAnnotation: hash})
	return object, nil
}
