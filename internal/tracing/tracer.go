package tracing

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/version"
)

// What every span of an order or of a request says.
const (
	// KeyClient is the namespace of the client.
	KeyClient = "esim.client"
	// KeyOrder is the name of the EsimOrder.
	KeyOrder = "esim.order"
	// KeyOperator is the name of the EsimOperator.
	KeyOperator = "esim.operator"
	// KeyStatus is the status of an HTTP answer.
	KeyStatus = "http.response.status_code"
)

const (
	// instrumentation names the spans' origin.
	instrumentation = "github.com/telcodev/esim-operator"
	// exportTimeout bounds how long a batch of spans may take to be taken, with all tries.
	exportTimeout = 10 * time.Second
	// closeTimeout bounds how long the last spans may take, when the process stops.
	closeTimeout = 3 * time.Second
	// maxText bounds each text of a span, and maxTexts their number.
	maxText  = 256
	maxTexts = 32
)

// Tracer begins traces. A nil Tracer begins none. It is safe for concurrent use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	sampler  sdktrace.Sampler
	log      logr.Logger
}

// Open makes the Tracer of a program: esim-controllers or esim-facade. It is nil where config wants
// none. No connection is made yet: a collector that is not there costs its spans, and nothing else.
// counted hears what became of spans. The error names the field that is wrong.
func Open(ctx context.Context, config Config, program string, counted func(Fate, int), log logr.Logger) (*Tracer, error) {
	if err := config.Validate(); err != nil || !config.On() {
		return nil, err
	}
	options, err := config.exporter()
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("setting up the export of traces to tracing.endpoint: %w", err)
	}
	from, err := describe(ctx, program)
	if err != nil {
		return nil, err
	}
	return newTracer(newQueue(exporter, counted, log), from, config.SamplingRatio, log), nil
}

func newTracer(spans sdktrace.SpanProcessor, from *resource.Resource, ratio float64, log logr.Logger) *Tracer {
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit, limits.AttributeCountLimit = maxText, maxTexts
	limits.LinkCountLimit, limits.EventCountLimit = 1, 0
	sampler := sdktrace.TraceIDRatioBased(ratio)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(spans), sdktrace.WithResource(from), sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithSampler(sdktrace.ParentBased(sampler)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer(instrumentation), sampler: sampler, log: log}
}

// exporter is how the collector is reached: over no proxy, as nothing else within the cluster is.
func (c Config) exporter() ([]otlptracegrpc.Option, error) {
	target, err := c.target()
	if err != nil {
		return nil, err
	}
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(target.Host),
		otlptracegrpc.WithTimeout(exportTimeout),
		otlptracegrpc.WithCompressor("gzip"),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: exportTimeout / 2, MaxElapsedTime: exportTimeout,
		}),
		otlptracegrpc.WithDialOption(grpc.WithNoProxy()),
	}
	if target.Scheme == "http" {
		return append(options, otlptracegrpc.WithInsecure()), nil
	}
	authorities, err := c.authorities()
	if err != nil {
		return nil, err
	}
	return append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: authorities,
	}))), nil
}

// describe says where spans come from. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
func describe(ctx context.Context, program string) (*resource.Resource, error) {
	said := []attribute.KeyValue{
		attribute.String("service.namespace", "esim-operator"), attribute.String("service.name", program),
		attribute.String("service.version", version.Get().Version),
	}
	if host, err := os.Hostname(); err == nil {
		said = append(said, attribute.String("service.instance.id", host))
	}
	from, err := resource.New(ctx, resource.WithAttributes(said...), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return from, nil
}

// Close has the last spans sent, for three seconds at most. What is traced later is lost.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Info("The last spans of traces were not taken", "cause", err.Error())
	}
}

// Request begins the trace of a request that came in. It is always a new one, recorded as our own
// ratio says: who calls may be anybody, and cannot have us record. The caller's own span, where the
// header names one, is linked.
func (t *Tracer) Request(ctx context.Context, name string, header http.Header) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	options := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer)}
	if given := header[Header]; len(given) == 1 {
		if caller, ok := parse(given[0]); ok {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: caller}))
		}
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	if !span.IsRecording() {
		return ctx, Span{}
	}
	return context.WithValue(ctx, scopeKey{}, &scope{tracer: t.tracer}), Span{span}
}

// Order puts ctx into the trace of an order: that of its annotation, where that can be read, else
// one that its UID gives, the same in every process. It is recorded if our own ratio takes it and
// whoever began the trace did not leave it out; else ctx is returned as it is.
func (t *Tracer) Order(ctx context.Context, order *v1alpha1.EsimOrder) context.Context {
	if t == nil {
		return ctx
	}
	begun, ok := parse(order.Annotations[v1alpha1.TraceparentAnnotation])
	if !ok {
		begun = trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: traceOf(order.FirstUID()), TraceFlags: trace.FlagsSampled, Remote: true,
		})
	}
	taken := t.sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: ctx, TraceID: begun.TraceID()})
	if !begun.IsSampled() || taken.Decision != sdktrace.RecordAndSample {
		return ctx
	}
	ctx = trace.ContextWithRemoteSpanContext(ctx, begun)
	return context.WithValue(ctx, scopeKey{}, &scope{t.tracer, []attribute.KeyValue{
		attribute.String(KeyClient, order.Namespace), attribute.String(KeyOrder, order.Name),
	}})
}
