package main

import (
	"bytes"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// authorities are the certificate authorities that Mozilla trusts, as PEM, from a Go module: which
// they are is decided by go.sum, and not by what is installed where a release is made. Left out are
// those that are trusted only for certificates of before some day, which PEM cannot say.
func authorities() ([]byte, error) {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, fmt.Errorf("writing the certificate authorities: %w", err)
		}
	}
	return text.Bytes(), nil
}
