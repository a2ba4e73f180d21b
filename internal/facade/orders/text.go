package orders

import "github.com/telcodev/esim-operator/api/v1alpha1"

// View is what the text of an order depends on besides the order itself.
type View struct {
	// Product is what the catalogue says now about the order's product.
	Product Product
	// MaskedCode is there where the text has the activation code's mask.
	MaskedCode bool
}

// text is an order as it was written for a view.
type text struct {
	view View
	body []byte
}

// Text is an order as render writes it for a view, or as it did the last time: whoever polls
// an order gets the same text until it changes. It is remembered for as long as the index has
// this very version of the order. No activation code may be in it.
func (x *Index) Text(order *v1alpha1.EsimOrder, view View, render func() ([]byte, error)) ([]byte, error) {
	e := x.entry(order)
	if e == nil {
		return render()
	}
	if known := e.text.Load(); known != nil && known.view == view {
		return known.body, nil
	}
	body, err := render()
	if err != nil {
		return nil, err
	}
	e.text.Store(&text{view: view, body: body})
	return body, nil
}

// entry of this version of an order; nil where the index has another, or none.
func (x *Index) entry(order *v1alpha1.EsimOrder) *entry {
	s := x.shelf(order.Namespace)
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.names[order.Name]; e != nil && e.order == order {
		return e
	}
	return nil
}
