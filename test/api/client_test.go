package api_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const goodClient = `
apiVersion: esim.telco.dev/v1alpha1
kind: EsimClient
metadata: {name: default, namespace: acme}
spec:
  discountPercent: "5"
  productDiscounts:
  - {product: japan, percent: "12.5"}
  - {product: france, percent: "0"}
  productSelector: {matchLabels: {range: standard}}
  defaultCurrency: USD
  rateLimits: {read: 600, order: 120, quote: 240, change: 120, login: 20, refresh: 40}
  allowedCIDRs: [203.0.113.0/24, 198.51.100.7/32, "2001:db8::/32"]
`

const (
	saysEndpoint   = `must be lower-case letters, digits and dashes, such as shop`
	saysHook       = `must be an https URL without user and fragment, such as https://shop.example.com/esim-events`
	saysPercent    = `must be a number in quotes from 0 to 100 with at most 2 decimals, such as "5" or "12.5"`
	saysClientName = `metadata.name must be default: a client is a namespace, and has one EsimClient`
	saysOperators  = `each of matchExpressions must have the operator In or NotIn with values, ` +
		`or Exists or DoesNotExist without`
	saysCIDR = `must be a network in CIDR notation with no bits set after the prefix, ` +
		`such as 203.0.113.0/24 or 2001:db8::/32; a single address is 203.0.113.7/32`
)

var refusedClients = []refusal{
	{
		of:     "another name than default",
		change: `metadata: {name: acme}`,
		says:   []string{`metadata: Invalid value: ` + saysClientName},
	}, {
		of:     "a discount of more than everything",
		change: `spec: {discountPercent: "100.01"}`,
		says:   []string{`spec.discountPercent: Invalid value: "100.01": ` + saysPercent},
	}, {
		of:     "a discount of 101",
		change: `spec: {discountPercent: "101"}`,
		says:   []string{`spec.discountPercent: Invalid value: "101": ` + saysPercent},
	}, {
		of:     "a surcharge",
		change: `spec: {discountPercent: "-5"}`,
		says:   []string{`spec.discountPercent: Invalid value: "-5": ` + saysPercent},
	}, {
		of:     "a discount with three decimals",
		change: `spec: {discountPercent: "5.125"}`,
		says:   []string{`spec.discountPercent: Invalid value: "5.125": ` + saysPercent},
	}, {
		of:     "a discount with a percent sign",
		change: `spec: {discountPercent: "5%"}`,
		says:   []string{`spec.discountPercent: Invalid value: "5%": ` + saysPercent},
	}, {
		of:     "a discount of 30 digits",
		change: `spec: {discountPercent: "` + thirtyDigits + `"}`,
		says:   []string{`spec.discountPercent: Too long: may not be more than 6 bytes`},
	}, {
		of:     "a discount that is a number without quotes",
		change: `spec: {discountPercent: 5}`,
		says: []string{`spec.discountPercent: Invalid value: "integer": ` +
			`spec.discountPercent in body must be of type string: "integer"`},
	}, {
		of:     "two discounts on one product",
		change: `spec: {productDiscounts: [{product: japan, percent: "5"}, {product: japan, percent: "10"}]}`,
		says:   []string{`spec.productDiscounts[1]: Duplicate value: {"product":"japan"}`},
	}, {
		of:     "a discount on no product",
		change: `spec: {productDiscounts: [{percent: "5"}]}`,
		says:   []string{`spec.productDiscounts[0].product: Required value`},
	}, {
		of:     "a discount on a product whose name no product can have",
		change: `spec: {productDiscounts: [{product: Japan, percent: "5"}]}`,
		says:   []string{`spec.productDiscounts[0].product: Invalid value: "Japan": ` + saysProductName},
	}, {
		of:     "a product without a discount",
		change: `spec: {productDiscounts: [{product: japan}]}`,
		says:   []string{`spec.productDiscounts[0].percent: Required value`},
	}, {
		of:     "a selector with an operator that there is not",
		change: `spec: {productSelector: {matchExpressions: [{key: range, operator: Like, values: [standard]}]}}`,
		says:   []string{`spec.productSelector: Invalid value: ` + saysOperators},
	}, {
		of:     "a selector of one among no values",
		change: `spec: {productSelector: {matchExpressions: [{key: range, operator: In}]}}`,
		says:   []string{`spec.productSelector: Invalid value: ` + saysOperators},
	}, {
		of:     "a selector of what exists with a value",
		change: `spec: {productSelector: {matchExpressions: [{key: range, operator: Exists, values: [standard]}]}}`,
		says:   []string{`spec.productSelector: Invalid value: ` + saysOperators},
	}, {
		of:     "a default currency that ISO 4217 does not know",
		change: `spec: {defaultCurrency: EUX}`,
		says:   []string{`spec.defaultCurrency: Invalid value: "EUX": ` + saysCurrency},
	}, {
		of:     "a limit of no requests",
		change: `spec: {rateLimits: {read: 0}}`,
		says:   []string{`spec.rateLimits.read: Invalid value: 0: spec.rateLimits.read in body should be greater than or equal to 1`},
	}, {
		of:     "a limit that is none",
		change: `spec: {rateLimits: {login: 100001}}`,
		says: []string{`spec.rateLimits.login: Invalid value: 100001: ` +
			`spec.rateLimits.login in body should be less than or equal to 100000`},
	}, {
		of:     "a limit in quotes",
		change: `spec: {rateLimits: {order: "120"}}`,
		says: []string{`spec.rateLimits.order: Invalid value: "string": ` +
			`spec.rateLimits.order in body must be of type integer: "string"`},
	}, {
		of:     "an address without the length of its prefix",
		change: `spec: {allowedCIDRs: [203.0.113.7]}`,
		says:   []string{`spec.allowedCIDRs[0]: Invalid value: "203.0.113.7": ` + saysCIDR},
	}, {
		of:     "a network with bits after its prefix",
		change: `spec: {allowedCIDRs: [203.0.113.0/24, 203.0.113.7/24]}`,
		says:   []string{`spec.allowedCIDRs[1]: Invalid value: "203.0.113.7/24": ` + saysCIDR},
	}, {
		of:     "a network with a prefix longer than an address",
		change: `spec: {allowedCIDRs: [203.0.113.0/33]}`,
		says:   []string{`spec.allowedCIDRs[0]: Invalid value: "203.0.113.0/33": ` + saysCIDR},
	}, {
		of:     "a network of IPv4 that is written as one of IPv6",
		change: `spec: {allowedCIDRs: ["::ffff:203.0.113.0/120"]}`,
		says:   []string{`spec.allowedCIDRs[0]: Invalid value: "::ffff:203.0.113.0/120": ` + saysCIDR},
	}, {
		of:     "one network twice",
		change: `spec: {allowedCIDRs: [203.0.113.0/24, 203.0.113.0/24]}`,
		says:   []string{`spec.allowedCIDRs[1]: Duplicate value: "203.0.113.0/24"`},
	}, {
		of:     "a webhook with a name in capitals",
		change: `spec: {webhooks: [{name: Shop, url: "https://shop.example.com/", signingSecretRef: {name: hooks}}]}`,
		says:   []string{`spec.webhooks[0].name: Invalid value: "Shop": ` + saysEndpoint},
	}, {
		of:     "a webhook to another scheme",
		change: `spec: {webhooks: [{name: shop, url: "ftp://shop.example.com/", signingSecretRef: {name: hooks}}]}`,
		says:   []string{`spec.webhooks[0].url: Invalid value: "ftp://shop.example.com/": ` + saysHook},
	}, {
		of:     "a webhook with a password in its url",
		change: `spec: {webhooks: [{name: shop, url: "https://ann:secret@shop.example.com/", signingSecretRef: {name: hooks}}]}`,
		says:   []string{`spec.webhooks[0].url: Invalid value: "https://ann:secret@shop.example.com/": ` + saysHook},
	}, {
		of:     "a webhook that is told of what there is not",
		change: `spec: {webhooks: [{name: shop, url: "https://shop.example.com/", signingSecretRef: {name: hooks}, events: [esim.sold]}]}`,
		says: []string{`spec.webhooks[0].events[0]: Unsupported value: "esim.sold": supported values: "esim.order.delivered", ` +
			`"esim.order.failed", "esim.order.cancelled", "esim.installed", "esim.activated", "esim.expired", "wallet.debited", "wallet.credited"`},
	}, {
		of:     "a webhook with a Secret of another namespace",
		change: `spec: {webhooks: [{name: shop, url: "https://shop.example.com/", signingSecretRef: {name: other/hooks}}]}`,
		says:   []string{`spec.webhooks[0].signingSecretRef.name: Invalid value: "other/hooks": ` + saysSecretName},
	}, {
		of:     "a webhook that nothing is signed for",
		change: `spec: {webhooks: [{name: shop, url: "https://shop.example.com/"}]}`,
		says:   []string{`spec.webhooks[0].signingSecretRef: Required value`},
	}, {
		of:     "a client without a spec",
		change: `spec: null`,
		says:   []string{`spec: Required value`},
	},
}

