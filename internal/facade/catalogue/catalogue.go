package catalogue

import (
	"cmp"
	"math"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Catalogue is all that is sold. It is an event handler: an informer of EsimProducts feeds it.
type Catalogue struct {
	// mu is for those who change it. Readers take what is current.
	mu      sync.Mutex
	next    shelves
	current atomic.Pointer[snapshot]
}

var _ toolscache.ResourceEventHandler = (*Catalogue)(nil)

// shelves hold the products in the orders in which they are looked up. Copies cost nothing
// until one changes: a change costs the same in a large catalogue as in a small one.
type shelves struct {
	// names are all products; numbers and variants only what is on offer.
	names    *btree.BTreeG[*Product]
	numbers  *btree.BTreeG[*Product]
	variants *btree.BTreeG[*Variant]
}

// snapshot is the catalogue at one moment, and what was worked out of it since.
type snapshot struct {
	shelves
	// views by the text of their selector: as many as clients' terms have different ones.
	views sync.Map
}

// New makes an empty catalogue.
func New() *Catalogue {
	options := btree.Options{NoLocks: true}
	c := &Catalogue{next: shelves{
		names: btree.NewBTreeGOptions(func(a, b *Product) bool { return a.name < b.name }, options),
		// Two products never share a number for long; while they do, both are there.
		numbers: btree.NewBTreeGOptions(func(a, b *Product) bool {
			return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Object.Name, b.Object.Name)) < 0
		}, options),
		variants: btree.NewBTreeGOptions(func(a, b *Variant) bool {
			return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Product.Object.Name, b.Product.Object.Name),
				cmp.Compare(a.Object.Name, b.Object.Name)) < 0
		}, options),
	}}
	c.publish()
	return c
}

// publish makes what was changed what readers see.
func (c *Catalogue) publish() {
	c.current.Store(&snapshot{shelves: shelves{
		names: c.next.names.Copy(), numbers: c.next.numbers.Copy(), variants: c.next.variants.Copy(),
	}})
}

// OnAdd takes in a product.
func (c *Catalogue) OnAdd(object any, _ bool) { c.OnUpdate(nil, object) }

// OnUpdate takes in what became of a product.
func (c *Catalogue) OnUpdate(_, object any) {
	changed, ok := object.(*v1alpha1.EsimProduct)
	if !ok {
		return
	}
	product := newProduct(changed)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next.remove(changed.Name)
	c.next.put(product)
	c.publish()
}

// OnDelete lets go of a product.
func (c *Catalogue) OnDelete(object any) {
	var name string
	switch o := object.(type) {
	case *v1alpha1.EsimProduct:
		name = o.Name
	case toolscache.DeletedFinalStateUnknown:
		// A product has no namespace: its key is its name.
		name = o.Key
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next.remove(name)
	c.publish()
}

func (s *shelves) put(p *Product) {
	s.names.Set(p)
	if !p.onOffer() {
		return
	}
	s.numbers.Set(p)
	for i := range p.Variants {
		s.variants.Set(&p.Variants[i])
	}
}

func (s *shelves) remove(name string) {
	p, ok := s.byName(name)
	if !ok {
		return
	}
	s.names.Delete(p)
	s.numbers.Delete(p)
	for i := range p.Variants {
		s.variants.Delete(&p.Variants[i])
	}
}

func (s *shelves) byName(name string) (*Product, bool) {
	return s.names.Get(&Product{name: name})
}

// product finds one by its number.
func (s *shelves) product(id int64) (found *Product, ok bool) {
	s.numbers.Ascend(&Product{ID: id, Object: &v1alpha1.EsimProduct{}}, func(p *Product) bool {
		if ok = p.ID == id; ok {
			found = p
		}
		return false
	})
	return found, ok
}

// variant finds one by its number.
func (s *shelves) variant(id int64) (found *Variant, ok bool) {
	pivot := &Variant{ID: id, Product: &Product{Object: &v1alpha1.EsimProduct{}}, Object: &v1alpha1.EsimVariant{}}
	s.variants.Ascend(pivot, func(v *Variant) bool {
		if ok = v.ID == id; ok {
			found = v
		}
		return false
	})
	return found, ok
}

// ByName finds a product by the EsimProduct's name, also one that no client can see now: an
// order shows the number of its product for as long as there is one.
func (c *Catalogue) ByName(name string) (*Product, bool) { return c.current.Load().byName(name) }

// ByID finds a product by its number, whoever may buy it; false where none on offer has it. To
// find one for a client, ask its Assortment.
func (c *Catalogue) ByID(id int64) (*Product, bool) {
	if id < 1 || id > math.MaxInt32 {
		return nil, false
	}
	return c.current.Load().product(id)
}
