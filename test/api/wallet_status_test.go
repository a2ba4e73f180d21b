package api_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const saysAmount = `must be a decimal number with at most 30 digits before the point and 8 after it`

// filled is a wallet that is there, with 500 deposits: as much as a wallet can have.
func filled(ctx context.Context) *v1alpha1.EsimWallet {
	GinkgoHelper()
	wallet := &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "wallet-", Namespace: "acme"},
		Spec:       v1alpha1.EsimWalletSpec{Currency: "JPY"},
	}
	for i := range 500 {
		wallet.Spec.Deposits = append(wallet.Spec.Deposits, v1alpha1.WalletDeposit{
			Reference: fmt.Sprintf("transfer-%d", i), Amount: "20.00",
		})
	}
	Expect(k8s.Create(ctx, wallet)).To(Succeed())
	return wallet
}

var _ = Describe("A wallet's status", func() {
	It("takes as many orders that are being settled as there may be, beside as many deposits", func(ctx context.Context) {
		wallet := filled(ctx)
		for i := range 500 {
			wallet.Status.Settling = append(wallet.Status.Settling, v1alpha1.SettlingOrder{
				Name: fmt.Sprintf("order-%d", i), UID: types.UID(fmt.Sprintf("uid-%d", i)), Debited: "4.275", Refunded: "0",
			})
		}
		Expect(k8s.Status().Update(ctx, wallet)).To(Succeed())
		Expect(wallet.Status.Settling).To(HaveLen(500))

		By("refusing one more")
		wallet.Status.Settling = append(wallet.Status.Settling, wallet.Status.Settling[0])
		Expect(k8s.Status().Update(ctx, wallet)).To(beRefusedSaying(`status.settling: Too many: 501: must have at most 500 items`))
	})

	DescribeTable("takes as a balance", func(ctx context.Context, balance v1alpha1.Amount) {
		wallet := filled(ctx)
		wallet.Status.Balance = balance
		Expect(k8s.Status().Update(ctx, wallet)).To(Succeed())
	},
		Entry("nothing", v1alpha1.Amount("0")),
		Entry("a debt", v1alpha1.Amount("-0.00000001")),
		Entry("as many digits as there may be", v1alpha1.Amount("-"+strings.Repeat("9", 30)+".12345678")),
	)

	DescribeTable("refuses as a balance", func(ctx context.Context, balance v1alpha1.Amount, says string) {
		wallet := filled(ctx)
		wallet.Status.Balance = balance
		Expect(k8s.Status().Update(ctx, wallet)).To(beRefusedSaying("status.balance: " + says))
	},
		Entry("nine decimals", v1alpha1.Amount("1.123456789"), `Invalid value: "1.123456789": `+saysAmount),
		Entry("minus nothing", v1alpha1.Amount("-0"), `Invalid value: "-0": `+saysAmount),
		Entry("an exponent", v1alpha1.Amount("1E+4"), `Invalid value: "1E+4": `+saysAmount),
		Entry("no number", v1alpha1.Amount("NaN"), `Invalid value: "NaN": `+saysAmount),
	)

	It("tells a bookkeeper in one line what was paid in, taken, given back and left", func(ctx context.Context) {
		wallet := filled(ctx)
		wallet.Status = v1alpha1.EsimWalletStatus{
			ID: 4711, Deposited: "10000", Debited: "1300", Refunded: "650", Balance: "9350", Available: "9350", OpenOrders: 2,
		}
		Expect(k8s.Status().Update(ctx, wallet)).To(Succeed())
		columns, cells := table(ctx, "esimwallets", wallet)
		Expect(columns).To(Equal([]string{
			"Name", "Type", "Currency", "Deposited", "Debited", "Refunded", "Balance", "Open",
			"Available", "Low-Funds", "Reason", "ID", "Age",
		}))
		Expect(cells[:9]).To(Equal([]any{
			wallet.Name, "PREPAID", "JPY", "10000", "1300", "650", "9350", float64(2), "9350",
		}))
	})
})
