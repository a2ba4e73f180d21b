package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const (
	// SettlementFinalizer holds an EsimOrder until what it holds at its operator
	// is given back and its Secret is gone. Only the manager removes it.
	SettlementFinalizer = "esim.telco.dev/settlement"

	// JournalFinalizer holds an order's activation Secret until the manager needs
	// it no more: the garbage collector must not take it from an order that is
	// deleted in the foreground before what it tells of is given back.
	JournalFinalizer = "esim.telco.dev/journal"

	// ResolveAnnotation lets a platform role (update on esimorders/resolve)
	// decide what nobody else can: with ResolveNotBought or ResolveDelivered.
	ResolveAnnotation = "esim.telco.dev/resolve"
	// ResolveNotBought says that a person made sure, with the operator, that the
	// attempt whose outcome is unknown bought nothing.
	ResolveNotBought = "not-bought"
	// ResolveDelivered says that a person made sure, with the operator, that the
	// profile whose outcome is unknown is on its customer's device.
	ResolveDelivered = "delivered"

	// RefreshAnnotation asks for the operator to be asked, once for each new
	// value, whether a delivered profile is on its device by now. Operators that
	// cannot be asked are not. An RFC 3339 time also has a PENDING order that
	// waits for its operator's answer looked up at that time.
	RefreshAnnotation = "esim.telco.dev/refresh"

	// ReplayAnnotation has all webhook events of the order sent again, once for
	// each new value, with the IDs that they had.
	ReplayAnnotation = "esim.telco.dev/replay"

	// TraceparentAnnotation is the span that made the order, as the header
	// traceparent of W3C Trace Context has it. It is set when the order is made,
	// if traces are on, and joins what is done for the order into one trace.
	// Anything that is no such header is ignored.
	TraceparentAnnotation = "esim.telco.dev/traceparent"

	// WrittenForAnnotation tells on an activation Secret the UID that its order
	// had first. A backup keeps it, and loses owner references.
	WrittenForAnnotation = "esim.telco.dev/written-for"

	// ActivationSecretType is the type of the Secret that holds an order's
	// activation code. Only the manager creates, updates and deletes Secrets of
	// this type.
	ActivationSecretType = "esim.telco.dev/activation"
)

// Keys of the Secret that holds an order's activation code.
const (
	// SecretKeyActivationCode is LPA:1$<SM-DP+ address>$<matching ID>: what goes
	// into the QR code.
	SecretKeyActivationCode = "activation-code"
	// SecretKeySMDPAddress is the SM-DP+ address, for typing in.
	SecretKeySMDPAddress = "smdp-address"
	// SecretKeyMatchingID is the matching ID, for typing in.
	SecretKeyMatchingID = "matching-id"
	// SecretKeyConfirmationCode is there when the customer must type one.
	SecretKeyConfirmationCode = "confirmation-code"
	// SecretKeyICCID is the profile's ICCID.
	SecretKeyICCID = "iccid"
	// SecretKeyAttempt is the number of the attempt that the Secret is about.
	SecretKeyAttempt = "attempt"
	// SecretKeyConfirmed is "true" while the profile is ready but for the SM-DP+
	// address, which the operator did not answer and nobody configured yet.
	SecretKeyConfirmed = "confirmed"
)

// ActivationSecretName is the name of the Secret that holds the activation code of an order.
func ActivationSecretName(order string) string { return order + "-activation" }

// OrderPhase is where an order stands, in the words of the REST contract.
//
// +kubebuilder:validation:Enum=PENDING;DELIVERED;FAILED;CANCELLED
type OrderPhase string

// The phases of an order. All but PENDING are terminal.
const (
	PhasePending   OrderPhase = "PENDING"
	PhaseDelivered OrderPhase = "DELIVERED"
	PhaseFailed    OrderPhase = "FAILED"
	PhaseCancelled OrderPhase = "CANCELLED"
)

