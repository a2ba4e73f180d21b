package operators

import (
	"net/http"

	"github.com/telcodev/esim-operator/internal/tracing"
)

// EndSpan ends the span of a call, with the HTTP status of its answer, 0 where none came, and the
// class of its error.
func EndSpan(span tracing.Span, status int, failure *Error) {
	if status != 0 {
		span.Number(tracing.KeyStatus, int64(status))
	}
	if failure == nil {
		span.End("")
		return
	}
	span.End(string(failure.Class))
}

// TellSpans has each request to an operator carry the header traceparent, where its trace is
// recorded. Operators are others' programs: nothing of ours is told to them unless somebody wants.
func TellSpans(inner http.RoundTripper) http.RoundTripper { return telling{inner} }

type telling struct{ inner http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t telling) RoundTrip(request *http.Request) (*http.Response, error) {
	// A RoundTripper must leave the request as it was.
	request = request.Clone(request.Context())
	tracing.Inject(request.Context(), request.Header)
	return t.inner.RoundTrip(request)
}
