// Package tracing follows orders with OpenTelemetry: from the REST request that makes one, through
// the steps of its controller and the calls to its mobile operator, to what its client is told.
//
// An order lasts longer than any process, so what ties its spans together is in the order: the
// annotation esim.telco.dev/traceparent, which rides in the order's creation. An order without it,
// made with kubectl, has a trace ID that its UID gives. Nothing is written for a trace.
//
// Whoever asks for nothing pays nothing: a nil *Tracer begins no spans, and a context that belongs
// to no trace leaves everything here without effect and without an allocation.
//
// Spans are for people who see no credentials: no address, query, header or body goes into one,
// and of errors only their class.
package tracing
