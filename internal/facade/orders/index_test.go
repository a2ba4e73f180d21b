package orders

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

// epoch is when the tests' first order was made.
var epoch = time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC)

// bookkeeping is the truth that the index is held against: plain slices, sorted each time.
type bookkeeping struct {
	index  Index
	orders map[string]map[string]*v1alpha1.EsimOrder
	made   int
	// kept are pages and snapshots that were answered, and what was on them then.
	kept []keptPage
}

type keptPage struct {
	page Page
	want []v1alpha1.EsimOrder
}

var (
	namespaces = rapid.SampledFrom([]string{"acme", "globex"})
	orderNames = rapid.SampledFrom([]string{"o-7", "o-8", "o-9", "o-2147483647", "trip-a", "trip-b", "trip-c", "trip-d"})
	phases     = []v1alpha1.OrderPhase{"", v1alpha1.PhasePending, v1alpha1.PhaseDelivered, v1alpha1.PhaseFailed, v1alpha1.PhaseCancelled}
	references = []string{"", "spring", "autumn"}
	iccids     = []string{"", "8944110068123456789", "8944110068123456797"}
	products   = []string{"japan", "france"}
	stages     = []v1alpha1.ActivationStatus{"", v1alpha1.ActivationNotInstalled, v1alpha1.ActivationActive}
)

func (b *bookkeeping) draw(t *rapid.T, name string, uid types.UID, created metav1.Time) *v1alpha1.EsimOrder {
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid, CreationTimestamp: created}}
	order.Spec.ProductRef.Name = rapid.SampledFrom(products).Draw(t, "product")
	order.Spec.ClientReference = rapid.SampledFrom(references).Draw(t, "reference")
	order.Status.Phase = rapid.SampledFrom(phases).Draw(t, "phase")
	if iccid := rapid.SampledFrom(iccids).Draw(t, "iccid"); iccid != "" {
		order.Status.Esim = &v1alpha1.OrderEsim{ICCID: iccid}
	}
	if stage := rapid.SampledFrom(stages).Draw(t, "stage"); stage != "" {
		order.Status.Activation = &v1alpha1.OrderActivation{Status: stage}
	}
	if rapid.Bool().Draw(t, "accepted") {
		order.Status.Plan = &v1alpha1.OrderPlan{Product: order.Spec.ProductRef.Name}
	}
	if rapid.Bool().Draw(t, "duplicate") {
		order.Status.Failure = &v1alpha1.OrderFailure{Code: v1alpha1.FailureDuplicateReference}
	}
	return order
}

// Put makes an order, changes one, or puts another one in its place.
func (b *bookkeeping) Put(t *rapid.T) {
	namespace, name := namespaces.Draw(t, "namespace"), orderNames.Draw(t, "name")
	standing := b.orders[namespace][name]
	var order *v1alpha1.EsimOrder
	if standing == nil || rapid.IntRange(0, 3).Draw(t, "anew") == 0 {
		b.made++
		created := metav1.NewTime(epoch.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "second")) * time.Second))
		order = b.draw(t, name, types.UID(fmt.Sprintf("uid-%d", b.made)), created)
	} else {
		order = b.draw(t, name, standing.UID, standing.CreationTimestamp)
	}
	order.Namespace = namespace
	if standing == nil {
		b.index.OnAdd(order, false)
	} else {
		b.index.OnUpdate(standing, order)
	}
	if b.orders[namespace] == nil {
		b.orders[namespace] = map[string]*v1alpha1.EsimOrder{}
	}
	b.orders[namespace][name] = order
}

// Delete takes an order away, seen or missed by the informer.
func (b *bookkeeping) Delete(t *rapid.T) {
	namespace, name := namespaces.Draw(t, "namespace"), orderNames.Draw(t, "name")
	order := b.orders[namespace][name]
	switch {
	case order == nil:
		b.index.OnDelete(&v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	case rapid.Bool().Draw(t, "missed"):
		b.index.OnDelete(toolscache.DeletedFinalStateUnknown{Key: namespace + "/" + name, Obj: order})
	default:
		b.index.OnDelete(order)
	}
	delete(b.orders[namespace], name)
}

// sorted are a client's orders that match, newest first.
func (b *bookkeeping) sorted(namespace string, matches func(*v1alpha1.EsimOrder) bool) []*v1alpha1.EsimOrder {
	var found []*v1alpha1.EsimOrder
	for _, order := range b.orders[namespace] {
		if matches(order) {
			found = append(found, order)
		}
	}
	slices.SortFunc(found, func(a, b *v1alpha1.EsimOrder) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(ids.Order(b.Name, b.UID), ids.Order(a.Name, a.UID)))
	})
	return found
}