var _ = Describe("A client's manifest", func() {
	for _, refused := range refusedClients {
		It("is refused for "+refused.of, func(ctx context.Context) {
			Expect(create(ctx, manifest(goodClient, refused.change))).To(beRefusedSaying(refused.says...))
		})
	}

	DescribeTable("is accepted", func(ctx context.Context, change string) {
		Expect(create(ctx, manifest(goodClient, change))).To(Succeed())
	},
		Entry("as it stands", ``),
		Entry("with nothing in its spec", `spec: {discountPercent: null, productDiscounts: null, productSelector: null, defaultCurrency: null, rateLimits: null, allowedCIDRs: null}`),
		Entry("with a webhook for two events", `spec: {webhooks: [{name: shop, url: "https://shop.example.com:8443/a?b=c", signingSecretRef: {name: hooks}, events: [esim.installed, wallet.debited]}]}`),
		Entry("with one limit of its own", `spec: {rateLimits: {read: 100000, order: null, quote: null, change: null, login: null, refresh: null}}`),
		Entry("with access from everywhere, said in full", `spec: {allowedCIDRs: [0.0.0.0/0, "::/0"]}`),
		Entry("with no discount", `spec: {discountPercent: "0"}`),
		Entry("with everything for nothing", `spec: {discountPercent: "100.00"}`),
		Entry("with the smallest discount", `spec: {discountPercent: "0.01"}`),
		Entry("with a selector of every sort", `spec: {productSelector: {matchExpressions: [`+
			`{key: a, operator: In, values: [standard, premium]}, {key: b, operator: NotIn, values: [retired]}, `+
			`{key: c, operator: Exists}, {key: d, operator: DoesNotExist}]}}`),
	)
})
