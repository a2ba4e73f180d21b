package controllers

import (
	"slices"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// sourceKey tells sources apart.
type sourceKey struct{ operator, plan string }

func keyOf(s v1alpha1.VariantSource) sourceKey { return sourceKey{s.OperatorRef.Name, s.PlanID} }

// currentSource is where the order's attempt goes.
func currentSource(p *v1alpha1.OrderProvisioning) v1alpha1.VariantSource {
	return v1alpha1.VariantSource{OperatorRef: p.OperatorRef, PlanID: p.PlanID}
}

// openSources are the sources that have not refused the order for good, in order of
// preference. The attempt that ends now counts with its class.
func openSources(sources []v1alpha1.VariantSource, p *v1alpha1.OrderProvisioning, class operators.Class) []v1alpha1.VariantSource {
	refused := map[sourceKey]bool{}
	for _, attempt := range p.Attempts {
		if attempt.Class == string(operators.Rejected) {
			refused[sourceKey{attempt.OperatorRef.Name, attempt.PlanID}] = true
		}
	}
	if class == operators.Rejected {
		refused[keyOf(currentSource(p))] = true
	}
	var open []v1alpha1.VariantSource
	for _, source := range sources {
		if !refused[keyOf(source)] {
			open = append(open, source)
		}
	}
	return open
}

// nextSource is where an order goes after its current source rejected it or had no stock. ok
// is false where no source is left. wait tells that every source has been asked: the order
// begins with the first again, after a long while.
func nextSource(sources []v1alpha1.VariantSource, p *v1alpha1.OrderProvisioning, class operators.Class) (next v1alpha1.VariantSource, wait, ok bool) {
	current := keyOf(currentSource(p))
	at := slices.IndexFunc(sources, func(s v1alpha1.VariantSource) bool { return keyOf(s) == current })
	if at < 0 && class != operators.Rejected {
		// The product no longer names the source that the order was given to: it stays there.
		return currentSource(p), true, true
	}
	open := openSources(sources, p, class)
	if len(open) == 0 {
		return v1alpha1.VariantSource{}, false, false
	}
	for _, source := range sources[at+1:] {
		if slices.ContainsFunc(open, func(o v1alpha1.VariantSource) bool { return keyOf(o) == keyOf(source) }) {
			return source, false, true
		}
	}
	return open[0], true, true
}
