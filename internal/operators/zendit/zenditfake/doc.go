// Package zenditfake is Zendit's API v1 for development and tests: eSIM offers, purchases that
// take a while, refunds, plans of an eSIM and the balance, in memory. It checks the bearer key,
// refuses what Zendit refuses, and keeps a ledger. What goes wrong with calls is package
// faults' business, not this one's.
//
// Zendit documents no list of error codes. The fake's codes are its own; a driver must not
// depend on them.
package zenditfake
