package pricing

import (
	"errors"
	"fmt"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// What a Refusal is about; for errors.Is.
var (
	// ErrUnknownWallet: the wallet that was asked for is not there, or is being deleted.
	ErrUnknownWallet = errors.New("unknown wallet")
	// ErrNoWallet: no wallet was asked for, and none could pay.
	ErrNoWallet = errors.New("no wallet")
	// ErrNoRate: the wallet that would pay has no rate from the price's currency.
	ErrNoRate = errors.New("no exchange rate")
)

// Refusal says why nothing can be bought, in words for whoever wants to buy.
type Refusal struct {
	// Kind is ErrUnknownWallet, ErrNoWallet or ErrNoRate.
	Kind error
	// Reason in plain words, with what to do about it.
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

func (r *Refusal) Unwrap() error { return r.Kind }

func refuse(kind error, format string, args ...any) error {
	return &Refusal{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

// wallet chooses who pays: the wallet that was asked for; else one in the price's currency;
// else one in the client's default currency. Of several it is the first by name. One that is
// being deleted pays nothing.
func (r Request) wallet() (*v1alpha1.EsimWallet, error) {
	if r.Wallet != nil {
		return r.askedFor(r.Wallet.Name)
	}
	if wallet := r.walletIn(r.Currency); wallet != nil {
		return wallet, nil
	}
	other := v1alpha1.Currency("")
	if r.Client != nil {
		other = r.Client.Spec.DefaultCurrency
	}
	if other == "" || other == r.Currency {
		return nil, refuse(ErrNoWallet, "there is no wallet in %[1]s; have one set up, "+
			"or name in walletRef a wallet with an exchange rate from %[1]s", r.Currency)
	}
	if wallet := r.walletIn(other); wallet != nil {
		return wallet, nil
	}
	return nil, refuse(ErrNoWallet, "there is no wallet in %[1]s, nor in the default currency %[2]s; have one set up, "+
		"or name in walletRef a wallet with an exchange rate from %[1]s", r.Currency, other)
}

func (r Request) askedFor(name string) (*v1alpha1.EsimWallet, error) {
	for i := range r.Wallets {
		switch wallet := &r.Wallets[i]; {
		case wallet.Name != name:
		case wallet.DeletionTimestamp != nil:
			return nil, refuse(ErrUnknownWallet, "the wallet %q is being deleted; name another in walletRef, or leave it out", name)
		default:
			return wallet, nil
		}
	}
	return nil, refuse(ErrUnknownWallet, "there is no wallet %q; name one that exists in walletRef, or leave it out", name)
}

func (r Request) walletIn(currency v1alpha1.Currency) *v1alpha1.EsimWallet {
	var first *v1alpha1.EsimWallet
	for i := range r.Wallets {
		wallet := &r.Wallets[i]
		if wallet.Spec.Currency != currency || wallet.DeletionTimestamp != nil {
			continue
		}
		if first == nil || wallet.Name < first.Name {
			first = wallet
		}
	}
	return first
}

// rate is the wallet's rate from a currency.
func rate(wallet *v1alpha1.EsimWallet, from v1alpha1.Currency) (*v1alpha1.Rate, error) {
	for _, exchange := range wallet.Spec.ExchangeRates {
		if exchange.From == from {
			return &exchange.Rate, nil
		}
	}
	return nil, refuse(ErrNoRate, "the wallet %[1]q, in %[2]s, has no exchange rate from %[3]s; have one set up, "+
		"or name in walletRef a wallet in %[3]s", wallet.Name, wallet.Spec.Currency, from)
}

// Deposited is the exact sum of a wallet's deposits, less what was taken back.
func Deposited(wallet *v1alpha1.EsimWallet) (money.Amount, error) {
	var sum money.Amount
	for _, deposit := range wallet.Spec.Deposits {
		amount, err := money.Parse(string(deposit.Amount))
		if err != nil {
			return money.Amount{}, fmt.Errorf("the deposit %q of wallet %s: %w", deposit.Reference, wallet.Name, err)
		}
		sum = sum.Add(amount)
	}
	return sum, nil
}

// Credit is how far below zero a wallet may go: its credit limit where it is POSTPAID, else 0.
func Credit(wallet *v1alpha1.EsimWallet) (money.Amount, error) {
	if wallet.Spec.Type != v1alpha1.WalletPostpaid || wallet.Spec.CreditLimit == "" {
		return money.Amount{}, nil
	}
	limit, err := money.Parse(string(wallet.Spec.CreditLimit))
	if err != nil {
		return money.Amount{}, fmt.Errorf("the credit limit of wallet %s: %w", wallet.Name, err)
	}
	return limit, nil
}
