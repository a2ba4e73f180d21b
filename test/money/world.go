package money

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/pricing"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// Wallets of the world: one in the products' currency, one that exchanges.
const (
	mainWallet   = testshop.WalletName
	travelWallet = "travel"
)

// prices of the product's variants, in USD.
var prices = map[string]v1alpha1.Decimal{"small": "0.35", "middle": "4.5", "large": "12.1234"}

// world is a client with its wallets and orders, an SM-DP+, and the manager that leads.
type world struct {
	ctx context.Context //nolint:containedctx // a world is one test's
	// api is an administrator's client, machine a manager's; told is machine, overheard by truth.
	api, machine, told client.WithWatch
	// collector is the garbage collector's client.
	collector client.Client

	clock *testingclock.FakePassiveClock
	shop  *testshop.Shop
	truth *truth

	leader *process
	// former led before, and does not know it yet; nil where there is none.
	former *process
	orders []types.NamespacedName
	placed int

	mu             sync.Mutex
	contradictions []error
}

// open makes a world on an API server. The SM-DP+ may serve many worlds, one after another.
func open(ctx context.Context, api, machine client.WithWatch, collector client.Client, now *testingclock.FakePassiveClock, name string, server *smdp.Server) (*world, error) {
	if err := errors.Join(server.ClearFaults(), server.SetStock(testshop.Plan, 100)); err != nil {
		return nil, err
	}
	shop, err := testshop.Open(ctx, api, name, testshop.Options{
		SMDP: server,
		Product: func(p *v1alpha1.EsimProduct) {
			variant := p.Spec.Variants[0]
			p.Spec.Variants = nil
			for name, price := range prices {
				variant.Name, variant.Amount = name, price
				p.Spec.Variants = append(p.Spec.Variants, variant)
			}
		},
		Wallet: func(w *v1alpha1.EsimWallet) { w.Spec.Deposits[0].Amount = "14" },
	})
	if err != nil {
		return nil, err
	}
	travel := shop.NewWallet()
	travel.Name, travel.Spec.Currency = travelWallet, "JPY"
	travel.Spec.Type, travel.Spec.CreditLimit = v1alpha1.WalletPostpaid, "1000"
	travel.Spec.Deposits = []v1alpha1.WalletDeposit{{Reference: "first", Amount: "1500"}}
	travel.Spec.ExchangeRates = []v1alpha1.ExchangeRate{{From: "USD", Rate: "151.37"}}
	if err := api.Create(ctx, travel); err != nil {
		return nil, err
	}
	w := &world{ctx: ctx, api: api, machine: machine, collector: collector, clock: now, shop: shop, truth: newTruth()}
	w.told = w.truth.watch(machine)
	if w.leader, err = w.employ(newLag(machine)); err != nil {
		return nil, err
	}
	if err := w.syncAll(w.leader); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *world) close() {
	w.dismiss(w.leader)
	w.dismiss(w.former)
}

// passed hears of every status that a manager wrote.
func (w *world) passed(order *v1alpha1.EsimOrder) {
	if err := testshop.CheckOrder(order); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.contradictions = append(w.contradictions, err)
	}
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.shop.Name, Name: name}
}

func (w *world) wallets() []types.NamespacedName {
	return []types.NamespacedName{w.key(mainWallet), w.key(travelWallet)}
}

func (w *world) syncAll(p *process) error {
	var err error
	for _, key := range w.orders {
		err = errors.Join(err, p.cache.syncOrder(w.ctx, key))
	}
	for _, key := range w.wallets() {
		err = errors.Join(err, p.cache.syncWallet(w.ctx, key))
	}
	return err
}

// place makes an order, under a name of its own or one that is free again.
func (w *world) place(name, variant, wallet, reference string) error {
	order := w.shop.NewOrder(name)
	order.Spec.Variant, order.Spec.ClientReference = variant, reference
	if wallet != "" {
		order.Spec.WalletRef = &v1alpha1.WalletReference{Name: wallet}
	}
	if err := w.api.Create(w.ctx, order); err != nil {
		return err
	}
	w.placed++
	return nil
}

// know remembers an order's name.
func (w *world) know(key types.NamespacedName) {
	if !slices.Contains(w.orders, key) {
		w.orders = append(w.orders, key)
	}
}

// edit changes an order as its owner would; one that is gone is left alone.
func (w *world) edit(key types.NamespacedName, change func(*v1alpha1.EsimOrder)) error {
	var order v1alpha1.EsimOrder
	if err := w.api.Get(w.ctx, key, &order); err != nil {
		return client.IgnoreNotFound(err)
	}
	change(&order)
	return w.api.Update(w.ctx, &order)
}

func (w *world) remove(key types.NamespacedName) error {
	return client.IgnoreNotFound(w.api.Delete(w.ctx, w.shop.NewOrder(key.Name)))
}

