// Package assortment turns what a mobile operator lists into the EsimProducts that sell it: one
// for each country or region, with a variant for each plan.
package assortment

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
)

// MaxVariants is what an EsimProduct holds. Of more plans the cheapest are sold.
const MaxVariants = 200

// Maker makes products of plans.
type Maker struct {
	operator  string
	countries map[string]bool
	filter    *regexp.Regexp
	markup    money.Amount
	currency  string
}

// NewMaker makes products as an EsimOperator's spec.catalogue says. The error names the field.
func NewMaker(operator string, terms *v1alpha1.OperatorCatalogue) (*Maker, error) {
	m := &Maker{operator: operator, currency: string(terms.Currency), countries: map[string]bool{}}
	for _, country := range terms.Countries {
		m.countries[string(country)] = true
	}
	var err error
	if m.filter, err = regexp.Compile(terms.PlanFilter); err != nil {
		return nil, fmt.Errorf("spec.catalogue.planFilter is no regular expression: %w", err)
	}
	if m.markup, err = money.Parse(cmp.Or(string(terms.MarkupPercent), "0")); err != nil {
		return nil, fmt.Errorf("spec.catalogue.markupPercent: %w", err)
	}
	return m, nil
}

// Assortment is what a list makes.
type Assortment struct {
	// Products, by name.
	Products map[string]*v1alpha1.EsimProductSpec
	// Plans that are sold, and those that are left out.
	Plans, LeftOut int32
}

// Make makes the products of a whole list. before are the operator's products as they are: a
// variant whose plan has vanished stays there, inactive, with the price that it had.
func (m *Maker) Make(plans []operators.Plan, before map[string]*v1alpha1.EsimProductSpec) (Assortment, error) {
	made := Assortment{Products: map[string]*v1alpha1.EsimProductSpec{}}
	coverage := map[string]map[string]bool{}
	for i := range plans {
		plan := &plans[i]
		code := place(plan)
		if !m.wants(plan, code) {
			made.LeftOut++
			continue
		}
		variant, err := m.variant(plan)
		if err != nil {
			return Assortment{}, fmt.Errorf("plan %q: %w", plan.ID, err)
		}
		name := ProductName(m.operator, code)
		product := made.Products[name]
		if product == nil {
			product = &v1alpha1.EsimProductSpec{
				DisplayName: displayName(code), CountryCode: v1alpha1.CountryCode(code), Currency: v1alpha1.Currency(m.currency),
			}
			made.Products[name], coverage[name] = product, map[string]bool{}
		}
		product.Variants = append(product.Variants, variant)
		if plan.Region != "" {
			for _, country := range plan.Countries {
				coverage[name][country] = true
			}
		}
	}
	for name, product := range made.Products {
		m.finish(product, coverage[name], &made)
	}
	for name, product := range before {
		m.keepVanished(name, product, &made)
	}
	for _, product := range made.Products {
		slices.SortFunc(product.Variants, func(a, b v1alpha1.EsimVariant) int { return strings.Compare(a.Name, b.Name) })
	}
	return made, nil
}

// place is the country or region that a plan is sold for; empty where it cannot be told.
func place(plan *operators.Plan) string {
	if plan.Region != "" {
		return plan.Region
	}
	if len(plan.Countries) == 1 {
		return plan.Countries[0]
	}
	return ""
}

func (m *Maker) wants(plan *operators.Plan, code string) bool {
	switch {
	case code == "", plan.Inactive, plan.Currency != m.currency, plan.Days < 1, plan.Cost.Sign() <= 0:
		return false
	case len(m.countries) > 0 && !m.countries[code]:
		return false
	default:
		return m.filter.MatchString(plan.ID) || m.filter.MatchString(plan.Name)
	}
}

// variant of a plan: what the operator takes, and the markup, rounded to what the currency has.
func (m *Maker) variant(plan *operators.Plan) (v1alpha1.EsimVariant, error) {
	extra, err := plan.Cost.Percent(m.markup)
	if err != nil {
		return v1alpha1.EsimVariant{}, fmt.Errorf("adding spec.catalogue.markupPercent: %w", err)
	}
	price, err := plan.Cost.Add(extra).RoundTo(m.currency)
	if err != nil {
		return v1alpha1.EsimVariant{}, fmt.Errorf("rounding the price: %w", err)
	}
	return v1alpha1.EsimVariant{
		Name: VariantName(plan.ID), DisplayName: sizeName(plan.DataGB, plan.Days), Amount: v1alpha1.Decimal(price.String()),
		DataAmountGB: v1alpha1.Decimal(plan.DataGB.String()), ValidityDays: min(plan.Days, 3650),
		Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: m.operator}, PlanID: plan.ID}},
	}, nil
}

