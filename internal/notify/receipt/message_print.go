package receipt

import (
	"fmt"
	"io"
	"log/slog"
)

// String tells how large the message is, and nothing of what it says.
func (m Message) String() string {
	return fmt.Sprintf("message(subject %d, text %d, HTML %d, QR %d bytes)", len(m.Subject), len(m.Text), len(m.HTML), len(m.QR))
}

// Format prints String whatever the verb.
func (m Message) Format(state fmt.State, _ rune) {
	// A State takes no error to anybody: fmt buffers, and reports errors of the buffer itself.
	_, _ = io.WriteString(state, m.String())
}

// MarshalText is String, for JSON and YAML.
func (m Message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// LogValue is String, for log/slog.
func (m Message) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalLog is String, for logr.
func (m Message) MarshalLog() any { return m.String() }
