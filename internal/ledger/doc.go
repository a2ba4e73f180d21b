// Package ledger keeps the accounts of the wallets, in the one process that leads.
//
// The order is the ledger entry: status.charge is the debit, status.charge.refund the credit,
// and a wallet's balance is its deposits less the charges plus the refunds. What this package
// adds is that two orders cannot spend the same money. A Book, one for each client's
// namespace, is opened from a complete, consistent list when the process first needs it, and
// from then on fed by the answers to the process's own writes; the cache only tells it what
// is true for good: charges and refunds are written once and stay.
//
// The steps to take before the first charge, and why each is needed, are in take_over.go.
package ledger
