// Package zendit buys eSIMs from Zendit's API v1.
//
// Our request ID is Zendit's transactionId: it is unique there, and a purchase is found by it
// exactly. So nothing is kept on our side. Whoever does not know what became of a purchase
// looks it up; a 404 in Zendit's own words says that it was not received, and the same
// transactionId can be sent again: should an earlier request still be on its way, the second to
// arrive is refused.
//
// The files are: provision (look up, buy, wait), giveback (refund), purchase (what a purchase
// in the books means), diagnose (why one was refused), track, plans, balance, webhook, wire (the
// calls and their JSON), driver and config.
package zendit
