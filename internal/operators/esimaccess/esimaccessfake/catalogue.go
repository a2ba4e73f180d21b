package esimaccessfake

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Package is a data plan that the vendor sells.
type Package struct {
	// Code and Slug, either of which orders it.
	Code, Slug string
	Name       string
	// Price in dollars × 10,000.
	Price int64
	// Volume in bytes.
	Volume int64
	// Duration in days.
	Duration int
	// DurationUnit; DAY where empty.
	DurationUnit string
	// Location holds alpha-2 codes with commas between them.
	Location string
	// Zone is "!RG" for a regional plan, "!GL" for a global one, empty for a single country.
	Zone string
	// DataType 1 for all data at once, where 0; 2, 3 and 4 are plans by the day.
	DataType int
	// Stock is how many are left; nil for no end.
	Stock *int
}

// AddPackage puts a plan on sale, or changes the one with its code.
func (v *Vendor) AddPackage(p Package) {
	if p.DurationUnit == "" {
		p.DurationUnit = "DAY"
	}
	if p.DataType == 0 {
		p.DataType = 1
	}
	if p.Stock != nil {
		left := *p.Stock
		p.Stock = &left
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.packages[p.Code] = &p
}

// Fill puts n plans on sale, of single countries, of Europe and of all the world.
func (v *Vendor) Fill(n int) {
	countries := []string{"JP", "US", "FR", "BR", "ZA", "AU", "TH", "DE", "MX", "KR"}
	for i := range n {
		p := Package{
			Code: fmt.Sprintf("CKH%05d", i), Price: int64(5_000 + 100*(i%500)), Volume: int64(1+i%50) << 30, Duration: 1 + i%30,
		}
		switch i % 10 {
		case 8:
			p.Slug, p.Location, p.Zone = fmt.Sprintf("EU-3_%d", i), "DE,FR,IT", "!RG"
		case 9:
			p.Slug, p.Location, p.Zone = fmt.Sprintf("GL-5_%d", i), "JP,US,FR,BR,ZA", "!GL"
		default:
			country := countries[i/10%len(countries)]
			p.Slug, p.Location = fmt.Sprintf("%s_%d", country, i), country
		}
		p.Name = "Plan " + p.Slug
		v.AddPackage(p)
	}
}

// RemovePackage takes a plan off sale.
func (v *Vendor) RemovePackage(code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.packages, code)
}

// change a plan that is on sale. It panics where there is none: the test is wrong.
func (v *Vendor) change(code string, change func(*Package)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.find(code)
	if p == nil {
		panic("esimaccessfake: no package " + code + " is on sale")
	}
	change(p)
}

// SetStock of a plan; negative for no end.
func (v *Vendor) SetStock(code string, n int) {
	v.change(code, func(p *Package) {
		p.Stock = nil
		if n >= 0 {
			p.Stock = &n
		}
	})
}

// SetPrice of a plan in dollars × 10,000.
func (v *Vendor) SetPrice(code string, price int64) {
	v.change(code, func(p *Package) { p.Price = price })
}

// SetBalance of the account in dollars × 10,000.
func (v *Vendor) SetBalance(balance int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.balance = balance
	_ = v.keep(nil) // the books remember it, and the next call is not answered
}

// find a plan by its code or slug; nil where none is on sale. v.mu must be held.
func (v *Vendor) find(code string) *Package {
	if p, ok := v.packages[code]; ok {
		return p
	}
	for _, p := range v.packages {
		if p.Slug == code {
			return p
		}
	}
	return nil
}

// listPackages answers PackageList.
func (v *Vendor) listPackages(body []byte) (object, refusal, Entry) {
	var request struct {
		LocationCode, Type, PackageCode, Slug, ICCID string
	}
	if refused := decode(body, &request); refused != "" {
		return nil, refused, Entry{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var found []*Package
	for _, p := range v.packages {
		wanted := request.PackageCode == "" && request.Slug == "" || p.Code == cmp.Or(request.PackageCode, request.Slug) ||
			p.Slug == cmp.Or(request.Slug, request.PackageCode)
		if wanted && request.Type != "TOPUP" && p.in(request.LocationCode) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *Package) int { return cmp.Compare(a.Code, b.Code) })
	list := make([]object, len(found))
	for i, p := range found {
		list[i] = p.object()
	}
	return object{"packageList": list}, "", Entry{}
}

// in tells whether a plan belongs to a filter by location.
func (p *Package) in(location string) bool {
	switch location {
	case "":
		return true
	case "!RG", "!GL":
		return p.Zone == location
	default:
		return slices.Contains(strings.Split(p.Location, ","), location)
	}
}

func (p *Package) object() object {
	return object{
		"packageCode": p.Code, "slug": p.Slug, "name": p.Name, "price": p.Price, "currencyCode": "USD",
		"volume": p.Volume, "dataType": p.DataType, "unusedValidTime": 180, "duration": p.Duration,
		"durationUnit": p.DurationUnit, "location": p.Location, "description": p.Name, "activeType": 2,
		"favorite": false, "retailPrice": 2 * p.Price, "speed": "4G/5G", "supportTopUpType": 2, "fupPolicy": nil,
	}
}
