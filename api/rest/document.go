// Package rest holds the document of the REST API. The server and the Go client (package
// client) are generated from it, and the tests hold every request and answer against it.
package rest

import _ "embed" // for the document

//go:embed esim.yaml
var document []byte

// Document returns a copy of the OpenAPI 3.0 document of the REST API, in YAML.
func Document() []byte {
	return append([]byte(nil), document...)
}
