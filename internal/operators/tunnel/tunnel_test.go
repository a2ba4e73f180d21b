package tunnel

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// proxy is one that answers with what it is given, and sends on what comes then. asked gets the
// address of each CONNECT.
func proxy(t *testing.T, answer string) (at *url.URL, asked <-chan string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	requests := make(chan string, 8)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				reader := bufio.NewReader(conn)
				request, err := http.ReadRequest(reader)
				if err != nil {
					return
				}
				requests <- request.Method + " " + request.Host
				if answer == "" { // it never answers
					_, _ = io.Copy(io.Discard, reader)
					return
				}
				_, _ = io.WriteString(conn, answer)
				_, _ = io.Copy(conn, reader) // the operator says what it hears
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}, requests
}

const connected = "HTTP/1.1 200 Connection established\r\n\r\n"

func TestThroughPassesBytesOn(t *testing.T) {
	at, asked := proxy(t, connected)
	conn, err := Through(at, "")(t.Context(), "tcp", "smdp.example.com:8443")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if got := <-asked; got != "CONNECT smdp.example.com:8443" {
		t.Errorf("the proxy was asked to %q", got)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, 5)
	if _, err := io.ReadFull(conn, heard); err != nil || string(heard) != "hello" {
		t.Errorf("heard %q, %v", heard, err)
	}
}

func TestThroughTellsARefusal(t *testing.T) {
	tests := map[string]struct{ answer, says string }{
		"a site that is not allowed":    {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "403 Forbidden"},
		"a password that it wants":      {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"},
		"an answer that is no HTTP":     {"SSH-2.0-OpenSSH\r\n", "cannot be read"},
		"an answer that does not end":   {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 2*maxAnswer), "cannot be read"},
		"bytes of somebody else's":      {connected + "surprise", "speaks before"},
		"another success than expected": {"HTTP/1.1 204 No Content\r\n\r\n", "204"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			at, _ := proxy(t, test.answer)
			conn, err := Through(at, "")(t.Context(), "tcp", "smdp.example.com:8443")
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, %v; want a refusal that says %q", conn, err, test.says)
			}
		})
	}
}

func TestThroughGivesUpWithItsContext(t *testing.T) {
	at, asked := proxy(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Through(at, "")(ctx, "tcp", "smdp.example.com:8443")
		ended <- err
	}()
	<-asked
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it still waits for the proxy")
	}
}

func TestThroughGoesDirectlyToThisMachine(t *testing.T) {
	at, asked := proxy(t, connected)
	operator, _ := proxy(t, connected)
	conn, err := Through(at, "")(t.Context(), "tcp", operator.Host)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if len(asked) > 0 {
		t.Errorf("the proxy was asked to %q", <-asked)
	}
}

func TestChooser(t *testing.T) {
	tests := map[string]struct {
		address, direct string
		want            bool
	}{
		"an operator":                {"smdp.example.com:8443", "", true},
		"another domain than listed": {"smdp.example.com:8443", ".example.net,10.0.0.0/8", true},
		"a domain that is listed":    {"smdp.example.com:8443", "localhost,.example.com", false},
		"a network that is listed":   {"192.0.2.1:443", "192.0.2.0/24", false},
		"this machine":               {"127.0.0.1:443", "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := chooser(&url.URL{Scheme: "http", Host: "proxy:3128"}, test.direct)(test.address)
			if err != nil || got != test.want {
				t.Errorf("got %t, %v, want %t", got, err, test.want)
			}
		})
	}
}

func TestParseURL(t *testing.T) {
	for _, good := range []string{"http://proxy:3128", "https://proxy.example.com", "http://[2001:db8::1]:3128/"} {
		if _, err := ParseURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"proxy:3128", "socks5://proxy:1080", "http://", "http://user:secret@proxy:3128", "http://proxy/path", "http://proxy?x=1", "http://%zz"} {
		_, err := ParseURL(bad)
		if err == nil {
			t.Errorf("%s was taken", bad)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
