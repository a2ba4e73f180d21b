package webapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"unicode"
)

// maxCause bounds what is logged of a certificate's complaint, in characters.
const maxCause = 200

// cause is why there is no answer, for logs. It holds nothing of what the peer sent after the
// handshake: net/http quotes what it cannot read, and that may be a credential that the peer
// had from us.
type cause struct {
	text string
	// kinds are what callers may ask for with errors.Is.
	kinds []error
}

func (c *cause) Error() string   { return c.text }
func (c *cause) Unwrap() []error { return c.kinds }

// kinds of failure that keep their identity.
var kinds = []error{
	context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded,
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
}

// plain keeps of err what our own side says: what became of the connection and of the context,
// and what is wrong with the peer's certificate. Of anything else only the type is told.
func plain(err error) error {
	kept := &cause{}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			kept.kinds = append(kept.kinds, kind)
		}
	}
	var (
		trust     *trustError
		resolver  *net.DNSError
		operation *net.OpError
	)
	switch {
	case errors.As(err, &trust):
		kept.text = scrub(trust.Error())
	case errors.As(err, &resolver):
		kept.text = resolver.Error()
	case errors.As(err, &operation):
		kept.text = operation.Error()
	case len(kept.kinds) > 0:
		kept.text = kept.kinds[0].Error()
	default:
		kept.text = fmt.Sprintf("no HTTP answer that can be read (%T)", innermost(err))
	}
	return kept
}

// innermost is the error that err began with.
func innermost(err error) error {
	for {
		within := errors.Unwrap(err)
		if within == nil {
			return err
		}
		err = within
	}
}

// scrub makes a text fit for logs: without control characters, and cut.
func scrub(text string) string {
	printable := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text))
	return string(printable[:min(len(printable), maxCause)])
}
