package esimaccessfake

import (
	"encoding/json"
	"time"

	"github.com/telcodev/esim-operator/internal/operators/fakebooks"
)

// record is a profile as the books keep it, with the balance and the last number given; those
// alone where the balance was set.
type record struct {
	TranNo        string    `json:"tranNo,omitempty"`
	OrderNo       string    `json:"orderNo,omitempty"`
	TransactionID string    `json:"transactionId,omitempty"`
	ICCID         string    `json:"iccid,omitempty"`
	MatchingID    string    `json:"matchingId,omitempty"`
	Plan          *Package  `json:"plan,omitempty"`
	Paid          int64     `json:"paid,omitempty"`
	Ordered       time.Time `json:"ordered,omitzero"`
	Allocated     time.Time `json:"allocated,omitzero"`
	Listed        time.Time `json:"listed,omitzero"`
	SMDP          string    `json:"smdp,omitempty"`
	Status        string    `json:"status,omitempty"`
	EID           string    `json:"eid,omitempty"`
	Activated     time.Time `json:"activated,omitzero"`
	Installed     time.Time `json:"installed,omitzero"`
	Expires       time.Time `json:"expires,omitzero"`
	Balance       int64     `json:"balance"`
	LastID        int64     `json:"lastId"`
}

// KeepBooks reads the profiles that a file holds, and keeps them there from now on. It comes
// before the first call; Close must be called.
func (v *Vendor) KeepBooks(path string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	byTranNo := map[string]*esim{}
	var err error
	v.books, err = fakebooks.Open(path, func(line []byte) error {
		var kept record
		if err := json.Unmarshal(line, &kept); err != nil {
			return err
		}
		v.balance, v.lastID = kept.Balance, kept.LastID
		if kept.TranNo == "" || kept.Plan == nil {
			return nil
		}
		e, known := byTranNo[kept.TranNo]
		if !known {
			e = &esim{}
			byTranNo[kept.TranNo] = e
			v.esims = append(v.esims, e)
		}
		*e = kept.esim()
		return nil
	})
	return err
}

// Close the books. Nothing is kept any more.
func (v *Vendor) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.books.Close()
}

// esim is the profile of a record.
func (r record) esim() esim {
	return esim{
		tranNo: r.TranNo, orderNo: r.OrderNo, transactionID: r.TransactionID, iccid: r.ICCID, matchingID: r.MatchingID,
		plan: *r.Plan, paid: r.Paid, ordered: r.Ordered, allocated: r.Allocated, listed: r.Listed,
		smdp: r.SMDP, status: r.Status, eid: r.EID, activated: r.Activated, installed: r.Installed, expires: r.Expires,
	}
}

// keep a profile, new or changed; nil keeps the balance. What cannot be kept is not answered.
// v.mu must be held.
func (v *Vendor) keep(e *esim) error {
	kept := record{Balance: v.balance, LastID: v.lastID}
	if e != nil {
		plan := e.plan
		kept = record{
			TranNo: e.tranNo, OrderNo: e.orderNo, TransactionID: e.transactionID, ICCID: e.iccid, MatchingID: e.matchingID,
			Plan: &plan, Paid: e.paid, Ordered: e.ordered, Allocated: e.allocated, Listed: e.listed,
			SMDP: e.smdp, Status: e.status, EID: e.eid, Activated: e.activated, Installed: e.installed, Expires: e.expires,
			Balance: v.balance, LastID: v.lastID,
		}
	}
	return v.books.Keep(kept)
}

// unkept is why the books take nothing more; nil while they do.
func (v *Vendor) unkept() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.books.Err()
}
