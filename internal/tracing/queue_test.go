package tracing

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// fakeExporter takes batches, or does with them what a test wants.
type fakeExporter struct {
	export func(ctx context.Context, n int) error

	mu     sync.Mutex
	taken  []int
	closed bool
}

func (e *fakeExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.export != nil {
		if err := e.export(ctx, len(spans)); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taken = append(e.taken, len(spans))
	return nil
}

func (e *fakeExporter) Shutdown(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}

func (e *fakeExporter) batches() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]int(nil), e.taken...)
}

// fates counts what became of spans, and keeps what was logged of them.
type fates struct {
	mu    sync.Mutex
	of    map[Fate]int
	lines int
}

func (f *fates) count(fate Fate, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[Fate]int{}
	}
	f.of[fate] += n
}

func (f *fates) counted() map[Fate]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.of)
}

func (f *fates) queue(e *fakeExporter) *queue {
	return newQueue(e, f.count, funcr.New(func(string, string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lines++
	}, funcr.Options{}))
}

var span = tracetest.SpanStub{Name: "step"}.Snapshot()

func end(q *queue, n int) {
	for range n {
		q.OnEnd(span)
	}
}

func shutDown(t *testing.T, q *queue, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := q.Shutdown(ctx); err != nil {
		t.Errorf("shutting down: %v", err)
	}
}

func TestSpansAreSentInBatchesAndNoneIsKeptForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exporter fakeExporter
		var f fates
		q := f.queue(&exporter)
		end(q, 2*batchLength+1)
		synctest.Wait()
		if diff := cmp.Diff([]int{batchLength, batchLength}, exporter.batches()); diff != "" {
			t.Errorf("full batches are sent at once (-want +got):\n%s", diff)
		}
		time.Sleep(batchDelay)
		synctest.Wait()
		end(q, 3)
		shutDown(t, q, time.Second)
		if diff := cmp.Diff([]int{batchLength, batchLength, 1, 3}, exporter.batches()); diff != "" {
			t.Errorf("what is left follows a second later, and at the end (-want +got):\n%s", diff)
		}
		end(q, 2)
		if diff := cmp.Diff(map[Fate]int{Exported: 2*batchLength + 4, Refused: 2}, f.counted()); diff != "" || !exporter.closed {
			t.Errorf("the exporter is closed: %t; counted (-want +got):\n%s", exporter.closed, diff)
		}
	})
}

func TestAFlushSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exporter fakeExporter
		var f fates
		q := f.queue(&exporter)
		for range 2 { // with a batch that is being gathered, and without one
			end(q, 2)
			if err := q.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		if n := f.counted()[Exported]; n != 4 {
			t.Errorf("%d spans are sent, want 4", n)
		}
		shutDown(t, q, time.Second)
	})
}

func TestNobodyWaitsForACollectorThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter := fakeExporter{export: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		var f fates
		q := f.queue(&exporter)
		began := time.Now()
		end(q, batchLength)
		synctest.Wait() // these are being sent
		end(q, queueLength+7)
		if took := time.Since(began); took != 0 {
			t.Errorf("ending spans took %s", took)
		}
		if diff := cmp.Diff(map[Fate]int{Overflowed: 7}, f.counted()); diff != "" {
			t.Errorf("what does not fit is dropped (-want +got):\n%s", diff)
		}
		time.Sleep(exportTimeout)
		synctest.Wait()
		if n := f.counted()[Refused]; n != batchLength {
			t.Errorf("%d spans are given up after %s, want %d", n, exportTimeout, batchLength)
		}
		began = time.Now()
		tracer := newTracer(q, resource.Empty(), 1, q.log)
		tracer.Close()
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("closing took %s, want %s", took, closeTimeout)
		}
		if diff := cmp.Diff(map[Fate]int{Overflowed: 7, Refused: batchLength + queueLength}, f.counted()); diff != "" {
			t.Errorf("every span is accounted for (-want +got):\n%s", diff)
		}
		tracer.Close()
	})
}

func TestThatSpansAreNotTakenIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		exporter := fakeExporter{export: func(context.Context, int) error {
			if away {
				return errors.New("nobody is there")
			}
			return nil
		}}
		var f fates
		q := f.queue(&exporter)
		for range 3 {
			end(q, 1)
			time.Sleep(2 * batchDelay)
			synctest.Wait()
		}
		if f.lines != 1 {
			t.Errorf("%d lines of three failures, want 1", f.lines)
		}
		away = false
		for range 2 {
			end(q, 1)
			time.Sleep(2 * batchDelay)
			synctest.Wait()
		}
		shutDown(t, q, time.Second)
		if diff := cmp.Diff(map[Fate]int{Refused: 3, Exported: 2}, f.counted()); diff != "" || f.lines != 2 {
			t.Errorf("%d lines, want 2; counted (-want +got):\n%s", f.lines, diff)
		}
	})
}
