package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/test/stand"
)

// endLimit is how long it may take to settle and delete everything.
const endLimit = 5 * time.Minute

// end deletes all orders, then everything else, and waits until nothing is left: no finalizer
// hangs, no Secret with a code stays behind, and settling changed no balance.
func (s *soak) end(ctx context.Context, t *tally) error {
	before, err := s.balances(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, namespace := range s.clients {
		// A busy API server may not delete a thousand orders within the minute that it takes for a request.
		err := stand.Until(ctx, endLimit, "the orders of "+namespace+" to be deleted", func() (bool, error) {
			err := s.env.Client.DeleteAllOf(ctx, &v1alpha1.EsimOrder{}, client.InNamespace(namespace))
			if apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("deleting the orders of %s: %w", namespace, err)
		}
	}
	left := 0
	err = stand.Until(ctx, endLimit, "the last order to go", func() (bool, error) {
		orders, err := s.read(ctx)
		left = len(orders)
		return left == 0, err
	})
	if err != nil {
		return fmt.Errorf("%d deleted orders are still there: %w", left, err)
	}
	t.add("orders settled and deleted within", "%s", time.Since(began).Round(100*time.Millisecond))
	for _, namespace := range s.clients {
		if err := s.awaitBalance(ctx, namespace, before[namespace]); err != nil {
			return fmt.Errorf("after the deletion: %w", err)
		}
	}
	if err := s.noSecretIsLeft(ctx); err != nil {
		return err
	}
	return s.endRest(ctx)
}

func (s *soak) balances(ctx context.Context) (map[string]money.Amount, error) {
	found := map[string]money.Amount{}
	for _, namespace := range s.clients {
		var of v1alpha1.EsimWallet
		if err := s.env.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: wallet}, &of); err != nil {
			return nil, fmt.Errorf("reading the wallet of %s: %w", namespace, err)
		}
		balance, err := money.Parse(string(of.Status.Balance))
		if err != nil {
			return nil, fmt.Errorf("reading the balance of %s: %w", namespace, err)
		}
		found[namespace] = balance
	}
	return found, nil
}

// noSecretIsLeft: the order's Secret goes before its order, without a garbage collector's help.
func (s *soak) noSecretIsLeft(ctx context.Context) error {
	left, err := s.activationSecrets(ctx)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s still has the Secret %s, one of %d", left[0].Namespace, left[0].Name, len(left))
	}
	return err
}

// activationSecrets are all clients' Secrets with codes.
func (s *soak) activationSecrets(ctx context.Context) (found []corev1.Secret, err error) {
	for _, namespace := range s.clients {
		var secrets corev1.SecretList
		if err := s.env.Client.List(ctx, &secrets, client.InNamespace(namespace)); err != nil {
			return nil, fmt.Errorf("reading the Secrets of %s: %w", namespace, err)
		}
		for _, secret := range secrets.Items {
			if secret.Type == v1alpha1.ActivationSecretType {
				found = append(found, secret)
			}
		}
	}
	return found, nil
}

// endRest deletes wallets, the product and the operators.
func (s *soak) endRest(ctx context.Context) error {
	for _, namespace := range s.clients {
		for _, kind := range []client.Object{&v1alpha1.EsimWallet{}, &v1alpha1.EsimClient{}} {
			if err := s.env.Client.DeleteAllOf(ctx, kind, client.InNamespace(namespace)); err != nil {
				return fmt.Errorf("deleting each %T of %s: %w", kind, namespace, err)
			}
		}
	}
	for _, kind := range []client.Object{&v1alpha1.EsimProduct{}, &v1alpha1.EsimOperator{}} {
		if err := s.env.Client.DeleteAllOf(ctx, kind); err != nil {
			return fmt.Errorf("deleting each %T: %w", kind, err)
		}
	}
	for _, kind := range []client.ObjectList{&v1alpha1.EsimWalletList{}, &v1alpha1.EsimProductList{}, &v1alpha1.EsimOperatorList{}} {
		err := stand.Until(ctx, readyLimit, fmt.Sprintf("the end of each item of %T", kind), func() (bool, error) {
			if err := s.env.Client.List(ctx, kind); err != nil {
				return false, fmt.Errorf("reading %T: %w", kind, err)
			}
			return lenOf(kind) == 0, nil
		})
		if err != nil {
			return err
		}
	}
	s.sayf("everything is deleted")
	return nil
}

func lenOf(list client.ObjectList) int {
	switch of := list.(type) {
	case *v1alpha1.EsimWalletList:
		return len(of.Items)
	case *v1alpha1.EsimProductList:
		return len(of.Items)
	case *v1alpha1.EsimOperatorList:
		return len(of.Items)
	default:
		return -1
	}
}
