package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// gauged is what the gauges about wallets show more than before, but for zeros.
func gauged(t *testing.T, before map[string]float64) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]float64{}
	for _, family := range families {
		switch name := family.GetName(); name {
		case "esim_wallets_low_funds", "esim_wallets_overdrawn", "esim_wallet_overdraft":
			for _, metric := range family.GetMetric() {
				key := name + label(metric, "currency")
				if value := metric.GetGauge().GetValue() - before[key]; value != 0 {
					shown[key] = value
				}
			}
		}
	}
	return shown
}

func TestTheGaugesShowEachWalletAsItIsNow(t *testing.T) {
	var g walletGauges
	set := func(name string, currency v1alpha1.Currency, available string, low bool) {
		t.Helper()
		amount, err := money.Parse(available)
		if err != nil {
			t.Fatal(err)
		}
		g.set(&v1alpha1.EsimWallet{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}, Spec: v1alpha1.EsimWalletSpec{Currency: currency},
		}, funds{available: amount}, low)
	}
	before := gauged(t, nil) // what other tests left
	set("full", "CHF", "100", false)
	set("low", "CHF", "1", true)
	set("over", "CHF", "-0.1", true)
	set("over too", "CHF", "-0.2", true)
	set("over in yen", "JPY", "-7", true)
	want := map[string]float64{
		"esim_wallets_low_funds": 4, "esim_wallets_overdrawn": 3, "esim_wallet_overdraftCHF": 0.3, "esim_wallet_overdraftJPY": 7,
	}
	if diff := cmp.Diff(want, gauged(t, before)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	set("over", "CHF", "50", false)
	set("low", "CHF", "1", true) // looked at again, and the same
	g.remove(types.NamespacedName{Namespace: "acme", Name: "over in yen"})
	g.remove(types.NamespacedName{Namespace: "acme", Name: "never seen"})
	want = map[string]float64{"esim_wallets_low_funds": 2, "esim_wallets_overdrawn": 1, "esim_wallet_overdraftCHF": 0.2}
	if diff := cmp.Diff(want, gauged(t, before)); diff != "" {
		t.Errorf("after changes (-want +got):\n%s", diff)
	}
	for _, name := range []string{"full", "low", "over", "over too"} {
		g.remove(types.NamespacedName{Namespace: "acme", Name: name})
	}
	if left := gauged(t, before); len(left) > 0 {
		t.Errorf("wallets that are gone are counted: %v", left)
	}
}