// holder is who has a reference, by the controller's rule.
func (b *bookkeeping) holder(namespace, reference string) *v1alpha1.EsimOrder {
	found := b.sorted(namespace, func(o *v1alpha1.EsimOrder) bool { return o.Spec.ClientReference == reference })
	if len(found) == 0 {
		return nil
	}
	rank := func(o *v1alpha1.EsimOrder) int {
		switch {
		case isDuplicate(o):
			return 2
		case o.Status.Plan == nil:
			return 1
		default:
			return 0
		}
	}
	return slices.MinFunc(found, func(a, b *v1alpha1.EsimOrder) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
}

func drawQuery(t *rapid.T) Query {
	optional := func(label string) bool { return rapid.IntRange(0, 2).Draw(t, label) == 0 }
	q := Query{Status: rapid.SampledFrom(phases).Draw(t, "status")}
	if optional("by reference") {
		q.ClientReference = rapid.SampledFrom(references).Draw(t, "reference")
	}
	if optional("by ICCID") {
		q.ICCID = rapid.SampledFrom(iccids).Draw(t, "iccid")
	}
	if optional("by product") {
		q.Product = rapid.SampledFrom(products).Draw(t, "product")
	}
	if optional("by stage") {
		q.ActivationStatus = rapid.SampledFrom(stages).Draw(t, "stage")
	}
	bound := rapid.Custom(func(t *rapid.T) time.Time {
		return epoch.Add(time.Duration(rapid.IntRange(-1, 9).Draw(t, "half seconds")) * time.Second / 2)
	})
	if optional("from") {
		q.CreatedFrom = bound.Draw(t, "from")
	}
	if optional("to") {
		q.CreatedTo = bound.Draw(t, "to")
	}
	return q
}

// asked tells whether an order is what a query asks for, in the words of the contract.
func (b *bookkeeping) asked(q Query, namespace string) func(*v1alpha1.EsimOrder) bool {
	return func(o *v1alpha1.EsimOrder) bool {
		phase := cmp.Or(o.Status.Phase, v1alpha1.PhasePending)
		return (q.Status == "" || phase == q.Status) &&
			(q.ClientReference == "" || b.holder(namespace, q.ClientReference) == o) &&
			(q.ICCID == "" || o.Status.Esim != nil && o.Status.Esim.ICCID == q.ICCID) &&
			(q.Product == "" || o.Spec.ProductRef.Name == q.Product) &&
			(q.ActivationStatus == "" || o.Status.Activation != nil && o.Status.Activation.Status == q.ActivationStatus) &&
			(q.CreatedFrom.IsZero() || !o.CreationTimestamp.Time.Before(q.CreatedFrom)) &&
			(q.CreatedTo.IsZero() || o.CreationTimestamp.Time.Before(q.CreatedTo))
	}
}

// List asks for any page of any list.
func (b *bookkeeping) List(t *rapid.T) {
	namespace, q := namespaces.Draw(t, "namespace"), drawQuery(t)
	number, size := rapid.IntRange(1, 4).Draw(t, "page"), rapid.IntRange(1, 4).Draw(t, "size")
	got := b.index.List(namespace, q, number, size)
	all := b.sorted(namespace, b.asked(q, namespace))
	start := min((number-1)*size, len(all))
	want := Page{Orders: all[start:min(start+size, len(all))], Total: len(all)}
	if diff := gocmp.Diff(names(want), names(got)); diff != "" || got.Total != want.Total {
		t.Fatalf("page %d by %d of %+v: total %d, want %d (-want +got):\n%s", number, size, q, got.Total, want.Total, diff)
	}
	kept := keptPage{page: got}
	for _, order := range got.Orders {
		kept.want = append(kept.want, *order.DeepCopy())
	}
	b.kept = append(b.kept, kept)
}

func names(p Page) []string {
	found := []string{}
	for _, order := range p.Orders {
		found = append(found, fmt.Sprintf("%s %s", order.Name, order.UID))
	}
	return found
}

// Find looks single orders up.
func (b *bookkeeping) Find(t *rapid.T) {
	namespace, name := namespaces.Draw(t, "namespace"), orderNames.Draw(t, "name")
	want := b.orders[namespace][name]
	if got, ok := b.index.Get(namespace, name); got != want || ok != (want != nil) {
		t.Fatalf("order %s: %v", name, got)
	}
	if want != nil {
		if got, _ := b.index.ByID(namespace, ids.Order(name, want.UID)); got != want {
			t.Fatalf("order %s by its id: %v", name, got)
		}
	}
	reference, iccid := rapid.SampledFrom(references[1:]).Draw(t, "reference"), rapid.SampledFrom(iccids[1:]).Draw(t, "iccid")
	if got, ok := b.index.ByReference(namespace, reference); got != b.holder(namespace, reference) || ok != (got != nil) {
		t.Fatalf("order with reference %s: %v", reference, got)
	}
	having := b.sorted(namespace, b.asked(Query{ICCID: iccid}, namespace))
	if got, ok := b.index.ByICCID(namespace, iccid); ok != (len(having) > 0) || ok && got != having[0] {
		t.Fatalf("order with ICCID %s: %v", iccid, got)
	}
}

// Check holds what is true at all times: everything is there once, in order, and nothing is
// left of what is gone.
func (b *bookkeeping) Check(t *rapid.T) {
	for _, namespace := range []string{"acme", "globex"} {
		want := b.sorted(namespace, func(*v1alpha1.EsimOrder) bool { return true })
		if got := slices.Collect(b.index.All(namespace)); !slices.Equal(got, want) {
			t.Fatalf("all orders of %s: %v, want %v", namespace, names(Page{Orders: got}), names(Page{Orders: want}))
		}
		if s := b.index.shelf(namespace); (s == nil) != (len(want) == 0) {
			t.Fatalf("%d orders, and the shelf is %v", len(want), s)
		} else if s != nil && len(s.numbers) != len(want) {
			t.Fatalf("%d ids of %d orders", len(s.numbers), len(want))
		}
	}
	for _, kept := range b.kept {
		for i, order := range kept.page.Orders {
			if !gocmp.Equal(*order, kept.want[i]) {
				t.Fatalf("order %s changed on a page that was answered", order.Name)
			}
		}
	}
}

func TestTheIndexAnswersWhatASortedListWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &bookkeeping{orders: map[string]map[string]*v1alpha1.EsimOrder{}}
		t.Repeat(map[string]func(*rapid.T){"": b.Check, "put": b.Put, "delete": b.Delete, "list": b.List, "find": b.Find})
	})
}

