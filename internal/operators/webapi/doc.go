// Package webapi carries the calls to a wholesaler's JSON API over HTTPS, and knows for each
// how far it came: that decides whether an order may have been executed. What an answer means
// is the driver's to say. The files are: client (what a driver calls), fate (what a call that
// was not answered means), wire (how it travels), cause (what may be told of one that did not
// come), loose (JSON types that vendors mix up).
package webapi
