package story

// words are what a reason for waiting means.
type words struct {
	// brief fits a column of a table.
	brief string
	// waits is what has to happen next, as a sentence.
	waits string
	// advice is what can be done. %s is the order as a command names it.
	advice []string
}

// Advice that several reasons share.
const (
	adviceNothing  = "Nothing: it goes on by itself as soon as it can."
	adviceCancel   = "If you do not want to wait, take it back, for the full price: kubectl esim cancel %s"
	adviceHealth   = "See how the operators are: kubectl esim operators"
	adviceDoctor   = "If this lasts, have the platform team look at the installation: kubectl esim doctor"
	advicePlatform = "Tell the platform team: this takes somebody who may change EsimOperators and EsimProducts."
	adviceResolve  = "The platform team asks the operator, and then says what it heard: kubectl annotate esimorder %s " +
		"esim.telco.dev/resolve=not-bought (or delivered, if the customer has the profile)"
)

// unseen is an order without conditions.
var unseen = words{
	brief: "ordered", waits: "The manager has not looked at it yet, which takes seconds.",
	advice: []string{adviceDoctor},
}

// waiting has words for each reason of a PENDING order's Ready condition. Of those in
// package controllers, a test finds any that is missing.
var waiting = map[string]words{
	"Provisioning": {
		brief: "being made", waits: "The operator makes the profile ready, which mostly takes seconds.",
		advice: []string{adviceNothing},
	},
	"InProgress": {
		brief: "being made", waits: "The manager works on it.",
		advice: []string{adviceNothing},
	},
	"ProductNotFound": {
		brief:  "waiting for its product",
		waits:  "The product that it names does not exist. Manifests arrive in any order, so the order waits for it a short while; then the order FAILs, and costs nothing.",
		advice: []string{"Look whether the name is right: kubectl get esimproducts", "If it is not, make a new order; this one costs nothing."},
	},
	"SourcesTooDear": {
		brief:  "waiting for a price",
		waits:  "Every operator that could fill it takes more than the plan costs, and nobody sells at a loss. Nothing was charged.",
		advice: []string{advicePlatform, "Or choose another plan, and take this order back: kubectl esim cancel %s"},
	},
	"WaitingForOperator": {
		brief:  "waiting for the operator",
		waits:  "Its operator takes no calls at the moment, or all that it may have at one time are under way.",
		advice: []string{adviceNothing, adviceHealth, adviceCancel},
	},
	"OperatorUnavailable": {
		brief:  "waiting for the operator",
		waits:  "Its operator did not answer, or not in a way that can be used. Nothing was bought; it is asked again, ever more rarely, and the next operator is asked where the plan has one.",
		advice: []string{adviceNothing, adviceHealth, adviceCancel},
	},
	"OperatorBusy": {
		brief:  "waiting for the operator",
		waits:  "Its operator is busy, and said when to come again.",
		advice: []string{adviceNothing, adviceCancel},
	},
	"OutOfStock": {
		brief:  "waiting for stock",
		waits:  "No operator has a profile of this plan left. They are asked again, ever more rarely.",
		advice: []string{"Tell the platform team that the plan is sold out.", adviceCancel},
	},
	"OperatorMisconfigured": {
		brief:  "waiting for the operator",
		waits:  "Its operator refuses us: credentials, certificate or account have to be mended. The order goes on at once when they are.",
		advice: []string{advicePlatform, adviceHealth, adviceCancel},
	},
	"StartingOver": {
		brief:  "being made again",
		waits:  "What the operator had reserved for it was of no use, and was given back. It is tried anew.",
		advice: []string{adviceNothing, adviceCancel},
	},
	"OutcomeUnknown": {
		brief:  "finding out",
		waits:  "An answer of the operator was lost, so it is not known yet whether a profile was bought. Until that is known nothing else is bought, so that you never pay twice.",
		advice: []string{adviceNothing, adviceHealth},
	},
	"NeedsPerson": {
		brief:  "needs a person",
		waits:  "Nobody but the operator's own staff can tell whether the profile was bought or given back. Nothing moves until somebody has asked them.",
		advice: []string{adviceResolve},
	},
	"ConnectedElsewhere": {
		brief:  "needs a person",
		waits:  "It was sent to an account or address that its EsimOperator does not name any more; what the present one says proves nothing.",
		advice: []string{"The platform team puts url and account of the EsimOperator back, for as long as the order needs.", adviceResolve},
	},
	"GivingBack": {
		brief:  "giving back",
		waits:  "What the operator holds for it is given back first; then it ends, or is tried elsewhere.",
		advice: []string{adviceNothing},
	},
	"SecretNotWritable": {
		brief:  "cannot be stored",
		waits:  "The Secret for its activation code cannot be written: a quota, a policy, or another Secret of that name is in the way.",
		advice: []string{"Look at the namespace's quota, and at Secret names: kubectl get resourcequotas,secrets", adviceCancel},
	},
	"Cancelling": {
		brief: "being cancelled", waits: "The operator is asked to take it back; then the money comes back too.",
		advice: []string{adviceNothing},
	},
	"CancelRefused": {
		brief: "cannot be cancelled", waits: "The operator does not take it back; the order goes on.",
		advice: []string{adviceNothing},
	},
}

// unknown is for a reason that a newer manager may have.
var unknown = words{
	brief: "waiting", waits: "The manager gives a reason that this kubectl-esim does not know.",
	advice: []string{"Take a kubectl-esim of the manager's version.", adviceDoctor},
}

// wordsFor a reason of the Ready condition of a PENDING order.
func wordsFor(reason string) words {
	if reason == "" {
		return unseen
	}
	if found, ok := waiting[reason]; ok {
		return found
	}
	return unknown
}
