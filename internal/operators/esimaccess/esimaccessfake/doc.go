// Package esimaccessfake is eSIM Access for tests and development: its open API over HTTPS,
// with an account, a catalogue, orders that get their profiles after a while and show in lists
// later still, and a ledger of what it did. Package faults makes calls to it go wrong.
//
// It checks what the vendor checks: access code, signature, timestamp, the form of requests. It
// answers as the vendor does, HTTP 200 with an errorCode on refusals too. What the vendor's
// documentation leaves open, such as what a duplicate transactionId answers, can be chosen.
//
// Activation codes are credentials: the ledger does not hold them.
package esimaccessfake
