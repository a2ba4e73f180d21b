package api_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const goodOrder = `
apiVersion: esim.telco.dev/v1alpha1
kind: EsimOrder
metadata: {generateName: order-, namespace: acme}
spec:
  productRef: {name: japan}
  variant: 1gb-7d
  walletRef: {name: main}
  clientReference: booking-2041
  acceptBefore: "2036-01-01T00:00:00Z"
  notificationEmail: ann@example.com
`

// orderTest marks the orders that stay.
const orderTest = `metadata: {labels: {of: order-test}}`

const (
	saysDecimal = `must be a decimal number in quotes, not negative, with at most 11 digits before the point ` +
		`and 4 after it, such as "4.50"`
	saysVariantOrAmount = `set variant (the plan's name), or amount (its price) in its place, to say which plan to buy`
	saysVariantName     = `must be the name of a variant of the product: lower-case letters, digits and dashes, such as 1gb-7d`
	saysProductName     = `must be the name of an EsimProduct: lower-case letters, digits, dashes and dots, such as japan`
	saysWalletName      = `must be the name of an EsimWallet: lower-case letters, digits, dashes and dots, such as default`
	saysReference       = `must be printable ASCII, without control characters or line breaks; where there is none, leave it out`
	saysEmail           = `must be an e-mail address such as ann@example.com`
	saysOne             = `must be 1: one order is one eSIM; make an order for each`
	saysImmutable       = `cannot be changed, added or removed; make a new order`
)

var refusedOrders = []refusal{
	{
		of:     "an order of two eSIMs",
		change: `spec: {quantity: 2}`,
		says:   []string{`spec.quantity: Invalid value: 2: ` + saysOne},
	}, {
		of:     "an order of no eSIM",
		change: `spec: {quantity: 0}`,
		says:   []string{`spec.quantity: Invalid value: 0: ` + saysOne},
	}, {
		of:     "an order with both variant and amount",
		change: `spec: {amount: "4.50"}`,
		says:   []string{`spec.amount: Invalid value: set variant or amount, not both`},
	}, {
		of:     "an order with neither variant nor amount",
		change: `spec: {variant: null}`,
		says:   []string{`spec.variant: Required value: ` + saysVariantOrAmount},
	}, {
		of:     "an order with an empty variant",
		change: `spec: {variant: ""}`,
		says:   []string{`spec.variant: Invalid value: "": ` + saysVariantName},
	}, {
		of:     "an order whose variant is the text that customers read",
		change: `spec: {variant: 1 GB / 7 days}`,
		says:   []string{`spec.variant: Invalid value: "1 GB / 7 days": ` + saysVariantName},
	}, {
		of:     "an order whose variant is longer than any can be",
		change: `spec: {variant: ` + strings.Repeat("a", 64) + `}`,
		says:   []string{`spec.variant: Too long: may not be more than 63 bytes`},
	}, {
		of:     "an order with a negative amount",
		change: `spec: {variant: null, amount: "-4.50"}`,
		says:   []string{`spec.amount: Invalid value: "-4.50": ` + saysDecimal},
	}, {
		of:     "an order whose amount has five decimals",
		change: `spec: {variant: null, amount: "4.50001"}`,
		says:   []string{`spec.amount: Invalid value: "4.50001": ` + saysDecimal},
	}, {
		of:     "an order whose amount has a currency sign",
		change: `spec: {variant: null, amount: "$4.50"}`,
		says:   []string{`spec.amount: Invalid value: "$4.50": ` + saysDecimal},
	}, {
		of:     "an order whose amount is a number that is not in quotes",
		change: `spec: {variant: null, amount: 4.5}`,
		says:   []string{`spec.amount: Invalid value: "number": spec.amount in body must be of type string: "number"`},
	}, {
		of:     "an order whose amount has 17 digits",
		change: `spec: {variant: null, amount: "12345678901234567"}`,
		says:   []string{`spec.amount: Too long: may not be more than 16 bytes`},
	}, {
		of:     "an order of no product",
		change: `spec: {productRef: null}`,
		says:   []string{`spec.productRef: Required value`},
	}, {
		of:     "an order of a product without a name",
		change: `spec: {productRef: {name: null}}`,
		says:   []string{`spec.productRef.name: Required value`},
	}, {
		of:     "an order of a product whose name no product can have",
		change: `spec: {productRef: {name: Japan}}`,
		says:   []string{`spec.productRef.name: Invalid value: "Japan": ` + saysProductName},
	}, {
		of:     "an order to a wallet without a name",
		change: `spec: {walletRef: {name: ""}}`,
		says:   []string{`spec.walletRef.name: Invalid value: "": ` + saysWalletName},
	}, {
		of:     "an empty reference",
		change: `spec: {clientReference: ""}`,
		says:   []string{`spec.clientReference: Invalid value: "": ` + saysReference},
	}, {
		of:     "a reference with a line break",
		change: `spec: {clientReference: "booking\n2041"}`,
		says:   []string{`spec.clientReference: Invalid value: "booking\n2041": ` + saysReference},
	}, {
		of:     "a reference with a control character",
		change: `spec: {clientReference: "booking\u00072041"}`,
		says:   []string{`spec.clientReference: Invalid value: "booking\a2041": ` + saysReference},
	}, {
		of:     "a reference of 256 characters",
		change: `spec: {clientReference: ` + strings.Repeat("a", 256) + `}`,
		says:   []string{`spec.clientReference: Too long: may not be more than 255 bytes`},
	}, {
		of:     "an e-mail address of 300 characters",
		change: `spec: {notificationEmail: ` + strings.Repeat("a", 288) + `@example.com}`,
		says:   []string{`spec.notificationEmail: Too long: may not be more than 254 bytes`},
	}, {
		of:     "an e-mail address without a host",
		change: `spec: {notificationEmail: ann}`,
		says:   []string{`spec.notificationEmail: Invalid value: "ann": ` + saysEmail},
	}, {
		of:     "an e-mail address that smuggles in a header",
		change: `spec: {notificationEmail: "ann@example.com\nBcc: eve@example.com"}`,
		says:   []string{`spec.notificationEmail: Invalid value: "ann@example.com\nBcc: eve@example.com": ` + saysEmail},
	}, {
		of:     "a time in words",
		change: `spec: {acceptBefore: tomorrow}`,
		says:   []string{`spec.acceptBefore: Invalid value: "tomorrow": spec.acceptBefore in body must be of type date-time: "tomorrow"`},
	}, {
		of:     "an order without a spec",
		change: `spec: null`,
		says:   []string{`spec: Required value`},
	}, {
		of:     "an order whose name leaves no room for its Secret's",
		change: `metadata: {generateName: null, name: ` + strings.Repeat("a", 243) + `}`,
		says: []string{`metadata: Invalid value: metadata.name may have at most 242 characters: ` +
			`the Secret <name>-activation is named after it`},
	}, {
		of:     "a field with a typing error",
		change: `spec: {clientReferenz: booking-2041}`,
		says: []string{`EsimOrder in version "v1alpha1" cannot be handled as a EsimOrder: ` +
			`strict decoding error: unknown field "spec.clientReferenz"`},
	},
}

