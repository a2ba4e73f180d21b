// Package smdp is an SM-DP+ for development and tests: the server side of GSMA ES2+
// (SGP.22 v2.x sections 5.3 and 6) over mutual TLS, with profiles that go through the
// standard's states, limited stock per profile type, faults on demand and a ledger of what
// it executed.
//
// It is strict where the standard is: about the identity of the caller, mandatory fields,
// formats and state transitions. It is not a secure element of anything: there are no
// profile packages, and its certificates are for development.
//
// Matching IDs and confirmation codes are credentials. They are kept, because the state
// machine needs them, and shown nowhere: not in the ledger, not by the control API, not in
// logs.
package smdp
