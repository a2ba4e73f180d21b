// Package airalofake is Airalo's Partner API v2 for development and tests: an HTTP handler
// with packages, orders, SIMs and usage, that checks tokens, signatures and headers as Airalo
// does, shows a new order in its list only after a delay, and keeps a ledger of all calls and
// of every profile that it sold. Package faults makes its calls go wrong.
//
// It is written from the vendor's public documentation. Three of its ways matter most: it
// knows no idempotency, so that what is ordered twice is sold twice; its list finds orders
// whose description contains what was asked for; and it takes nothing back.
//
// Matching IDs and tokens are credentials: the ledger does not hold them.
package airalofake
