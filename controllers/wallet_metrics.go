package controllers

import (
	"cmp"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/money"
)

var (
	walletsLow = instruments.SingleGauge("esim_wallets_low_funds",
		"Wallets with the condition LowFunds: little is left to buy with.")

	walletsOverdrawn = instruments.SingleGauge("esim_wallets_overdrawn",
		"Wallets from which more was taken than they had: two managers led at one time, or a deposit was taken back.")

	walletOverdraft = instruments.GaugeVec("esim_wallet_overdraft",
		"How much more was taken from wallets than they had, in all, by currency, in that currency.",
		"currency")

	ordersSettled = instruments.Registered(instruments.Define(instruments.Controllers, instruments.Counter, "esim_settled_orders_total",
		"Deleted orders whose money went into their wallet's settled totals and whose finalizer was removed.",
	).NewCounter())

	walletAvailable = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_wallet_low_available_ratio",
		"What is left of the largest deposit and the credit limit, as a ratio, in the twenty wallets with the condition LowFunds that have the least: "+
			"0.1 and less, 0 where nothing is left, negative where more was taken. By client (its namespace) and wallet.",
		"client", "wallet")

	lowWallets = instruments.Registered(instruments.NewLive(walletAvailable))
)

// namedAtMost is how many orders, wallets or endpoints one metric names: the worst. What a client
// makes many of must not make many series.
const namedAtMost = 10

// lowAtMost is how many wallets with low funds are named.
const lowAtMost = 20

// walletStand is what the gauges count of one wallet.
type walletStand struct {
	low       bool
	overdraft money.Amount
	currency  string
	// measured tells whether anything was ever to be had from the wallet; ratio is how much of it
	// is left.
	measured bool
	ratio    float64
}

// walletGauges keep the gauges by what each wallet was last seen to have.
type walletGauges struct {
	mu         sync.Mutex
	stands     map[types.NamespacedName]walletStand
	overdrafts map[string]money.Amount
}

func (g *walletGauges) set(wallet *v1alpha1.EsimWallet, has funds, low bool) {
	stand := walletStand{low: low, currency: string(wallet.Spec.Currency)}
	if has.available.Sign() < 0 {
		stand.overdraft = has.available.Neg()
	}
	switch whole := has.largest.Add(has.credit); {
	case whole.Sign() > 0:
		stand.measured, stand.ratio = true, inexact(amountText(has.available))/inexact(amountText(whole))
	case has.available.Sign() < 0: // all deposits were taken back
		stand.measured, stand.ratio = true, -1
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stands == nil {
		g.stands, g.overdrafts = map[types.NamespacedName]walletStand{}, map[string]money.Amount{}
	}
	name := client.ObjectKeyFromObject(wallet)
	g.take(name)
	g.stands[name] = stand
	g.count(stand, 1)
}

// lowWallet is a wallet with low funds.
type lowWallet struct {
	name  types.NamespacedName
	ratio float64
}

// tellLow names the wallets with low funds that have the least. One into which nothing was paid
// yet is not low.
func (g *walletGauges) tellLow(tell instruments.Tell) {
	g.mu.Lock()
	worst := instruments.Worst(lowAtMost, func(yield func(lowWallet) bool) {
		for name, stand := range g.stands {
			if stand.low && stand.measured && !yield(lowWallet{name, stand.ratio}) {
				return
			}
		}
	}, func(a, b lowWallet) int {
		return cmp.Or(cmp.Compare(a.ratio, b.ratio), cmp.Compare(a.name.String(), b.name.String()))
	})
	g.mu.Unlock()
	for _, wallet := range worst {
		tell(walletAvailable, wallet.ratio, wallet.name.Namespace, wallet.name.Name)
	}
}

func (g *walletGauges) remove(wallet types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.take(wallet)
}

func (g *walletGauges) take(wallet types.NamespacedName) {
	if stand, known := g.stands[wallet]; known {
		delete(g.stands, wallet)
		g.count(stand, -1)
	}
}

// count adds a wallet to the gauges, or with sign -1 takes it out. The sums are exact; only
// what is exported is a binary float, as all metrics are.
func (g *walletGauges) count(stand walletStand, sign int) {
	if stand.low {
		walletsLow.Add(float64(sign))
	}
	if stand.overdraft.Sign() == 0 {
		return
	}
	walletsOverdrawn.Add(float64(sign))
	change := stand.overdraft
	if sign < 0 {
		change = change.Neg()
	}
	sum := g.overdrafts[stand.currency].Add(change)
	g.overdrafts[stand.currency] = sum
	if shown, err := strconv.ParseFloat(sum.String(), 64); err == nil {
		walletOverdraft.WithLabelValues(stand.currency).Set(shown)
	}
}