var refusedOrderChanges = []refusedChange{
	{refusal: refusal{
		of: "another product", change: `spec: {productRef: {name: france}}`,
		says: []string{`spec.productRef: Invalid value: cannot be changed; make a new order`},
	}},
	{refusal: refusal{
		of: "another variant", change: `spec: {variant: 3gb-15d}`,
		says: []string{`spec.variant: Invalid value: ` + saysImmutable},
	}},
	{refusal: refusal{
		of: "the amount in place of the variant", change: `spec: {variant: null, amount: "650"}`,
		says: []string{`spec.variant: Invalid value: ` + saysImmutable, `spec.amount: Invalid value: ` + saysImmutable},
	}},
	{from: `spec: {variant: null, amount: "4.5"}`, refusal: refusal{
		of: "another amount", change: `spec: {amount: "5"}`,
		says: []string{`spec.amount: Invalid value: ` + saysImmutable},
	}},
	{refusal: refusal{
		of: "a quantity of two", change: `spec: {quantity: 2}`,
		says: []string{`spec.quantity: Invalid value: 2: ` + saysOne},
	}},
	{refusal: refusal{
		of: "another wallet", change: `spec: {walletRef: {name: other}}`,
		says: []string{`spec.walletRef: Invalid value: ` + saysImmutable},
	}},
	{from: `spec: {walletRef: null}`, refusal: refusal{
		of: "a wallet that was not there", change: `spec: {walletRef: {name: other}}`,
		says: []string{`spec.walletRef: Invalid value: ` + saysImmutable},
	}},
	{refusal: refusal{
		of: "a wallet taken away", change: `spec: {walletRef: null}`,
		says: []string{`spec.walletRef: Invalid value: ` + saysImmutable},
	}},
	{refusal: refusal{
		of: "another reference", change: `spec: {clientReference: booking-2042}`,
		says: []string{`spec.clientReference: Invalid value: ` + saysImmutable},
	}},
	{from: `spec: {clientReference: null}`, refusal: refusal{
		of: "a reference that was not there", change: `spec: {clientReference: booking-2041}`,
		says: []string{`spec.clientReference: Invalid value: ` + saysImmutable},
	}},
	{refusal: refusal{
		of: "a reference taken away", change: `spec: {clientReference: null}`,
		says: []string{`spec.clientReference: Invalid value: ` + saysImmutable},
	}},
	{refusal: refusal{
		of: "more time to be accepted", change: `spec: {acceptBefore: "2036-01-01T00:00:01Z"}`,
		says: []string{`spec.acceptBefore: Invalid value: ` + saysImmutable},
	}},
	{from: `spec: {acceptBefore: null}`, refusal: refusal{
		of: "a time limit that was not there", change: `spec: {acceptBefore: "2036-01-01T00:00:00Z"}`,
		says: []string{`spec.acceptBefore: Invalid value: ` + saysImmutable},
	}},
	{refusal: refusal{
		of: "a time limit taken away", change: `spec: {acceptBefore: null}`,
		says: []string{`spec.acceptBefore: Invalid value: ` + saysImmutable},
	}},
	{from: `spec: {cancel: true}`, refusal: refusal{
		of: "a cancellation taken back", change: `spec: {cancel: false}`,
		says: []string{`spec.cancel: Invalid value: cannot be taken back; make a new order`},
	}},
	{from: `spec: {cancel: true}`, refusal: refusal{
		of: "a cancellation taken away", change: `spec: {cancel: null}`,
		says: []string{`spec.cancel: Invalid value: cannot be taken back; make a new order`},
	}},
	{refusal: refusal{
		of: "the whole spec taken away", change: `spec: null`,
		says: []string{`spec: Required value`},
	}},
}

