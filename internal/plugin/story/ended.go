package story

import "github.com/telcodev/esim-operator/api/v1alpha1"

// failure is what a failure code means.
type failure struct {
	// brief fits a column of a table, after "failed: ".
	brief string
	// advice is what can be done. %s is the order as a command names it, %p its product.
	advice []string
}

const adviceOrderAgain = "Make a new order: this one stays FAILED."

// failures has words for each failure code. A test finds any that is missing.
var failures = map[v1alpha1.FailureCode]failure{
	v1alpha1.FailureInvalidPlan: {"no such plan", []string{
		"See which plans the product has, and what they cost: kubectl esim quote %p", adviceOrderAgain,
	}},
	v1alpha1.FailurePlanUnavailable: {"not on sale", []string{
		"Choose another plan or product: kubectl get esimproducts", adviceOrderAgain,
	}},
	v1alpha1.FailureInsufficientFunds: {"not enough money", []string{
		"See what the wallet has left: kubectl esim wallet", "Have it topped up by the platform team (deposits in its EsimWallet).", adviceOrderAgain,
	}},
	v1alpha1.FailureInvalidWallet: {"no wallet", []string{
		"See which wallets there are: kubectl esim wallet", adviceOrderAgain,
	}},
	v1alpha1.FailureNoExchangeRate: {"no exchange rate", []string{
		"Pay with a wallet in the plan's currency (--wallet), or have an exchange rate set by the platform team.", adviceOrderAgain,
	}},
	v1alpha1.FailureDuplicateReference: {"reference used before", []string{
		"The order that had the reference first is the one that counts; nothing was bought twice. For another eSIM use another --reference.",
	}},
	v1alpha1.FailureOrderExpired: {"too late", []string{
		"This is what protects from old manifests that are applied again. If you still want the eSIM, make a new order.",
	}},
	v1alpha1.FailureOperatorRejected: {"refused by the operator", []string{
		"Tell the platform team: every operator of the plan refused it for good, so its sources are wrong.", "Choose another plan.",
	}},
	v1alpha1.FailureRecoveryExhausted: {"not filled in time", []string{
		"See whether the operators are well by now: kubectl esim operators", adviceOrderAgain,
	}},
}

// failureWords are those of an order's failure.
func failureWords(code v1alpha1.FailureCode) failure {
	if found, ok := failures[code]; ok {
		return found
	}
	return failure{"failed", []string{"Take a kubectl-esim of the manager's version: it does not know the code " + string(code) + ".", adviceOrderAgain}}
}

// aside is a condition that holds beside an order's phase.
type aside struct {
	condition, reason string
	// advice is what can be done; %s is the order as a command names it.
	advice []string
}

// asides have words for what may be the matter with an order that was delivered, and with its
// receipt. A test finds any reason that is missing.
var asides = []aside{
	{v1alpha1.ConditionCancelRefused, "TooLate", []string{
		"It cannot be cancelled any more: the profile is on a device, or the operator says so.",
	}},
	{v1alpha1.ConditionCancelRefused, "OperatorRefused", []string{
		"It cannot be cancelled: the operator does not take it back. It stays yours, and can be installed.",
	}},
	{v1alpha1.ConditionDownloadFailed, "DownloadFailed", []string{
		"Let the customer try once more, with good reception. If that fails too, cancel this order and make a new one: kubectl esim cancel %s",
	}},
	{v1alpha1.ConditionDeletedFromDevice, "DeletedByUser", []string{
		"It cannot be installed again with the same code, and stays paid. If the customer needs another, make a new order.",
	}},
	{v1alpha1.ConditionReceiptSent, "Refused", []string{
		"The receipt could not be sent to this address. Set another one: kubectl patch esimorder %s --type=merge -p '{\"spec\":{\"notificationEmail\":\"ann@example.com\"}}'",
	}},
	{v1alpha1.ConditionReceiptSent, "Delayed", []string{
		"The receipt could not be sent yet; it is tried again for two days. Meanwhile show the code yourself: kubectl esim qr %s",
	}},
	{v1alpha1.ConditionReceiptSent, "TooManyAddresses", []string{
		"It has sent as many receipts as it may. Pass the receipt on yourself.",
	}},
}
