package es2plus

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// Servers send tickets whenever they like. One that interrupted a call would make it a lost
// answer.
func TestALaterTicketWouldInterruptACall(t *testing.T) {
	ca := newAuthority(t)
	address := acceptAnd(t, func(raw net.Conn) {
		conn := tls.Server(raw, ca.serverTLS())
		_, _ = io.Copy(conn, conn) // echoes until the client hangs up
	})
	driver, err := newHTTPTransport(ca.config("https://" + address))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	bell := &ticketBell{}
	config := driver.dialer.tls.Clone()
	config.ClientSessionCache = bell
	conn := tls.Client(raw, config)
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	if err := awaitVerdict(ctx, conn, bell); err != nil {
		t.Fatal(err)
	}
	bell.Put("", &tls.ClientSessionState{})
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Errorf("a ticket interrupted a read: %v", err)
	}
}
