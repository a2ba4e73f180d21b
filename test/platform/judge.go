package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/testshop"
	"github.com/telcodev/esim-operator/test/stand"
)

// postLimit is how long the last receipt and the last event may take, and the wallet's balance.
const postLimit = 90 * time.Second

// judge holds every order against the operators' books, the money, the Secrets, the receipts and
// the events.
func (w *world) judge(ctx context.Context) error {
	w.mu.Lock()
	placed := append([]*ordered(nil), w.orders...)
	w.mu.Unlock()
	if err := w.delivered(ctx, placed); err != nil {
		return err
	}
	orders, err := w.read(ctx)
	if err != nil {
		return err
	}
	var errs []error
	if len(orders) != len(placed) {
		errs = append(errs, fmt.Errorf("%d orders were made, and %d are there", len(placed), len(orders)))
	}
	for i := range orders {
		errs = append(errs, w.judgeOrder(&orders[i]))
	}
	errs = append(errs, w.judgeBooks(ctx, orders), w.judgeSecrets(ctx, orders), w.judgeMoney(ctx, orders), w.judgePost(ctx, orders))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	w.sayf("judged: %d orders, each delivered, bought and paid once", len(orders))
	return nil
}

// judgeOrder tells what is wrong with one order by itself.
func (w *world) judgeOrder(order *v1alpha1.EsimOrder) error {
	err := testshop.CheckOrder(order)
	charge := order.Status.Charge
	variant := ""
	if order.Status.Plan != nil {
		variant = order.Status.Plan.Variant
	}
	switch offered, known := offers[variant]; {
	case order.Status.Phase != v1alpha1.PhaseDelivered:
		err = errors.Join(err, fmt.Errorf("%s is %s", order.Name, describe(order)))
	case !known:
		err = errors.Join(err, fmt.Errorf("%s is of %q, which nobody has ordered", order.Name, variant))
	case charge == nil || charge.Refund != nil || !costs(string(charge.Amount), string(offered.amount)):
		err = errors.Join(err, fmt.Errorf("%s is delivered, and not paid as it should be", order.Name))
	}
	return err
}

// judgeBooks holds the profiles that were bought against those that were delivered.
func (w *world) judgeBooks(ctx context.Context, orders []v1alpha1.EsimOrder) error {
	owned, err := w.simulator.Owned(ctx)
	if err != nil {
		return err
	}
	var errs []error
	holders := map[string]string{}
	for i := range orders {
		order := &orders[i]
		p := order.Status.Provisioning
		if order.Status.Esim == nil || p == nil {
			continue // judged by itself
		}
		iccid := order.Status.Esim.ICCID
		switch {
		case holders[iccid] != "":
			errs = append(errs, fmt.Errorf("%s and %s have one profile, %s", holders[iccid], order.Name, iccid))
		case owned[iccid] != p.OperatorRef.Name:
			errs = append(errs, fmt.Errorf("%s has %s from %s, which is owned at %q", order.Name, iccid, p.OperatorRef.Name, owned[iccid]))
		}
		holders[iccid] = order.Name
	}
	for iccid, operator := range owned {
		if holders[iccid] == "" {
			errs = append(errs, fmt.Errorf("%s sold %s, and no order has it", operator, iccid))
		}
	}
	return errors.Join(append(errs, w.judgeStranded(ctx, len(orders), len(owned)))...)
}

// lostAnswer is how a manager's log tells of an answer of DownloadOrder that was lost. The order
// itself tells less, where that could not be written.
const lostAnswer = `"DownloadOrder: the SM-DP+ did not answer"`

// judgeStranded holds the profiles that were reserved and that nobody knows against the answers
// of DownloadOrder that were lost: to failures, and to each end of a manager, killed or by itself,
// as many as were under way.
func (w *world) judgeStranded(ctx context.Context, orders, owned int) error {
	stranded, err := w.simulator.Stranded(ctx)
	if err != nil {
		return err
	}
	lost, ends := 0, 0
	for name, manager := range w.managers {
		ends += manager.started() - 1
		text, err := os.ReadFile(filepath.Join(w.folder, name+".log"))
		if err != nil {
			return fmt.Errorf("reading a manager's log: %w", err)
		}
		lost += bytes.Count(text, []byte(lostAnswer))
	}
	w.report.factf("%s: %d orders, %d profiles bought; %d stranded, %d answers of DownloadOrder known to be lost; managers ended %d times", w.name, orders, owned, stranded, lost, ends)
	if most := lost + ends*inFlight; stranded > most {
		return fmt.Errorf("%d profiles are stranded, and at most %d answers of DownloadOrder can have been lost", stranded, most)
	}
	return nil
}

