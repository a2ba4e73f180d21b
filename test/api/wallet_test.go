package api_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const goodWallet = `
apiVersion: esim.telco.dev/v1alpha1
kind: EsimWallet
metadata: {generateName: wallet-, namespace: acme}
spec:
  currency: JPY
  type: PREPAID
  deposits:
  - {reference: transfer-0001, amount: "10000"}
  - {reference: transfer-0002, amount: "2500.50"}
  exchangeRates:
  - {from: USD, rate: "151.67"}
  - {from: EUR, rate: "163.2"}
`

// deposits is a change of the good wallet: it has n of 1 each, and after them others.
func deposits(n int, others ...string) string {
	all := make([]string, 0, n+len(others))
	for i := range n {
		all = append(all, fmt.Sprintf(`{reference: transfer-%04d, amount: "1"}`, i))
	}
	return "spec: {deposits: [" + strings.Join(append(all, others...), ", ") + "]}"
}

const (
	saysSigned = `must be a decimal number in quotes with at most 11 digits before the point ` +
		`and 4 after it, such as "4.50" or "-4.50"`
	saysRate = `must be a decimal number in quotes, not negative, with at most 9 digits before the point ` +
		`and 8 after it, such as "1.17"`
	saysRateOfZero   = `must be greater than 0: at a rate of 0 everything would be free`
	saysOwnRate      = `a rate from the wallet's own currency is always 1: leave it out`
	saysDepositName  = `must be printable ASCII that neither begins nor ends with a space, such as transfer-2036-0117`
	saysNoCredit     = `belongs to POSTPAID wallets only: set type: POSTPAID, or leave it out`
	saysCredit       = `a POSTPAID wallet needs one: say how far below zero it may go`
	saysSameCurrency = `cannot be changed: amounts would change their meaning; make another wallet`
	saysAppend       = `deposits cannot be removed or changed; to take one back, add a reversal: ` +
		`a deposit with a reference of its own and a negative amount`
	thirtyDigits = `123456789012345678901234567890`
)

