package esimaccessfake

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	maxTransactionID = 50
	maxCount         = 30
	minPage, maxPage = 5, 500
	// shortest form that the vendor's documentation shows; time.RFC3339 is taken too.
	minuteForm = "2006-01-02T15:04Z07:00"
)

type orderRequest struct {
	TransactionID   string
	Amount          *int64
	PackageInfoList []struct {
		PackageCode string
		Count       int
		Price       *int64
	}
}

// order answers Order.
func (v *Vendor) order(body []byte) (object, refusal, Entry) {
	var request orderRequest
	if refused := decode(body, &request); refused != "" {
		return nil, refused, Entry{}
	}
	entry := Entry{TransactionID: request.TransactionID}
	switch {
	case request.TransactionID == "" || len(request.PackageInfoList) == 0:
		return nil, parameterMissing, entry
	case len(request.TransactionID) > maxTransactionID:
		return nil, parameterLength, entry
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if first := v.ordered(request.TransactionID); first != nil {
		switch v.options.Duplicate {
		case DuplicateRefused:
			return nil, orderParameters, entry
		case DuplicateSame:
			entry.OrderNo = first.orderNo
			return object{"orderNo": first.orderNo, "transactionId": request.TransactionID}, "", entry
		}
	}
	cost, refused := v.quote(request)
	if refused != "" {
		return nil, refused, entry
	}
	v.balance -= cost
	v.lastID++
	entry.OrderNo = fmt.Sprintf("B%012d", v.lastID)
	for _, info := range request.PackageInfoList {
		for range info.Count {
			entry.ICCID = v.sell(v.find(info.PackageCode), entry)
		}
	}
	return object{"orderNo": entry.OrderNo, "transactionId": request.TransactionID}, "", entry
}

// ordered is a profile of the first order with a transactionId; nil where there is none. v.mu
// must be held.
func (v *Vendor) ordered(transactionID string) *esim {
	for _, e := range v.esims {
		if e.transactionID == transactionID {
			return e
		}
	}
	return nil
}

// quote checks an order and tells what it costs. v.mu must be held.
func (v *Vendor) quote(request orderRequest) (cost int64, refused refusal) {
	for _, info := range request.PackageInfoList {
		p := v.find(info.PackageCode)
		switch {
		case p == nil:
			return 0, packageUnknown
		case info.Count < 1 || info.Count > maxCount:
			return 0, orderParameters
		case info.Price != nil && *info.Price != p.Price:
			return 0, priceWrong
		case p.Stock != nil && *p.Stock < info.Count:
			return 0, outOfStock
		}
		cost += p.Price * int64(info.Count)
	}
	switch {
	case request.Amount != nil && *request.Amount != cost:
		return 0, amountWrong
	case cost > v.balance:
		return 0, noCredit
	}
	return cost, ""
}

// sell makes one profile and returns its ICCID. v.mu must be held.
func (v *Vendor) sell(p *Package, order Entry) string {
	if p.Stock != nil {
		*p.Stock--
	}
	now := v.now()
	e := &esim{
		orderNo: order.OrderNo, transactionID: order.TransactionID, iccid: v.nextICCID(), matchingID: v.matchingID(),
		plan: *p, paid: p.Price, ordered: now, allocated: now.Add(v.options.AllocationDelay), listed: now.Add(v.options.ListDelay),
		smdp: smdpReleased, status: statusGot, expires: now.Add(downloadValid),
	}
	e.tranNo = fmt.Sprintf("%012d", v.lastID)
	v.esims = append(v.esims, e)
	_ = v.keep(e) // the books remember it, and the call is not answered
	return e.iccid
}

type queryRequest struct {
	OrderNo, ICCID, ESIMTranNo, StartTime, EndTime string
	Pager                                          *struct{ PageNum, PageSize int }
}

// query answers Query.
func (v *Vendor) query(body []byte) (object, refusal, Entry) {
	var request queryRequest
	if refused := decode(body, &request); refused != "" {
		return nil, refused, Entry{}
	}
	entry := Entry{OrderNo: request.OrderNo, ICCID: request.ICCID}
	pager := request.Pager
	switch {
	case pager == nil:
		return nil, parameterMissing, entry
	case pager.PageSize < minPage || pager.PageSize > maxPage || pager.PageNum < 1:
		return nil, parameterLength, entry
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	found, refused := v.search(request)
	if refused != "" {
		return nil, refused, entry
	}
	from := min((pager.PageNum-1)*pager.PageSize, len(found))
	page := found[from:min(from+pager.PageSize, len(found))]
	list := make([]object, len(page))
	for i, e := range page {
		list[i] = e.object(v.options.SMDPAddress, v.now())
	}
	return object{"esimList": list, "pager": object{"pageNum": pager.PageNum, "pageSize": pager.PageSize, "total": len(found)}}, "", entry
}

// search for what a request names: an order, a profile, or all of a time. v.mu must be held.
func (v *Vendor) search(request queryRequest) ([]*esim, refusal) {
	now := v.now()
	switch {
	case request.OrderNo != "":
		found := v.newestFirst(func(e *esim) bool { return e.orderNo == request.OrderNo })
		switch {
		case len(found) == 0:
			return nil, orderUnknown
		case now.Before(found[0].allocated):
			return nil, stillAllocating
		default:
			return found, ""
		}
	case request.ICCID != "":
		return v.newestFirst(func(e *esim) bool { return e.iccid == request.ICCID && !now.Before(e.allocated) }), ""
	case request.ESIMTranNo != "":
		return v.newestFirst(func(e *esim) bool { return e.tranNo == request.ESIMTranNo }), ""
	default:
		start, refused := instant(request.StartTime)
		end, alsoRefused := instant(request.EndTime)
		return v.newestFirst(func(e *esim) bool {
			return !e.ordered.Before(start) && !e.ordered.After(end) && !now.Before(e.listed)
		}), cmp.Or(refused, alsoRefused)
	}
}

func (v *Vendor) newestFirst(wanted func(*esim) bool) []*esim {
	var found []*esim
	for _, e := range slices.Backward(v.esims) {
		if wanted(e) {
			found = append(found, e)
		}
	}
	return found
}

// instant reads a time of a window.
func instant(text string) (time.Time, refusal) {
	if text == "" {
		return time.Time{}, parameterMissing
	}
	for _, form := range []string{time.RFC3339, minuteForm} {
		if when, err := time.Parse(form, text); err == nil {
			return when, ""
		}
	}
	return time.Time{}, orderParameters
}

// cancel answers Cancel.
func (v *Vendor) cancel(body []byte) (object, refusal, Entry) {
	var request struct{ ESIMTranNo, ICCID string }
	if refused := decode(body, &request); refused != "" {
		return nil, refused, Entry{}
	}
	if request.ESIMTranNo == "" && request.ICCID == "" {
		return nil, parameterMissing, Entry{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range slices.Backward(v.esims) {
		if e.tranNo != request.ESIMTranNo && (request.ICCID == "" || e.iccid != request.ICCID) {
			continue
		}
		entry := Entry{TransactionID: e.transactionID, OrderNo: e.orderNo, ICCID: e.iccid}
		if e.smdp != smdpReleased || e.status != statusGot || v.now().Before(e.allocated) {
			return nil, statusForbids, entry
		}
		e.status = statusCancel
		v.balance += e.paid
		if p := v.find(e.plan.Code); p != nil && p.Stock != nil {
			*p.Stock++
		}
		_ = v.keep(e) // the books remember it, and the call is not answered
		return object{}, "", entry
	}
	return nil, profileUnknown, Entry{ICCID: request.ICCID}
}

// tellBalance answers BalanceQuery.
func (v *Vendor) tellBalance() (object, refusal, Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return object{"balance": v.balance, "lastUpdateTime": written(v.now())}, "", Entry{}
}

// SellOthers sells n profiles of a plan under request IDs that are not ours, as another system
// on the same account would.
func (v *Vendor) SellOthers(code string, n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for range n {
		v.lastID++
		id := fmt.Sprintf("%012d", v.lastID)
		v.sell(v.find(code), Entry{OrderNo: "B" + id, TransactionID: "other-" + id})
	}
}
