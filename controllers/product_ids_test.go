package controllers

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// hashByLength makes collisions easy to see: the number of a name is its length.
func hashByLength(name string) int64 { return int64(len(name)) }

// testProduct has an id in its spec where wanted is not 0, and one in its status where before
// is not 0.
func testProduct(name string, wanted, before int64, variants ...v1alpha1.EsimVariant) *v1alpha1.EsimProduct {
	product := &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	if wanted != 0 {
		product.Spec.ID = &wanted
	}
	product.Status.ID = before
	product.Spec.Variants = variants
	return product
}

func testVariant(name string, wanted int64) v1alpha1.EsimVariant {
	variant := v1alpha1.EsimVariant{Name: name}
	if wanted != 0 {
		variant.ID = &wanted
	}
	return variant
}

func statuses(namesAndIDs ...any) []v1alpha1.VariantStatus {
	var all []v1alpha1.VariantStatus
	for pair := range slices.Chunk(namesAndIDs, 2) {
		all = append(all, v1alpha1.VariantStatus{Name: pair[0].(string), ID: int64(pair[1].(int))})
	}
	return all
}

func filled(products ...*v1alpha1.EsimProduct) *productIDs {
	var all []v1alpha1.EsimProduct
	for _, product := range products {
		all = append(all, *product)
	}
	ids := &productIDs{}
	ids.fill(hashByLength, all)
	return ids
}

