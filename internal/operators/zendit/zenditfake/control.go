package zenditfake

import (
	"fmt"
	"strconv"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

// Kind is what a ledger entry is about.
type Kind string

// The kinds of entry.
const (
	// Bought: money was taken and an eSIM is sold.
	Bought Kind = "bought"
	// GivenBack: the money was given back.
	GivenBack Kind = "given-back"
	// Refused: nothing was sold.
	Refused Kind = "refused"
)

// Entry is one line of the ledger. Bought less given back is what is owed, as at every vendor.
type Entry struct {
	Sequence      int              `json:"sequence"`
	Time          time.Time        `json:"time"`
	Kind          Kind             `json:"kind"`
	TransactionID string           `json:"transactionId"`
	OfferID       string           `json:"offerId,omitempty"`
	ICCID         activation.ICCID `json:"iccid,omitempty"`
}

// enter writes a line. s.mu must be held.
func (s *Server) enter(e Entry) { s.enterAt(s.options.Now(), e) }

func (s *Server) enterAt(when time.Time, e Entry) {
	e.Sequence, e.Time = len(s.ledger)+1, when
	s.ledger = append(s.ledger, e)
}

// Ledger of all orders, oldest first.
func (s *Server) Ledger() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Entry(nil), s.ledger...)
}

// Count of the ledger's entries of a kind.
func (s *Server) Count(kind Kind) int {
	count := 0
	for _, entry := range s.Ledger() {
		if entry.Kind == kind {
			count++
		}
	}
	return count
}

// SetOffer sells an offer, new or another one under its ID.
func (s *Server) SetOffer(offer Offer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addOffer(offer)
}

// Offer that is sold under an ID; false where none is.
func (s *Server) Offer(id string) (Offer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if offer, ok := s.byID[id]; ok {
		return *offer, true
	}
	return Offer{}, false
}

// SetBalance in cents.
func (s *Server) SetBalance(cents int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.balance = cents
	_ = s.books.Keep(record{Balance: cents}) // the books remember it, and the next call is not answered
}

// Change changes how the fake behaves from now on; offers, key, clock and balance stay.
func (s *Server) Change(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

// Install puts an eSIM on a device.
func (s *Server) Install(iccid activation.ICCID) error {
	return s.change(iccid, func(p *purchase) { p.installed = s.options.Now() })
}

// Use lets an eSIM be used for the first time, now.
func (s *Server) Use(iccid activation.ICCID) error {
	return s.change(iccid, func(p *purchase) { p.used = s.options.Now() })
}

// RefuseRefund lets the refund of an eSIM end as FAILED.
func (s *Server) RefuseRefund(iccid activation.ICCID) error {
	return s.change(iccid, func(p *purchase) { p.refundFailed = true })
}

func (s *Server) change(iccid activation.ICCID, change func(*purchase)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.byICCID[iccid]
	if !ok {
		return fmt.Errorf("no eSIM was sold with the ICCID %s", iccid)
	}
	change(p)
	return s.keep(p)
}

// HasMatchingID tells whether an activation code with the matching ID downloads the eSIM.
func (s *Server) HasMatchingID(iccid activation.ICCID, id activation.Credential) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.byICCID[iccid]
	return ok && activation.NewCredential(p.matchingID).Equal(id)
}

// Secrets are the key and the matching IDs of all eSIMs, for tests that search for them.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	secrets := []string{s.options.APIKey}
	for _, p := range s.byICCID {
		secrets = append(secrets, p.matchingID)
	}
	return secrets
}

// Grow sells so many offers more, for tests of large catalogues: one, five and ten gigabytes in
// one country after the other, every tenth in a region.
func (s *Server) Grow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	countries := []string{"JP", "US", "DE", "FR", "TH", "GB", "BR", "ZA", "AU", "AE"}
	for i := range n {
		offer := Offer{
			ID: "GROWN-" + strconv.Itoa(len(s.offers)), Country: countries[i%len(countries)],
			DataGB: []string{"1", "5", "10"}[i%3], Days: 7 * (1 + i%4), Cost: int64(200 + i%500), Stock: -1,
		}
		if i%10 == 0 {
			offer.Country, offer.Regions, offer.Roaming = "", []string{"Global"}, countries
		}
		s.addOffer(offer)
	}
}