var refusedWallets = []refusal{
	{
		of:     "no currency",
		change: `spec: {currency: null}`,
		says:   []string{`spec.currency: Required value`},
	}, {
		of:     "a currency that ISO 4217 does not know",
		change: `spec: {currency: EUX}`,
		says:   []string{`spec.currency: Invalid value: "EUX": ` + saysCurrency},
	}, {
		of:     "a type that there is not",
		change: `spec: {type: CREDIT}`,
		says:   []string{`spec.type: Unsupported value: "CREDIT": supported values: "PREPAID", "POSTPAID"`},
	}, {
		of:     "a credit limit on a PREPAID wallet",
		change: `spec: {creditLimit: "100"}`,
		says:   []string{`spec.creditLimit: Forbidden: ` + saysNoCredit},
	}, {
		of:     "a credit limit on a wallet that is PREPAID by default",
		change: `spec: {type: null, creditLimit: "100"}`,
		says:   []string{`spec.creditLimit: Forbidden: ` + saysNoCredit},
	}, {
		of:     "a POSTPAID wallet without a credit limit",
		change: `spec: {type: POSTPAID}`,
		says:   []string{`spec.creditLimit: Required value: ` + saysCredit},
	}, {
		of:     "a negative credit limit",
		change: `spec: {type: POSTPAID, creditLimit: "-100"}`,
		says:   []string{`spec.creditLimit: Invalid value: "-100": ` + saysDecimal},
	}, {
		of:     "a credit limit of 30 digits",
		change: `spec: {type: POSTPAID, creditLimit: "` + thirtyDigits + `"}`,
		says:   []string{`spec.creditLimit: Too long: may not be more than 16 bytes`},
	}, {
		of:     "a deposit of 30 digits",
		change: `spec: {deposits: [{reference: a, amount: "` + thirtyDigits + `"}]}`,
		says:   []string{`spec.deposits[0].amount: Too long: may not be more than 17 bytes`},
	}, {
		of:     "a deposit with five decimals",
		change: `spec: {deposits: [{reference: a, amount: "1.00001"}]}`,
		says:   []string{`spec.deposits[0].amount: Invalid value: "1.00001": ` + saysSigned},
	}, {
		of:     "a deposit of twelve digits",
		change: `spec: {deposits: [{reference: a, amount: "-123456789012"}]}`,
		says:   []string{`spec.deposits[0].amount: Invalid value: "-123456789012": ` + saysSigned},
	}, {
		of:     "a deposit of minus nothing",
		change: `spec: {deposits: [{reference: a, amount: "-0.00"}]}`,
		says:   []string{`spec.deposits[0].amount: Invalid value: "-0.00": ` + saysSigned},
	}, {
		of:     "a deposit with a plus",
		change: `spec: {deposits: [{reference: a, amount: "+5"}]}`,
		says:   []string{`spec.deposits[0].amount: Invalid value: "+5": ` + saysSigned},
	}, {
		of:     "a deposit that is a number without quotes",
		change: `spec: {deposits: [{reference: a, amount: 10000}]}`,
		says: []string{`spec.deposits[0].amount: Invalid value: "integer": ` +
			`spec.deposits[0].amount in body must be of type string: "integer"`},
	}, {
		of:     "a deposit without an amount",
		change: `spec: {deposits: [{reference: a}]}`,
		says:   []string{`spec.deposits[0].amount: Required value`},
	}, {
		of:     "a deposit without a reference",
		change: `spec: {deposits: [{amount: "1"}]}`,
		says:   []string{`spec.deposits[0].reference: Required value`},
	}, {
		of:     "a deposit with an empty reference",
		change: `spec: {deposits: [{reference: "", amount: "1"}]}`,
		says:   []string{`spec.deposits[0].reference: Invalid value: "": ` + saysDepositName},
	}, {
		of:     "a deposit whose reference ends with a space",
		change: `spec: {deposits: [{reference: "a ", amount: "1"}]}`,
		says:   []string{`spec.deposits[0].reference: Invalid value: "a ": ` + saysDepositName},
	}, {
		of:     "a deposit whose reference has a line break",
		change: `spec: {deposits: [{reference: "a\nb", amount: "1"}]}`,
		says:   []string{`spec.deposits[0].reference: Invalid value: "a\nb": ` + saysDepositName},
	}, {
		of:     "a deposit whose reference has 64 characters",
		change: `spec: {deposits: [{reference: ` + strings.Repeat("a", 64) + `, amount: "1"}]}`,
		says:   []string{`spec.deposits[0].reference: Too long: may not be more than 63 bytes`},
	}, {
		of:     "two deposits of one reference",
		change: `spec: {deposits: [{reference: a, amount: "1"}, {reference: a, amount: "2"}]}`,
		says:   []string{`spec.deposits[1]: Duplicate value: {"reference":"a"}`},
	}, {
		of:     "600 deposits",
		change: deposits(600),
		says:   []string{`spec.deposits: Too many: 600: must have at most 500 items`},
	}, {
		of:     "a rate of 0",
		change: `spec: {exchangeRates: [{from: USD, rate: "0"}]}`,
		says:   []string{`spec.exchangeRates[0].rate: Invalid value: "0": ` + saysRateOfZero},
	}, {
		of:     "a rate of 0.00",
		change: `spec: {exchangeRates: [{from: USD, rate: "0.00"}]}`,
		says:   []string{`spec.exchangeRates[0].rate: Invalid value: "0.00": ` + saysRateOfZero},
	}, {
		of:     "a negative rate",
		change: `spec: {exchangeRates: [{from: USD, rate: "-1.17"}]}`,
		says:   []string{`spec.exchangeRates[0].rate: Invalid value: "-1.17": ` + saysRate},
	}, {
		of:     "a rate with a comma",
		change: `spec: {exchangeRates: [{from: USD, rate: "1,17"}]}`,
		says:   []string{`spec.exchangeRates[0].rate: Invalid value: "1,17": ` + saysRate},
	}, {
		of:     "a rate with nine decimals",
		change: `spec: {exchangeRates: [{from: USD, rate: "1.123456789"}]}`,
		says:   []string{`spec.exchangeRates[0].rate: Invalid value: "1.123456789": ` + saysRate},
	}, {
		of:     "a rate of 30 digits",
		change: `spec: {exchangeRates: [{from: USD, rate: "` + thirtyDigits + `"}]}`,
		says:   []string{`spec.exchangeRates[0].rate: Too long: may not be more than 18 bytes`},
	}, {
		of:     "a rate from no currency",
		change: `spec: {exchangeRates: [{rate: "1.17"}]}`,
		says:   []string{`spec.exchangeRates[0].from: Required value`},
	}, {
		of:     "a rate from a currency that ISO 4217 does not know",
		change: `spec: {exchangeRates: [{from: EUX, rate: "1.17"}]}`,
		says:   []string{`spec.exchangeRates[0].from: Invalid value: "EUX": ` + saysCurrency},
	}, {
		of:     "a rate from the wallet's own currency",
		change: `spec: {exchangeRates: [{from: USD, rate: "151.67"}, {from: JPY, rate: "1"}]}`,
		says:   []string{`spec.exchangeRates: Forbidden: ` + saysOwnRate},
	}, {
		of:     "two rates from one currency",
		change: `spec: {exchangeRates: [{from: USD, rate: "151.67"}, {from: USD, rate: "151.68"}]}`,
		says:   []string{`spec.exchangeRates[1]: Duplicate value: {"from":"USD"}`},
	}, {
		of:     "a wallet without a spec",
		change: `spec: null`,
		says:   []string{`spec: Required value`},
	}, {
		of:     "a field with a typing error",
		change: `spec: {deposit: []}`,
		says: []string{`EsimWallet in version "v1alpha1" cannot be handled as a EsimWallet: ` +
			`strict decoding error: unknown field "spec.deposit"`},
	},
}