var _ = Describe("An order's manifest", func() {
	for _, refused := range refusedOrders {
		It("is refused for "+refused.of, func(ctx context.Context) {
			Expect(create(ctx, manifest(goodOrder, refused.change))).To(beRefusedSaying(refused.says...))
		})
	}

	DescribeTable("is accepted", func(ctx context.Context, change string) {
		Expect(create(ctx, manifest(goodOrder, change))).To(Succeed())
	},
		Entry("as it stands", `{}`),
		Entry("with product and variant alone",
			`spec: {walletRef: null, clientReference: null, acceptBefore: null, notificationEmail: null}`),
		Entry("with a quantity of one", `spec: {quantity: 1}`),
		Entry("with an amount of no decimals", `spec: {variant: null, amount: "650"}`),
		Entry("with an amount of as many digits as there may be", `spec: {variant: null, amount: "12345678901.1234"}`),
		Entry("with an amount of zero", `spec: {variant: null, amount: "0"}`),
		Entry("with the longest reference", `spec: {clientReference: `+strings.Repeat("a", 255)+`}`),
		Entry("with the longest name", `metadata: {generateName: null, name: `+strings.Repeat("a", 242)+`}`),
		Entry("with a time in another zone", `spec: {acceptBefore: "2036-01-01T00:00:00+09:00"}`),
		Entry("with an e-mail address in another script", `spec: {notificationEmail: 田中@例え.jp}`),
		Entry("cancelled from the start", `spec: {cancel: true}`),
	)
})

var _ = Describe("An order that is there already", func() {
	for _, refused := range refusedOrderChanges {
		It("refuses "+refused.of, func(ctx context.Context) {
			order := place(ctx, goodOrder, orderTest, refused.from)
			Expect(edit(ctx, order, refused.change)).To(beRefusedSaying(refused.says...))
		})
	}

	DescribeTable("takes", func(ctx context.Context, from, change string) {
		Expect(edit(ctx, place(ctx, goodOrder, orderTest, from), change)).To(Succeed())
	},
		Entry("its own manifest once more", `{}`, `{}`),
		Entry("another e-mail address", `{}`, `spec: {notificationEmail: eve@example.com}`),
		Entry("no e-mail address any more", `{}`, `spec: {notificationEmail: null}`),
		Entry("an e-mail address that was not there", `spec: {notificationEmail: null}`, `spec: {notificationEmail: eve@example.com}`),
		Entry("its cancellation", `{}`, `spec: {cancel: true}`),
		Entry("its cancellation, after it said false", `spec: {cancel: false}`, `spec: {cancel: true}`),
		Entry("its cancellation twice", `spec: {cancel: true}`, `spec: {cancel: true}`),
		Entry("the same time written otherwise", `{}`, `spec: {acceptBefore: "2036-01-01T09:00:00+09:00"}`),
		Entry("labels", `{}`, `metadata: {labels: {trip: tokyo}}`),
	)
})