func TestProductGetsTheIDThatItShould(t *testing.T) {
	tests := []struct {
		name    string
		others  []*v1alpha1.EsimProduct
		product *v1alpha1.EsimProduct
		want    int64
		taken   string
	}{
		{name: "derived from the name", product: testProduct("japan", 0, 0), want: 5},
		{name: "kept from the status", product: testProduct("japan", 0, 77), want: 77},
		{name: "from the spec", product: testProduct("japan", 42, 0), want: 42},
		{name: "from the spec in place of the status", product: testProduct("japan", 42, 77), want: 42},
		{
			name:   "probed past a collision",
			others: []*v1alpha1.EsimProduct{testProduct("spain", 0, 5), testProduct("italy", 0, 6)},
			// 5 and 6 are given.
			product: testProduct("japan", 0, 0), want: 7,
		}, {
			name:    "not the one that another has",
			others:  []*v1alpha1.EsimProduct{testProduct("france", 42, 42)},
			product: testProduct("japan", 42, 0), want: 0,
			taken: "spec.id 42 is that of EsimProduct france: choose another, or leave it out",
		}, {
			name:    "not the one that another wants, who is there already",
			others:  []*v1alpha1.EsimProduct{testProduct("france", 42, 0)},
			product: testProduct("japan", 42, 0), want: 0,
			taken: "spec.id 42 is that of EsimProduct france: choose another, or leave it out",
		}, {
			name:    "the one before, where the one in the spec is another's",
			others:  []*v1alpha1.EsimProduct{testProduct("france", 42, 42)},
			product: testProduct("japan", 42, 77), want: 77,
			taken: "spec.id 42 is that of EsimProduct france: choose another, or leave it out",
		}, {
			name:    "not one that was derived for another, even if the spec says so",
			others:  []*v1alpha1.EsimProduct{testProduct("france", 0, 6)},
			product: testProduct("japan", 6, 0), want: 0,
			taken: "spec.id 6 is that of EsimProduct france: choose another, or leave it out",
		}, {
			name:    "not the one that another's status still shows, though its spec has another",
			others:  []*v1alpha1.EsimProduct{testProduct("france", 9, 42)},
			product: testProduct("japan", 42, 0), want: 0,
			taken: "spec.id 42 is that of EsimProduct france: choose another, or leave it out",
		}, {
			name:    "the other one, where two have one id in their status",
			others:  []*v1alpha1.EsimProduct{testProduct("france", 0, 42)},
			product: testProduct("japan", 0, 42), want: 5,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ids := filled(test.others...)
			for range 2 { // asked again it is the same
				got := ids.assign(test.product)
				want := assignedIDs{product: test.want, taken: test.taken}
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(assignedIDs{}), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("ids (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestVariantGetsTheIDThatItShould(t *testing.T) {
	tests := []struct {
		name    string
		others  []*v1alpha1.EsimProduct
		spec    []v1alpha1.EsimVariant
		status  []v1alpha1.VariantStatus
		want    []v1alpha1.VariantStatus
		taken   string
		product string
	}{
		{
			name: "derived from the names of product and variant",
			spec: []v1alpha1.EsimVariant{testVariant("1gb", 0), testVariant("10gb", 0)},
			want: statuses("1gb", 9, "10gb", 10),
		}, {
			name: "probed past a collision within the product",
			spec: []v1alpha1.EsimVariant{testVariant("1gb", 0), testVariant("3gb", 0)},
			want: statuses("1gb", 9, "3gb", 10),
		}, {
			name:   "kept when it leaves, after those that are there",
			spec:   []v1alpha1.EsimVariant{testVariant("3gb", 0)},
			status: statuses("1gb", 9),
			want:   statuses("1gb", 9, "3gb", 10),
		}, {
			name:   "given back when it returns",
			spec:   []v1alpha1.EsimVariant{testVariant("3gb", 0), testVariant("1gb", 0)},
			status: statuses("1gb", 77, "3gb", 10),
			want:   statuses("1gb", 77, "3gb", 10),
		}, {
			name:   "handed on when a variant is renamed and keeps the id in its spec",
			spec:   []v1alpha1.EsimVariant{testVariant("1gb-7d", 42)},
			status: statuses("1gb", 42),
			want:   statuses("1gb-7d", 42),
		}, {
			name:   "swapped",
			spec:   []v1alpha1.EsimVariant{testVariant("1gb", 43), testVariant("3gb", 42)},
			status: statuses("1gb", 42, "3gb", 43),
			want:   statuses("1gb", 43, "3gb", 42),
		}, {
			name:   "not taken from another variant of the product that has kept it",
			spec:   []v1alpha1.EsimVariant{testVariant("1gb", 0), testVariant("3gb", 9)},
			status: statuses("1gb", 9),
			want:   statuses("1gb", 9),
			taken:  "id 9 of variant 3gb is that of variant 1gb of EsimProduct japan: choose another, or leave it out",
		}, {
			name:   "not taken from a variant of another product",
			others: []*v1alpha1.EsimProduct{testProduct("france", 0, 6, testVariant("5gb", 42))},
			spec:   []v1alpha1.EsimVariant{testVariant("1gb", 42), testVariant("3gb", 0)},
			want:   statuses("3gb", 9),
			taken:  "id 42 of variant 1gb is that of variant 5gb of EsimProduct france: choose another, or leave it out",
		}, {
			name: "independent of the ids of products",
			others: []*v1alpha1.EsimProduct{
				testProduct("france", 9, 9), testProduct("germany", 42, 42),
			},
			spec: []v1alpha1.EsimVariant{testVariant("1gb", 0), testVariant("3gb", 42)},
			want: statuses("1gb", 9, "3gb", 42),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			product := testProduct("japan", 0, 5, test.spec...)
			product.Status.Variants = test.status
			ids := filled(append(test.others, product)...)
			for range 2 {
				got := ids.assign(product)
				if diff := cmp.Diff(test.want, got.variants); diff != "" {
					t.Errorf("ids (-want +got):\n%s", diff)
				}
				if got.taken != test.taken {
					t.Errorf("taken = %q, want %q", got.taken, test.taken)
				}
			}
		})
	}
}

func TestProductThatWaitsForAnIDIsServedWhenItIsFree(t *testing.T) {
	for name, free := range map[string]func(ids *productIDs) []string{
		"as the other is deleted": func(ids *productIDs) []string { return ids.forget("france") },
		"as the other takes another, and its status says so": func(ids *productIDs) []string {
			if served := ids.assign(testProduct("france", 43, 42)).served; len(served) > 0 {
				return []string{"too early, as people still see 42 there"}
			}
			return ids.assign(testProduct("france", 43, 43)).served
		},
		"as the other is made anew without it": func(ids *productIDs) []string {
			anew := testProduct("france", 0, 0)
			anew.UID = "another"
			return ids.assign(anew).served
		},
	} {
		t.Run(name, func(t *testing.T) {
			ids := filled(testProduct("france", 42, 42))
			waiting := testProduct("japan", 42, 0)
			if got := ids.assign(waiting); got.product != 0 || len(got.served) > 0 {
				t.Fatalf("got id %d, and %v are served; want none while france has it", got.product, got.served)
			}
			if diff := cmp.Diff([]string{"japan"}, free(ids)); diff != "" {
				t.Errorf("served (-want +got):\n%s", diff)
			}
			if got := ids.assign(waiting); got.product != 42 || got.taken != "" || len(got.served) > 0 {
				t.Errorf("got id %d, taken %q, served %v; want 42", got.product, got.taken, got.served)
			}
		})
	}
}

func TestStatusHasRoomForTheVariantsThatAreThere(t *testing.T) {
	product := testProduct("japan", 0, 5)
	for i := range maxVariantIDs {
		product.Status.Variants = append(product.Status.Variants,
			v1alpha1.VariantStatus{Name: fmt.Sprintf("old-%d", i), ID: int64(1000 + i)})
	}
	product.Spec.Variants = []v1alpha1.EsimVariant{testVariant("old-0", 0), testVariant("new-1", 0), testVariant("new-2", 0)}

	got := filled(product).assign(product)
	if len(got.variants) != maxVariantIDs {
		t.Errorf("%d ids, want %d, as many as the schema takes", len(got.variants), maxVariantIDs)
	}
	want := statuses("old-0", 1000, "old-3", 1003) // old-1 and old-2, the oldest that left, made room
	if diff := cmp.Diff(want, got.variants[:2]); diff != "" {
		t.Errorf("first ids (-want +got):\n%s", diff)
	}
}

func TestHashNameHas31Bits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if got := HashName(rapid.String().Draw(t, "name")); got < 0 || got > maxNumber {
			t.Fatalf("HashName = %d", got)
		}
	})
	// SHA-256("japan") begins with 59ae856c. Another hash would give other ids to a catalogue
	// that is applied to a new cluster.
	if got, want := HashName("japan"), int64(0x59ae856c>>1); got != want {
		t.Errorf("HashName(japan) = %d, want %d", got, want)
	}
}