var refusedWalletChanges = []refusedChange{
	{refusal: refusal{
		of: "another currency", change: `spec: {currency: GBP}`,
		says: []string{`spec.currency: Invalid value: ` + saysSameCurrency},
	}},
	{refusal: refusal{
		of: "a deposit removed", change: `spec: {deposits: [{reference: transfer-0001, amount: "10000"}]}`,
		says: []string{`spec.deposits: Invalid value: ` + saysAppend},
	}},
	{refusal: refusal{
		of: "a deposit replaced", change: `spec: {deposits: [{reference: transfer-0001, amount: "10000"}, {reference: transfer-0003, amount: "2500.50"}]}`,
		says: []string{`spec.deposits: Invalid value: ` + saysAppend},
	}},
	{refusal: refusal{
		of: "a deposit of another amount", change: `spec: {deposits: [{reference: transfer-0001, amount: "10001"}, {reference: transfer-0002, amount: "2500.50"}]}`,
		says: []string{`spec.deposits: Invalid value: ` + saysAppend},
	}},
	{refusal: refusal{
		of: "a deposit changed where another is added", change: `spec: {deposits: [{reference: transfer-0001, amount: "10000"}, {reference: transfer-0002, amount: "2500.5"}, {reference: transfer-0003, amount: "1"}]}`,
		says: []string{`spec.deposits: Invalid value: ` + saysAppend},
	}},
	{refusal: refusal{
		of: "all deposits removed", change: `spec: {deposits: []}`,
		says: []string{`spec.deposits: Invalid value: ` + saysAppend},
	}},
	{refusal: refusal{
		of: "the list of deposits dropped", change: `spec: {deposits: null}`,
		says: []string{`spec.deposits: Invalid value: ` + saysAppend},
	}},
	{from: deposits(500), refusal: refusal{
		of: "the last of 500 deposits changed", change: deposits(499, `{reference: transfer-0499, amount: "2"}`),
		says: []string{`spec.deposits: Invalid value: ` + saysAppend},
	}},
	{from: deposits(500), refusal: refusal{
		of: "one more than 500 deposits", change: deposits(501),
		says: []string{`spec.deposits: Too many: 501: must have at most 500 items`},
	}},
	{from: `spec: {type: POSTPAID, creditLimit: "100"}`, refusal: refusal{
		of: "to be PREPAID and keep its credit limit", change: `spec: {type: PREPAID}`,
		says: []string{`spec.creditLimit: Forbidden: ` + saysNoCredit},
	}},
}