// ActivationStatus is where a delivered profile stands, in the words of the REST contract.
//
// +kubebuilder:validation:Enum=NOT_INSTALLED;ACTIVE;EXPIRED
type ActivationStatus string

// The stages of a delivered profile.
const (
	ActivationNotInstalled ActivationStatus = "NOT_INSTALLED"
	ActivationActive       ActivationStatus = "ACTIVE"
	ActivationExpired      ActivationStatus = "EXPIRED"
)

// Condition types of an EsimOrder, beside Ready, Reconciling and Stalled.
const (
	// ConditionAccepted is True once product and plan are found and the plan's
	// snapshot is taken.
	ConditionAccepted = "Accepted"
	// ConditionCharged is True once the order's price is taken from a wallet, and
	// False when it could not be, or was given back.
	ConditionCharged = "Charged"
	// ConditionProvisioned is True once the operator has made the profile ready
	// for download.
	ConditionProvisioned = "Provisioned"
	// ConditionOutcomeUnknown is True while it is not known whether an attempt
	// bought a profile. Nothing else is bought until it is.
	ConditionOutcomeUnknown = "OutcomeUnknown"
	// ConditionSecretNotWritable is True while the activation Secret cannot be
	// written.
	ConditionSecretNotWritable = "SecretNotWritable"
	// ConditionCancelling is True on a DELIVERED order while the operator is asked
	// to undo it.
	ConditionCancelling = "Cancelling"
	// ConditionCancelRefused is True where spec.cancel came too late, or the
	// operator cannot undo the order: it stays what it was, and is not refunded.
	ConditionCancelRefused = "CancelRefused"
)

// EsimOrderSpec says what is bought. It cannot be changed, but for notificationEmail and cancel.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.variant) && has(self.amount))",message="set variant or amount, not both",fieldPath=".amount"
// +kubebuilder:validation:XValidation:rule="has(self.variant) || has(self.amount)",message="set variant (the plan's name), or amount (its price) in its place, to say which plan to buy",fieldPath=".variant",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.productRef == oldSelf.productRef",message="cannot be changed; make a new order",fieldPath=".productRef"
// +kubebuilder:validation:XValidation:rule="has(self.variant) == has(oldSelf.variant) && (!has(self.variant) || self.variant == oldSelf.variant)",message="cannot be changed, added or removed; make a new order",fieldPath=".variant"
// +kubebuilder:validation:XValidation:rule="has(self.amount) == has(oldSelf.amount) && (!has(self.amount) || self.amount == oldSelf.amount)",message="cannot be changed, added or removed; make a new order",fieldPath=".amount"
// +kubebuilder:validation:XValidation:rule="has(self.walletRef) == has(oldSelf.walletRef) && (!has(self.walletRef) || self.walletRef == oldSelf.walletRef)",message="cannot be changed, added or removed; make a new order",fieldPath=".walletRef"
// +kubebuilder:validation:XValidation:rule="has(self.clientReference) == has(oldSelf.clientReference) && (!has(self.clientReference) || self.clientReference == oldSelf.clientReference)",message="cannot be changed, added or removed; make a new order",fieldPath=".clientReference"
// +kubebuilder:validation:XValidation:rule="has(self.acceptBefore) == has(oldSelf.acceptBefore) && (!has(self.acceptBefore) || self.acceptBefore == oldSelf.acceptBefore)",message="cannot be changed, added or removed; make a new order",fieldPath=".acceptBefore"
// +kubebuilder:validation:XValidation:rule="!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",message="cannot be taken back; make a new order",fieldPath=".cancel"
type EsimOrderSpec struct {
	// productRef names the EsimProduct.
	ProductRef ProductReference `json:"productRef"`

	// variant names the plan within the product. Set this or amount.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="must be the name of a variant of the product: lower-case letters, digits and dashes, such as 1gb-7d"
	Variant string `json:"variant,omitempty"`

	// amount is the price before discounts of the plan to buy; 4.5 and 4.50 are
	// the same. Of several plans with one price the first is bought. Set this or
	// variant.
	// +optional
	Amount Decimal `json:"amount,omitempty"`

	// quantity is 1: one order is one eSIM.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self == 1",message="must be 1: one order is one eSIM; make an order for each"
	Quantity int32 `json:"quantity,omitempty"`

	// walletRef names the EsimWallet that pays. Where it is absent, the wallet in
	// the plan's currency pays, else the one in the client's defaultCurrency.
	// +optional
	WalletRef *WalletReference `json:"walletRef,omitempty"`

	// clientReference is the client's own name for the order, unique within its
	// namespace: a second order with the same one FAILs with DUPLICATE_REFERENCE.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^[ -~]+$')",message="must be printable ASCII, without control characters or line breaks; where there is none, leave it out"
	ClientReference string `json:"clientReference,omitempty"`

	// acceptBefore protects against manifests that are applied again, to a new
	// cluster, say: an order that is not accepted by then FAILs with
	// ORDER_EXPIRED and costs nothing.
	// +optional
	AcceptBefore *metav1.Time `json:"acceptBefore,omitempty"`

	// notificationEmail is who gets the receipt (RFC 5321). It may be changed.
	// +optional
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@[:cntrl:] ]+@[^@[:cntrl:] ]+$')",message="must be an e-mail address such as ann@example.com"
	NotificationEmail string `json:"notificationEmail,omitempty"`

	// cancel asks for the order to be undone: given back at the operator, and
	// refunded. Once the profile is on a device that is too late: the condition
	// CancelRefused says so. It cannot be taken back.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
}

