package server

import (
	"net/http"

	"github.com/telcodev/esim-operator/internal/tracing"
)

// keyOperation is what the spans of requests call the operation of the API's document.
const keyOperation = "esim.operation"

// traced begins the trace of a request, once it is known which operation it is for: what else its
// path holds may be anybody's text. Those that ask whether the process is well have none.
func (s *Server) traced(r *http.Request, o *operation) *http.Request {
	if s.Tracer == nil || o.ID == "getHealth" || o.ID == "getReadiness" {
		return r
	}
	ctx, span := s.Tracer.Request(r.Context(), o.pattern(), r.Header)
	span.Text(keyOperation, o.ID)
	of := requestOf(ctx)
	of.span, of.traceID = span, tracing.TraceID(ctx)
	return r.WithContext(ctx)
}

// endSpan ends the request's span. A fault of the caller's is none of the server's.
func (of *request) endSpan(status int) {
	if who := of.caller.Identity; who != nil {
		of.span.Text(tracing.KeyClient, who.Namespace)
	}
	of.span.Number(tracing.KeyStatus, int64(status))
	if status == 0 || status >= http.StatusInternalServerError {
		of.span.End(classOf(status))
		return
	}
	of.span.End("")
}
