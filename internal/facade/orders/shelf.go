package orders

import (
	"cmp"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

// entry is an order and what it is sorted by. That never changes: an order that changed has
// another entry.
type entry struct {
	order *v1alpha1.EsimOrder
	// created in seconds, which is what a creationTimestamp has.
	created int64
	id      int64
	name    string
	phase   v1alpha1.OrderPhase

	reference string
	standing  standing
	uid       types.UID
	iccid     string

	text atomic.Pointer[text]
}

// standing of an order among those with one clientReference, as the controller sees it: an
// order that was accepted has the reference, and one that FAILED for it never has.
type standing int

const (
	acceptedOrder standing = iota
	openOrder
	duplicateOrder
)

func newEntry(order *v1alpha1.EsimOrder) *entry {
	e := &entry{
		order: order, created: order.CreationTimestamp.Unix(), id: ids.Order(order.Name, order.FirstUID()), name: order.Name,
		phase: cmp.Or(order.Status.Phase, v1alpha1.PhasePending), reference: order.Spec.ClientReference, uid: order.UID,
	}
	if order.Status.Esim != nil {
		e.iccid = order.Status.Esim.ICCID
	}
	switch {
	case isDuplicate(order):
		e.standing = duplicateOrder
	case order.Status.Plan == nil:
		e.standing = openOrder
	}
	return e
}

func isDuplicate(order *v1alpha1.EsimOrder) bool {
	return order.Status.Failure != nil && order.Status.Failure.Code == v1alpha1.FailureDuplicateReference
}

// newestFirst is the order of all lists: by creation, then by id; ids of orders that are there
// at one time differ, but for a collision of hashes, which the name decides.
func newestFirst(a, b *entry) bool {
	if a.created != b.created {
		return a.created > b.created
	}
	if a.id != b.id {
		return a.id > b.id
	}
	return a.name < b.name
}

// holderFirst sorts by reference, and the order that has it before the others.
func holderFirst(a, b *entry) bool {
	order := cmp.Or(cmp.Compare(a.reference, b.reference), cmp.Compare(a.standing, b.standing),
		cmp.Compare(a.created, b.created), cmp.Compare(a.uid, b.uid), cmp.Compare(a.name, b.name))
	return order < 0
}

func byICCID(a, b *entry) bool {
	if a.iccid != b.iccid {
		return a.iccid < b.iccid
	}
	return newestFirst(a, b)
}

// tree is a counted B-tree: it finds the n-th entry, and an entry, in O(log n), and a copy of
// it costs nothing until one of the two changes.
type tree = btree.BTreeG[*entry]

func newTree(less func(a, b *entry) bool) *tree {
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
}

// shelf holds one client's orders. Its lock is held for one page at most; what takes longer
// works on a snapshot.
type shelf struct {
	mu         sync.RWMutex
	names      map[string]*entry
	numbers    map[int64]*entry
	all        *tree
	phases     map[v1alpha1.OrderPhase]*tree
	references *tree
	iccids     *tree
	// wallets have what the orders did to each, by its UID.
	wallets map[types.UID]*Entries
}

func newShelf() *shelf {
	return &shelf{
		names: map[string]*entry{}, numbers: map[int64]*entry{},
		all: newTree(newestFirst), phases: map[v1alpha1.OrderPhase]*tree{},
		references: newTree(holderFirst), iccids: newTree(byICCID), wallets: map[types.UID]*Entries{},
	}
}

// put takes an order in and returns the one that had its name before, if any.
func (s *shelf) put(order *v1alpha1.EsimOrder) (before *v1alpha1.EsimOrder) {
	e := newEntry(order)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.names[e.name]; ok {
		before = old.order
		s.takeOut(old)
	}
	s.names[e.name], s.numbers[e.id] = e, e
	s.all.Set(e)
	if s.phases[e.phase] == nil {
		s.phases[e.phase] = newTree(newestFirst)
	}
	s.phases[e.phase].Set(e)
	if e.reference != "" {
		s.references.Set(e)
	}
	if e.iccid != "" {
		s.iccids.Set(e)
	}
	s.enter(order)
	return before
}

// remove takes an order out, returns it, and how many are left.
func (s *shelf) remove(name string) (before *v1alpha1.EsimOrder, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.names[name]; ok {
		before = e.order
		s.takeOut(e)
	}
	return before, len(s.names)
}

func (s *shelf) takeOut(e *entry) {
	delete(s.names, e.name)
	if s.numbers[e.id] == e {
		delete(s.numbers, e.id)
	}
	s.all.Delete(e)
	s.phases[e.phase].Delete(e)
	if e.reference != "" {
		s.references.Delete(e)
	}
	if e.iccid != "" {
		s.iccids.Delete(e)
	}
	s.strike(e.order)
}

func (s *shelf) byName(name string) (*v1alpha1.EsimOrder, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e, ok := s.names[name]; ok {
		return e.order, true
	}
	return nil, false
}

func (s *shelf) byNumber(id int64) (*v1alpha1.EsimOrder, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e, ok := s.numbers[id]; ok {
		return e.order, true
	}
	return nil, false
}

// holder is the order that has a reference.
func (s *shelf) holder(reference string) (found *v1alpha1.EsimOrder, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.references.Ascend(&entry{reference: reference, created: math.MinInt64}, func(e *entry) bool {
		if ok = e.reference == reference; ok {
			found = e.order
		}
		return false
	})
	return found, ok
}

// withICCID are the entries with an ICCID, newest first. There is one, unless an operator gave
// one number out twice.
func (s *shelf) withICCID(iccid string) []*entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*entry
	s.iccids.Ascend(&entry{iccid: iccid, created: math.MaxInt64, id: math.MaxInt64}, func(e *entry) bool {
		if e.iccid != iccid {
			return false
		}
		found = append(found, e)
		return true
	})
	return found
}

// page is a part of the orders in a phase, or of all of them, and how many there are.
func (s *shelf) page(phase v1alpha1.OrderPhase, number, size int) Page {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := s.tree(phase)
	if from == nil {
		return Page{}
	}
	page := Page{Total: from.Len()}
	start, count := span(page.Total, number, size)
	first, ok := from.GetAt(start)
	if !ok || count == 0 {
		return page
	}
	page.Orders = make([]*v1alpha1.EsimOrder, 0, count)
	from.Ascend(first, func(e *entry) bool {
		page.Orders = append(page.Orders, e.order)
		return len(page.Orders) < count
	})
	return page
}

// tree of a phase, or of all orders; nil where there never was one.
func (s *shelf) tree(phase v1alpha1.OrderPhase) *tree {
	if phase == "" {
		return s.all
	}
	return s.phases[phase]
}

// snapshot is the tree as it stands now, to be read without the lock.
func (s *shelf) snapshot(phase v1alpha1.OrderPhase) *tree {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := s.tree(phase); from != nil {
		return from.Copy()
	}
	return newTree(newestFirst)
}

// madeBefore is where the orders made before a time begin among all, newest first; the zero
// time is no bound.
func madeBefore(to time.Time) *entry {
	if to.IsZero() {
		return &entry{created: math.MaxInt64, id: math.MaxInt64}
	}
	last := to.Unix()
	if to.Nanosecond() == 0 {
		last--
	}
	return &entry{created: last, id: math.MaxInt64}
}
