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

var _ = Describe("An order from its creation", func() {
	It("is held until the manager lets go of it", func(ctx context.Context) {
		order := newOrder()
		Expect(guarded.ann.Create(ctx, order)).To(Succeed())
		Expect(order.Finalizers).To(ConsistOf(v1alpha1.SettlementFinalizer))

		Expect(guarded.ann.Delete(ctx, order)).To(Succeed())
		Expect(guarded.held(ctx, order)).To(BeTrue())
		Expect(guarded.manager.Patch(ctx, order, mergePatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(order), order)).To(Satisfy(apierrors.IsNotFound))
	})

	It("keeps the finalizers that the user set, and has ours once", func(ctx context.Context) {
		mine := newOrder()
		mine.Finalizers = []string{"example.com/mine"}
		Expect(guarded.ann.Create(ctx, mine)).To(Succeed())
		Expect(mine.Finalizers).To(ConsistOf("example.com/mine", v1alpha1.SettlementFinalizer))

		both := newOrder()
		both.Finalizers = []string{v1alpha1.SettlementFinalizer, "example.com/mine"}
		Expect(guarded.ann.Create(ctx, both)).To(Succeed())
		Expect(both.Finalizers).To(ConsistOf(v1alpha1.SettlementFinalizer, "example.com/mine"))
	})

	It("is held when it is made by server-side apply", func(ctx context.Context) {
		order := newOrder()
		order.GenerateName, order.Name = "", "applied"
		order.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EsimOrder"))
		//nolint:staticcheck // what kubectl apply --server-side sends.
		Expect(guarded.ann.Patch(ctx, order, client.Apply, client.FieldOwner("kubectl"))).To(Succeed())
		Expect(guarded.held(ctx, order)).To(BeTrue())
	})

	It("would vanish unseen without the policy orders-add-settlement-finalizer", func(ctx context.Context) {
		order := newOrder()
		Expect(unguarded.ann.Create(ctx, order)).To(Succeed())
		Expect(order.Finalizers).To(BeEmpty())
	})
})

