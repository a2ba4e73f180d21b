// Package progress takes what mobile operators report of their profiles: ES2+
// HandleDownloadProgressInfo (SGP.22 section 5.3.5), and HandleNotification, as version 3
// names it, over mutual TLS.
//
// A sender is who its certificate says, and speaks for those EsimOperators alone whose CA and
// pins the certificate satisfies. What it says is stored before it is answered; what cannot be
// stored is answered 503, so that the sender tries again. Nothing of what it writes is logged,
// stored or answered that was not checked to be of its form: a hostile or careless sender may
// put a credential into any field.
package progress
