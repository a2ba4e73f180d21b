package airalofake

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators/countries"
)

// Refuse answers the next calls of a function with 422 and a code, such as 13 in maintenance;
// they are not executed.
func (s *Server) Refuse(function string, code, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range times {
		s.refusals = append(s.refusals, refusal{status: http.StatusUnprocessableEntity, code: code, reason: "Refused on demand.", call: function})
	}
}

// RefuseAddress answers the next calls of a function with 403 and code 89, as to strangers.
func (s *Server) RefuseAddress(function string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range times {
		s.refusals = append(s.refusals, refusal{status: http.StatusForbidden, code: 89, reason: "IP not allowed.", call: function})
	}
}

// nextRefusal takes the first that is meant for a function; nil where there is none.
func (s *Server) nextRefusal(function string) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.refusals {
		if r.call == function {
			s.refusals = slices.Delete(s.refusals, i, i+1)
			return &r
		}
	}
	return nil
}

// RevokeTokens makes all tokens invalid that were given out.
func (s *Server) RevokeTokens() { s.tokens.revoke() }

// PutPackage adds a package, or changes the one of the same ID.
func (s *Server) PutPackage(p Package) {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	s.shop.put(p)
}

// Grow adds packages until there are n: of one country each, all countries over and over.
func (s *Server) Grow(n int) {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	all := allCountries()
	for i := len(s.shop.packages); i < n; i++ {
		country, gigabytes := all[i%len(all)], int64(i%20+1)
		s.shop.put(Package{
			ID: fmt.Sprintf("grown-%d-%dgb", i, gigabytes), Title: fmt.Sprintf("%d GB - 30 Days", gigabytes),
			Countries: []string{country}, AmountMB: gigabytes * 1000, Days: 30,
			NetPrices: map[string]string{"USD": fmt.Sprintf("%d.%02d", gigabytes, i%100)},
		})
	}
}

// allCountries are the alpha-2 codes that are in use.
func allCountries() []string {
	var codes []string
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			code := string([]rune{first, second})
			if _, err := countries.Alpha3(code); err == nil {
				codes = append(codes, code)
			}
		}
	}
	return codes
}

// SetStock sets how many of a package are left; with a negative number they never end.
func (s *Server) SetStock(packageID string, n int) error {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	if _, known := s.shop.byID[packageID]; !known {
		return fmt.Errorf("set the stock of %q: %w", packageID, errUnknownPackage)
	}
	if n < 0 {
		delete(s.shop.stock, packageID)
		return nil
	}
	s.shop.stock[packageID] = n
	return nil
}

// SetOffered puts a package on sale or takes it off.
func (s *Server) SetOffered(packageID string, offered bool) error {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	if _, known := s.shop.byID[packageID]; !known {
		return fmt.Errorf("offer %q: %w", packageID, errUnknownPackage)
	}
	s.shop.withdrawn[packageID] = !offered
	return nil
}

// SetPrice of a package in a currency.
func (s *Server) SetPrice(packageID, currency, price string) error {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	at, known := s.shop.byID[packageID]
	if !known {
		return fmt.Errorf("set the price of %q: %w", packageID, errUnknownPackage)
	}
	if _, err := money.Parse(price); err != nil {
		return fmt.Errorf("set the price of %q: %w", packageID, err)
	}
	prices := map[string]string{currency: price}
	for other, price := range s.shop.packages[at].NetPrices {
		if other != currency {
			prices[other] = price
		}
	}
	s.shop.packages[at].NetPrices = prices
	return nil
}

// SetCredit of our account, in USD. Before the first call it is endless.
func (s *Server) SetCredit(usd string) error {
	amount, err := money.Parse(usd)
	if err != nil {
		return fmt.Errorf("set the credit: %w", err)
	}
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	s.shop.credit = &amount
	return s.shop.keep(nil)
}

// SetListDelay of orders from now on.
func (s *Server) SetListDelay(d time.Duration) {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	s.shop.listDelay = d
}

// AcceptOrders answers 202 to orders from now on, and executes each after the delay.
func (s *Server) AcceptOrders(after time.Duration) {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	s.shop.accepting, s.shop.acceptedDelay = true, after
}

func (s *shop) accepts() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepting
}

// SetOrderStatus is what becomes of all orders under a request ID. Failed ones were never sold.
func (s *Server) SetOrderStatus(requestID string, status OrderStatus) {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	for _, o := range s.shop.orders {
		if o.description == requestID {
			o.status = status
			_ = s.shop.keep(o) // the books remember it, and the next call is not answered
		}
	}
}

// SetUsage says how a SIM is used. The first state but UsageNotActive and UsageUnknown
// activates it.
func (s *Server) SetUsage(iccid activation.ICCID, usage Usage, usedMB int64) error {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	o, known := s.shop.byICCID[iccid]
	if !known {
		return fmt.Errorf("set the usage of %s: %w", iccid, errUnknownSIM)
	}
	if o.sim.activated.IsZero() && usage != UsageNotActive && usage != UsageUnknown {
		o.sim.activated = s.clock.Now()
	}
	o.sim.usage, o.sim.used = usage, usedMB
	return s.shop.keep(o)
}

// Ledger of all calls that arrived, oldest first.
func (s *Server) Ledger() []LedgerEntry { return s.ledger.all() }

// Purchases are all profiles that were sold, oldest first.
func (s *Server) Purchases() []Purchase {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	purchases := make([]Purchase, 0, len(s.shop.orders))
	for _, o := range s.shop.orders {
		if o.status == OrderFailed {
			continue
		}
		purchases = append(purchases, Purchase{
			RequestID: o.description, OrderID: o.id, PackageID: o.pack.ID, ICCID: o.sim.iccid,
			Time: o.placed.UTC(), Refunded: o.status == OrderRefunded,
		})
	}
	return purchases
}

// Bought is how many profiles were sold, refunded ones included.
func (s *Server) Bought() int { return len(s.Purchases()) }

// GivenBack is how many of the profiles that were sold were refunded.
func (s *Server) GivenBack() int {
	n := 0
	for _, p := range s.Purchases() {
		if p.Refunded {
			n++
		}
	}
	return n
}

// HasMatchingID tells whether an activation code with the matching ID downloads the profile.
func (s *Server) HasMatchingID(iccid activation.ICCID, id activation.Credential) bool {
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	o, known := s.shop.byICCID[iccid]
	return known && o.status == OrderCompleted && o.sim.matchingID.Equal(id)
}

// Secrets are all credentials that were given out, so that tests can search for them where they
// must not be: tokens, matching IDs and our own secret.
func (s *Server) Secrets() []string {
	secrets := append(s.tokens.all(), s.options.ClientSecret)
	s.shop.mu.Lock()
	defer s.shop.mu.Unlock()
	for _, o := range s.shop.orders {
		secrets = append(secrets, o.sim.matchingID.Reveal())
	}
	return secrets
}
