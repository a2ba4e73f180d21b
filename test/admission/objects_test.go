package admission_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// newOrder is an order as kubectl would send it, under a name that the server chooses.
func newOrder() *v1alpha1.EsimOrder {
	return &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "order-", Namespace: namespace},
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef: v1alpha1.ProductReference{Name: "japan"},
			Variant:    "1gb-7d",
		},
	}
}

// placeOrder creates an order that is held, with or without a policy's help.
func (c *cluster) placeOrder(ctx context.Context) *v1alpha1.EsimOrder {
	GinkgoHelper()
	order := newOrder()
	order.Finalizers = []string{v1alpha1.SettlementFinalizer}
	Expect(c.root.Create(ctx, order)).To(Succeed())
	return order
}

// newSecret is a Secret of the client's own.
func newSecret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "secret-", Namespace: namespace},
		StringData: map[string]string{"key": "value"},
	}
}

// activationSecret is what the manager writes for an order.
func activationSecret(order *v1alpha1.EsimOrder) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:            v1alpha1.ActivationSecretName(order.Name),
			Namespace:       order.Namespace,
			Labels:          map[string]string{"order": order.Name},
			OwnerReferences: []metav1.OwnerReference{ownedBy(order)},
			Finalizers:      []string{v1alpha1.JournalFinalizer},
		},
		Type: v1alpha1.ActivationSecretType,
		StringData: map[string]string{
			v1alpha1.SecretKeyICCID:   "8947010000123456784",
			v1alpha1.SecretKeyAttempt: "1",
		},
	}
}

func ownedBy(order *v1alpha1.EsimOrder) metav1.OwnerReference {
	return *metav1.NewControllerRef(order, v1alpha1.GroupVersion.WithKind("EsimOrder"))
}

// journal is an order's Secret, written by the manager.
func (c *cluster) journal(ctx context.Context) *corev1.Secret {
	GinkgoHelper()
	secret := activationSecret(c.placeOrder(ctx))
	Expect(c.manager.Create(ctx, secret)).To(Succeed())
	return secret
}

// goingJournal is an order's Secret that the garbage collector has deleted, and that is there
// until the manager lets go of it.
func (c *cluster) goingJournal(ctx context.Context) *corev1.Secret {
	GinkgoHelper()
	secret := c.journal(ctx)
	Expect(c.collector.Delete(ctx, secret)).To(Succeed())
	c.expectGoing(ctx, secret)
	return secret
}

// expectGoing checks that an order's Secret is deleted, and held for the manager.
func (c *cluster) expectGoing(ctx context.Context, secret *corev1.Secret) {
	GinkgoHelper()
	Expect(c.root.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
	Expect(secret.DeletionTimestamp).NotTo(BeNil())
	Expect(secret.Finalizers).To(ContainElement(v1alpha1.JournalFinalizer))
}

func mergePatch(json string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(json)) }

func jsonPatch(json string) client.Patch { return client.RawPatch(types.JSONPatchType, []byte(json)) }

// held tells whether the manager must let go of the order before it can vanish.
func (c *cluster) held(ctx context.Context, order *v1alpha1.EsimOrder) bool {
	GinkgoHelper()
	Expect(c.root.Get(ctx, client.ObjectKeyFromObject(order), order)).To(Succeed())
	for _, finalizer := range order.Finalizers {
		if finalizer == v1alpha1.SettlementFinalizer {
			return true
		}
	}
	return false
}
