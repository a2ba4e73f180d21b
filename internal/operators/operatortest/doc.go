// Package operatortest is what every driver must show before it is one. A driver's own tests
// call Run with a Subject: the operator's fake, how to make a driver to it, and what the two
// can do. The suite then buys, loses answers, cancels, crashes and lies, and holds the outcome
// against the fake's books: bought less given back is never more than what was delivered.
//
// A wholesaler's fake is served by Serve, on a network in memory. The cases then run in
// testing/synctest bubbles: minutes pass at once, and a goroutine that a driver leaves behind
// fails the case.
package operatortest
