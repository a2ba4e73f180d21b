package api_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const goodProduct = `
apiVersion: esim.telco.dev/v1alpha1
kind: EsimProduct
metadata: {name: japan}
spec:
  displayName: Japan
  countryCode: JPN
  currency: JPY
  imageURL: https://example.com/japan.png
  variants:
  - name: 1gb-7d
    displayName: 1 GB / 7 days
    amount: "650"
    dataAmountGB: "1"
    validityDays: 7
    sources: [{operatorRef: {name: telco-one}, planID: JP-1GB-7D}]
`

// variants is a change of the good product: its variants are the good one with each of changes.
func variants(changes ...string) string {
	all := make([]string, 0, len(changes))
	for i, change := range changes {
		fields := map[string]string{
			"name": fmt.Sprintf("plan-%d", i), "displayName": "1 GB", "amount": `"650"`, "dataAmountGB": `"1"`, "validityDays": "7",
		}
		for _, field := range strings.Split(change, ", ") {
			if key, value, found := strings.Cut(field, ": "); found {
				fields[key] = value
			}
		}
		var text []string
		for key, value := range fields {
			text = append(text, key+": "+value)
		}
		all = append(all, "{"+strings.Join(text, ", ")+"}")
	}
	return "spec: {variants: [" + strings.Join(all, ", ") + "]}"
}

const (
	saysCountry = `must be an ISO 3166-1 alpha-3 code of three capital letters such as JPN, GLO for worldwide, ` +
		`or a region: XEU, XAS, XAF, XNA, XSA, XCB, XME, XOC`
	saysCurrency    = `must be the ISO 4217 code of a currency in use, three capital letters, such as USD`
	saysOneLine     = `must be one line of text: no control characters, no line breaks`
	saysCoverage    = `coverage must list the countries that GLO or a region includes`
	saysNoCoverage  = `coverage belongs to GLO and regions only; a single country covers itself: leave it out`
	saysCountries   = `must list countries such as FRA: GLO and regions cannot be nested`
	saysImage       = `must be an http or https URL`
	saysSameID      = `two variants have the same id: give each its own, or leave id out`
	saysMergeTwice  = `an operator is named twice: name each one once`
	saysPlanName    = `must be lower-case letters, digits and dashes, such as 1gb-7d`
	saysOperatorRef = `must be the name of an EsimOperator: lower-case letters, digits, dashes and dots, such as telco-one`
	saysPlanID      = `must be printable ASCII that neither begins nor ends with a space: ` +
		`the operator's name for the plan, such as JP-1GB-7D`
)

