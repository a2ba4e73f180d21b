package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/types"
)

// Header carries a span from one program to the next (W3C Trace Context, section 3.2).
const Header = "Traceparent"

// traceparentLength is that of version 00: "00-" 32 hex digits "-" 16 hex digits "-" 2 hex digits.
const traceparentLength = 55

// parse reads what Header and the annotation of an EsimOrder hold. Anything but version 00, to the letter, is none:
// anybody can have written it.
func parse(text string) (trace.SpanContext, bool) {
	if len(text) != traceparentLength || text[2] != '-' || text[35] != '-' || text[52] != '-' || text[:2] != "00" {
		return trace.SpanContext{}, false
	}
	var config trace.SpanContextConfig
	var flags [1]byte
	if !decode(config.TraceID[:], text[3:35]) || !decode(config.SpanID[:], text[36:52]) || !decode(flags[:], text[53:55]) {
		return trace.SpanContext{}, false
	}
	// Of the flags only the one that is known is taken over.
	config.TraceFlags, config.Remote = trace.TraceFlags(flags[0])&trace.FlagsSampled, true
	parsed := trace.NewSpanContext(config)
	return parsed, parsed.IsValid()
}

// decode reads lower-case hex digits.
func decode(into []byte, digits string) bool {
	if strings.ToLower(digits) != digits {
		return false
	}
	_, err := hex.Decode(into, []byte(digits))
	return err == nil
}

// format writes what parse reads.
func format(of trace.SpanContext) string {
	flags := of.TraceFlags() & trace.FlagsSampled
	return "00-" + of.TraceID().String() + "-" + of.SpanID().String() + "-" + flags.String()
}

// traceOf is the trace ID of an order that has none of its own.
func traceOf(order types.UID) trace.TraceID {
	sum := sha256.Sum256([]byte("esim.telco.dev/trace\x00" + string(order)))
	return trace.TraceID(sum[:16])
}

// Traceparent is the span that a context belongs to, for the annotation of an EsimOrder; empty where there is none.
// A trace that is not recorded has one too: whoever goes on with it is not to record it either.
func Traceparent(ctx context.Context) string {
	of := trace.SpanContextFromContext(ctx)
	if !of.IsValid() {
		return ""
	}
	return format(of)
}

// Inject tells whoever gets a request which span it belongs to, where it is recorded.
func Inject(ctx context.Context, header http.Header) {
	if _, recorded := scopeOf(ctx); recorded {
		header.Set(Header, Traceparent(ctx))
	}
}