// sizeName is what customers read of a plan, such as 1 GB / 7 days.
func sizeName(dataGB money.Amount, days int32) string {
	data := dataGB.String() + " GB"
	if dataGB.Sign() == 0 {
		data = "Unlimited"
	}
	if days == 1 {
		return data + " / 1 day"
	}
	return fmt.Sprintf("%s / %d days", data, days)
}

// finish sets what follows from all variants together, and leaves out what is too much.
func (m *Maker) finish(product *v1alpha1.EsimProductSpec, coverage map[string]bool, made *Assortment) {
	slices.SortFunc(product.Variants, func(a, b v1alpha1.EsimVariant) int {
		return cmp.Or(amount(a).Cmp(amount(b)), strings.Compare(a.Name, b.Name))
	})
	// Two plans of one name: an operator that lists one twice, or tells them apart by case only.
	seen := map[string]bool{}
	product.Variants = slices.DeleteFunc(product.Variants, func(v v1alpha1.EsimVariant) bool {
		known := seen[v.Name]
		seen[v.Name] = true
		if known {
			made.LeftOut++
		}
		return known
	})
	if extra := len(product.Variants) - MaxVariants; extra > 0 {
		product.Variants = product.Variants[:MaxVariants]
		made.LeftOut += int32(extra)
	}
	made.Plans += int32(len(product.Variants))
	for country := range coverage {
		product.Coverage = append(product.Coverage, v1alpha1.CountryCode(country))
	}
	slices.Sort(product.Coverage)
}

func amount(v v1alpha1.EsimVariant) money.Amount {
	parsed, err := money.Parse(string(v.Amount))
	if err != nil {
		return money.Amount{} // it was computed by us
	}
	return parsed
}

// keepVanished takes over, inactive, the operator's own variants whose plans are not listed any
// more, as far as there is room.
func (m *Maker) keepVanished(name string, before *v1alpha1.EsimProductSpec, made *Assortment) {
	product := made.Products[name]
	if product == nil {
		product = &v1alpha1.EsimProductSpec{
			DisplayName: before.DisplayName, CountryCode: before.CountryCode, Coverage: before.Coverage, Currency: before.Currency,
		}
		made.Products[name] = product
	}
	sold := map[string]bool{}
	for i := range product.Variants {
		sold[product.Variants[i].Name] = true
	}
	for i := range before.Variants {
		variant := before.Variants[i]
		if sold[variant.Name] || !m.ours(&variant) || len(product.Variants) >= MaxVariants {
			continue
		}
		variant.Inactive = true
		product.Variants = append(product.Variants, variant)
	}
}

// ours tells whether a variant was made from the operator's list.
func (m *Maker) ours(variant *v1alpha1.EsimVariant) bool {
	return len(variant.Sources) == 1 && variant.Sources[0].OperatorRef.Name == m.operator &&
		VariantName(variant.Sources[0].PlanID) == variant.Name
}

// ProductName is that of the EsimProduct for a country or region.
func ProductName(operator, code string) string { return operator + "-" + strings.ToLower(code) }

// VariantName is that of a plan: its ID where that can be one, else what of it can, and a hash.
func VariantName(planID string) string {
	const most = 63
	var b strings.Builder
	for _, r := range strings.ToLower(planID) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-")
	if strings.EqualFold(name, planID) && len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(planID))
	suffix := hex.EncodeToString(sum[:4])
	if len(name) > most-len(suffix)-1 {
		name = strings.Trim(name[:most-len(suffix)-1], "-")
	}
	return strings.Trim(name+"-"+suffix, "-")
}

// regions are what customers call our codes.
var regions = map[string]string{
	"GLO": "Worldwide", "XEU": "Europe", "XAS": "Asia", "XAF": "Africa", "XNA": "North America", "XSA": "South America",
	"XCB": "Caribbean", "XME": "Middle East", "XOC": "Oceania",
}

func displayName(code string) string {
	if name := regions[code]; name != "" {
		return name
	}
	region, err := language.ParseRegion(code)
	if err != nil {
		return code
	}
	return cmp.Or(display.English.Regions().Name(region), code)
}

// Hash tells one specification from another.
func Hash(spec *v1alpha1.EsimProductSpec) (string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("writing a product: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}
