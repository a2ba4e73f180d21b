package airalo

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/go-logr/logr"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// listed is how many orders a page of the list holds, and maxListPages how many pages are
	// read: few descriptions contain a whole request ID.
	listed       = 10
	maxListPages = 10
)

// lookUp finds the order that was placed under a request ID; nil where the list shows none yet.
// Airalo finds what contains the text, so only an equal description counts. Should there be
// several, the oldest that was bought is the order's; the others are told of in the log.
func (d *Driver) lookUp(ctx context.Context, requestID string) (*order, *operators.Error) {
	var found []order
	for page := 1; ; page++ {
		orders, last, failure := d.list(ctx, requestID, page)
		if failure != nil {
			return nil, failure
		}
		for _, o := range orders {
			if *o.Description == webapi.Text(requestID) {
				found = append(found, o)
			}
		}
		if page >= last {
			break
		}
		if page == maxListPages {
			return nil, &operators.Error{Class: operators.Transient, Function: getOrderList, Message: "Airalo lists more orders with this request ID than can be read"}
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	if len(found) > 1 {
		logr.FromContextOrDiscard(ctx).Info("Airalo has several orders of one request ID; the oldest that was bought is taken",
			"requestID", requestID, "orders", len(found))
	}
	return oldest(found), nil
}

// oldest order that was bought; where none was, the oldest.
func oldest(orders []order) *order {
	chosen := &orders[0]
	for i := range orders[1:] {
		o := &orders[i+1]
		if o.bought() != chosen.bought() {
			if o.bought() {
				chosen = o
			}
			continue
		}
		if o.ID < chosen.ID {
			chosen = o
		}
	}
	return chosen
}

// list is one page of the orders whose description contains a text.
func (d *Driver) list(ctx context.Context, text string, page int) (orders []order, last int, failure *operators.Error) {
	query := url.Values{
		"filter[description]": {text}, "include": {"sims,status"},
		"limit": {strconv.Itoa(listed)}, "page": {strconv.Itoa(page)},
	}
	failure = d.get(ctx, getOrderList, "/orders", query, webapi.DefaultLimit, func(body []byte) error {
		var answer orderList
		if err := webapi.Decode(body, &answer); err != nil {
			return err
		}
		if err := answer.check(page); err != nil {
			return err
		}
		orders, last = *answer.Data, int(answer.Meta.LastPage)
		return nil
	})
	return orders, last, failure
}

// orderList is an answer to GetOrderList.
type orderList struct {
	Data *webapi.List[order] `json:"data"`
	Meta paging              `json:"meta"`
}

// check that the answer can be believed when it does not show an order: that there is a list,
// that it is the page which was asked for, and that it tells whose orders they are.
func (l *orderList) check(page int) error {
	if l.Data == nil {
		return errNoOrder // no list is not an empty one
	}
	for _, o := range *l.Data {
		if o.Description == nil {
			return errNoCaption
		}
	}
	if page == 1 && l.Meta == (paging{}) && len(*l.Data) < listed {
		return nil // it says nothing of pages, and one that is not full is the last
	}
	return l.Meta.check(page)
}

// paging of a list.
type paging struct {
	CurrentPage webapi.Int `json:"current_page"`
	LastPage    webapi.Int `json:"last_page"`
}

// check that the page is the one that was asked for.
func (p paging) check(page int) error {
	if p.CurrentPage != webapi.Int(page) || p.LastPage < 0 {
		return errNoPaging
	}
	return nil
}

// Bounds of the wait between two look-ups.
const (
	leastWait = 2 * time.Second
	mostWait  = time.Minute
)

// nextLook is how long to wait before an order that was not found is looked for again, wait
// before it is settled: half as long as it has been gone, so that most are found soon and the
// others cost little.
func nextLook(wait, settle time.Duration) time.Duration {
	return min(wait, min(max((settle-wait)/2, leastWait), mostWait))
}