var _ = Describe("The policies", func() {
	It("let a namespace's admin label, cancel and delete an order", func(ctx context.Context) {
		order := guarded.placeOrder(ctx)
		Expect(guarded.ann.Patch(ctx, order, mergePatch(`{"metadata":{"labels":{"trip":"tokyo"}}}`))).To(Succeed())
		Expect(guarded.ann.Patch(ctx, order, mergePatch(`{"spec":{"cancel":true}}`))).To(Succeed())
		Expect(guarded.ann.Patch(ctx, order,
			jsonPatch(`[{"op":"add","path":"/metadata/finalizers/-","value":"example.com/mine"}]`))).To(Succeed())
		Expect(guarded.ann.Delete(ctx, order, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		Expect(guarded.held(ctx, order)).To(BeTrue())
		Expect(order.Finalizers).To(ContainElement(metav1.FinalizerDeleteDependents))
	})

	It("let everybody edit an order that is being deleted, but for the settlement finalizer", func(ctx context.Context) {
		order := guarded.placeOrder(ctx)
		Expect(guarded.ann.Patch(ctx, order,
			jsonPatch(`[{"op":"add","path":"/metadata/finalizers/-","value":"example.com/mine"}]`))).To(Succeed())
		Expect(guarded.ann.Delete(ctx, order)).To(Succeed())
		Expect(guarded.ann.Patch(ctx, order,
			mergePatch(`{"metadata":{"finalizers":["esim.telco.dev/settlement"]}}`))).To(Succeed())
		Expect(guarded.held(ctx, order)).To(BeTrue())
	})

	It("do not let metadata in through the status of an order", func(ctx context.Context) {
		order := guarded.placeOrder(ctx)
		err := guarded.walt.Status().Patch(ctx, order, mergePatch(`{"metadata":{"finalizers":null}}`))
		Expect(err).To(beRefusedBy("orders-status"))
		Expect(guarded.held(ctx, order)).To(BeTrue())
	})

	It("let the platform team decide an unknown outcome, and others edit the order meanwhile", func(ctx context.Context) {
		order := guarded.placeOrder(ctx)
		Expect(guarded.peter.Patch(ctx, order, mergePatch(resolved))).To(Succeed())
		Expect(guarded.ann.Patch(ctx, order, mergePatch(`{"metadata":{"labels":{"trip":"tokyo"}}}`))).To(Succeed())
		Expect(guarded.ann.Patch(ctx, order, mergePatch(`{"metadata":{"annotations":null}}`))).To(Succeed())
		Expect(order.Annotations).To(BeEmpty())
	})

	It("let the platform team decide that a profile was delivered, and think again", func(ctx context.Context) {
		order := guarded.placeOrder(ctx)
		for _, decision := range []string{delivered, resolved, delivered} {
			Expect(guarded.peter.Patch(ctx, order, mergePatch(decision))).To(Succeed())
		}
		Expect(order.Annotations).To(HaveKeyWithValue(v1alpha1.ResolveAnnotation, v1alpha1.ResolveDelivered))
	})

	It("tell everybody which decisions there are", func(ctx context.Context) {
		order := guarded.placeOrder(ctx)
		for _, person := range []client.Client{guarded.ann, guarded.walt, guarded.peter, guarded.manager, guarded.root} {
			err := person.Patch(ctx, order, mergePatch(undecided))
			Expect(err).To(SatisfyAll(beRefusedBy("orders-resolve"),
				MatchError(ContainSubstring(v1alpha1.ResolveNotBought)), MatchError(ContainSubstring(v1alpha1.ResolveDelivered))))
		}
	})

	It("let the manager write status, and a cluster administrator repair it", func(ctx context.Context) {
		order := guarded.placeOrder(ctx)
		order.Status.Phase = v1alpha1.PhaseDelivered
		Expect(guarded.manager.Status().Update(ctx, order)).To(Succeed())
		order.Status.Phase = v1alpha1.PhaseFailed
		Expect(guarded.root.Status().Update(ctx, order)).To(Succeed())
	})

	It("let the manager create, change and delete an activation Secret", func(ctx context.Context) {
		secret := guarded.journal(ctx)
		secret.Data[v1alpha1.SecretKeyAttempt] = []byte("2")
		Expect(guarded.manager.Update(ctx, secret)).To(Succeed())
		Expect(guarded.manager.Delete(ctx, secret)).To(Succeed())
		guarded.expectGoing(ctx, secret)
		Expect(guarded.manager.Patch(ctx, secret, mergePatch(released))).To(Succeed())
		Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Satisfy(apierrors.IsNotFound))
	})

	It("let a namespace's admin keep Secrets of their own, also where one has the name of an order's", func(ctx context.Context) {
		secret := newSecret()
		secret.GenerateName, secret.Name = "", v1alpha1.ActivationSecretName(guarded.placeOrder(ctx).Name)
		Expect(guarded.ann.Create(ctx, secret)).To(Succeed())
		Expect(guarded.ann.Patch(ctx, secret, mergePatch(`{"stringData":{"key":"other"}}`))).To(Succeed())
		Expect(guarded.ann.Delete(ctx, secret)).To(Succeed())
	})

	It("let a namespace's admin read the activation Secret", func(ctx context.Context) {
		secret := guarded.journal(ctx)
		Expect(guarded.ann.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
		Expect(secret.Data).To(HaveKey(v1alpha1.SecretKeyICCID))
	})
})

var _ = Describe("What tidies a cluster up", func() {
	for name, account := range map[string]func() client.Client{
		"the garbage collector":            func() client.Client { return guarded.collector },
		"the controller manager's account": func() client.Client { return guarded.controllers },
	} {
		It("may delete an activation Secret and edit its owner references, and the manager lets go of it: "+name, func(ctx context.Context) {
			secret := guarded.journal(ctx)
			Expect(account().Patch(ctx, secret, mergePatch(`{"metadata":{"ownerReferences":null}}`))).To(Succeed())
			Expect(account().Delete(ctx, secret)).To(Succeed())
			guarded.expectGoing(ctx, secret)
			Expect(guarded.manager.Patch(ctx, secret, mergePatch(released))).To(Succeed())
			Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Satisfy(apierrors.IsNotFound))
		})

		It("may delete an activation Secret in the foreground, and take its own finalizer off again: "+name, func(ctx context.Context) {
			secret := guarded.journal(ctx)
			Expect(account().Delete(ctx, secret, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
			guarded.expectGoing(ctx, secret)
			Expect(secret.Finalizers).To(ContainElement(metav1.FinalizerDeleteDependents))
			Expect(account().Patch(ctx, secret,
				mergePatch(`{"metadata":{"finalizers":["esim.telco.dev/journal"]}}`))).To(Succeed())
			guarded.expectGoing(ctx, secret)
		})
	}

	It("may empty a namespace that goes: the namespace controller", func(ctx context.Context) {
		secret := guarded.journal(ctx)
		Expect(guarded.namespaces.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(namespace),
			client.MatchingLabels(secret.Labels))).To(Succeed())
		guarded.expectGoing(ctx, secret)
		Expect(guarded.manager.Patch(ctx, secret, mergePatch(released))).To(Succeed())
		Expect(guarded.root.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Satisfy(apierrors.IsNotFound))
	})
})
