package tracing

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Fate is what became of a span.
type Fate string

// The fates of spans, as metrics call them.
const (
	// Exported: the collector has taken it.
	Exported Fate = "exported"
	// Overflowed: more spans came than the collector took, and this one was dropped.
	Overflowed Fate = "overflowed"
	// Refused: the collector did not take it, or was not there, and it was dropped.
	Refused Fate = "refused"
)

// Fates are all there are.
func Fates() []Fate { return []Fate{Exported, Overflowed, Refused} }

const (
	// queueLength is how many spans may wait: some megabytes.
	queueLength = 4096
	// batchLength is how many spans are sent at one time.
	batchLength = 512
	// batchDelay is how late a span is sent that waits for others.
	batchDelay = time.Second
)

// queue hands spans over to an exporter. Nobody waits for it: what does not fit is dropped and
// counted.
type queue struct {
	exporter sdktrace.SpanExporter
	counted  func(Fate, int)
	log      logr.Logger

	spans   chan sdktrace.ReadOnlySpan
	flushes chan chan struct{}
	stop    chan struct{}
	once    sync.Once
	ended   chan struct{}
	// sending is cancelled when what is left must not take any longer.
	sending context.Context //nolint:containedctx // it is that of the queue's lifetime
	giveUp  context.CancelFunc
	// failing tells that the last batch was not taken.
	failing bool
}

var _ sdktrace.SpanProcessor = (*queue)(nil)

func newQueue(exporter sdktrace.SpanExporter, counted func(Fate, int), log logr.Logger) *queue {
	q := &queue{
		exporter: exporter, counted: counted, log: log,
		spans: make(chan sdktrace.ReadOnlySpan, queueLength), flushes: make(chan chan struct{}),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	q.sending, q.giveUp = context.WithCancel(context.Background())
	go q.work()
	return q
}

// OnStart implements sdktrace.SpanProcessor.
func (q *queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd takes a span, if there is room.
func (q *queue) OnEnd(span sdktrace.ReadOnlySpan) {
	select {
	case <-q.stop:
		q.counted(Refused, 1)
		return
	default:
	}
	select {
	case q.spans <- span:
	default:
		q.counted(Overflowed, 1)
	}
}

// ForceFlush has what waits sent now, and waits for that.
func (q *queue) ForceFlush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case q.flushes <- done:
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for spans to be sent: %w", context.Cause(ctx))
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for spans to be sent: %w", context.Cause(ctx))
	}
}

// Shutdown takes no more spans and sends those that wait, until ctx ends; the others are dropped.
func (q *queue) Shutdown(ctx context.Context) error {
	q.once.Do(func() { close(q.stop) })
	defer q.giveUp()
	late := context.AfterFunc(ctx, q.giveUp)
	defer late()
	<-q.ended // soon after giveUp, as an exporter heeds its context
	return q.exporter.Shutdown(ctx)
}

func (q *queue) work() {
	defer close(q.ended)
	for {
		select {
		case first := <-q.spans:
			q.gather([]sdktrace.ReadOnlySpan{first})
		case done := <-q.flushes:
			q.drain(nil)
			close(done)
		case <-q.stop:
			q.drain(nil)
			return
		}
	}
}

// gather sends a batch once it is full, or old.
func (q *queue) gather(batch []sdktrace.ReadOnlySpan) {
	old := time.NewTimer(batchDelay)
	defer old.Stop()
	for len(batch) < batchLength {
		select {
		case span := <-q.spans:
			batch = append(batch, span)
		case <-old.C:
			q.send(batch)
			return
		case done := <-q.flushes:
			q.drain(batch)
			close(done)
			return
		case <-q.stop:
			q.drain(batch)
			return
		}
	}
	q.send(batch)
}

// drain sends a batch and all that waits.
func (q *queue) drain(batch []sdktrace.ReadOnlySpan) {
	for {
		select {
		case span := <-q.spans:
			if batch = append(batch, span); len(batch) == batchLength {
				q.send(batch)
				batch = nil
			}
		default:
			q.send(batch)
			return
		}
	}
}

// send a batch. Whether it is taken is told when that changes, not each time.
func (q *queue) send(batch []sdktrace.ReadOnlySpan) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(q.sending, exportTimeout)
	defer cancel()
	err := q.exporter.ExportSpans(ctx, batch)
	if err != nil {
		q.counted(Refused, len(batch))
	} else {
		q.counted(Exported, len(batch))
	}
	switch {
	case err != nil && !q.failing:
		q.log.Info("Spans of traces are not taken; orders go on", "cause", err.Error())
	case err == nil && q.failing:
		q.log.Info("Spans of traces are taken again")
	}
	q.failing = err != nil
}