// collect deletes the Secret of an order that is being deleted, as the garbage collector does
// where that happens in the foreground.
func (w *world) collect(key types.NamespacedName) error {
	var order v1alpha1.EsimOrder
	if err := w.api.Get(w.ctx, key, &order); err != nil || order.DeletionTimestamp.IsZero() {
		return client.IgnoreNotFound(err)
	}
	secret, err := w.shop.Secret(w.ctx, key.Name)
	if err != nil || secret == nil {
		return err
	}
	return client.IgnoreNotFound(w.collector.Delete(w.ctx, secret))
}

// deposit adds to a wallet's deposits.
func (w *world) deposit(key types.NamespacedName, amount v1alpha1.SignedDecimal) error {
	var wallet v1alpha1.EsimWallet
	if err := w.api.Get(w.ctx, key, &wallet); err != nil {
		return client.IgnoreNotFound(err)
	}
	wallet.Spec.Deposits = append(wallet.Spec.Deposits, v1alpha1.WalletDeposit{
		Reference: fmt.Sprintf("deposit-%d", len(wallet.Spec.Deposits)), Amount: amount,
	})
	return w.api.Update(w.ctx, &wallet)
}

// install has a device download the profile that an order's Secret names, as whoever may read
// the Secret can, also before the order is DELIVERED. It tells whether it could.
func (w *world) install(key types.NamespacedName) (bool, error) {
	secret, err := w.shop.Secret(w.ctx, key.Name)
	if err != nil || secret == nil {
		return false, err
	}
	iccid := activation.ICCID(secret.Data[v1alpha1.SecretKeyICCID])
	if profile, ok := w.shop.SMDP.Profile(iccid); !ok || profile.State != smdp.StateReleased {
		return false, nil
	}
	return true, w.shop.SMDP.Install(iccid)
}

// succeed makes another process the leader. The one before it may live on for a while, unseated.
func (w *world) succeed(before *process, livesOn bool) error {
	w.dismiss(w.former)
	w.former = nil
	if err := before.unseat(w.ctx); err != nil {
		return err
	}
	if livesOn {
		w.former = before
	} else {
		w.dismiss(before)
	}
	next, err := w.employ(before.cache.heir())
	w.leader = next
	return err
}

// work makes a pass over an order in a process, and lets it sync what it saw.
func (w *world) work(p *process, key types.NamespacedName) time.Duration {
	after, err := p.Work(w.ctx, key)
	if err != nil {
		return 0 // the next pass tries again; what it left is checked like everything else
	}
	return after
}

// mourn replaces the leader if it died.
func (w *world) mourn() error {
	if w.former != nil && w.former.line.Dead() {
		w.dismiss(w.former)
		w.former = nil
	}
	if w.leader.line.Dead() {
		return w.succeed(w.leader, false)
	}
	return nil
}

// check holds the API server's objects against the truth.
func (w *world) check() error {
	w.mu.Lock()
	found := append(w.truth.errors(), w.contradictions...)
	w.mu.Unlock()
	var orders v1alpha1.EsimOrderList
	var wallets v1alpha1.EsimWalletList
	if err := errors.Join(w.api.List(w.ctx, &orders, client.InNamespace(w.shop.Name)), w.api.List(w.ctx, &wallets, client.InNamespace(w.shop.Name))); err != nil {
		return err
	}
	for i := range wallets.Items {
		found = append(found, w.checkWallet(&wallets.Items[i], orders.Items))
	}
	return errors.Join(found...)
}

// checkWallet: deposits - charges + refunds = balance, and never below what is allowed.
func (w *world) checkWallet(wallet *v1alpha1.EsimWallet, orders []v1alpha1.EsimOrder) error {
	statement, err := ledger.StatementOf(wallet, orders)
	if err != nil {
		return err
	}
	deposited, err := pricing.Deposited(wallet)
	if err != nil {
		return err
	}
	spent, err := w.truth.spent(wallet.UID)
	if err != nil {
		return err
	}
	credit, err := pricing.Credit(wallet)
	if err != nil {
		return err
	}
	if want := deposited.Sub(spent); !statement.Balance.Equal(want) {
		return fmt.Errorf("EsimWallet %s has %s, and %s - %s is %s", wallet.Name, statement.Balance, deposited, spent, want)
	}
	if statement.Balance.Add(credit).Sign() < 0 {
		return fmt.Errorf("EsimWallet %s is overdrawn: %s with a credit of %s", wallet.Name, statement.Balance, credit)
	}
	return nil
}

// usable counts the profiles that were bought for an order and could be used by somebody.
func (w *world) usable(order types.UID) int {
	request := strings.ReplaceAll(string(order), "-", "")
	n := 0
	for _, entry := range w.shop.SMDP.Ledger() {
		if entry.Function != es2plus.DownloadOrder || !strings.HasPrefix(entry.FunctionCallIdentifier, request) {
			continue
		}
		profile, _ := w.shop.SMDP.Profile(entry.ICCID)
		switch profile.State {
		case smdp.StateReleased, smdp.StateDownloaded, smdp.StateInstalled:
			n++
		}
	}
	return n
}
