package airalofake

import (
	"encoding/json"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/fakebooks"
)

// record is an order as the books keep it, and the credit after it; the credit alone where that
// was set.
type record struct {
	ID          int64            `json:"id,omitempty"`
	Description string           `json:"description,omitempty"`
	Package     *Package         `json:"package,omitempty"`
	Placed      time.Time        `json:"placed,omitzero"`
	Visible     time.Time        `json:"visible,omitzero"`
	Status      OrderStatus      `json:"status,omitempty"`
	ICCID       activation.ICCID `json:"iccid,omitempty"`
	MatchingID  string           `json:"matchingId,omitempty"`
	Usage       Usage            `json:"usage,omitempty"`
	Used        int64            `json:"used,omitempty"`
	Activated   time.Time        `json:"activated,omitzero"`
	// Credit in USD; empty for an account without end.
	Credit string `json:"credit,omitempty"`
}

// KeepBooks reads the orders that a file holds, and keeps them there from now on. It comes before
// the first call; Close must be called.
func (s *Server) KeepBooks(path string) error {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	var err error
	s.shop.books, err = fakebooks.Open(path, func(line []byte) error {
		var kept record
		if err := json.Unmarshal(line, &kept); err != nil {
			return err
		}
		return s.shop.restore(kept)
	})
	return err
}

// Close the books. Nothing is kept any more.
func (s *Server) Close() error {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	return s.shop.books.Close()
}

// restore applies a record. The caller holds mu.
func (s *shop) restore(kept record) error {
	s.credit = nil
	if kept.Credit != "" {
		credit, err := money.Parse(kept.Credit)
		if err != nil {
			return err
		}
		s.credit = &credit
	}
	if kept.ICCID == "" || kept.Package == nil {
		return nil
	}
	o, known := s.byICCID[kept.ICCID]
	if !known {
		o = &order{}
		s.orders = append(s.orders, o)
		s.byICCID[kept.ICCID] = o
	}
	o.id, o.description, o.pack, o.placed, o.visible, o.status = kept.ID, kept.Description, *kept.Package, kept.Placed, kept.Visible, kept.Status
	o.sim.iccid, o.sim.matchingID = kept.ICCID, activation.NewCredential(kept.MatchingID)
	o.sim.usage, o.sim.used, o.sim.activated = kept.Usage, kept.Used, kept.Activated
	return nil
}

// keep an order, new or changed; nil keeps the credit. What cannot be kept is not answered. The
// caller holds mu.
func (s *shop) keep(o *order) error {
	var kept record
	if o != nil {
		pack := o.pack
		kept = record{
			ID: o.id, Description: o.description, Package: &pack, Placed: o.placed, Visible: o.visible, Status: o.status,
			ICCID: o.sim.iccid, MatchingID: o.sim.matchingID.Reveal(), Usage: o.sim.usage, Used: o.sim.used, Activated: o.sim.activated,
		}
	}
	if s.credit != nil {
		kept.Credit = s.credit.String()
	}
	return s.books.Keep(kept)
}
