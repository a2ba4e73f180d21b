// Package wire holds what the REST facade receives and sends: the types of the API's
// document, the routes of all its operations, and StrictServerInterface, which answers them.
// `make generate` makes all of it but this comment from the document.
//
// X-Request-Id is not in these types: it is read and written in one place for all requests.
package wire
