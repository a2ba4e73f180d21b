package admission_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// newWallet is a wallet with money in it, under a name that the server chooses.
func newWallet() *v1alpha1.EsimWallet {
	return &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "wallet-", Namespace: namespace},
		Spec: v1alpha1.EsimWalletSpec{
			Currency: "USD",
			Deposits: []v1alpha1.WalletDeposit{{Reference: "transfer-1", Amount: "100"}},
		},
	}
}

// openWallet is a wallet that the platform team keeps and the manager holds. Its label
// "wallet" is its name.
func (c *cluster) openWallet(ctx context.Context) *v1alpha1.EsimWallet {
	GinkgoHelper()
	wallet := newWallet()
	Expect(c.peter.Create(ctx, wallet)).To(Succeed())
	Expect(c.peter.Patch(ctx, wallet, mergePatch(`{"metadata":{"labels":{"wallet":"`+wallet.Name+`"}}}`))).To(Succeed())
	Expect(c.manager.Patch(ctx, wallet, mergePatch(`{"metadata":{"finalizers":["esim.telco.dev/ledger"]}}`))).To(Succeed())
	return wallet
}

// newTerms are the terms on which the namespace buys, of which there is one.
func newTerms(discount v1alpha1.Percent) *v1alpha1.EsimClient {
	return &v1alpha1.EsimClient{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ClientName, Namespace: namespace},
		Spec:       v1alpha1.EsimClientSpec{DiscountPercent: discount},
	}
}

// withoutTerms removes the terms that an earlier test left.
func (c *cluster) withoutTerms(ctx context.Context) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(c.root.Delete(ctx, newTerms("0")))).To(Succeed())
}

// agreeTerms has the platform team grant a discount of 5 %.
func (c *cluster) agreeTerms(ctx context.Context) *v1alpha1.EsimClient {
	GinkgoHelper()
	c.withoutTerms(ctx)
	terms := newTerms("5")
	Expect(c.peter.Create(ctx, terms)).To(Succeed())
	return terms
}

const paidIn = `[{"op":"add","path":"/spec/deposits/-","value":{"reference":"gift","amount":"1000000"}}]`

var walletAttacks = []attack{
	{
		does:   "pay into a new wallet with every right in the namespace",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Create(ctx, newWallet())
		},
	}, {
		does:   "pay into a new wallet by server-side apply",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			wallet := newWallet()
			wallet.GenerateName, wallet.Name = "", "applied"
			wallet.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EsimWallet"))
			//nolint:staticcheck // what kubectl apply --server-side sends.
			return c.walt.Patch(ctx, wallet, client.Apply, client.FieldOwner("kubectl"))
		},
	}, {
		does:   "pay into a wallet that the platform team keeps",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Patch(ctx, c.openWallet(ctx), jsonPatch(paidIn))
		},
	}, {
		does:   "give themselves credit",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			wallet := c.openWallet(ctx)
			wallet.Spec.Type, wallet.Spec.CreditLimit = v1alpha1.WalletPostpaid, "1000000"
			return c.walt.Update(ctx, wallet)
		},
	}, {
		does:   "have the garbage collector remove a wallet",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			wallet := c.openWallet(ctx)
			wallet.OwnerReferences = []metav1.OwnerReference{ownedBy(c.placeOrder(ctx))}
			return c.walt.Update(ctx, wallet)
		},
	}, {
		does:   "delete a wallet",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Delete(ctx, c.openWallet(ctx))
		},
	}, {
		does:   "delete all wallets",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.DeleteAllOf(ctx, &v1alpha1.EsimWallet{}, client.InNamespace(namespace),
				client.MatchingLabels(c.openWallet(ctx).Labels))
		},
	}, {
		does:   "grant themselves a discount",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			c.withoutTerms(ctx)
			return c.walt.Create(ctx, newTerms("100"))
		},
	}, {
		does:   "raise the discount that the platform team granted",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Patch(ctx, c.agreeTerms(ctx), mergePatch(`{"spec":{"discountPercent":"100"}}`))
		},
	}, {
		does:   "delete the terms that limit what they may buy",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Delete(ctx, c.agreeTerms(ctx))
		},
	}, {
		does:   "have the manager's account create a wallet",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.manager.Create(ctx, newWallet())
		},
	}, {
		does:   "have the manager's account pay in",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.manager.Patch(ctx, c.openWallet(ctx), jsonPatch(paidIn))
		},
	}, {
		does:   "have the manager's account delete a wallet",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.manager.Delete(ctx, c.openWallet(ctx))
		},
	}, {
		does:   "have the manager's account raise a discount",
		policy: "wallets",
		try: func(ctx context.Context, c *cluster) error {
			return c.manager.Patch(ctx, c.agreeTerms(ctx), mergePatch(`{"spec":{"discountPercent":"100"}}`))
		},
	},
}

var walletStatusAttacks = []attack{
	{
		does:   "settle refunds that never were",
		policy: "wallets-status",
		try: func(ctx context.Context, c *cluster) error {
			wallet := c.openWallet(ctx)
			wallet.Status.Settled = v1alpha1.WalletSettled{Debited: "0", Refunded: "1000000", Orders: 1}
			return c.walt.Status().Update(ctx, wallet)
		},
	}, {
		does:   "have a charge taken out of a wallet's settled totals",
		policy: "wallets-status",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Status().Patch(ctx, c.openWallet(ctx), mergePatch(`{"status":{"settling":[
				{"name":"trip","uid":"5a2c1f0e-0000-4000-8000-000000000000","debited":"100","refunded":"0"}]}}`))
		},
	}, {
		does:   "take another client's number",
		policy: "wallets-status",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Status().Patch(ctx, c.agreeTerms(ctx), mergePatch(`{"status":{"id":7}}`))
		},
	},
}

var ledgerFinalizerAttacks = []attack{
	{
		does:   "strip a wallet's ledger finalizer even as one of the platform team",
		policy: "wallets-keep-ledger-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			return c.peter.Patch(ctx, c.openWallet(ctx), mergePatch(`{"metadata":{"finalizers":null}}`))
		},
	}, {
		does:   "replace a wallet's ledger finalizer by another",
		policy: "wallets-keep-ledger-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			return c.peter.Patch(ctx, c.openWallet(ctx), mergePatch(`{"metadata":{"finalizers":["example.com/mine"]}}`))
		},
	}, {
		does:   "let go of a wallet that is being deleted, even as a cluster administrator",
		policy: "wallets-keep-ledger-finalizer",
		try: func(ctx context.Context, c *cluster) error {
			wallet := c.openWallet(ctx)
			Expect(c.peter.Delete(ctx, wallet)).To(Succeed())
			return c.root.Patch(ctx, wallet, jsonPatch(`[{"op":"remove","path":"/metadata/finalizers/0"}]`))
		},
	},
}