// judgeSecrets: each order has its Secret, with its own profile, and there is no other.
func (w *world) judgeSecrets(ctx context.Context, orders []v1alpha1.EsimOrder) error {
	var secrets corev1.SecretList
	if err := w.env.Client.List(ctx, &secrets, client.InNamespace(shopper)); err != nil {
		return fmt.Errorf("reading the Secrets: %w", err)
	}
	held := map[string]string{}
	for i := range secrets.Items {
		if secret := &secrets.Items[i]; secret.Type == v1alpha1.ActivationSecretType {
			held[secret.Name] = string(secret.Data[v1alpha1.SecretKeyICCID])
		}
	}
	var errs []error
	for i := range orders {
		name := v1alpha1.ActivationSecretName(orders[i].Name)
		if e := orders[i].Status.Esim; e != nil && held[name] != e.ICCID {
			errs = append(errs, fmt.Errorf("the Secret of %s is about profile %q", orders[i].Name, held[name]))
		}
		delete(held, name)
	}
	for name := range held {
		errs = append(errs, fmt.Errorf("the Secret %s belongs to no order", name))
	}
	return errors.Join(errs...)
}

// judgeMoney holds the wallet against what its orders say.
func (w *world) judgeMoney(ctx context.Context, orders []v1alpha1.EsimOrder) error {
	want, err := money.Parse(deposited)
	if err != nil {
		return fmt.Errorf("reading the deposit: %w", err)
	}
	transactions := map[int64]string{}
	for i := range orders {
		charge := orders[i].Status.Charge
		if charge == nil {
			continue // judged by itself
		}
		amount, err := money.Parse(string(charge.Amount))
		if err != nil {
			return fmt.Errorf("reading the charge of %s: %w", orders[i].Name, err)
		}
		want = want.Sub(amount)
		if other := transactions[charge.TransactionID]; other != "" {
			return fmt.Errorf("%s and %s were paid by one transaction", other, orders[i].Name)
		}
		transactions[charge.TransactionID] = orders[i].Name
	}
	shows := ""
	err = stand.Until(ctx, postLimit, "the balance", func() (bool, error) {
		var found v1alpha1.EsimWallet
		if err := w.env.Client.Get(ctx, types.NamespacedName{Namespace: shopper, Name: wallet}, &found); err != nil {
			return false, fmt.Errorf("reading the wallet: %w", err)
		}
		shows = string(found.Status.Balance)
		balance, err := money.Parse(shows)
		return err == nil && balance.Equal(want), nil
	})
	if err != nil {
		return fmt.Errorf("the wallet shows %q, and its orders leave %s: %w", shows, want, err)
	}
	return nil
}

// told are the events of every order here.
var told = []string{v1alpha1.EventDebited, v1alpha1.EventOrderDelivered}

// judgePost waits until every order's receipt and events have arrived. Each may come again, with
// the ID that it had; there is one ID for each.
func (w *world) judgePost(ctx context.Context, orders []v1alpha1.EsimOrder) error {
	var missing error
	mailed, evented := 0, 0
	err := stand.Until(ctx, postLimit, "receipts and events", func() (bool, error) {
		receipts, err := w.post.receipts(ctx)
		if err != nil {
			return false, err
		}
		events, err := w.post.received()
		if err != nil {
			return false, err
		}
		missing, mailed, evented = nil, 0, 0
		for i := range orders {
			order := &orders[i]
			if to := order.Spec.NotificationEmail; to != "" {
				missing = errors.Join(missing, once("receipt", order.Name, receipts[to], &mailed))
			}
			for _, kind := range told {
				missing = errors.Join(missing, once(kind, order.Name, events[order.Status.ID][kind], &evented))
			}
		}
		return missing == nil, nil
	})
	w.report.factf("%s: %d receipts and %d events came more than once, with the ID that they had", w.name, mailed, evented)
	return errors.Join(err, missing)
}

// once tells what is wrong with the IDs under which one thing came, and counts repeats.
func once(what, order string, came map[string]int, repeated *int) error {
	switch len(came) {
	case 0:
		return fmt.Errorf("%s has not got %s", order, what)
	case 1:
		for _, times := range came {
			*repeated += times - 1
		}
		return nil
	default:
		return fmt.Errorf("%s has got %s under %d IDs", order, what, len(came))
	}
}

// costs tells whether two amounts are the same.
func costs(charged, priced string) bool {
	one, err := money.Parse(charged)
	if err != nil {
		return false
	}
	other, err := money.Parse(priced)
	return err == nil && one.Equal(other)
}
