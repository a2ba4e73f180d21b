// Package server is the REST facade's HTTP side: it takes requests as the API's document
// describes them, and answers each by one operation on EsimOrders and their neighbours. It
// decides nothing about orders or money; that is the controllers' business.
//
// A request passes, from the outside in: its id and the access log, a net for panics, the
// routes, the guard (who is calling, and may they), the document (is the request well
// formed), and the operation.
package server
