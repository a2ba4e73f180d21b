package tracing

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Kind is on which side of a call a span is.
type Kind trace.SpanKind

// The kinds of spans.
const (
	// Internal is work within a program.
	Internal = Kind(trace.SpanKindInternal)
	// Client is a call to another program.
	Client = Kind(trace.SpanKindClient)
	// Producer makes something that another program works on later.
	Producer = Kind(trace.SpanKindProducer)
)

// scope is a trace that is recorded, and what every span of it says.
type scope struct {
	tracer     trace.Tracer
	attributes []attribute.KeyValue
}

type scopeKey struct{}

func scopeOf(ctx context.Context) (*scope, bool) {
	s, ok := ctx.Value(scopeKey{}).(*scope)
	return s, ok && s != nil
}

// Start begins a span in the trace that ctx belongs to. Where it belongs to none that is recorded,
// ctx is returned as it is, and the Span does nothing.
func Start(ctx context.Context, name string, kind Kind) (context.Context, Span) {
	s, ok := scopeOf(ctx)
	if !ok {
		return ctx, Span{}
	}
	return s.start(ctx, name, kind)
}

func (s *scope) start(ctx context.Context, name string, kind Kind) (context.Context, Span) {
	ctx, span := s.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKind(kind)), trace.WithAttributes(s.attributes...))
	return ctx, Span{span}
}

// With has every span that begins in the context say a text. Where ctx belongs to no trace that is
// recorded, it is returned as it is.
func With(ctx context.Context, key, value string) context.Context {
	s, ok := scopeOf(ctx)
	if !ok {
		return ctx
	}
	attributes := slices.Concat(s.attributes, []attribute.KeyValue{attribute.String(key, value)})
	return context.WithValue(ctx, scopeKey{}, &scope{s.tracer, attributes})
}

// Without is ctx outside of any trace: what happens there is not recorded.
func Without(ctx context.Context) context.Context {
	if _, ok := scopeOf(ctx); !ok {
		return ctx
	}
	return context.WithValue(ctx, scopeKey{}, (*scope)(nil))
}

// Current is the span that ctx belongs to.
func Current(ctx context.Context) Span {
	if _, ok := scopeOf(ctx); !ok {
		return Span{}
	}
	return Span{trace.SpanFromContext(ctx)}
}

// TraceID is that of the trace that ctx belongs to, for logs; empty where it is not recorded.
func TraceID(ctx context.Context) string {
	if _, ok := scopeOf(ctx); !ok {
		return ""
	}
	return trace.SpanContextFromContext(ctx).TraceID().String()
}

// Span is a piece of work while it lasts. The zero value is one that is not recorded.
type Span struct{ span trace.Span }

// Text notes a text; nothing where it is empty.
func (s Span) Text(key, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number notes a number.
func (s Span) Number(key string, value int64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// End ends the span. It failed where class is not empty: a word or two, such as the class of an
// error, and never the error itself.
func (s Span) End(class string) {
	if s.span == nil {
		return
	}
	s.fail(class)
	s.span.End()
}

func (s Span) fail(class string) {
	if class != "" {
		s.span.SetStatus(codes.Error, class)
		s.span.SetAttributes(attribute.String("error.type", class))
	}
}

// ClassOf is what a span that failed says of an error: the API server's reason, where it is one of
// its, and never the error's text. It is empty where there is no error.
func ClassOf(err error) string {
	if err == nil {
		return ""
	}
	return cmp.Or(string(apierrors.ReasonForError(err)), "Error")
}

// Ended ends the span later as of now, if the function is called at all; nil where there is nothing
// to end.
func (s Span) Ended() func(class string) {
	if s.span == nil {
		return nil
	}
	at := time.Now()
	return func(class string) {
		s.fail(class)
		s.span.End(trace.WithTimestamp(at))
	}
}