// EsimOrderStatus is what became of the order.
type EsimOrderStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// id is the number that REST clients know the order by.
	// +optional
	ID int64 `json:"id,omitempty"`

	// phase is PENDING, DELIVERED, FAILED or CANCELLED. Programs read conditions
	// instead.
	// +optional
	// +kubebuilder:default=PENDING
	Phase OrderPhase `json:"phase,omitempty"`

	// plan is what was bought, as it stood when the order was accepted: a later
	// change of the product does not touch the order.
	// +optional
	Plan *OrderPlan `json:"plan,omitempty"`

	// charge is what the order took from a wallet and, with refund, gave back: it
	// is the ledger entry.
	// +optional
	Charge *OrderCharge `json:"charge,omitempty"`

	// provisioning is how the profile is being bought.
	// +optional
	Provisioning *OrderProvisioning `json:"provisioning,omitempty"`

	// esim is the delivered profile.
	// +optional
	Esim *OrderEsim `json:"esim,omitempty"`

	// activation is the delivered profile's life on the device.
	// +optional
	Activation *OrderActivation `json:"activation,omitempty"`

	// reports of the operator about the profile on its way onto a device, which
	// are not worked into activation yet, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Reports []DeviceReport `json:"reports,omitempty"`

	// notifications are the receipts and webhook events that are not sent yet.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Notifications []OrderNotification `json:"notifications,omitempty"`

	// receipts that were sent, or refused for good: none goes out twice to one
	// address.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Receipts []SentReceipt `json:"receipts,omitempty"`

	// replayed is the value of the annotation esim.telco.dev/replay that was
	// acted on last.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Replayed string `json:"replayed,omitempty"`

	// takenOverTime is when a manager that came to lead wrote to this order,
	// uncharged as it was, so that no late write of the one before it could
	// charge it.
	// +optional
	TakenOverTime *metav1.MicroTime `json:"takenOverTime,omitempty"`

	// failure says why the order FAILED.
	// +optional
	Failure *OrderFailure `json:"failure,omitempty"`

	// conditions: Accepted, Charged, Provisioned, Ready, Reconciling, Stalled; and
	// while they hold, OutcomeUnknown, SecretNotWritable, Cancelling and
	// CancelRefused.
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
}

