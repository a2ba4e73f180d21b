// Package secrecy lets orders go through all that can become of them, with faults, through the
// real manager and the real REST facade, and then searches whatever was written, logged, sent
// and answered for what only some may see: activation codes, matching IDs, signing secrets,
// passwords and tokens.
package secrecy
