package wholesale

import (
	"fmt"
	"strings"

	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess/esimaccessfake"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
)

// plan is what every wholesaler sells, each under its own name for it.
type plan struct {
	country         string // alpha-2
	gigabytes, days int
	cents           int64 // of USD, at the cheapest of them
}

// catalogue is what is sold: the same few plans in each of some countries.
func catalogue() []plan {
	var plans []plan
	for _, country := range []string{"JP", "KR", "TH", "SG", "HK", "US", "GB", "FR", "DE", "AU"} {
		plans = append(plans,
			plan{country, 1, 7, 190}, plan{country, 3, 15, 450}, plan{country, 5, 30, 690}, plan{country, 10, 30, 1150})
	}
	return plans
}

// zendit is the plan at Zendit, such as ESIM-JP-7D-1GB-NOROAM.
func (p plan) zendit() zenditfake.Offer {
	return zenditfake.Offer{
		ID:      fmt.Sprintf("ESIM-%s-%dD-%dGB-NOROAM", p.country, p.days, p.gigabytes),
		Country: p.country, DataGB: fmt.Sprint(p.gigabytes), Days: p.days, Cost: p.cents + 20, Fee: 5, Stock: -1,
	}
}

// esimAccess is the plan at eSIM Access, such as JP_1_7.
func (p plan) esimAccess() esimaccessfake.Package {
	return esimaccessfake.Package{
		Code: fmt.Sprintf("CK%s%02d%02d", p.country, p.gigabytes, p.days),
		Slug: fmt.Sprintf("%s_%d_%d", p.country, p.gigabytes, p.days),
		Name: fmt.Sprintf("%s %d GB %d days", p.country, p.gigabytes, p.days), Price: p.cents * perCent,
		Volume: int64(p.gigabytes) << 30, Duration: p.days, Location: p.country,
	}
}

// airalo is the plan at Airalo, such as jp-7days-1gb.
func (p plan) airalo() airalofake.Package {
	return airalofake.Package{
		ID:        fmt.Sprintf("%s-%ddays-%dgb", strings.ToLower(p.country), p.days, p.gigabytes),
		Title:     fmt.Sprintf("%d GB - %d Days", p.gigabytes, p.days),
		Countries: []string{p.country}, AmountMB: int64(p.gigabytes) * 1000, Days: p.days,
		NetPrices: map[string]string{"USD": dollars(p.cents + 60)},
	}
}

// dollars writes cents as a decimal number of dollars.
func dollars(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
