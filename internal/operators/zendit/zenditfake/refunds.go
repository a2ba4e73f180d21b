package zenditfake

import (
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
)

// refund is POST /esim/purchases/{transactionId}/refund. A purchase is refunded once.
func (s *Server) refund(r *http.Request) (int, any) {
	p, ok := s.byKey[r.PathValue("id")]
	switch {
	case !ok:
		return http.StatusNotFound, failure{ErrorCode: "not_found", Message: "transaction not found"}
	case s.statusOf(p) != done:
		return http.StatusBadRequest, failure{ErrorCode: "not_done", Message: "the transaction is not done"}
	case !p.refunded.IsZero():
		return http.StatusBadRequest, failure{ErrorCode: "refunded", Message: "a refund was asked for already"}
	case !p.installed.IsZero():
		return http.StatusBadRequest, failure{ErrorCode: "installed", Message: "the eSIM " + string(p.iccid) + " is installed"}
	}
	p.refunded = s.options.Now()
	s.balance += p.offer.Cost + p.offer.Fee
	s.enter(Entry{Kind: GivenBack, TransactionID: p.id, OfferID: p.offer.ID, ICCID: p.iccid})
	_ = s.keep(p) // the books remember it, and the call is not answered
	return http.StatusOK, map[string]string{"status": s.refundStatus(p)}
}

func (s *Server) getRefund(r *http.Request) (int, any) {
	p, ok := s.byKey[r.PathValue("id")]
	if !ok || p.refunded.IsZero() {
		return http.StatusNotFound, failure{ErrorCode: "not_found", Message: "refund not found"}
	}
	return http.StatusOK, map[string]any{
		"status": s.refundStatus(p), "refundedTransactionId": p.id, "amount": p.offer.Cost + p.offer.Fee, "currency": "USD", "currencyDivisor": 100,
	}
}

type wirePlan struct {
	ICCID       string `json:"iccid"`
	OfferID     string `json:"offerId"`
	Status      string `json:"status"`
	InitialGB   number `json:"initialDataGB"`
	RemainingGB number `json:"remainingDataGB"`
	Unlimited   bool   `json:"unlimited"`
	StartAt     string `json:"startAt,omitempty"`
	EndAt       string `json:"endAt,omitempty"`
}

// plans is GET /esim/{iccId}/plans.
func (s *Server) plans(iccid activation.ICCID) (int, any) {
	p, ok := s.byICCID[iccid]
	if !ok {
		return http.StatusNotFound, failure{ErrorCode: "not_found", Message: "eSIM not found"}
	}
	plan := wirePlan{
		ICCID: string(p.iccid), OfferID: p.offer.ID, Status: "QUEUED", InitialGB: number(p.offer.DataGB), RemainingGB: number(p.offer.DataGB),
		Unlimited: p.offer.DataGB == "",
	}
	if !p.used.IsZero() {
		plan.Status = "ACTIVE"
		plan.StartAt = p.used.UTC().Format(time.RFC3339)
		plan.EndAt = p.used.UTC().AddDate(0, 0, p.offer.Days).Format(time.RFC3339)
	}
	found := map[string]any{"list": []wirePlan{plan}}
	if !p.installed.IsZero() {
		found["firstInstalledAt"] = p.installed.UTC().Format(time.RFC3339)
	}
	return http.StatusOK, found
}
