package airalo

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"net/url"
	"strconv"

	"github.com/go-logr/logr"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/countries"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// placesPerPage of the catalogue. A place is a country or region with all its packages.
	placesPerPage = 25
	// maxPages bounds a catalogue that does not end.
	maxPages = 2000
)

// place is a country or region with what is sold for it.
type place struct {
	// CountryCode is alpha-2; empty for a region, which Title names.
	CountryCode webapi.Text           `json:"country_code"`
	Title       webapi.Text           `json:"title"`
	Operators   webapi.List[provider] `json:"operators"`
}

// provider is the network operator behind packages.
type provider struct {
	Countries webapi.List[struct {
		CountryCode webapi.Text `json:"country_code"`
	}] `json:"countries"`
	Packages webapi.List[pack] `json:"packages"`
}

// pack is a data plan.
type pack struct {
	ID        webapi.Text `json:"id"`
	Type      webapi.Text `json:"type"`
	Title     webapi.Text `json:"title"`
	Unlimited webapi.Bool `json:"is_unlimited"`
	// Amount of data in MB.
	Amount webapi.Number `json:"amount"`
	Days   webapi.Int    `json:"day"`
	// NetPrice is in US dollars.
	NetPrice webapi.Number `json:"net_price"`
	Prices   struct {
		Net prices `json:"net_price"`
	} `json:"prices"`
}

// prices by currency. PHP writes none as an empty list.
type prices map[string]webapi.Number

// UnmarshalJSON reads an object, or an empty list.
func (p *prices) UnmarshalJSON(data []byte) error {
	if string(data) == "[]" {
		*p = nil
		return nil
	}
	return json.Unmarshal(data, (*map[string]webapi.Number)(p))
}

// typeTopUp is a package for a SIM that is there already.
const typeTopUp = "topup"

// Plans are the packages with a SIM. Those that cannot be sold here, because of a country that
// nobody knows or a cost that is not told in our currency, are left out and counted in the log.
func (d *Driver) Plans(ctx context.Context) iter.Seq2[operators.Plan, error] {
	return func(yield func(operators.Plan, error) bool) {
		left := 0
		for number := 1; ; number++ {
			if number > maxPages {
				yield(operators.Plan{}, &operators.Error{Class: operators.Transient, Function: getPackages, Message: "Airalo's catalogue does not end"})
				return
			}
			current, failure := d.page(ctx, number, placesPerPage)
			if failure != nil {
				yield(operators.Plan{}, failure)
				return
			}
			for i := range current.Data {
				for plan, ok := range current.Data[i].plans(d.currency) {
					if !ok {
						left++
					} else if !yield(plan, nil) {
						return
					}
				}
			}
			if webapi.Int(number) >= current.Meta.LastPage {
				break
			}
		}
		if left > 0 {
			logr.FromContextOrDiscard(ctx).Info("Packages of Airalo's catalogue were left out: their country, data, days or cost cannot be read",
				"packages", left, "currency", d.currency)
		}
	}
}

// cataloguePage is an answer to GetPackages.
type cataloguePage struct {
	Data webapi.List[place] `json:"data"`
	Meta paging             `json:"meta"`
}

// page of the catalogue, counted from 1.
func (d *Driver) page(ctx context.Context, number, places int) (cataloguePage, *operators.Error) {
	var answer cataloguePage
	query := url.Values{"limit": {strconv.Itoa(places)}, "page": {strconv.Itoa(number)}}
	failure := d.get(ctx, getPackages, "/packages", query, webapi.PageLimit, func(body []byte) error {
		if err := webapi.Decode(body, &answer); err != nil {
			return err
		}
		return answer.Meta.check(number)
	})
	return answer, failure
}

// plans of a place; false stands for one that cannot be sold here.
func (p *place) plans(currency string) iter.Seq2[operators.Plan, bool] {
	return func(yield func(operators.Plan, bool) bool) {
		for i := range p.Operators {
			covered, region := p.coverage(&p.Operators[i])
			for j := range p.Operators[i].Packages {
				pack := &p.Operators[i].Packages[j]
				if pack.Type == typeTopUp {
					continue
				}
				plan, ok := pack.plan(currency)
				plan.Countries, plan.Region = covered, region
				if !yield(plan, ok && len(covered) > 0) {
					return
				}
			}
		}
	}
}

// coverage is where a provider's packages work: countries, alpha-3, and the code of the region.
func (p *place) coverage(of *provider) (covered []string, region string) {
	codes := make([]string, 0, len(of.Countries)+1)
	for _, country := range of.Countries {
		codes = append(codes, string(country.CountryCode))
	}
	if len(codes) == 0 && p.CountryCode != "" {
		codes = append(codes, string(p.CountryCode))
	}
	covered, _ = countries.List(codes)
	if p.CountryCode != "" {
		return covered, ""
	}
	if region, named := countries.Region(string(p.Title)); named {
		return covered, region
	}
	return covered, countries.RegionOf(covered)
}

// perGB converts megabytes: 1 GB is 1000 MB, as Airalo prints it.
var perGB = mustParse("0.001")

func mustParse(text string) money.Amount {
	amount, err := money.Parse(text)
	if err != nil {
		panic("airalo: " + err.Error())
	}
	return amount
}

// plan in our units, without countries; false where something needed is missing.
func (p *pack) plan(currency string) (operators.Plan, bool) {
	cost, told := p.cost(currency)
	plan := operators.Plan{ID: string(p.ID), Name: string(p.Title), Cost: cost, Currency: currency}
	if checkPlan(plan.ID) != nil || !told || p.Days < 1 || p.Days > math.MaxInt32 {
		return plan, false
	}
	plan.Days = int32(p.Days)
	if p.Unlimited {
		return plan, true
	}
	gigabytes, err := p.Amount.Mul(perGB)
	if err != nil || gigabytes.Sign() <= 0 {
		return plan, false // no data at all, or no number of megabytes
	}
	plan.DataGB = gigabytes
	return plan, true
}

// cost in a currency; false where it is not told.
func (p *pack) cost(currency string) (money.Amount, bool) {
	price, ok := p.Prices.Net[currency]
	if !ok && currency == DefaultCurrency {
		price, ok = p.NetPrice, true
	}
	return price.Amount, ok && price.Given && price.Sign() >= 0
}
