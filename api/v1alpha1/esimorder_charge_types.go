package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// OrderCharge is the ledger entry of an order: what it took from a wallet and, with refund,
// gave back. It is written together with the change of state that it belongs to, so that
// money and state cannot disagree. Once written it stays.
type OrderCharge struct {
	// walletRef names the EsimWallet that paid.
	WalletRef WalletReference `json:"walletRef"`

	// walletUID is the UID of that EsimWallet. The charge counts against no
	// other, also if one takes its name.
	WalletUID types.UID `json:"walletUID"`

	// amount that was taken, in currency: after discount and exchange.
	Amount Amount `json:"amount"`

	// currency of the wallet, ISO 4217.
	Currency Currency `json:"currency"`

	// discountPercent that was taken off the plan's price; absent for none.
	// +optional
	DiscountPercent Percent `json:"discountPercent,omitempty"`

	// exchangeRate from the plan's currency to the wallet's, where they differ.
	// +optional
	ExchangeRate Rate `json:"exchangeRate,omitempty"`

	// transactionID is the number of the debit in statements.
	TransactionID int64 `json:"transactionID"`

	// time of the debit.
	Time metav1.Time `json:"time"`

	// refund is there when the amount was given back, all of it.
	// +optional
	Refund *OrderRefund `json:"refund,omitempty"`
}

// OrderRefund gives the whole of a charge back to its wallet.
type OrderRefund struct {
	// transactionID is the number of the credit in statements.
	TransactionID int64 `json:"transactionID"`

	// time of the credit.
	Time metav1.Time `json:"time"`

	// reason in plain words.
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason"`
}
