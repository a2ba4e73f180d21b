package esimaccess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/go-logr/logr"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/countries"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// maxCatalogue bounds the catalogue in bytes: the vendor answers it whole.
	maxCatalogue = 64 << 20
	// maxPlans bounds it in plans.
	maxPlans = 100_000
	// unlimitedData is the dataType of plans without an end of their data.
	unlimitedData = 4
)

// The vendor's filters for plans of more than one country.
const (
	global   = "!GL"
	regional = "!RG"
	all      = ""
)

// baseType is the type of plans that come with a profile; others only top one up.
const baseType = "BASE"

type listRequest struct {
	LocationCode string `json:"locationCode"`
	Type         string `json:"type"`
	Slug         string `json:"slug,omitempty"`
}

// plan is a package as the vendor lists it.
type plan struct {
	PackageCode  webapi.Text `json:"packageCode"`
	Slug         webapi.Text `json:"slug"`
	Name         webapi.Text `json:"name"`
	Price        webapi.Int  `json:"price"`
	Currency     webapi.Text `json:"currencyCode"`
	Volume       webapi.Int  `json:"volume"`
	DataType     webapi.Int  `json:"dataType"`
	Duration     webapi.Int  `json:"duration"`
	DurationUnit webapi.Text `json:"durationUnit"`
	Location     webapi.Text `json:"location"`
}

// id is how orders name the plan.
func (p plan) id() string {
	if p.Slug != "" {
		return string(p.Slug)
	}
	return string(p.PackageCode)
}

// Plans are all plans that the vendor sells: those of all the world, those of regions, then the
// rest. Plans by the day are listed as the vendor sells them by default, for one day. What can
// not be told in our units is left out, and counted in the log.
func (d *Driver) Plans(ctx context.Context) iter.Seq2[operators.Plan, error] {
	return func(yield func(operators.Plan, error) bool) {
		seen := make(map[string]bool)
		left := 0
		for _, location := range []string{global, regional, all} {
			plans, failure := d.list(ctx, listRequest{LocationCode: location, Type: baseType})
			if failure != nil {
				yield(operators.Plan{}, reading(failure))
				return
			}
			for _, p := range plans {
				if seen[p.id()] {
					continue
				}
				seen[p.id()] = true
				normal, err := p.normalise(location)
				if err != nil {
					left++
					continue
				}
				if !yield(normal, nil) {
					return
				}
			}
		}
		if left > 0 {
			logr.FromContextOrDiscard(ctx).Info("Plans of eSIM Access that cannot be told in our units are left out", "count", left)
		}
	}
}

// list asks for plans.
func (d *Driver) list(ctx context.Context, request listRequest) ([]plan, *operators.Error) {
	var plans []plan
	failure := d.call(ctx, listPlans, request, false, func(obj []byte) (err error) {
		plans, err = readPlans(obj)
		return err
	})
	d.prices.note(plans)
	return plans, failure
}

// readPlans reads packageList plan by plan: one that cannot be read costs itself only. Where most
// cannot, the vendor changed its API, or something else answered: that is an error, so that not
// all plans seem to be gone.
func readPlans(obj []byte) ([]plan, error) {
	var fields struct {
		List json.RawMessage `json:"packageList"`
	}
	if err := decodeObject(obj, &fields); err != nil {
		return nil, err
	}
	if len(fields.List) == 0 || string(fields.List) == "null" {
		return nil, errors.New("the answer has no packageList")
	}
	decoder := json.NewDecoder(bytes.NewReader(fields.List))
	open, err := decoder.Token()
	if err != nil || open != json.Delim('[') && open != json.Delim('{') {
		return nil, errors.New("packageList is no list")
	}
	var plans []plan
	unread := 0
	for decoder.More() {
		if len(plans) == maxPlans {
			return nil, fmt.Errorf("packageList has more than %d plans", maxPlans)
		}
		if open == json.Delim('{') { // a list as an object keyed by index
			if _, err := decoder.Token(); err != nil {
				return nil, errors.New("packageList is no list")
			}
		}
		var one json.RawMessage
		if err := decoder.Decode(&one); err != nil {
			return nil, errors.New("packageList is no list")
		}
		var p plan
		if err := webapi.Decode(one, &p); err != nil {
			unread++
			p = plan{} // left out by normalise
		}
		plans = append(plans, p)
	}
	if 2*unread > len(plans) {
		return nil, fmt.Errorf("%d of %d plans cannot be read", unread, len(plans))
	}
	return plans, nil
}

