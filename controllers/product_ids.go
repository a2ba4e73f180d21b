package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// maxVariantIDs is how many variants a product's status remembers, those that left included.
const maxVariantIDs = 400

// productIDs knows the id of every product and every variant there is, so that a product gets
// its own without a look at all others. Products have numbers of their own, variants have
// numbers of their own. It is filled once, from a complete list, and follows from then on what
// it has itself given out: by the cache alone a new id could be an old one.
type productIDs struct {
	mu       sync.Mutex
	products numbers
	variants numbers
	// uids of the products that are known; nil until it is filled.
	uids map[string]types.UID
}

// assignedIDs is what one product gets.
type assignedIDs struct {
	// product is its id; 0 where it has none, as the one in its spec is another's.
	product int64
	// variants in the order of the status before, then new ones.
	variants []v1alpha1.VariantStatus
	// taken says in plain words which id of the spec is another's; empty where none is.
	taken string
	// served are other products that waited for an id that is free now.
	served []string
}

// fill learns the ids that are there, for all products there are.
func (ids *productIDs) fill(hash func(string) int64, all []v1alpha1.EsimProduct) {
	ids.products, ids.variants, ids.uids = newNumbers(hash), newNumbers(hash), map[string]types.UID{}
	// Where two want one id, the older product has it.
	slices.SortFunc(all, func(a, b v1alpha1.EsimProduct) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var products, variants []numberedName
	for i := range all {
		product := &all[i]
		ids.uids[product.Name] = product.UID
		for _, r := range productRequest(product, nil) {
			products = append(products, numberedName{product.Name, r})
		}
		for _, r := range variantRequests(product, nil) {
			variants = append(variants, numberedName{product.Name, r})
		}
	}
	ids.products.learn(products)
	ids.variants.learn(variants)
}

// numberedName is a name as it was found, with its numbers in status and spec.
type numberedName struct {
	product string
	numberRequest
}

// learn claims what was found. What is settled, as the spec says nothing else, comes before
// what is about to change; and any number that was given comes before one that is only wanted.
func (n *numbers) learn(found []numberedName) {
	changes := func(f numberedName) bool { return f.wanted > 0 && f.wanted != f.stored }
	for _, f := range found {
		if !changes(f) {
			n.claim(holder{f.product, f.name}, f.stored)
		}
	}
	for _, f := range found {
		if changes(f) {
			n.fade(holder{f.product, f.name}, f.stored)
		}
	}
	for _, f := range found {
		if changes(f) && !n.claim(holder{f.product, f.name}, f.wanted) {
			n.waiting[f.product] = append(n.waiting[f.product], f.wanted)
		}
	}
}

// assign gives a product and its variants their ids. Asked again it answers the same, and is
// to be asked again once the answer is stored: only then are the ids of before free.
func (ids *productIDs) assign(product *v1alpha1.EsimProduct) assignedIDs {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if uid, known := ids.uids[product.Name]; known && uid != product.UID {
		// Deleted and made anew: another product of the same name.
		ids.products.release(product.Name)
		ids.variants.release(product.Name)
	}
	ids.uids[product.Name] = product.UID

	taken := ids.products.assign(product.Name, productRequest(product, ids.products.held[product.Name]))
	requests := variantRequests(product, ids.variants.held[product.Name])
	taken = append(taken, ids.variants.assign(product.Name, requests)...)

	assigned := assignedIDs{
		product: ids.products.held[product.Name][""],
		served:  ids.served(),
	}
	for _, r := range requests {
		if id := ids.variants.held[product.Name][r.name]; id > 0 {
			assigned.variants = append(assigned.variants, v1alpha1.VariantStatus{Name: r.name, ID: id})
		}
	}
	if len(taken) > 0 {
		assigned.taken = describeTaken(taken[0])
	}
	return assigned
}

// forget frees the ids of a product that is gone, and returns the products that waited for them.
func (ids *productIDs) forget(product string) []string {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.products.release(product)
	ids.variants.release(product)
	delete(ids.uids, product)
	return ids.served()
}

func (ids *productIDs) served() []string {
	return append(ids.products.served(), ids.variants.served()...)
}

// productRequest asks for a product's id. held is what was given out last; it counts where the
// status has nothing yet.
func productRequest(product *v1alpha1.EsimProduct, held map[string]int64) []numberRequest {
	return []numberRequest{{
		wanted: ptr.Deref(product.Spec.ID, 0),
		before: cmp.Or(product.Status.ID, held[""]),
		stored: product.Status.ID,
	}}
}

// variantRequests asks for the ids of a product's variants: those of the status first, in
// their order, so that the order stays, then new ones. The oldest of those that left are
// forgotten where the status has no room for them.
func variantRequests(product *v1alpha1.EsimProduct, held map[string]int64) []numberRequest {
	wanted := map[string]int64{}
	for i := range product.Spec.Variants {
		wanted[product.Spec.Variants[i].Name] = ptr.Deref(product.Spec.Variants[i].ID, 0)
	}
	var requests []numberRequest
	asked := map[string]bool{}
	ask := func(name string, stored int64) {
		if asked[name] {
			return
		}
		asked[name] = true
		id, present := wanted[name]
		requests = append(requests, numberRequest{
			name: name, wanted: id, before: cmp.Or(stored, held[name]), stored: stored, left: !present,
		})
	}
	for _, variant := range product.Status.Variants {
		ask(variant.Name, variant.ID)
	}
	for i := range product.Spec.Variants {
		ask(product.Spec.Variants[i].Name, 0)
	}
	for _, name := range sortedNames(held) {
		ask(name, 0)
	}
	surplus := len(requests) - maxVariantIDs
	return slices.DeleteFunc(requests, func(r numberRequest) bool {
		if surplus <= 0 || !r.left {
			return false
		}
		surplus--
		return true
	})
}

// describeTaken says whose id it is that a product or variant wants.
func describeTaken(t takenNumber) string {
	if t.name == "" {
		return fmt.Sprintf("spec.id %d is that of EsimProduct %s: choose another, or leave it out", t.number, t.owner.product)
	}
	return fmt.Sprintf("id %d of variant %s is that of variant %s of EsimProduct %s: choose another, or leave it out",
		t.number, t.name, t.owner.name, t.owner.product)
}
