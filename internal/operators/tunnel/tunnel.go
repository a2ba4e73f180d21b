// Package tunnel connects to mobile operators through an HTTP proxy, for clusters whose way out is
// one. The proxy is asked to connect (CONNECT, RFC 9110 section 9.3.6) and passes bytes on: TLS is
// between us and the operator, so the proxy learns the operator's address and nothing else.
package tunnel

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// maxAnswer bounds what a proxy may answer before it passes bytes on.
const maxAnswer = 16 << 10

// Dial makes a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// ErrRefused is what a Dial answers whose proxy does not connect. No byte reached the operator.
var ErrRefused = errors.New("the proxy does not connect us")

// ParseURL reads the URL of a proxy. It has no password: configuration is no place for one.
func ParseURL(text string) (*url.URL, error) {
	proxy, err := url.Parse(text)
	if err != nil || (proxy.Scheme != "http" && proxy.Scheme != "https") || proxy.Hostname() == "" || proxy.User != nil ||
		(proxy.Path != "" && proxy.Path != "/") || proxy.RawQuery != "" || proxy.Fragment != "" {
		return nil, errors.New("it may be http://host:port or https://host:port, without a password")
	}
	return proxy, nil
}

// Through is a Dial by way of proxy, as ParseURL reads it. Hosts and networks of direct, as
// NO_PROXY lists them with commas between, are connected to without it, and so is this machine.
func Through(proxy *url.URL, direct string) Dial {
	by := chooser(proxy, direct)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		proxied, err := by(address)
		if err != nil {
			return nil, fmt.Errorf("choosing the way to the operator: %w", err)
		}
		if !proxied {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		return connect(ctx, network, proxy, address)
	}
}

// chooser tells whether an address is connected to by way of proxy.
func chooser(proxy *url.URL, direct string) func(address string) (bool, error) {
	choose := (&httpproxy.Config{HTTPSProxy: proxy.String(), NoProxy: direct}).ProxyFunc()
	return func(address string) (bool, error) {
		chosen, err := choose(&url.URL{Scheme: "https", Host: address})
		return chosen != nil, err
	}
}

// connect asks the proxy for a connection to address.
func connect(ctx context.Context, network string, proxy *url.URL, address string) (net.Conn, error) {
	conn, err := reach(ctx, network, proxy)
	if err != nil {
		return nil, fmt.Errorf("connecting to the proxy: %w", err)
	}
	// Whoever gives up ends what is being waited for.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = ask(conn, address)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// reach connects to the proxy itself.
func reach(ctx context.Context, network string, proxy *url.URL) (net.Conn, error) {
	port := proxy.Port()
	if proxy.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
		return dialer.DialContext(ctx, network, net.JoinHostPort(proxy.Hostname(), port))
	}
	if port == "" {
		port = "80"
	}
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(proxy.Hostname(), port))
}

// ask sends CONNECT and reads what the proxy says.
func ask(conn net.Conn, address string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if err := request.Write(conn); err != nil {
		return fmt.Errorf("asking the proxy: %w", err)
	}
	reader := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	answer, err := http.ReadResponse(reader, request) //nolint:bodyclose // closing would read on, and what follows is the operator's
	if err != nil {
		return fmt.Errorf("%w: its answer cannot be read: %w", ErrRefused, err)
	}
	switch {
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: it answers %d %s", ErrRefused, answer.StatusCode, http.StatusText(answer.StatusCode))
	case reader.Buffered() > 0:
		return fmt.Errorf("%w: it speaks before we do", ErrRefused)
	}
	return nil
}
