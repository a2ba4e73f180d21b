package zendit

import (
	"context"
	"errors"
	"iter"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/countries"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// pageSize is small enough that offers which roam everywhere fit into webapi.PageLimit.
	pageSize = 100
	// maxPages bounds a catalogue to 200,000 offers.
	maxPages = 2000
	// maxName bounds the name of a plan, in characters.
	maxName = 128
)

// price is what an offer costs.
type price struct {
	Currency webapi.Text   `json:"currency"`
	Divisor  webapi.Int    `json:"currencyDivisor"`
	Fixed    webapi.Number `json:"fixed"`
	Fee      webapi.Number `json:"fee"`
}

// amount is the whole cost: what is fixed, and the fee; false where there is none that can be
// used.
func (p price) amount() (cost money.Amount, currency string, ok bool) {
	cost, currency, err := inMajor(p.Fixed.Add(p.Fee.Amount), string(p.Currency), int64(p.Divisor))
	return cost, currency, err == nil && p.Fixed.Given && cost.Cmp(money.Amount{}) >= 0
}

// offer is what Zendit sells.
type offer struct {
	OfferID       webapi.Text              `json:"offerId"`
	Brand         webapi.Text              `json:"brand"`
	Country       webapi.Text              `json:"country"`
	Regions       webapi.List[webapi.Text] `json:"regions"`
	DataGB        webapi.Number            `json:"dataGB"`
	DataUnlimited webapi.Bool              `json:"dataUnlimited"`
	DurationDays  webapi.Int               `json:"durationDays"`
	Roaming       webapi.List[struct {
		Country webapi.Text `json:"country"`
	}] `json:"roaming"`
	Cost       price       `json:"cost"`
	PriceType  webapi.Text `json:"priceType"`
	Enabled    webapi.Bool `json:"enabled"`
	ShortNotes webapi.Text `json:"shortNotes"`
}

// Plans are all eSIM offers with a fixed cost, data and days. Offers of which one of these is
// missing, or whose country is unknown, are left out: they could not be sold as a plan.
func (d *Driver) Plans(ctx context.Context) iter.Seq2[operators.Plan, error] {
	return func(yield func(operators.Plan, error) bool) {
		seen := map[string]bool{} // offers move between pages while the catalogue changes
		for page := range maxPages {
			list, last, failure := d.page(ctx, page*pageSize)
			if failure != nil {
				yield(operators.Plan{}, failure)
				return
			}
			for i := range list {
				sold, ok := list[i].plan()
				if !ok || seen[sold.ID] {
					continue
				}
				seen[sold.ID] = true
				if !yield(sold, nil) {
					return
				}
			}
			if last {
				return
			}
		}
		yield(operators.Plan{}, &operators.Error{Class: operators.Transient, Function: functionOffers,
			Message: "Zendit's catalogue has no end"})
	}
}

// page is the offers from offset on, and whether they are the last.
func (d *Driver) page(ctx context.Context, offset int) (list []offer, last bool, _ *operators.Error) {
	query := url.Values{"_limit": {strconv.Itoa(pageSize)}, "_offset": {strconv.Itoa(offset)}}
	call := webapi.Call{Function: functionOffers, Path: "/esim/offers", Query: query, Limit: webapi.PageLimit}
	found, failure := d.ask(ctx, call, func(body []byte) error {
		var answer struct {
			Total *webapi.Int         `json:"total"`
			List  *webapi.List[offer] `json:"list"`
		}
		if err := webapi.Decode(body, &answer); err != nil {
			return err
		}
		if answer.Total == nil || answer.List == nil {
			return errors.New("the page has no total, or no list")
		}
		list = *answer.List
		last = offset+len(list) >= int(*answer.Total)
		if len(list) != pageSize && !last {
			return errors.New("the page has another number of offers than was asked for")
		}
		return nil
	})
	if failure == nil && !found {
		failure = d.client.Refusal(http.StatusNotFound)
		failure.Function = functionOffers
	}
	return list, last, failure
}

// plan is the offer in our units; false where it cannot be sold as a plan.
func (o *offer) plan() (operators.Plan, bool) {
	cost, currency, priced := o.Cost.amount()
	unlimited := bool(o.DataUnlimited)
	switch {
	case !priced, o.OfferID == "":
		return operators.Plan{}, false
	case o.PriceType != "" && !strings.EqualFold(string(o.PriceType), "FIXED"):
		return operators.Plan{}, false
	case o.DurationDays < 1 || o.DurationDays > math.MaxInt32:
		return operators.Plan{}, false
	case !unlimited && o.DataGB.Cmp(money.Amount{}) <= 0: // minutes or texts only
		return operators.Plan{}, false
	}
	codes, region := o.coverage()
	if len(codes) == 0 {
		return operators.Plan{}, false
	}
	found := operators.Plan{
		ID: string(o.OfferID), Name: o.name(), Countries: codes, Region: region, DataGB: o.DataGB.Amount,
		Days: int32(o.DurationDays), Cost: cost, Currency: currency, Inactive: !bool(o.Enabled),
	}
	if unlimited {
		found.DataGB = money.Amount{}
	}
	return found, true
}

// coverage is where an offer works, and its region where it is for more than one country.
func (o *offer) coverage() (codes []string, region string) {
	if o.Country != "" {
		if code, err := countries.Alpha3(string(o.Country)); err == nil {
			return []string{code}, ""
		}
		return nil, ""
	}
	named := make([]string, len(o.Roaming))
	for i, roaming := range o.Roaming {
		named[i] = string(roaming.Country)
	}
	codes, _ = countries.List(named)
	if len(codes) < 2 {
		return codes, ""
	}
	for _, name := range o.Regions {
		code, known := countries.Region(string(name))
		if !known || region != "" && code != region {
			return codes, countries.RegionOf(codes)
		}
		region = code
	}
	if region == "" {
		region = countries.RegionOf(codes)
	}
	return codes, region
}

// name is what people may call the offer: one line, and not too long.
func (o *offer) name() string {
	name := string(o.ShortNotes)
	if name == "" {
		name = strings.TrimSpace(string(o.Brand) + " " + string(o.OfferID))
	}
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxName {
		return string(runes[:maxName])
	}
	return name
}
