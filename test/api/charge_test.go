package api_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// charged is the status of an order that was charged, and refunded that of one that got its
// money back.
const (
	charged = `
status:
  phase: PENDING
  charge:
    walletRef: {name: main}
    walletUID: 5f0c9f0e-0000-4000-8000-000000000001
    amount: "4.275"
    currency: USD
    discountPercent: "5"
    transactionID: 18844
    time: "2036-01-01T00:00:00Z"
`
	refunded = `
status:
  phase: FAILED
  charge:
    refund: {transactionID: 18845, time: "2036-01-01T00:01:00Z", reason: every source is out of stock}
`
)

const (
	saysCharge = `a charge is a ledger entry: it cannot be removed, and its walletUID, amount, currency and ` +
		`transactionID cannot be changed; give money back with a refund`
	saysRefund = `a refund is a ledger entry: it cannot be removed or changed`
)

// refusedLedgerChanges are of the status of an order that was charged, and from there.
var refusedLedgerChanges = []refusedChange{
	{refusal: refusal{
		of: "another amount", change: `status: {charge: {amount: "4.27"}}`,
		says: []string{`status.charge: Invalid value: ` + saysCharge},
	}},
	{refusal: refusal{
		of: "another wallet", change: `status: {charge: {walletUID: 5f0c9f0e-0000-4000-8000-000000000002}}`,
		says: []string{`status.charge: Invalid value: ` + saysCharge},
	}},
	{refusal: refusal{
		of: "another currency", change: `status: {charge: {currency: EUR}}`,
		says: []string{`status.charge: Invalid value: ` + saysCharge},
	}},
	{refusal: refusal{
		of: "another number", change: `status: {charge: {transactionID: 18848}}`,
		says: []string{`status.charge: Invalid value: ` + saysCharge},
	}},
	{refusal: refusal{
		of: "its charge removed", change: `status: {charge: null}`,
		says: []string{`status.charge: Invalid value: ` + saysCharge},
	}},
	{refusal: refusal{
		of: "its status removed", change: `status: null`,
		says: []string{`status.charge: Invalid value: ` + saysCharge},
	}},
	{from: refunded, refusal: refusal{
		of: "its refund removed", change: `status: {charge: {refund: null}}`,
		says: []string{`status.charge.refund: Invalid value: ` + saysRefund},
	}},
	{from: refunded, refusal: refusal{
		of: "another refund", change: `status: {charge: {refund: {transactionID: 18849}}}`,
		says: []string{`status.charge.refund: Invalid value: ` + saysRefund},
	}},
	{from: refunded, refusal: refusal{
		of: "another reason for its refund", change: `status: {charge: {refund: {reason: none}}}`,
		says: []string{`status.charge.refund: Invalid value: ` + saysRefund},
	}},
	{from: refunded, refusal: refusal{
		of: "charge and refund removed", change: `status: {charge: null}`,
		says: []string{`status.charge: Invalid value: ` + saysCharge},
	}},
}

var _ = Describe("A charged order", func() {
	for _, refused := range refusedLedgerChanges {
		It("refuses "+refused.of, func(ctx context.Context) {
			order := changed(place(ctx, goodOrder, orderTest), charged)
			Expect(k8s.Status().Update(ctx, order)).To(Succeed())
			if refused.from != "" {
				order = changed(order, refused.from)
				Expect(k8s.Status().Update(ctx, order)).To(Succeed())
			}
			Expect(k8s.Status().Update(ctx, changed(order, refused.change))).To(beRefusedSaying(refused.says...))
		})
	}

	It("may be delivered, failed and refunded, and keeps its ledger entries", func(ctx context.Context) {
		order := changed(place(ctx, goodOrder, orderTest), charged)
		Expect(k8s.Status().Update(ctx, order)).To(Succeed())
		for _, change := range []string{`status: {phase: DELIVERED}`, `status: {charge: {walletRef: {name: main}}}`, refunded} {
			order = changed(order, change)
			Expect(k8s.Status().Update(ctx, order)).To(Succeed())
		}
		Expect(order.Object["status"]).To(HaveKeyWithValue("charge", SatisfyAll(
			HaveKeyWithValue("amount", "4.275"), HaveKeyWithValue("refund", HaveKeyWithValue("transactionID", int64(18845))),
		)))
	})

	It("is charged by nobody who writes its manifest", func(ctx context.Context) {
		order := changed(place(ctx, goodOrder, orderTest), charged)
		Expect(k8s.Update(ctx, order)).To(Succeed())
		Expect(order.Object["status"]).NotTo(HaveKey("charge"))
	})

	It("keeps its charge when its owner edits its manifest and says nothing of a status", func(ctx context.Context) {
		order := changed(place(ctx, goodOrder, orderTest), charged)
		Expect(k8s.Status().Update(ctx, order)).To(Succeed())
		order = changed(order, `{status: null, spec: {cancel: true}}`)
		Expect(k8s.Update(ctx, order)).To(Succeed())
		Expect(order.Object["status"]).To(HaveKey("charge"))
	})
})
