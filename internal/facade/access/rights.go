package access

import "strings"

// Right is something that RBAC can grant in a client's namespace.
type Right struct {
	// Verb and Resource as RBAC knows them; the group is esim.telco.dev.
	Verb, Resource string
	// Subresource, where it is one. Some exist in RBAC only.
	Subresource string
}

// phrase says it in words: create orders.
func (r Right) phrase() string {
	switch r {
	case SeeActivationCodes:
		return "see activation codes"
	case EndSessions:
		return "end the sessions of others"
	}
	verb, found := map[string]string{"get": "see", "patch": "change"}[r.Verb]
	if !found {
		verb = r.Verb
	}
	return verb + " " + strings.TrimPrefix(r.Resource, "esim")
}

// Rights that no operation needs as a whole.
var (
	// SeeActivationCodes decides whether an order is answered with its activation code.
	SeeActivationCodes = Right{Verb: "get", Resource: "esimorders", Subresource: "activationcode"}
	// EndSessions is to end the sessions that others began by logging in.
	EndSessions = Right{Verb: "delete", Resource: "esimclients", Subresource: "sessions"}
)

// Class is a kind of request with a rate limit of its own.
type Class int

// The classes, as EsimClient.spec.rateLimits has them. Unlimited requests touch no client's
// data.
const (
	Unlimited Class = iota
	Read
	Order
	Quote
	Change
	Login
	Refresh
)

// Operation is what a request of the REST API takes.
type Operation struct {
	// Public needs no token.
	Public bool
	// Class of the rate limit.
	Class Class
	// Rights that the caller must have, all of them.
	Rights []Right
}

// operations by operationId. An operation that is not here is refused to everybody.
var operations = map[string]Operation{
	"login":   {Public: true, Class: Login},
	"refresh": {Public: true, Class: Refresh},
	// Whose sessions the caller may end is for Logout to say.
	"logout": {Class: Refresh},

	"listProducts": {Class: Read, Rights: []Right{{Verb: "list", Resource: "esimproducts"}}},
	"getProduct":   {Class: Read, Rights: []Right{{Verb: "get", Resource: "esimproducts"}}},
	"listVariants": {Class: Read, Rights: []Right{{Verb: "get", Resource: "esimproducts"}}},
	"getVariant":   {Class: Read, Rights: []Right{{Verb: "get", Resource: "esimproducts"}}},
	// A quote shows prices, and the rates of wallets.
	"quoteCharges": {Class: Quote, Rights: []Right{
		{Verb: "get", Resource: "esimproducts"}, {Verb: "get", Resource: "esimwallets"},
	}},

	"createOrder":          {Class: Order, Rights: []Right{{Verb: "create", Resource: "esimorders"}}},
	"listOrders":           {Class: Read, Rights: []Right{{Verb: "list", Resource: "esimorders"}}},
	"getOrder":             {Class: Read, Rights: []Right{{Verb: "get", Resource: "esimorders"}}},
	"setNotificationEmail": {Class: Change, Rights: []Right{{Verb: "patch", Resource: "esimorders"}}},
	"cancelOrder":          {Class: Change, Rights: []Right{{Verb: "patch", Resource: "esimorders"}}},
	// A QR code is the activation code.
	"getOrderQRPNG": {Class: Read, Rights: []Right{{Verb: "get", Resource: "esimorders"}, SeeActivationCodes}},
	"getOrderQRSVG": {Class: Read, Rights: []Right{{Verb: "get", Resource: "esimorders"}, SeeActivationCodes}},

	"listWallets":      {Class: Read, Rights: []Right{{Verb: "list", Resource: "esimwallets"}}},
	"listTransactions": {Class: Read, Rights: []Right{{Verb: "list", Resource: "esimwallets"}}},

	"getOpenAPI":   {Public: true},
	"getDocs":      {Public: true},
	"getHealth":    {Public: true},
	"getReadiness": {Public: true},
}

// OperationOf is what an operation takes, by its operationId; the generated server's names,
// which begin with a capital, do too. False where there is no such operation.
func OperationOf(id string) (Operation, bool) {
	if id == "" {
		return Operation{}, false
	}
	operation, found := operations[strings.ToLower(id[:1])+id[1:]]
	return operation, found
}