var refusedProducts = []refusal{
	{
		of:     "a country of two letters",
		change: `spec: {countryCode: JP}`,
		says:   []string{`spec.countryCode: Invalid value: "JP": ` + saysCountry},
	}, {
		of:     "a country in small letters",
		change: `spec: {countryCode: jpn}`,
		says:   []string{`spec.countryCode: Invalid value: "jpn": ` + saysCountry},
	}, {
		of:     "a country in words",
		change: `spec: {countryCode: Japan}`,
		says:   []string{`spec.countryCode: Too long: may not be more than 3 bytes`},
	}, {
		of:     "a region that there is not",
		change: `spec: {countryCode: XYZ}`,
		says:   []string{`spec.countryCode: Invalid value: "XYZ": ` + saysCountry},
	}, {
		of:     "a region without coverage",
		change: `spec: {countryCode: XEU}`,
		says:   []string{`spec.coverage: Required value: ` + saysCoverage},
	}, {
		of:     "worldwide with an empty coverage",
		change: `spec: {countryCode: GLO, coverage: []}`,
		says:   []string{`spec.coverage: Required value: ` + saysCoverage},
	}, {
		of:     "a single country with coverage",
		change: `spec: {coverage: [JPN]}`,
		says:   []string{`spec.coverage: Forbidden: ` + saysNoCoverage},
	}, {
		of:     "a region that covers a region",
		change: `spec: {countryCode: GLO, coverage: [FRA, XAS]}`,
		says:   []string{`spec.coverage: Invalid value: ` + saysCountries},
	}, {
		of:     "coverage of something that is no country",
		change: `spec: {countryCode: XEU, coverage: [FRA, de]}`,
		says:   []string{`spec.coverage[1]: Invalid value: "de": ` + saysCountry},
	}, {
		of:     "a country that is covered twice",
		change: `spec: {countryCode: XEU, coverage: [FRA, FRA]}`,
		says:   []string{`spec.coverage[1]: Duplicate value: "FRA"`},
	}, {
		of:     "a currency in words",
		change: `spec: {currency: yen}`,
		says:   []string{`spec.currency: Invalid value: "yen": ` + saysCurrency},
	}, {
		of:     "a currency that ISO 4217 does not know",
		change: `spec: {currency: EUX}`,
		says:   []string{`spec.currency: Invalid value: "EUX": ` + saysCurrency},
	}, {
		of:     "a currency that is used no more",
		change: `spec: {currency: HRK}`,
		says:   []string{`spec.currency: Invalid value: "HRK": ` + saysCurrency},
	}, {
		of:     "gold",
		change: `spec: {currency: XAU}`,
		says:   []string{`spec.currency: Invalid value: "XAU": ` + saysCurrency},
	}, {
		of:     "no currency",
		change: `spec: {currency: null}`,
		says:   []string{`spec.currency: Required value`},
	}, {
		of:     "a picture that is no URL",
		change: `spec: {imageURL: japan.png}`,
		says:   []string{`spec.imageURL: Invalid value: "japan.png": ` + saysImage},
	}, {
		of:     "an empty name for customers",
		change: `spec: {displayName: ""}`,
		says:   []string{`spec.displayName: Invalid value: "": spec.displayName in body should be at least 1 chars long`},
	}, {
		of:     "a name for customers with a line break",
		change: `spec: {displayName: "Japan\nsale"}`,
		says:   []string{`spec.displayName: Invalid value: "Japan\nsale": ` + saysOneLine},
	}, {
		of:     "an id of zero",
		change: `spec: {id: 0}`,
		says:   []string{`spec.id: Invalid value: 0: spec.id in body should be greater than or equal to 1`},
	}, {
		of:     "an id of more than 31 bits",
		change: `spec: {id: 2147483648}`,
		says:   []string{`spec.id: Invalid value: 2147483648: spec.id in body should be less than or equal to 2147483647`},
	}, {
		of:     "two variants of one name",
		change: variants(`name: 1gb-7d`, `name: 1gb-7d`),
		says:   []string{`spec.variants[1]: Duplicate value: {"name":"1gb-7d"}`},
	}, {
		of:     "two variants of one id",
		change: variants(`id: 5`, `id: 6`, `id: 5`),
		says:   []string{`spec.variants: Invalid value: ` + saysSameID},
	}, {
		of:     "a variant without a name",
		change: variants(`name: ""`),
		says:   []string{`spec.variants[0].name: Invalid value: "": ` + saysPlanName},
	}, {
		of:     "a variant whose name has capital letters",
		change: variants(`name: 1GB`),
		says:   []string{`spec.variants[0].name: Invalid value: "1GB": ` + saysPlanName},
	}, {
		of:     "a variant whose name for customers has a tab",
		change: variants(`displayName: "1\tGB"`),
		says:   []string{`spec.variants[0].displayName: Invalid value: "1\tGB": ` + saysOneLine},
	}, {
		of:     "a negative price",
		change: variants(`amount: "-650"`),
		says:   []string{`spec.variants[0].amount: Invalid value: "-650": ` + saysDecimal},
	}, {
		of:     "a price with a decimal comma",
		change: variants(`amount: "4,50"`),
		says:   []string{`spec.variants[0].amount: Invalid value: "4,50": ` + saysDecimal},
	}, {
		of:     "an amount of data with its unit",
		change: variants(`dataAmountGB: 1 GB`),
		says:   []string{`spec.variants[0].dataAmountGB: Invalid value: "1 GB": ` + saysDecimal},
	}, {
		of:     "a plan that is valid for no day",
		change: variants(`validityDays: 0`),
		says: []string{`spec.variants[0].validityDays: Invalid value: 0: ` +
			`spec.variants[0].validityDays in body should be greater than or equal to 1`},
	}, {
		of:     "a plan that is valid for more than ten years",
		change: variants(`validityDays: 3651`),
		says: []string{`spec.variants[0].validityDays: Invalid value: 3651: ` +
			`spec.variants[0].validityDays in body should be less than or equal to 3650`},
	}, {
		of:     "a source without an operator",
		change: variants(`sources: [{planID: JP-1GB-7D}]`),
		says:   []string{`spec.variants[0].sources[0].operatorRef: Required value`},
	}, {
		of:     "a source at an operator whose name none can have",
		change: variants(`sources: [{operatorRef: {name: Telco One},planID: JP-1GB-7D}]`),
		says:   []string{`spec.variants[0].sources[0].operatorRef.name: Invalid value: "Telco One": ` + saysOperatorRef},
	}, {
		of:     "a source with an empty plan ID",
		change: variants(`sources: [{operatorRef: {name: telco-one},planID: ""}]`),
		says:   []string{`spec.variants[0].sources[0].planID: Invalid value: "": ` + saysPlanID},
	}, {
		of:     "a plan ID that ends with a space",
		change: variants(`sources: [{operatorRef: {name: telco-one},planID: "JP-1GB-7D "}]`),
		says:   []string{`spec.variants[0].sources[0].planID: Invalid value: "JP-1GB-7D ": ` + saysPlanID},
	}, {
		of:     "a rule without operators",
		change: `spec: {merge: {}}`,
		says:   []string{`spec.merge.operators: Required value`},
	}, {
		of:     "a rule whose list of operators is empty",
		change: `spec: {merge: {operators: []}}`,
		says:   []string{`spec.merge.operators: Invalid value: 0: spec.merge.operators in body should have at least 1 items`},
	}, {
		of:     "a rule that names an operator twice",
		change: `spec: {merge: {operators: [{name: zendit}, {name: airalo}, {name: zendit}]}}`,
		says:   []string{`spec.merge.operators: Invalid value: ` + saysMergeTwice},
	}, {
		of:     "a rule of more operators than a variant has sources",
		change: `spec: {merge: {operators: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}, {name: g}, {name: h}, {name: i}]}}`,
		says:   []string{`spec.merge.operators: Too many: 9: must have at most 8 items`},
	}, {
		of:     "a rule for an operator whose name none can have",
		change: `spec: {merge: {operators: [{name: Zendit}]}}`,
		says:   []string{`spec.merge.operators[0].name: Invalid value: "Zendit": ` + saysOperatorRef},
	}, {
		of:     "a rule with a price that there is not",
		change: `spec: {merge: {operators: [{name: zendit}], price: Average}}`,
		says:   []string{`spec.merge.price: Unsupported value: "Average": supported values: "Cheapest", "Dearest"`},
	},
}

