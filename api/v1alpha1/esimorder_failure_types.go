package v1alpha1

// FailureCode says why an order FAILED, in the words of the REST contract.
type FailureCode string

// The failure codes of an order. All but the last two are for the customer to mend.
const (
	// FailureInvalidPlan: the product has no such variant, or none with that
	// amount.
	FailureInvalidPlan FailureCode = "INVALID_PLAN"
	// FailurePlanUnavailable: the variant is inactive, has no source, or every
	// source says that it does not know the plan.
	FailurePlanUnavailable FailureCode = "PLAN_UNAVAILABLE"
	// FailureInsufficientFunds: the wallet that was to pay has less available than
	// the order costs.
	FailureInsufficientFunds FailureCode = "INSUFFICIENT_FUNDS"
	// FailureInvalidWallet: the wallet that was asked for does not exist in the
	// order's namespace, or there is none that could pay.
	FailureInvalidWallet FailureCode = "INVALID_WALLET"
	// FailureNoExchangeRate: the wallet that was to pay has no rate from the
	// plan's currency.
	FailureNoExchangeRate FailureCode = "NO_EXCHANGE_RATE"
	// FailureDuplicateReference: an earlier order of the namespace has the same
	// clientReference.
	FailureDuplicateReference FailureCode = "DUPLICATE_REFERENCE"
	// FailureOrderExpired: the order was not accepted by its acceptBefore.
	FailureOrderExpired FailureCode = "ORDER_EXPIRED"
	// FailureOperatorRejected: a final refusal by every source.
	FailureOperatorRejected FailureCode = "OPERATOR_REJECTED"
	// FailureRecoveryExhausted: the operator's recovery.giveUpAfter has passed.
	FailureRecoveryExhausted FailureCode = "RECOVERY_EXHAUSTED"
)

// UserFixable tells whether whoever placed the order can mend the cause.
func (c FailureCode) UserFixable() bool {
	switch c {
	case FailureInvalidPlan, FailurePlanUnavailable, FailureInsufficientFunds, FailureInvalidWallet,
		FailureNoExchangeRate, FailureDuplicateReference, FailureOrderExpired:
		return true
	default:
		return false
	}
}

// OrderFailure says why an order FAILED.
type OrderFailure struct {
	// code for programs.
	Code FailureCode `json:"code"`
	// reason in plain words.
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason"`
	// userFixable is true where whoever placed the order can mend the cause.
	UserFixable bool `json:"userFixable"`
}
