// Package catalogue holds the EsimProducts and their variants as the REST facade shows them: in
// memory, by the numbers that REST clients know, fed by an informer. Readers take no lock: each
// works on a snapshot that never changes.
package catalogue
