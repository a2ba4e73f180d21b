package orders

import (
	"iter"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Index holds the orders of all clients in memory. It is an event handler: an informer of
// EsimOrders feeds it, one event at a time, and what it answers is as old as that informer's
// cache. The zero value is ready for use.
//
// The orders that it is given and answers are shared: nobody changes them.
type Index struct {
	mu      sync.RWMutex
	clients map[string]*shelf

	waiters waiters
}

var _ toolscache.ResourceEventHandler = (*Index)(nil)

// OnAdd takes in an order.
func (x *Index) OnAdd(object any, _ bool) { x.OnUpdate(nil, object) }

// OnUpdate takes in what became of an order.
func (x *Index) OnUpdate(_, object any) {
	order, ok := object.(*v1alpha1.EsimOrder)
	if !ok {
		return
	}
	before := x.shelfFor(order.Namespace).put(order)
	if before != nil && before.UID != order.UID {
		x.waiters.gone(before)
	}
	x.waiters.changed(order)
}

// OnDelete lets go of an order.
func (x *Index) OnDelete(object any) {
	namespace, name, ok := keyOf(object)
	if !ok {
		return
	}
	s := x.shelf(namespace)
	if s == nil {
		return
	}
	before, left := s.remove(name)
	if left == 0 {
		x.mu.Lock()
		delete(x.clients, namespace)
		x.mu.Unlock()
	}
	if before != nil {
		x.waiters.gone(before)
	}
}

// keyOf names the order that an event of deletion is about. Where the informer missed the
// deletion itself, it has the key and perhaps an old copy.
func keyOf(object any) (namespace, name string, ok bool) {
	switch o := object.(type) {
	case *v1alpha1.EsimOrder:
		return o.Namespace, o.Name, true
	case toolscache.DeletedFinalStateUnknown:
		namespace, name, err := toolscache.SplitMetaNamespaceKey(o.Key)
		return namespace, name, err == nil
	default:
		return "", "", false
	}
}

// shelf is a client's orders; nil where it has none.
func (x *Index) shelf(namespace string) *shelf {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.clients[namespace]
}

func (x *Index) shelfFor(namespace string) *shelf {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.clients[namespace]
	if s == nil {
		if x.clients == nil {
			x.clients = map[string]*shelf{}
		}
		s = newShelf()
		x.clients[namespace] = s
	}
	return s
}

// Get finds a client's order by its name.
func (x *Index) Get(namespace, name string) (*v1alpha1.EsimOrder, bool) {
	if s := x.shelf(namespace); s != nil {
		return s.byName(name)
	}
	return nil, false
}

// ByID finds a client's order by the number that REST clients know it by.
func (x *Index) ByID(namespace string, id int64) (*v1alpha1.EsimOrder, bool) {
	if s := x.shelf(namespace); s != nil {
		return s.byNumber(id)
	}
	return nil, false
}

// ByReference finds the client's order that has a clientReference. An order that FAILED for it
// with DUPLICATE_REFERENCE is answered only where no other has it.
func (x *Index) ByReference(namespace, reference string) (*v1alpha1.EsimOrder, bool) {
	if s := x.shelf(namespace); s != nil && reference != "" {
		return s.holder(reference)
	}
	return nil, false
}

// ByICCID finds the client's newest order with an ICCID.
func (x *Index) ByICCID(namespace, iccid string) (*v1alpha1.EsimOrder, bool) {
	s := x.shelf(namespace)
	if s == nil || iccid == "" {
		return nil, false
	}
	if found := s.withICCID(iccid); len(found) > 0 {
		return found[0].order, true
	}
	return nil, false
}

// All goes through a client's orders as they were at one moment, newest first.
func (x *Index) All(namespace string) iter.Seq[*v1alpha1.EsimOrder] {
	return func(yield func(*v1alpha1.EsimOrder) bool) {
		s := x.shelf(namespace)
		if s == nil {
			return
		}
		s.snapshot("").Scan(func(e *entry) bool { return yield(e.order) })
	}
}
