package admission_test

import (
	"context"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// released takes all finalizers off.
const released = `{"metadata":{"finalizers":null}}`

var secretAttacks = []attack{
	{
		does:   "forge an order's activation Secret",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Create(ctx, activationSecret(c.placeOrder(ctx)))
		},
	}, {
		does:   "forge an order's activation Secret under another type",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			secret := activationSecret(c.placeOrder(ctx))
			secret.Type = corev1.SecretTypeOpaque
			return c.ann.Create(ctx, secret)
		},
	}, {
		does:   "create a Secret of the activation type for no order",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			secret := newSecret()
			secret.Type = v1alpha1.ActivationSecretType
			return c.ann.Create(ctx, secret)
		},
	}, {
		does:   "hand a Secret of their own to an order",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			order, secret := c.placeOrder(ctx), newSecret()
			Expect(c.ann.Create(ctx, secret)).To(Succeed())
			secret.OwnerReferences = []metav1.OwnerReference{ownedBy(order)}
			return c.ann.Update(ctx, secret)
		},
	}, {
		does:   "change what an activation Secret holds",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.journal(ctx), mergePatch(`{"stringData":{"iccid":"8997250230000292199"}}`))
		},
	}, {
		does:   "cut an activation Secret loose from its order",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.journal(ctx), mergePatch(`{"metadata":{"ownerReferences":null}}`))
		},
	}, {
		does:   "freeze an activation Secret, so that the manager cannot write it",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.journal(ctx), mergePatch(`{"immutable":true}`))
		},
	}, {
		does:   "hold an activation Secret with a finalizer",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.journal(ctx), mergePatch(`{"metadata":{"finalizers":["example.com/mine"]}}`))
		},
	}, {
		does:   "delete an activation Secret",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Delete(ctx, c.journal(ctx))
		},
	}, {
		does:   "delete all Secrets with the activation Secrets among them",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(namespace),
				client.MatchingLabels(c.journal(ctx).Labels))
		},
	}, {
		does:   "delete an activation Secret even as a cluster administrator",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.root.Delete(ctx, c.journal(ctx))
		},
	}, {
		does:   "have the garbage collector's account change what an activation Secret holds",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.controllers.Patch(ctx, c.journal(ctx), mergePatch(`{"stringData":{"iccid":"8997250230000292199"}}`))
		},
	}, {
		does:   "strip an activation Secret's journal finalizer",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.journal(ctx), mergePatch(released))
		},
	}, {
		does:   "strip an activation Secret's journal finalizer with every right in the namespace",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.walt.Patch(ctx, c.journal(ctx), jsonPatch(`[{"op":"remove","path":"/metadata/finalizers/0"}]`))
		},
	}, {
		does:   "let go of an activation Secret that is being deleted",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.ann.Patch(ctx, c.goingJournal(ctx), mergePatch(released))
		},
	}, {
		does:   "let go of an activation Secret that is being deleted, even as a cluster administrator",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.root.Patch(ctx, c.goingJournal(ctx), mergePatch(released))
		},
	}, {
		does:   "have the garbage collector's account strip an activation Secret's journal finalizer",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			return c.collector.Patch(ctx, c.journal(ctx), mergePatch(released))
		},
	}, {
		does:   "have the controller manager's account let go of an activation Secret that is being deleted",
		policy: "activation-secrets",
		try: func(ctx context.Context, c *cluster) error {
			secret := c.goingJournal(ctx)
			secret.Finalizers = nil
			return c.controllers.Update(ctx, secret)
		},
	},
}