var _ = Describe("A product's manifest", func() {
	for _, refused := range refusedProducts {
		It("is refused for "+refused.of, func(ctx context.Context) {
			Expect(create(ctx, manifest(goodProduct, refused.change))).To(beRefusedSaying(refused.says...))
		})
	}

	DescribeTable("is accepted", func(ctx context.Context, change string) {
		Expect(create(ctx, manifest(goodProduct, change))).To(Succeed())
	},
		Entry("as it stands", `{}`),
		Entry("without variants", `spec: {variants: null}`),
		Entry("for a region", `spec: {countryCode: XEU, coverage: [FRA, DEU]}`),
		Entry("for the whole world", `spec: {countryCode: GLO, coverage: [FRA, JPN]}`),
		Entry("for Kosovo", `spec: {countryCode: XKX}`),
		Entry("for a single country with an empty coverage", `spec: {coverage: []}`),
		Entry("with an id of its own", `spec: {id: 2147483647}`),
		Entry("with ids of some variants, and none of others", variants(`id: 1`, `id: 2`, ``, ``)),
		Entry("with an unlimited plan", variants(`dataAmountGB: "0"`)),
		Entry("with a plan of half a gigabyte", variants(`dataAmountGB: "0.5"`)),
		Entry("with two plans of one price", variants(`amount: "4.5"`, `amount: "4.50"`)),
		Entry("with a plan that nobody fills yet", variants(`sources: []`)),
		Entry("with a rule", `spec: {merge: {operators: [{name: zendit}, {name: airalo}], price: Dearest, includeUnlimited: true}}`),
	)

	It("may have as many variants, sources and countries as the schema says", func(ctx context.Context) {
		var many []string
		for i := range 200 {
			source := fmt.Sprintf(`{operatorRef: {name: %s},planID: %s}`, strings.Repeat("o", 253), strings.Repeat("P", 128))
			sources := strings.TrimSuffix(strings.Repeat(source+",", 8), ",")
			many = append(many, fmt.Sprintf(`name: %s-%d, id: %d, displayName: %s, amount: "12345678901.1234", sources: [%s]`,
				strings.Repeat("n", 59), i, i+1, strings.Repeat("d", 128), sources))
		}
		var countries []string
		for i := range 260 {
			countries = append(countries, "A"+string(rune('A'+i/26))+string(rune('A'+i%26)))
		}
		change := `spec: {countryCode: GLO, coverage: [` + strings.Join(countries, ", ") + `]}`
		Expect(create(ctx, manifest(goodProduct, variants(many...), change))).To(Succeed())
	})
})