// normalise is the plan in our units. location is the filter that it was found by.
func (p plan) normalise(location string) (operators.Plan, error) {
	cost, err := money.Parse(strconv.FormatInt(int64(p.Price), 10))
	if err != nil {
		return operators.Plan{}, err
	}
	if cost, err = cost.Mul(unit); err != nil {
		return operators.Plan{}, err
	}
	days, err := p.days()
	if err != nil {
		return operators.Plan{}, err
	}
	switch {
	case p.id() == "":
		return operators.Plan{}, errors.New("the plan has no slug and no packageCode")
	case p.Price <= 0 || p.Volume < 0 || p.Volume == 0 && p.DataType != unlimitedData:
		return operators.Plan{}, errors.New("the plan has no price or no volume")
	case p.Currency != "" && p.Currency != currency:
		return operators.Plan{}, errors.New("the plan is sold in another currency than the account's")
	}
	normal := operators.Plan{ID: p.id(), Name: string(p.Name), Days: days, Cost: cost, Currency: currency}
	if p.DataType != unlimitedData {
		if normal.DataGB, err = gigabytes(int64(p.Volume)); err != nil {
			return operators.Plan{}, err
		}
	}
	normal.Countries, _ = countries.List(strings.Split(string(p.Location), ","))
	normal.Region = p.region(location, normal.Countries)
	if normal.Region == "" && len(normal.Countries) != 1 {
		return operators.Plan{}, errors.New("the plan names no country")
	}
	return normal, nil
}

// days for which the plan is valid.
func (p plan) days() (int32, error) {
	perUnit := map[string]webapi.Int{"": 1, "DAY": 1, "WEEK": 7, "MONTH": 30, "YEAR": 365}[strings.TrimSuffix(strings.ToUpper(string(p.DurationUnit)), "S")]
	if perUnit == 0 || p.Duration < 1 || p.Duration > 3650 {
		return 0, errors.New("the plan's duration cannot be told in days")
	}
	return int32(p.Duration * perUnit), nil
}

// region that the plan is sold for; empty for a single country. What stands before the first
// mark in a slug such as EU-30_1_7 names it; where that says nothing, its countries do.
func (p plan) region(location string, alpha3 []string) string {
	if location == global || p.Location == global {
		return countries.World
	}
	if location == all && len(alpha3) == 1 {
		return ""
	}
	name := string(p.Slug)
	if end := strings.IndexAny(name, "-_"); end > 0 {
		name = name[:end]
	}
	if region, ok := slugRegions[strings.ToUpper(name)]; ok {
		return region
	}
	if region, ok := countries.Region(name); ok {
		return region
	}
	return countries.RegionOf(alpha3)
}

// slugRegions are the marks that slugs of regional plans begin with.
var slugRegions = map[string]string{
	"GL": countries.World, "EU": countries.Europe, "AS": countries.Asia, "AF": countries.Africa,
	"NA": countries.NorthAmerica, "SA": countries.SouthAmerica, "CB": countries.Caribbean,
	"ME": countries.MiddleEast, "OC": countries.Oceania, "AUNZ": countries.Oceania,
}

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30
)

// gigabytes are what the vendor prints for a volume in bytes, which it counts 1024-based: 1 GB
// for 1,073,741,824. Below whole gigabytes it prints round hundreds of MB as tenths: 0.5 GB is
// 500 or 512 MB. Anything else is rounded to four decimals.
func gigabytes(volume int64) (money.Amount, error) {
	tenThousandths := volume/gibibyte*10_000 + (volume%gibibyte*10_000+gibibyte/2)/gibibyte
	if volume%gibibyte != 0 && volume%(100*mebibyte) == 0 {
		tenThousandths = volume / (100 * mebibyte) * 1_000
	}
	amount, err := money.Parse(strconv.FormatInt(tenThousandths, 10))
	if err != nil {
		return money.Amount{}, err
	}
	return amount.Mul(unit)
}