// catalogue is what the API server holds, which may be newer than what the controller saw.
type catalogue struct {
	stored map[string]*v1alpha1.EsimProduct
	ids    *productIDs
	uids   int
}

// TestIDsStayUnique edits a catalogue at random, loses writes and restarts. At no time do two
// products or two variants show one id, and an id that is not in the spec never changes.
func TestIDsStayUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &catalogue{stored: map[string]*v1alpha1.EsimProduct{}, ids: filled()}
		t.Repeat(map[string]func(*rapid.T){
			"edit":      c.edit,
			"delete":    c.delete,
			"reconcile": func(t *rapid.T) { c.reconcile(t, true) },
			"lose":      func(t *rapid.T) { c.reconcile(t, false) },
			"restart":   func(*rapid.T) { c.ids = filled(slices.Collect(maps.Values(c.stored))...) },
			"":          c.check,
		})
	})
}

func (c *catalogue) edit(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "product")
	id := rapid.Custom(func(t *rapid.T) int64 { return rapid.Int64Range(-4, 6).Draw(t, "id") })
	product := c.stored[name]
	if product == nil {
		c.uids++
		product = &v1alpha1.EsimProduct{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(fmt.Sprint(c.uids))}}
	}
	spec := testProduct(name, max(id.Draw(t, "id"), 0), 0).Spec
	used := map[int64]bool{0: true}
	for _, variant := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID[string]).Draw(t, "variants") {
		wanted := max(id.Draw(t, "id"), 0)
		if used[wanted] {
			wanted = 0 // the schema refuses two of one product
		}
		used[wanted] = wanted != 0 || used[wanted]
		spec.Variants = append(spec.Variants, testVariant(variant, wanted))
	}
	edited := product.DeepCopy()
	edited.Spec = spec
	c.stored[name] = edited
}

func (c *catalogue) draw(t *rapid.T) *v1alpha1.EsimProduct {
	if len(c.stored) == 0 {
		t.Skip("no product")
	}
	return c.stored[rapid.SampledFrom(slices.Sorted(maps.Keys(c.stored))).Draw(t, "product")]
}

func (c *catalogue) delete(t *rapid.T) {
	product := c.draw(t)
	delete(c.stored, product.Name)
	c.ids.forget(product.Name)
}

// reconcile is a pass of the controller; without written its status write was lost.
func (c *catalogue) reconcile(t *rapid.T, written bool) {
	product := c.draw(t).DeepCopy()
	got := c.ids.assign(product)
	if product.Spec.ID == nil && product.Status.ID > 0 && got.product != product.Status.ID {
		t.Fatalf("the id of %s changed from %d to %d", product.Name, product.Status.ID, got.product)
	}
	if got.product == 0 && (product.Spec.ID == nil || got.taken == "") {
		t.Fatalf("%s has no id, and no reason why", product.Name)
	}
	if !written {
		return
	}
	product.Status.ID, product.Status.Variants = got.product, got.variants
	c.stored[product.Name] = product
	c.ids.assign(product)
}

func (c *catalogue) check(t *rapid.T) {
	for kind, n := range map[string]*numbers{"product": &c.ids.products, "variant": &c.ids.variants} {
		seen, fading := map[int64]holder{}, 0
		for product := range n.fading {
			fading += len(n.fading[product])
		}
		for product, held := range n.held {
			for name, number := range held {
				by := holder{product, name}
				if other, twice := seen[number]; twice || n.owner[number] != by || number < 1 || number > maxNumber {
					t.Fatalf("%s id %d is that of %s, also of %s or %s", kind, number, by, other, n.owner[number])
				}
				seen[number] = by
			}
		}
		if len(seen)+fading != len(n.owner) {
			t.Fatalf("%s ids: %d are held, %d fade, %d are owned", kind, len(seen), fading, len(n.owner))
		}
	}
	products, variants := map[int64]string{}, map[int64]string{}
	for name, product := range c.stored {
		if other, twice := products[product.Status.ID]; twice && product.Status.ID > 0 {
			t.Fatalf("id %d is shown by %s and %s", product.Status.ID, name, other)
		}
		products[product.Status.ID] = name
		for _, variant := range product.Status.Variants {
			if other, twice := variants[variant.ID]; twice {
				t.Fatalf("id %d is shown by variant %s of %s and by %s", variant.ID, variant.Name, name, other)
			}
			variants[variant.ID] = name + "/" + variant.Name
		}
	}
}
