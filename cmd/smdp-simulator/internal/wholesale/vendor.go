package wholesale

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
)

const (
	// plenty of money for every account, in cents: more than a soak spends.
	plenty int64 = 1_000_000_00
	// perCent is a cent as eSIM Access tells money: a dollar is 10,000.
	perCent = 100
)

var errCannot = errors.New("this wholesaler has no such thing")

// Purchase is a profile that was sold, as the control API shows it.
type Purchase struct {
	// RequestID is the customer's own key for the order.
	RequestID string           `json:"requestID"`
	ICCID     activation.ICCID `json:"iccid"`
	GivenBack bool             `json:"givenBack,omitempty"`
}

// vendor is what the control API needs of a wholesaler's fake.
type vendor interface {
	// KeepBooks has what is sold outlive a restart, in a file, until Close.
	KeepBooks(path string) error
	Close() error
	handler() http.Handler
	function(*http.Request) string
	purchases() []Purchase
	// setStock of a plan; negative for no end.
	setStock(planID string, n int) error
	// setDelays: after how long lists show an order, and its profile exists.
	setDelays(list, delivery time.Duration) error
	setBalance(cents int64) error
	install(iccid activation.ICCID) error
	use(iccid activation.ICCID) error
}

type zenditVendor struct{ *zenditfake.Server }

func newZendit(credentials map[string]string) (vendor, error) {
	o := zenditfake.Options{APIKey: credentials[keyZendit], Balance: plenty}
	for _, p := range catalogue() {
		o.Offers = append(o.Offers, p.zendit())
	}
	return zenditVendor{zenditfake.New(o)}, nil
}

func (z zenditVendor) handler() http.Handler { return z.Server }

func (zenditVendor) function(r *http.Request) string { return zenditfake.Function(r) }

func (z zenditVendor) purchases() []Purchase {
	var found []Purchase
	at := map[activation.ICCID]int{}
	for _, entry := range z.Ledger() {
		switch entry.Kind {
		case zenditfake.Bought:
			at[entry.ICCID] = len(found)
			found = append(found, Purchase{RequestID: entry.TransactionID, ICCID: entry.ICCID})
		case zenditfake.GivenBack:
			found[at[entry.ICCID]].GivenBack = true
		}
	}
	return found
}

func (z zenditVendor) setStock(planID string, n int) error {
	offer, ok := z.Offer(planID)
	if !ok {
		return fmt.Errorf("%w: no offer %q", errCannot, planID)
	}
	offer.Stock = n
	z.SetOffer(offer)
	return nil
}

func (z zenditVendor) setDelays(list, delivery time.Duration) error {
	z.Change(func(o *zenditfake.Options) { o.ListDelay, o.Delivery = list, delivery })
	return nil
}

func (z zenditVendor) setBalance(cents int64) error { z.SetBalance(cents); return nil }

func (z zenditVendor) install(iccid activation.ICCID) error { return z.Install(iccid) }

func (z zenditVendor) use(iccid activation.ICCID) error { return z.Use(iccid) }

type esimAccessVendor struct{ *esimaccessfake.Vendor }

func newESIMAccess(credentials map[string]string) (vendor, error) {
	fake := esimaccessfake.New(esimaccessfake.Options{
		AccessCode: credentials[keyAccessCode], Secret: credentials[keySecret], Balance: plenty * perCent,
	})
	for _, p := range catalogue() {
		fake.AddPackage(p.esimAccess())
	}
	return esimAccessVendor{fake}, nil
}

func (e esimAccessVendor) handler() http.Handler { return e.Vendor }

func (esimAccessVendor) function(r *http.Request) string { return esimaccessfake.FunctionOf(r) }

func (e esimAccessVendor) purchases() []Purchase {
	var found []Purchase
	for _, p := range e.Profiles() {
		found = append(found, Purchase{RequestID: p.TransactionID, ICCID: activation.ICCID(p.ICCID), GivenBack: p.ESIMStatus == "CANCEL"})
	}
	return found
}

func (e esimAccessVendor) setStock(planID string, n int) error {
	for _, p := range catalogue() {
		if sold := p.esimAccess(); sold.Slug == planID || sold.Code == planID {
			e.SetStock(sold.Code, n)
			return nil
		}
	}
	return fmt.Errorf("%w: no package %q", errCannot, planID)
}

func (e esimAccessVendor) setDelays(list, delivery time.Duration) error {
	e.SetListDelay(list)
	e.SetAllocationDelay(delivery)
	return nil
}

func (e esimAccessVendor) setBalance(cents int64) error { e.SetBalance(cents * perCent); return nil }

func (e esimAccessVendor) install(iccid activation.ICCID) error { return e.Install(string(iccid)) }

func (e esimAccessVendor) use(iccid activation.ICCID) error { return e.Use(string(iccid)) }

type airaloVendor struct{ *airalofake.Server }

func newAiralo(credentials map[string]string) (vendor, error) {
	o := airalofake.Options{ClientID: credentials[keyClientID], ClientSecret: credentials[keyClientSecret]}
	for _, p := range catalogue() {
		o.Packages = append(o.Packages, p.airalo())
	}
	fake, err := airalofake.New(o)
	return airaloVendor{fake}, err
}

func (a airaloVendor) handler() http.Handler { return a.Handler() }

func (airaloVendor) function(r *http.Request) string { return airalofake.Function(r) }

func (a airaloVendor) purchases() []Purchase {
	var found []Purchase
	for _, p := range a.Purchases() {
		found = append(found, Purchase{RequestID: p.RequestID, ICCID: p.ICCID, GivenBack: p.Refunded})
	}
	return found
}

func (a airaloVendor) setStock(planID string, n int) error { return a.SetStock(planID, n) }

func (a airaloVendor) setDelays(list, delivery time.Duration) error {
	if delivery != 0 {
		return fmt.Errorf("%w: Airalo delivers at once", errCannot)
	}
	a.SetListDelay(list)
	return nil
}

func (a airaloVendor) setBalance(cents int64) error { return a.SetCredit(dollars(cents)) }

func (airaloVendor) install(activation.ICCID) error {
	return fmt.Errorf("%w: Airalo never learns of an installation; use tells it of the first use", errCannot)
}

func (a airaloVendor) use(iccid activation.ICCID) error {
	return a.SetUsage(iccid, airalofake.UsageActive, 1)
}
