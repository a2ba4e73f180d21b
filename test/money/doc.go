// Package money drives the real reconcilers and the real ledger against a model of what
// must be true of the money: orders, deposits, cancellations, deletions, installations,
// faults of the operator, changes of leader and crashes, in any order.
package money
