package admission_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

var _ = Describe("The policies on money", func() {
	It("let the platform team create, change and delete a wallet, which the manager holds", func(ctx context.Context) {
		wallet := guarded.openWallet(ctx)
		Expect(guarded.peter.Patch(ctx, wallet, jsonPatch(paidIn))).To(Succeed())
		Expect(wallet.Spec.Deposits).To(HaveLen(2))

		Expect(guarded.peter.Delete(ctx, wallet)).To(Succeed())
		Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(wallet), wallet)).To(Succeed())
		Expect(wallet.Finalizers).To(ConsistOf(v1alpha1.WalletFinalizer))
		Expect(guarded.manager.Patch(ctx, wallet, mergePatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(wallet), wallet)).To(Satisfy(apierrors.IsNotFound))
	})

	It("let the platform team delete all wallets of a client", func(ctx context.Context) {
		wallet := guarded.openWallet(ctx)
		Expect(guarded.peter.DeleteAllOf(ctx, &v1alpha1.EsimWallet{}, client.InNamespace(namespace),
			client.MatchingLabels(wallet.Labels))).To(Succeed())
		Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(wallet), wallet)).To(Succeed())
		Expect(wallet.DeletionTimestamp).NotTo(BeNil())
	})

	It("let the platform team agree, change and end the terms of a client", func(ctx context.Context) {
		terms := guarded.agreeTerms(ctx)
		Expect(guarded.peter.Patch(ctx, terms, mergePatch(`{"spec":{"discountPercent":"7.5"}}`))).To(Succeed())
		Expect(guarded.peter.Delete(ctx, terms)).To(Succeed())
	})

	It("let a cluster administrator pay in", func(ctx context.Context) {
		Expect(guarded.root.Patch(ctx, guarded.openWallet(ctx), jsonPatch(paidIn))).To(Succeed())
	})

	It("let the manager write the status of wallets and terms, and a cluster administrator repair it", func(ctx context.Context) {
		wallet, terms := guarded.openWallet(ctx), guarded.agreeTerms(ctx)
		for i, writer := range []client.Client{guarded.manager, guarded.root} {
			wallet.Status.ID, terms.Status.ID = int64(i+1), int64(i+1)
			Expect(writer.Status().Update(ctx, wallet)).To(Succeed())
			Expect(writer.Status().Update(ctx, terms)).To(Succeed())
		}
	})

	It("do not let the platform team write the status of a wallet", func(ctx context.Context) {
		err := guarded.peter.Status().Patch(ctx, guarded.openWallet(ctx), mergePatch(`{"status":{"id":7}}`))
		Expect(err).To(Satisfy(apierrors.IsForbidden))
	})

	It("let a namespace go with its wallets and terms", func(ctx context.Context) {
		gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "gone-"}}
		Expect(guarded.root.Create(ctx, gone)).To(Succeed())
		wallet, terms := newWallet(), newTerms("5")
		wallet.Namespace, terms.Namespace = gone.Name, gone.Name
		wallet.Finalizers = []string{v1alpha1.WalletFinalizer}
		Expect(guarded.peter.Create(ctx, wallet)).To(Succeed())
		Expect(guarded.peter.Create(ctx, terms)).To(Succeed())
		Expect(guarded.root.Delete(ctx, gone)).To(Succeed())

		// What the namespace controller does, under the role that Kubernetes gives it.
		for _, kind := range []client.Object{&v1alpha1.EsimWallet{}, &v1alpha1.EsimClient{}} {
			Expect(guarded.namespaces.DeleteAllOf(ctx, kind, client.InNamespace(gone.Name))).To(Succeed())
		}
		Expect(guarded.manager.Patch(ctx, wallet, mergePatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		for _, object := range []client.Object{wallet, terms} {
			Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Satisfy(apierrors.IsNotFound))
		}
	})
})
