package pricing_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/pricing"
)

func TestDeposited(t *testing.T) {
	for name, test := range map[string]struct {
		amounts []v1alpha1.SignedDecimal
		want    string
	}{
		"nothing":               {nil, "0"},
		"one deposit":           {[]v1alpha1.SignedDecimal{"10000"}, "10000"},
		"decimals of all sorts": {[]v1alpha1.SignedDecimal{"0.1", "0.20", "0.0003", "99999999999.9999"}, "100000000000.3002"},
		"one taken back":        {[]v1alpha1.SignedDecimal{"10000", "250.50", "-250.5"}, "10000"},
		"more than was there":   {[]v1alpha1.SignedDecimal{"5", "-7.25"}, "-2.25"},
	} {
		t.Run(name, func(t *testing.T) {
			w := v1alpha1.EsimWallet{}
			for _, amount := range test.amounts {
				w.Spec.Deposits = append(w.Spec.Deposits, v1alpha1.WalletDeposit{Reference: "r", Amount: amount})
			}
			got, err := pricing.Deposited(&w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDepositedNamesTheDepositThatIsNoNumber(t *testing.T) {
	w := wallet("main", "USD", nil)
	w.Spec.Deposits = []v1alpha1.WalletDeposit{{Reference: "first", Amount: "1"}, {Reference: "second", Amount: "lots"}}
	_, err := pricing.Deposited(&w)
	if !errors.Is(err, money.ErrNotDecimal) {
		t.Fatal(err)
	}
	want := `the deposit "second" of wallet main: reading the amount "lots": not a decimal number such as 4.50`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCredit(t *testing.T) {
	for name, test := range map[string]struct {
		spec v1alpha1.EsimWalletSpec
		want string
	}{
		"PREPAID has none":                       {v1alpha1.EsimWalletSpec{Type: v1alpha1.WalletPrepaid}, "0"},
		"PREPAID has none, whatever it says":     {v1alpha1.EsimWalletSpec{Type: v1alpha1.WalletPrepaid, CreditLimit: "100"}, "0"},
		"POSTPAID has its limit":                 {v1alpha1.EsimWalletSpec{Type: v1alpha1.WalletPostpaid, CreditLimit: "100.50"}, "100.5"},
		"POSTPAID without a limit has no credit": {v1alpha1.EsimWalletSpec{Type: v1alpha1.WalletPostpaid}, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pricing.Credit(&v1alpha1.EsimWallet{Spec: test.spec})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
