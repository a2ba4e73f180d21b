package facade

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/server"
)

// openDoor lets everybody in as one client.
type openDoor struct{}

func (openDoor) Admit(*http.Request, string) (access.Caller, error) {
	return access.Caller{Identity: &access.Identity{Namespace: "acme", ServiceAccount: "esim-api", User: &user.DefaultInfo{Name: "ann"}}}, nil
}

func (openDoor) Authorize(context.Context, *access.Identity, ...access.Right) error { return nil }

func (openDoor) Login(context.Context, netip.Addr, string, activation.Credential) (*access.Session, error) {
	return nil, access.ErrInvalidCredentials
}

func (openDoor) Refresh(context.Context, netip.Addr, activation.Credential) (*access.Session, error) {
	return nil, access.ErrInvalidCredentials
}

func (openDoor) Logout(context.Context, *access.Identity) error { return nil }

// pipes is a listener in memory, whose time is the bubble's.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case connection := <-p.connections:
		return connection, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// serveInBubble serves the API with the limits that it has in earnest, and says how to connect.
func serveInBubble(t *testing.T) (dial func() net.Conn) {
	t.Helper()
	ready := func(context.Context) error { return nil }
	handler, err := (&server.Server{
		Guard: openDoor{}, Catalogue: catalogue.New(), Desk: &orders.Desk{Index: &orders.Index{}, Random: rand.Reader},
		Synced: func() bool { return true }, Ready: ready, Clock: clock.RealClock{}, Stopping: t.Context(), Log: logr.Discard(),
	}).Handler()
	if err != nil {
		t.Fatal(err)
	}
	httpServer := (&Facade{log: logr.Discard()}).httpServer(handler)
	httpServer.Protocols = new(http.Protocols)
	httpServer.Protocols.SetHTTP1(true)
	// In earnest HTTP/2 is spoken over TLS alone.
	httpServer.Protocols.SetUnencryptedHTTP2(true)
	listener := &pipes{connections: make(chan net.Conn), closed: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	t.Cleanup(func() {
		if err := httpServer.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		// For half a second it lets those whom it has cut off read why.
		time.Sleep(time.Second)
	})
	return func() net.Conn {
		ours, theirs := net.Pipe()
		listener.connections <- theirs
		t.Cleanup(func() { _ = ours.Close() }) // most are closed by then
		return ours
	}
}

// drip sends a beginning, and then one byte a second until the other end has had enough.
func drip(t *testing.T, to io.WriteCloser, beginning string) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err := io.WriteString(to, beginning)
		for err == nil {
			time.Sleep(time.Second)
			_, err = to.Write([]byte("a"))
		}
	}()
	t.Cleanup(func() {
		_ = to.Close() // the other end may have closed it
		<-ended
	})
}

func TestWhoSendsHeadersSlowlyIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection, begun := serveInBubble(t)(), time.Now()
		drip(t, connection, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		if _, err := io.Copy(io.Discard, connection); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != headerTimeout {
			t.Errorf("it takes %s", took)
		}
	})
}

func TestWhoSendsABodySlowlyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection, begun := serveInBubble(t)(), time.Now()
		drip(t, connection, "POST /api/v1/esim/charges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if took := time.Since(begun); answer.StatusCode != http.StatusBadRequest || !answer.Close || took != 10*time.Second {
			t.Errorf("after %s it is answered %s, and the connection is kept: %t", took, answer.Status, !answer.Close)
		}
	})
}

func TestWhoReadsSlowlyIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection, begun := serveInBubble(t)(), time.Now()
		fmt.Fprint(connection, "GET /docs HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(server.MaxWait + sendTimeout + time.Second)
		read, err := io.Copy(io.Discard, connection)
		if err != nil {
			t.Fatal(err)
		}
		if read > 1<<10 {
			t.Errorf("%d bytes are still sent after %s", read, time.Since(begun))
		}
	})
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection := serveInBubble(t)()
		fmt.Fprint(connection, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		from := bufio.NewReader(connection)
		answer, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := io.Copy(io.Discard, from); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != idleTimeout {
			t.Errorf("it is closed after %s", took)
		}
	})
}

func TestHeadersAndBodiesAreBoundedHoweverTheyAreSent(t *testing.T) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<10, strings.Repeat("a", 1<<10))
	for name, test := range map[string]struct {
		request string
		want    int
	}{
		"one header of 32 KiB": {
			request: "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 32<<10) + "\r\n\r\n",
			want:    http.StatusRequestHeaderFieldsTooLarge,
		},
		"a thousand headers": {
			request: "GET /healthz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: "+strings.Repeat("a", 24)+"\r\n", 1000) + "\r\n",
			want:    http.StatusRequestHeaderFieldsTooLarge,
		},
		"a path of 32 KiB": {
			request: "GET /" + strings.Repeat("a", 32<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n",
			want:    http.StatusRequestHeaderFieldsTooLarge,
		},
		"a body whose length nobody told": {
			request: "POST /api/v1/esim/charges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 100),
			want:    http.StatusRequestEntityTooLarge,
		},
		"a body that is announced": {
			request: "POST /api/v1/esim/charges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9223372036854775807\r\n\r\n",
			want:    http.StatusRequestEntityTooLarge,
		},
		"a body that is promised": {
			request: "POST /api/v1/esim/charges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n",
			want:    http.StatusRequestEntityTooLarge,
		},
		"two lengths": {
			request: "POST /api/v1/esim/charges HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
			want:    http.StatusBadRequest,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connection := serveInBubble(t)()
				go func() { _, _ = io.WriteString(connection, test.request) }() // it need not take all
				answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				if answer.StatusCode != test.want {
					t.Errorf("it is answered %s, want %d", answer.Status, test.want)
				}
			})
		})
	}
}

func TestASlowBodyHoldsUpNobodyElseOnItsHTTP2Connection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, begun := serveInBubble(t), time.Now()
		transport := &http.Transport{
			Protocols:   new(http.Protocols),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil },
		}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		ask := func(method, path string, body io.Reader) int {
			request, err := http.NewRequestWithContext(t.Context(), method, "http://facade"+path, body)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			answer, err := transport.RoundTrip(request)
			if err != nil {
				t.Error(err)
				return 0
			}
			if answer.ProtoMajor != 2 {
				t.Errorf("it is answered in %s", answer.Proto)
			}
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
			return answer.StatusCode
		}
		slow := make(chan int, 1)
		from, to := io.Pipe()
		drip(t, to, "{")
		t.Cleanup(func() { _ = from.Close() }) // which never fails
		go func() { slow <- ask(http.MethodPost, "/api/v1/esim/charges", from) }()
		time.Sleep(5 * time.Second)
		if got := ask(http.MethodGet, "/healthz", nil); got != http.StatusOK {
			t.Errorf("another request is answered %d meanwhile", got)
		}
		if got, took := <-slow, time.Since(begun); got != http.StatusBadRequest || took != 10*time.Second {
			t.Errorf("the slow one is answered %d after %s", got, took)
		}
	})
}
