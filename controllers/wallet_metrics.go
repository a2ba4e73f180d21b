package controllers

import (
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

var (
	walletsLow = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "esim_wallets_low_funds",
		Help: "Wallets with the condition LowFunds: little is left to buy with.",
	})

	walletsOverdrawn = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "esim_wallets_overdrawn",
		Help: "Wallets from which more was taken than they had: two managers led at one time, or a deposit was taken back.",
	})

	walletOverdraft = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "esim_wallet_overdraft",
		Help: "How much more was taken from wallets than they had, in all, by currency.",
	}, []string{"currency"})

	ordersSettled = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "esim_settled_orders_total",
		Help: "Deleted orders whose money went into their wallet's settled totals and whose finalizer was removed.",
	})
)

func init() { //nolint:gochecknoinits // the registry of controller-runtime is global
	metrics.Registry.MustRegister(walletsLow, walletsOverdrawn, walletOverdraft, ordersSettled)
}

// walletStand is what the gauges count of one wallet.
type walletStand struct {
	low       bool
	overdraft money.Amount
	currency  string
}

// walletGauges keep the gauges by what each wallet was last seen to have.
type walletGauges struct {
	mu         sync.Mutex
	stands     map[types.NamespacedName]walletStand
	overdrafts map[string]money.Amount
}

func (g *walletGauges) set(wallet *v1alpha1.EsimWallet, available money.Amount, low bool) {
	stand := walletStand{low: low, currency: string(wallet.Spec.Currency)}
	if available.Sign() < 0 {
		stand.overdraft = available.Neg()
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
