package zenditfake

import (
	"encoding/json"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/fakebooks"
)

// record is a purchase as the books keep it, and the balance after it; the balance alone where
// that was set.
type record struct {
	TransactionID string           `json:"transactionId,omitempty"`
	Offer         *Offer           `json:"offer,omitempty"`
	Created       time.Time        `json:"created,omitzero"`
	Failure       string           `json:"failure,omitempty"`
	ICCID         activation.ICCID `json:"iccid,omitempty"`
	MatchingID    string           `json:"matchingId,omitempty"`
	Address       string           `json:"address,omitempty"`
	Refunded      time.Time        `json:"refunded,omitzero"`
	RefundFailed  bool             `json:"refundFailed,omitempty"`
	Installed     time.Time        `json:"installed,omitzero"`
	Used          time.Time        `json:"used,omitzero"`
	Balance       int64            `json:"balance"`
}

// KeepBooks reads the purchases that a file holds, and keeps them there from now on. It comes
// before the first call; Close must be called.
func (s *Server) KeepBooks(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	s.books, err = fakebooks.Open(path, func(line []byte) error {
		var kept record
		if err := json.Unmarshal(line, &kept); err != nil {
			return err
		}
		s.restore(kept)
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range s.purchases {
		s.enterAt(p.created, p.entry())
		if !p.refunded.IsZero() {
			s.enterAt(p.refunded, Entry{Kind: GivenBack, TransactionID: p.id, OfferID: p.offer.ID, ICCID: p.iccid})
		}
	}
	return nil
}

// Close the books. Nothing is kept any more.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books.Close()
}

// restore applies a record. s.mu must be held.
func (s *Server) restore(kept record) {
	s.balance = kept.Balance
	if kept.TransactionID == "" || kept.Offer == nil {
		return
	}
	p, known := s.byKey[kept.TransactionID]
	if !known {
		p = &purchase{id: kept.TransactionID}
		s.byKey[p.id] = p
		s.purchases = append(s.purchases, p)
		if kept.ICCID != "" {
			s.sold++
			s.byICCID[kept.ICCID] = p
		}
	}
	p.offer, p.created, p.failure = *kept.Offer, kept.Created, kept.Failure
	p.iccid, p.matchingID, p.address = kept.ICCID, kept.MatchingID, kept.Address
	p.refunded, p.refundFailed, p.installed, p.used = kept.Refunded, kept.RefundFailed, kept.Installed, kept.Used
}

// keep a purchase, new or changed. What cannot be kept is not answered. s.mu must be held.
func (s *Server) keep(p *purchase) error {
	offer := p.offer
	return s.books.Keep(record{
		TransactionID: p.id, Offer: &offer, Created: p.created, Failure: p.failure, ICCID: p.iccid, MatchingID: p.matchingID, Address: p.address,
		Refunded: p.refunded, RefundFailed: p.refundFailed, Installed: p.installed, Used: p.used, Balance: s.balance,
	})
}
