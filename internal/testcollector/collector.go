// Package testcollector is a collector of OpenTelemetry's protocol, over gRPC, in this process: it
// keeps the spans that programs under test send.
package testcollector

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // what exporters compress with
	"google.golang.org/protobuf/encoding/protojson"
)

// Span is one that was sent.
type Span struct {
	// TraceID, ID and ParentID are in hex digits; ParentID is empty for the first of a trace.
	TraceID, ID, ParentID string
	// Links are the trace IDs of the spans that it names.
	Links []string
	// Program is the resource's service.name.
	Program string
	Name    string
	Kind    string
	// Failure is the status' message; empty where the span did not fail.
	Failure string
	// Attributes are as text.
	Attributes map[string]string
}

// Collector keeps what it gets. Its methods may be called at once.
type Collector struct {
	collectortrace.UnimplementedTraceServiceServer

	server   *grpc.Server
	endpoint string
	ended    chan error

	mu    sync.Mutex
	spans []Span
	text  []byte
}

// Start starts a collector that is spoken to in clear. Close must be called.
func Start(ctx context.Context) (*Collector, error) { return start(ctx, "http") }

// StartTLS starts a collector that shows a certificate, for 127.0.0.1. Close must be called.
func StartTLS(ctx context.Context, certificate *tls.Certificate) (*Collector, error) {
	shown := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*certificate}}
	return start(ctx, "https", grpc.Creds(credentials.NewTLS(shown)))
}

func start(ctx context.Context, scheme string, options ...grpc.ServerOption) (*Collector, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for spans: %w", err)
	}
	c := &Collector{
		server: grpc.NewServer(options...), endpoint: scheme + "://" + listener.Addr().String(), ended: make(chan error, 1),
	}
	collectortrace.RegisterTraceServiceServer(c.server, c)
	go func() { c.ended <- c.server.Serve(listener) }()
	return c, nil
}

// Endpoint is the collector's, as a configuration names it.
func (c *Collector) Endpoint() string { return c.endpoint }

// Close ends the collector; what it has stays.
func (c *Collector) Close() error {
	c.server.Stop()
	err := <-c.ended
	c.ended <- nil // to be closed again
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("collecting spans: %w", err)
	}
	return nil
}

// Export implements the service of the protocol.
func (c *Collector) Export(_ context.Context, request *collectortrace.ExportTraceServiceRequest) (*collectortrace.ExportTraceServiceResponse, error) {
	text, err := protojson.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("writing spans: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(append(c.text, text...), '\n')
	for _, of := range request.GetResourceSpans() {
		program := attributes(of.GetResource().GetAttributes())["service.name"]
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, spanOf(program, span))
			}
		}
	}
	return &collectortrace.ExportTraceServiceResponse{}, nil
}

func spanOf(program string, span *tracev1.Span) Span {
	taken := Span{
		TraceID: hex.EncodeToString(span.GetTraceId()), ID: hex.EncodeToString(span.GetSpanId()),
		ParentID: hex.EncodeToString(span.GetParentSpanId()), Program: program, Name: span.GetName(), Kind: span.GetKind().String(),
		Attributes: attributes(span.GetAttributes()),
	}
	if span.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR {
		taken.Failure = span.GetStatus().GetMessage()
	}
	for _, link := range span.GetLinks() {
		taken.Links = append(taken.Links, hex.EncodeToString(link.GetTraceId()))
	}
	return taken
}

func attributes(of []*commonv1.KeyValue) map[string]string {
	texts := map[string]string{}
	for _, one := range of {
		switch value := one.GetValue().GetValue().(type) {
		case *commonv1.AnyValue_StringValue:
			texts[one.GetKey()] = value.StringValue
		case *commonv1.AnyValue_IntValue:
			texts[one.GetKey()] = fmt.Sprint(value.IntValue)
		default:
			texts[one.GetKey()] = one.GetValue().String()
		}
	}
	return texts
}

// Spans are those that came so far, in the order in which they ended.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Text is everything that came, with every field of it: IDs in base64, the rest as it is.
func (c *Collector) Text() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.text)
}
