package zenditfake

import (
	"fmt"
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

// The states of a purchase and of a refund.
const (
	accepted   = "ACCEPTED"
	pending    = "PENDING"
	authorized = "AUTHORIZED"
	inProgress = "IN_PROGRESS"
	done       = "DONE"
	failed     = "FAILED"
)

// purchase is in the books for ever.
type purchase struct {
	id      string
	offer   Offer
	created time.Time
	// failure is why it becomes FAILED; empty where it becomes DONE.
	failure    string
	iccid      activation.ICCID
	matchingID string
	address    string

	refunded     time.Time // zero where no refund was asked for
	refundFailed bool
	installed    time.Time
	used         time.Time
}

// status as time goes by: through all states on the way.
func status(since, now time.Time, takes time.Duration, end string) string {
	passed := now.Sub(since)
	if passed >= takes {
		return end
	}
	return []string{accepted, pending, authorized, inProgress}[min(int(4*passed/takes), 3)]
}

func (s *Server) statusOf(p *purchase) string {
	end := done
	if p.failure != "" {
		end = failed
	}
	return status(p.created, s.options.Now(), s.options.Delivery, end)
}

func (s *Server) refundStatus(p *purchase) string {
	end := done
	if p.refundFailed {
		end = failed
	}
	return status(p.refunded, s.options.Now(), s.options.Refunding, end)
}

type confirmation struct {
	ActivationCode         string `json:"activationCode"`
	ICCID                  string `json:"iccid"`
	SMDPAddress            string `json:"smdpAddress"`
	ExternalReferenceID    string `json:"externalReferenceId"`
	RedemptionInstructions string `json:"redemptionInstructions"`
}

type wireError struct {
	Code        string `json:"code"`
	Description string `json:"description"`
	Message     string `json:"message"`
}

type wirePurchase struct {
	TransactionID string        `json:"transactionId"`
	OfferID       string        `json:"offerId"`
	Status        string        `json:"status"`
	CreatedAt     string        `json:"createdAt"`
	Cost          int64         `json:"cost"`
	CostCurrency  string        `json:"costCurrency"`
	CostDivisor   int           `json:"costCurrencyDivisor"`
	Confirmation  *confirmation `json:"confirmation,omitempty"`
	Error         *wireError    `json:"error,omitempty"`
}

func (s *Server) wire(p *purchase) wirePurchase {
	found := wirePurchase{
		TransactionID: p.id, OfferID: p.offer.ID, Status: s.statusOf(p), CreatedAt: p.created.UTC().Format(time.RFC3339Nano),
		Cost: p.offer.Cost + p.offer.Fee, CostCurrency: "USD", CostDivisor: 100,
	}
	switch found.Status {
	case done:
		found.Confirmation = &confirmation{
			ActivationCode: p.matchingID, ICCID: string(p.iccid), SMDPAddress: p.address, ExternalReferenceID: "x" + p.id,
			RedemptionInstructions: "Scan LPA:1$" + p.address + "$" + p.matchingID,
		}
	case failed:
		found.Error = &wireError{Code: p.failure, Description: "the purchase failed", Message: "transaction " + p.id + " failed"}
	}
	return found
}

// purchase is POST /esim/purchases.
func (s *Server) purchase(r *http.Request) (int, any) {
	var input struct {
		OfferID       string `json:"offerId"`
		TransactionID string `json:"transactionId"`
	}
	if err := read(r, &input); err != nil {
		return http.StatusBadRequest, failure{ErrorCode: "bad_request", Message: "the body is no JSON"}
	}
	type ordered struct {
		TransactionID string `json:"transactionId"`
		Status        string `json:"status"`
	}
	earlier, known := s.byKey[input.TransactionID]
	offer, sold := s.byID[input.OfferID]
	switch {
	case input.TransactionID == "":
		return s.refuse(input.TransactionID, http.StatusBadRequest, failure{ErrorCode: "bad_request", Message: "transactionId is required", Fields: map[string]string{"transactionId": "required"}})
	case known && s.options.Duplicates == RepeatDuplicates:
		return http.StatusOK, ordered{earlier.id, s.statusOf(earlier)}
	case known:
		return s.refuse(input.TransactionID, http.StatusBadRequest, failure{ErrorCode: "duplicate", Message: "transaction " + input.TransactionID + " exists"})
	case !sold, offer.Disabled:
		return s.refuse(input.TransactionID, http.StatusBadRequest, failure{ErrorCode: "bad_offer", Message: "offer is not available", Fields: map[string]string{"offerId": "not available"}})
	case s.options.FundsAtOnce && s.balance < offer.Cost+offer.Fee:
		return s.refuse(input.TransactionID, http.StatusPaymentRequired, failure{ErrorCode: "no_funds", Message: "the wallet is empty"})
	}
	p := s.book(input.TransactionID, offer)
	return http.StatusOK, ordered{p.id, s.statusOf(p)}
}

// book enters a purchase into the books, and decides at once how it will end.
func (s *Server) book(id string, offer *Offer) *purchase {
	p := &purchase{id: id, offer: *offer, created: s.options.Now(), address: s.options.SMDPAddress}
	switch {
	case s.balance < offer.Cost+offer.Fee:
		p.failure = "no_funds"
	case offer.Stock == 0:
		p.failure = "no_stock"
	default:
		if offer.Stock > 0 {
			offer.Stock--
		}
		s.balance -= offer.Cost + offer.Fee
		s.sold++
		p.iccid, p.matchingID = profile(s.sold)
		s.byICCID[p.iccid] = p
	}
	s.byKey[id] = p
	s.purchases = append(s.purchases, p)
	s.enter(p.entry())
	_ = s.keep(p) // the books remember it, and the call is not answered
	return p
}

// entry is the ledger's line of a purchase.
func (p *purchase) entry() Entry {
	kind := Bought
	if p.failure != "" {
		kind = Refused
	}
	return Entry{Kind: kind, TransactionID: p.id, OfferID: p.offer.ID, ICCID: p.iccid}
}

// profile is the n-th eSIM.
func profile(n int) (activation.ICCID, string) {
	payload := fmt.Sprintf("894411%012d", n)
	digit, err := activation.LuhnDigit(payload)
	if err != nil {
		panic(fmt.Sprintf("an ICCID of digits has no check digit: %v", err))
	}
	return activation.ICCID(payload + string(digit)), fmt.Sprintf("ZND-%08X-MATCHING-%06d", uint32(n)*2654435761, n)
}

func (s *Server) refuse(id string, status int, f failure) (int, any) {
	s.enter(Entry{Kind: Refused, TransactionID: id})
	return status, f
}

func (s *Server) listPurchases(*http.Request) (int, any) {
	list := []wirePurchase{}
	for _, p := range s.purchases {
		if s.options.Now().Sub(p.created) >= s.options.ListDelay {
			list = append(list, s.wire(p))
		}
	}
	return http.StatusOK, map[string]any{"limit": len(list), "offset": 0, "total": len(list), "list": list}
}

func (s *Server) getPurchase(id string) (int, any) {
	p, ok := s.byKey[id]
	if !ok {
		return http.StatusNotFound, failure{ErrorCode: "not_found", Message: "transaction not found"}
	}
	return http.StatusOK, s.wire(p)
}