func TestPagesThatNoListHasAreEmpty(t *testing.T) {
	index := filled(3)
	for _, page := range [][2]int{{0, 50}, {-1, 50}, {1, 0}, {1, -1}, {2, 3}, {1 << 62, 500}, {1 << 62, 1 << 62}} {
		for _, q := range []Query{{}, {Product: "japan"}} {
			if got := index.List("acme", q, page[0], page[1]); len(got.Orders) != 0 || got.Total != 3 {
				t.Errorf("page %d by %d: %d orders, total %d", page[0], page[1], len(got.Orders), got.Total)
			}
		}
	}
}

// Pages of what is there already stay what they are, whatever is made meanwhile, counted from
// the end.
func TestNewOrdersOnlyMoveOldOnesOn(t *testing.T) {
	index := filled(100)
	before := names(index.List("acme", Query{}, 2, 10))
	for i := 100; i < 120; i++ {
		index.OnAdd(numbered(i), false)
	}
	if diff := gocmp.Diff(before, names(index.List("acme", Query{}, 4, 10))); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// filled is an index of so many orders of the client acme.
func filled(count int) *Index {
	index := &Index{}
	for i := range count {
		index.OnAdd(numbered(i), true)
	}
	return index
}

// numbered is the order of a number: half of them DELIVERED, ten made in each second. Ids are
// in no order, and each there once.
func numbered(i int) *v1alpha1.EsimOrder {
	const odd = 2654435761
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{
		Namespace: "acme", Name: ids.OrderName(int64(i+1) * odd & ids.MaxNamed), UID: types.UID(fmt.Sprint(i)),
		CreationTimestamp: metav1.NewTime(epoch.Add(time.Duration(i/10) * time.Second)),
	}}
	order.Spec.ProductRef.Name = "japan"
	order.Spec.ClientReference = fmt.Sprint("trip-", i)
	order.Status.Phase = v1alpha1.PhasePending
	if i%2 == 0 {
		order.Status.Phase = v1alpha1.PhaseDelivered
		order.Status.Esim = &v1alpha1.OrderEsim{ICCID: fmt.Sprintf("894411%013d", i)}
	}
	return order
}

func TestWhoGoesThroughAllOrdersSeesOneMoment(t *testing.T) {
	index := filled(300)
	seen := 0
	for order := range index.All("acme") {
		seen++
		index.OnDelete(order)
		index.OnAdd(numbered(1000+seen), false)
	}
	if total := index.List("acme", Query{}, 1, 1).Total; seen != 300 || total != 300 {
		t.Errorf("saw %d orders of 300, and %d are left", seen, total)
	}
}

// Readers look on while orders come, change and go: each sees all that is there throughout,
// in order. Run with the race detector it also shows that nothing is shared that changes.
func TestReadersSeeWholeListsWhileOrdersChange(t *testing.T) {
	const steady, passing = 200, 50
	index := filled(steady)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				for _, q := range []Query{{}, {Product: "japan"}} {
					page := index.List("acme", q, 1, 500)
					sorted := slices.IsSortedFunc(page.Orders, func(a, b *v1alpha1.EsimOrder) int {
						return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
					})
					if page.Total < steady || page.Total > steady+passing || len(page.Orders) != page.Total || !sorted {
						t.Errorf("%d orders of %d, in order: %t", len(page.Orders), page.Total, sorted)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for round := range 20 {
		for i := steady; i < steady+passing; i++ {
			index.OnAdd(numbered(i), false)
		}
		changed := numbered(round)
		changed.Status.Phase = v1alpha1.PhaseCancelled
		index.OnUpdate(nil, changed)
		for i := steady; i < steady+passing; i++ {
			index.OnDelete(numbered(i))
		}
	}
	close(done)
	readers.Wait()
}
