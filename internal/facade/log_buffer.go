package facade

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// logDelay is how late a line of the log may be, and what a process that is killed may lose.
	logDelay = 100 * time.Millisecond
	// logBuffer is how many bytes of the log may wait; who has more to say writes them out.
	logBuffer = 256 << 10
)

// LogBuffer has many lines of a log written at once: to write each by itself costs a request
// more than to answer it. Lines keep their order, and none is dropped: where they come faster
// than they can be written, those who write them wait. It is safe for concurrent use.
type LogBuffer struct {
	to io.Writer

	// writing is held by whoever writes out, and mu only for as long as it takes to copy a line.
	writing sync.Mutex
	written []byte

	mu      sync.Mutex
	pending []byte
	closed  bool
	fault   error
}

// NewLogBuffer makes a buffer before to. It must be closed at the end.
func NewLogBuffer(to io.Writer) *LogBuffer { return &LogBuffer{to: to} }

// Write takes in a line. The error may be about earlier ones.
func (b *LogBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	if len(b.pending) == 0 && !b.closed {
		time.AfterFunc(logDelay, b.flush)
	}
	b.pending = append(b.pending, line...)
	full := b.closed || len(b.pending) >= logBuffer
	b.mu.Unlock()
	if full {
		b.flush()
	}
	return len(line), b.failed()
}

// Close writes out what is left. What is written later goes out at once.
func (b *LogBuffer) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.flush()
	return b.failed()
}

func (b *LogBuffer) flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	b.written, b.pending = b.pending, b.written[:0]
	b.mu.Unlock()
	if len(b.written) == 0 {
		return
	}
	n, err := b.to.Write(b.written)
	if err == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	lost := bytes.Count(b.written[min(n, len(b.written)):], []byte("\n"))
	b.fault = errors.Join(b.fault, fmt.Errorf("writing the log: %d lines are lost: %w", lost, err))
}

// failed is what went wrong since it was last asked for.
func (b *LogBuffer) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	fault := b.fault
	b.fault = nil
	return fault
}
