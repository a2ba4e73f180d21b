package orders

import (
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// Query says which of a client's orders are asked for; what is left empty is no condition.
type Query struct {
	Status v1alpha1.OrderPhase
	// ClientReference asks for the one order that has it.
	ClientReference string
	// ICCID in digits, without a trailing F.
	ICCID string
	// Product is an EsimProduct's name.
	Product string
	// ActivationStatus of the delivered profile; orders without one have none.
	ActivationStatus v1alpha1.ActivationStatus
	// CreatedFrom and CreatedTo bound the time of creation: from this on, and before that.
	CreatedFrom, CreatedTo time.Time
}

// Page is a part of a list.
type Page struct {
	// Orders on the page, newest first. Nobody changes them.
	Orders []*v1alpha1.EsimOrder
	// Total is how many orders the query finds on all pages together.
	Total int
}

// List answers a page of a client's orders, newest first: by creationTimestamp, then by id.
// Pages count from 1; one that is beyond the last is empty. Without a condition, or by status,
// clientReference or ICCID, it costs O(log n + size); any other condition takes a look at each
// of the client's orders, within the bounds of time.
func (x *Index) List(namespace string, q Query, number, size int) Page {
	s := x.shelf(namespace)
	switch {
	case s == nil:
		return Page{}
	case q.ClientReference != "":
		order, ok := s.holder(q.ClientReference)
		if !ok || !q.matches(newEntry(order)) {
			return Page{}
		}
		return cut([]*v1alpha1.EsimOrder{order}, number, size)
	case q.ICCID != "":
		var found []*v1alpha1.EsimOrder
		for _, e := range s.withICCID(q.ICCID) {
			if q.matches(e) {
				found = append(found, e.order)
			}
		}
		return cut(found, number, size)
	case q == Query{Status: q.Status}:
		return s.page(q.Status, number, size)
	default:
		return q.scan(s.snapshot(q.Status), number, size)
	}
}

// scan counts what matches, and keeps what is on the page.
func (q Query) scan(from *tree, number, size int) Page {
	start, end, ok := bounds(number, size)
	var page Page
	from.Ascend(madeBefore(q.CreatedTo), func(e *entry) bool {
		if q.tooOld(e) {
			return false
		}
		if q.matches(e) {
			if ok && page.Total >= start && page.Total < end {
				page.Orders = append(page.Orders, e.order)
			}
			page.Total++
		}
		return true
	})
	return page
}

func (q Query) tooOld(e *entry) bool {
	return !q.CreatedFrom.IsZero() && time.Unix(e.created, 0).Before(q.CreatedFrom)
}

func (q Query) matches(e *entry) bool {
	switch {
	case q.Status != "" && e.phase != q.Status,
		q.ClientReference != "" && e.reference != q.ClientReference,
		q.ICCID != "" && e.iccid != q.ICCID,
		q.Product != "" && e.order.Spec.ProductRef.Name != q.Product,
		q.tooOld(e),
		!q.CreatedTo.IsZero() && !time.Unix(e.created, 0).Before(q.CreatedTo):
		return false
	}
	activation := e.order.Status.Activation
	return q.ActivationStatus == "" || activation != nil && activation.Status == q.ActivationStatus
}

// cut is a page of a short list.
func cut(orders []*v1alpha1.EsimOrder, number, size int) Page {
	start, count := span(len(orders), number, size)
	return Page{Orders: orders[start : start+count], Total: len(orders)}
}

// bounds are the positions at which a page begins and ends; false where no list is so long.
func bounds(number, size int) (start, end int, ok bool) {
	if number < 1 || size < 1 {
		return 0, 0, false
	}
	const most = 1 << 40
	if number > most/size {
		return 0, 0, false
	}
	return (number - 1) * size, number * size, true
}

// span is where a page begins in a list of a length, and how long it is.
func span(length, number, size int) (start, count int) {
	start, end, ok := bounds(number, size)
	if !ok || start >= length {
		return 0, 0
	}
	return start, min(end, length) - start
}
