// Package controllers takes what is declared to what is so: orders to their delivery,
// operators to a connection, products to their ids. One controller a kind; the order's is
// split by step, in the order of an order's life: accept, intend, provision, deliver; and
// giveback, settle, status.
package controllers
