package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// WalletFinalizer holds an EsimWallet while there are orders whose charges count against it.
const WalletFinalizer = "esim.telco.dev/ledger"

// ConditionLowFunds is True on an EsimWallet when little is left to buy with.
const ConditionLowFunds = "LowFunds"

// Reasons of an EsimWallet's Ready condition.
const (
	// WalletReasonOpen: orders can pay with it.
	WalletReasonOpen = "Open"
	// WalletReasonInvalidSpec: a field of the spec cannot be used; the message
	// names it.
	WalletReasonInvalidSpec = "InvalidSpec"
	// WalletReasonInUse: it is being deleted, and orders that it paid for are
	// still there.
	WalletReasonInUse = "InUse"
)

// Reasons of an EsimWallet's LowFunds condition.
const (
	// WalletReasonEnough: there is enough to buy with.
	WalletReasonEnough = "Enough"
	// WalletReasonLow: a tenth or less is left of what the largest deposit and
	// the credit limit give.
	WalletReasonLow = "Low"
	// WalletReasonEmpty: nothing is left.
	WalletReasonEmpty = "Empty"
	// WalletReasonOverdrawn: more was taken than there was.
	WalletReasonOverdrawn = "Overdrawn"
)

// WalletType says whether a wallet may go below zero.
//
// +kubebuilder:validation:Enum=PREPAID;POSTPAID
type WalletType string

// The types of a wallet.
const (
	// WalletPrepaid pays with what was paid in.
	WalletPrepaid WalletType = "PREPAID"
	// WalletPostpaid may go below zero, as far as its credit limit.
	WalletPostpaid WalletType = "POSTPAID"
)

// EsimWalletSpec says what was paid in, and on what terms the wallet pays.
//
// +kubebuilder:validation:XValidation:rule="self.currency == oldSelf.currency",message="cannot be changed: amounts would change their meaning; make another wallet",fieldPath=".currency"
// +kubebuilder:validation:XValidation:rule="!has(self.creditLimit) || (has(self.type) && self.type == 'POSTPAID')",message="belongs to POSTPAID wallets only: set type: POSTPAID, or leave it out",fieldPath=".creditLimit",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'POSTPAID' || has(self.creditLimit)",message="a POSTPAID wallet needs one: say how far below zero it may go",fieldPath=".creditLimit",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.deposits) || oldSelf.deposits.size() == 0 || has(self.deposits)",message="deposits cannot be removed or changed; to take one back, add a reversal: a deposit with a reference of its own and a negative amount",fieldPath=".deposits"
// +kubebuilder:validation:XValidation:rule="!has(self.exchangeRates) || self.exchangeRates.all(r, r.from != self.currency)",message="a rate from the wallet's own currency is always 1: leave it out",fieldPath=".exchangeRates",reason=FieldValueForbidden
type EsimWalletSpec struct {
	// currency of the wallet, ISO 4217. It cannot be changed.
	Currency Currency `json:"currency"`

	// type is PREPAID, which pays with what was paid in, or POSTPAID, which may
	// go below zero as far as creditLimit.
	// +optional
	// +kubebuilder:default=PREPAID
	Type WalletType `json:"type,omitempty"`

	// creditLimit is how far below zero a POSTPAID wallet may go, in the wallet's
	// currency.
	// +optional
	CreditLimit Decimal `json:"creditLimit,omitempty"`

	// deposits are what was paid in, in the wallet's currency. They can be added
	// to only: a deposit that is taken back is one more, with a negative amount.
	// +optional
	// +listType=map
	// +listMapKey=reference
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:XValidation:rule="self + oldSelf == self",message="deposits cannot be removed or changed; to take one back, add a reversal: a deposit with a reference of its own and a negative amount"
	Deposits []WalletDeposit `json:"deposits,omitempty"`

	// exchangeRates let the wallet pay for plans in other currencies.
	// +optional
	// +listType=map
	// +listMapKey=from
	// +kubebuilder:validation:MaxItems=100
	ExchangeRates []ExchangeRate `json:"exchangeRates,omitempty"`
}

