// Package orders holds what the REST facade knows of EsimOrders: each client's orders in
// memory, in the order of the contract's lists, fed by an informer; waiting for one of them;
// how an order is made under the name that is its id; and the values of the order object that
// REST clients see. It asks nothing of the API server but to make orders and to find those
// that the informer has not shown yet.
package orders
