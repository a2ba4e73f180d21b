// Package vendorhooks takes the webhooks of wholesalers: Zendit's and eSIM Access'.
//
// A webhook is a hint that something happened to an order or a profile, and no more: nothing
// that it says is believed or stored. The order that it names is asked about at the wholesaler
// at once, instead of when its turn comes. That this shall happen is stored before the webhook is
// answered; where it cannot be stored the answer is 503, so that the wholesaler tries again.
//
// A wholesaler is known by a header, a signature or its networks, as its EsimOperator says, and
// may hint at orders of that EsimOperator only. Whoever is not known cannot tell an EsimOperator
// that exists from one that does not. Nothing of what a webhook holds is logged or shown in
// metrics.
package vendorhooks