// OrderPlan is a snapshot of product and variant.
type OrderPlan struct {
	// product is the EsimProduct's name.
	Product string `json:"product"`
	// variant is the variant's name.
	Variant string `json:"variant"`
	// displayName is what the customer reads: product and variant.
	DisplayName string `json:"displayName"`
	// countryCode of the product.
	CountryCode CountryCode `json:"countryCode"`
	// dataAmountGB in gigabytes; "0" is unlimited.
	DataAmountGB Decimal `json:"dataAmountGB"`
	// validityDays from the first use.
	ValidityDays int32 `json:"validityDays"`
	// amount is the price before discounts.
	Amount Decimal `json:"amount"`
	// currency of the amount, ISO 4217.
	Currency Currency `json:"currency"`
	// sources that could fill the variant, in order of preference. Where the
	// product names others by now, those count.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Sources []VariantSource `json:"sources,omitempty"`
}

// OrderEsim is the delivered profile.
type OrderEsim struct {
	// iccid of the profile, without a trailing F.
	ICCID string `json:"iccid"`
	// activationCode is masked: LPA:1$<SM-DP+ address>$********. The code is in
	// the Secret.
	ActivationCode string `json:"activationCode"`
	// secretRef names the Secret, in the order's namespace, that holds the code.
	SecretRef SecretReference `json:"secretRef"`
}

// EsimOrder is the purchase of one eSIM.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=esim
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
// +kubebuilder:selectablefield:JSONPath=`.spec.clientReference`
// +kubebuilder:selectablefield:JSONPath=`.status.esim.iccid`
// +kubebuilder:printcolumn:name="ID",type=integer,JSONPath=`.status.id`
// +kubebuilder:printcolumn:name="Product",type=string,JSONPath=`.spec.productRef.name`
// +kubebuilder:printcolumn:name="Plan",type=string,JSONPath=`.status.plan.variant`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="ICCID",type=string,JSONPath=`.status.esim.iccid`
// +kubebuilder:printcolumn:name="Activation",type=string,JSONPath=`.status.activation.status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Operator",type=string,JSONPath=`.status.provisioning.operatorRef.name`,priority=1
// +kubebuilder:printcolumn:name="Charged",type=string,JSONPath=`.status.charge.amount`,priority=1
// +kubebuilder:printcolumn:name="Reference",type=string,JSONPath=`.spec.clientReference`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 242",message="metadata.name may have at most 242 characters: the Secret <name>-activation is named after it",fieldPath=".metadata"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.charge) || (has(self.status) && has(self.status.charge) && self.status.charge.walletUID == oldSelf.status.charge.walletUID && self.status.charge.amount == oldSelf.status.charge.amount && self.status.charge.currency == oldSelf.status.charge.currency && self.status.charge.transactionID == oldSelf.status.charge.transactionID)",message="a charge is a ledger entry: it cannot be removed, and its walletUID, amount, currency and transactionID cannot be changed; give money back with a refund",fieldPath=".status.charge"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.charge) || !has(oldSelf.status.charge.refund) || !has(self.status) || !has(self.status.charge) || (has(self.status.charge.refund) && self.status.charge.refund == oldSelf.status.charge.refund)",message="a refund is a ledger entry: it cannot be removed or changed",fieldPath=".status.charge.refund"
type EsimOrder struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is bought.
	// +required
	Spec EsimOrderSpec `json:"spec"`

	// status is what became of the order.
	// ---
	// It is atomic as it has one author: with each of its fields in metadata.managedFields, an
	// order would be half as large again in etcd, in every event and in every list.
	// +optional
	// +kubebuilder:default={phase: PENDING}
	// +structType=atomic
	Status EsimOrderStatus `json:"status,omitzero"`
}

// Terminal tells whether the order has reached its end: DELIVERED, FAILED or CANCELLED.
func (o *EsimOrder) Terminal() bool {
	switch o.Status.Phase {
	case PhaseDelivered, PhaseFailed, PhaseCancelled:
		return true
	default:
		return false
	}
}

// EsimOrderList is a list of EsimOrders.
//
// +kubebuilder:object:root=true
type EsimOrderList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EsimOrder `json:"items"`
}