var _ = Describe("A wallet's manifest", func() {
	for _, refused := range refusedWallets {
		It("is refused for "+refused.of, func(ctx context.Context) {
			Expect(create(ctx, manifest(goodWallet, refused.change))).To(beRefusedSaying(refused.says...))
		})
	}

	DescribeTable("is accepted", func(ctx context.Context, change string) {
		Expect(create(ctx, manifest(goodWallet, change))).To(Succeed())
	},
		Entry("as it stands", ``),
		Entry("with a currency alone", `spec: {type: null, deposits: null, exchangeRates: null}`),
		Entry("with 500 deposits", deposits(500)),
		Entry("with a deposit that is taken back", deposits(1, `{reference: reversal of transfer-0000, amount: "-1"}`)),
		Entry("with a deposit of as many digits as there may be", deposits(0, `{reference: a, amount: "-12345678901.1234"}`)),
		Entry("with a credit limit, POSTPAID", `spec: {type: POSTPAID, creditLimit: "500.00"}`),
		Entry("with the smallest rate", `spec: {exchangeRates: [{from: USD, rate: "0.00000001"}]}`),
		Entry("with the greatest rate", `spec: {exchangeRates: [{from: USD, rate: "999999999.99999999"}]}`),
	)

	It("is PREPAID where its author says nothing", func(ctx context.Context) {
		wallet := manifest(goodWallet, `spec: {type: null}`)
		Expect(create(ctx, wallet)).To(Succeed())
		Expect(wallet.Object["spec"]).To(HaveKeyWithValue("type", "PREPAID"))
	})
})

var _ = Describe("A wallet that is there already", func() {
	for _, refused := range refusedWalletChanges {
		It("refuses "+refused.of, func(ctx context.Context) {
			wallet := place(ctx, goodWallet, refused.from)
			Expect(edit(ctx, wallet, refused.change)).To(beRefusedSaying(refused.says...))
		})
	}

	DescribeTable("takes", func(ctx context.Context, from, change string) {
		Expect(edit(ctx, place(ctx, goodWallet, from), change)).To(Succeed())
	},
		Entry("its own manifest once more", ``, ``),
		Entry("one more deposit", deposits(3), deposits(4)),
		Entry("a deposit that is taken back", deposits(3), deposits(3, `{reference: reversal, amount: "-1"}`)),
		Entry("its 500th deposit", deposits(499), deposits(500)),
		Entry("its first deposit", `spec: {deposits: null}`, deposits(1)),
		Entry("a new deposit before the others", deposits(1), `spec: {deposits: [{reference: a, amount: "1"}, {reference: transfer-0000, amount: "1"}]}`),
		Entry("no list of deposits in place of an empty one", `spec: {deposits: []}`, `spec: {deposits: null}`),
		Entry("another rate", ``, `spec: {exchangeRates: [{from: USD, rate: "150"}]}`),
		Entry("no rates any more", ``, `spec: {exchangeRates: null}`),
		Entry("credit", ``, `spec: {type: POSTPAID, creditLimit: "100"}`),
		Entry("less credit", `spec: {type: POSTPAID, creditLimit: "100"}`, `spec: {creditLimit: "50"}`),
		Entry("an end to its credit", `spec: {type: POSTPAID, creditLimit: "100"}`, `spec: {type: PREPAID, creditLimit: null}`),
	)
})
