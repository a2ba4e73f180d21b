package es2plus

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// complaintWait is how long a new TLS 1.3 connection waits for the server's first word.
// Most servers speak at once, with a session ticket; see awaitVerdict.
const complaintWait = 200 * time.Millisecond

// trustError is a TLS handshake that one of the sides refused. Nothing was sent.
type trustError struct{ err error }

func (e *trustError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *trustError) Unwrap() error { return e.err }

// dialer makes TLS connections of which it is known whether the server took our certificate.
type dialer struct {
	tls     *tls.Config
	timeout time.Duration
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// dial connects and shakes hands. Its errors prove that no request was sent; those that wrap
// a trustError tell that one side refuses the other's certificate or terms.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	raw, err := d.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	bell := &ticketBell{}
	config := d.tls.Clone()
	config.ClientSessionCache = bell
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the handshake's error is the one to tell
		return nil, handshakeError(err)
	}
	if err := awaitVerdict(ctx, conn, bell); err != nil {
		_ = raw.Close()
		return nil, handshakeError(err)
	}
	return &tlsConn{Conn: conn}, nil
}

// awaitVerdict waits until the server has shown what it thinks of our certificate. In TLS
// 1.3 the client's handshake ends before the server has read the certificate, and a refusal
// would come as the answer to the first request: too late to tell it from a lost answer. A
// server that takes the certificate speaks too: most send a session ticket, which rings the
// bell; from others there is silence for complaintWait.
func awaitVerdict(ctx context.Context, conn *tls.Conn, bell *ticketBell) error {
	if conn.ConnectionState().Version < tls.VersionTLS13 {
		return nil
	}
	deadline := time.Now().Add(complaintWait)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	if err := conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	interrupt := func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) } // fails only once it is closed
	bell.ring = interrupt
	stop := context.AfterFunc(ctx, interrupt)
	n, err := conn.Read(make([]byte, 1))
	stop()
	bell.ring = nil // later tickets must not interrupt a call
	switch {
	case n > 0:
		return errors.New("the server spoke before it was asked")
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return conn.SetReadDeadline(time.Time{})
	default:
		return err
	}
}

// handshakeError tells a refusal from a connection that broke or took too long.
func handshakeError(err error) error {
	var timeout net.Error
	broken := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		(errors.As(err, &timeout) && timeout.Timeout())
	if broken {
		return err
	}
	return &trustError{err}
}

// ticketBell is a session cache that keeps nothing and rings, where it has a bell, when a
// ticket comes. Nothing is kept, because a resumed session would outlive the certificate
// that it began with.
type ticketBell struct{ ring func() }

// Get finds nothing.
func (*ticketBell) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put rings.
func (b *ticketBell) Put(_ string, state *tls.ClientSessionState) {
	if state != nil && b.ring != nil {
		b.ring()
	}
}

// tlsConn knows whether the request that it carries has begun to leave, and whether the
// server ever said anything but a refusal.
type tlsConn struct {
	*tls.Conn
	sent    atomic.Bool
	heard   atomic.Bool
	refusal atomic.Pointer[net.OpError]
}

// begin is called when a new request is about to use the connection.
func (c *tlsConn) begin() { c.sent.Store(false) }

// Write notes that something leaves, whether or not it arrives.
func (c *tlsConn) Write(data []byte) (int, error) {
	c.sent.Store(true)
	return c.Conn.Write(data)
}

// Read notes an alert that is the server's first word: a refusal of our certificate that
// came after complaintWait. The server did not read the request then.
func (c *tlsConn) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	if n > 0 {
		c.heard.Store(true)
	}
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "remote error" && !c.heard.Load() {
		c.refusal.Store(alert)
	}
	return n, err
}