// WalletDeposit is a sum that was paid in, or with a minus taken back.
type WalletDeposit struct {
	// reference names the deposit within its wallet, such as the bank's number
	// for the transfer.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]([ -~]*[!-~])?$')",message="must be printable ASCII that neither begins nor ends with a space, such as transfer-2036-0117"
	Reference string `json:"reference"`

	// amount that was paid in; negative to take back an earlier deposit.
	Amount SignedDecimal `json:"amount"`
}

// ExchangeRate is what a unit of another currency costs.
type ExchangeRate struct {
	// from is the currency of the plan's price.
	From Currency `json:"from"`

	// rate is how many units of the wallet's currency one unit of from costs.
	Rate Rate `json:"rate"`
}

// EsimWalletStatus is what was paid in and what became of it. Amounts are in the wallet's
// currency.
type EsimWalletStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// id is the number that REST clients know the wallet by.
	// +optional
	ID int64 `json:"id,omitempty"`

	// firstUID is the UID that the wallet had when this status was begun, by which
	// charges name it. It differs from metadata.uid where the wallet was restored
	// from a backup.
	// +optional
	FirstUID types.UID `json:"firstUID,omitempty"`

	// balance is deposited - debited + refunded.
	// +optional
	Balance Amount `json:"balance,omitempty"`

	// available is what can still be spent: the balance, and the credit limit of
	// a POSTPAID wallet.
	// +optional
	Available Amount `json:"available,omitempty"`

	// deposited is the sum of the deposits.
	// +optional
	Deposited Amount `json:"deposited,omitempty"`

	// debited is the sum of all charges, of orders that are gone too.
	// +optional
	Debited Amount `json:"debited,omitempty"`

	// refunded is the sum of all refunds, of orders that are gone too.
	// +optional
	Refunded Amount `json:"refunded,omitempty"`

	// openOrders counts orders that are charged and still PENDING.
	// +optional
	OpenOrders int32 `json:"openOrders"`

	// settled are the totals of orders that are gone.
	// +optional
	Settled WalletSettled `json:"settled,omitzero"`

	// settling are the deleted orders whose money is in settled already and whose
	// finalizer is just being removed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=500
	Settling []SettlingOrder `json:"settling,omitempty"`

	// conditions: Ready, LowFunds.
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
}

// WalletSettled are the totals of orders that are gone.
type WalletSettled struct {
	// debited is the sum of their charges.
	// +optional
	Debited Amount `json:"debited,omitempty"`
	// refunded is the sum of their refunds.
	// +optional
	Refunded Amount `json:"refunded,omitempty"`
	// orders is how many they were.
	// +optional
	Orders int64 `json:"orders,omitempty"`
}

// SettlingOrder is a deleted order that is in the settled totals and may still exist.
type SettlingOrder struct {
	// name of the EsimOrder.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// uid of the EsimOrder: another order may have taken its name.
	UID types.UID `json:"uid"`
	// debited is its charge, as it is in the settled totals.
	Debited Amount `json:"debited"`
	// refunded is its refund, as it is in the settled totals.
	Refunded Amount `json:"refunded"`
}

// EsimWallet is what a client pays with.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ewallet
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Currency",type=string,JSONPath=`.spec.currency`
// +kubebuilder:printcolumn:name="Deposited",type=string,JSONPath=`.status.deposited`
// +kubebuilder:printcolumn:name="Debited",type=string,JSONPath=`.status.debited`
// +kubebuilder:printcolumn:name="Refunded",type=string,JSONPath=`.status.refunded`
// +kubebuilder:printcolumn:name="Balance",type=string,JSONPath=`.status.balance`
// +kubebuilder:printcolumn:name="Open",type=integer,JSONPath=`.status.openOrders`
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.available`,priority=1
// +kubebuilder:printcolumn:name="Low-Funds",type=string,JSONPath=`.status.conditions[?(@.type=="LowFunds")].status`,priority=1
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="ID",type=integer,JSONPath=`.status.id`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EsimWallet struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what was paid in, and on what terms the wallet pays.
	// +required
	Spec EsimWalletSpec `json:"spec"`

	// status is what was paid in and what became of it.
	// +optional
	Status EsimWalletStatus `json:"status,omitzero"`
}

// EsimWalletList is a list of EsimWallets.
//
// +kubebuilder:object:root=true
type EsimWalletList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EsimWallet `json:"items"`
}
