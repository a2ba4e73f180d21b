package webhook

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnAnswerWithoutEndIsNotReadToTheEnd(t *testing.T) {
	var written atomic.Int64
	ended := make(chan struct{})
	server := serve(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		chunk := make([]byte, 64<<10)
		for range 100 << 20 / len(chunk) {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	if err := sender(t, nil, server).Send(t.Context(), server.URL, mustSecrets(t, exampleSecret), delivery); err != nil {
		t.Fatal(err)
	}
	<-ended
	// What is more than was read is in the buffers of the two ends.
	if n := written.Load(); n > 50<<20 {
		t.Errorf("%d bytes of the answer were taken", n)
	}
}

func TestASlowBodyDoesNotTurnSuccessIntoFailure(t *testing.T) {
	server := serve(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	}))
	s := sender(t, func(c *Config) { c.Timeout = time.Minute }, server)
	begin := time.Now()
	if err := s.Send(t.Context(), server.URL, mustSecrets(t, exampleSecret), delivery); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("the end of the answer was waited for: %s", took)
	}
}

// raw is a server that has its own idea of HTTP.
func raw(t *testing.T, speak func(net.Conn)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		speak(conn)
		_ = conn.Close()
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func says(text string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

func TestWhatCannotBeReadIsNotQuoted(t *testing.T) {
	const unreadable = "there was no HTTP answer that can be read"
	const head = "HTTP/1.1 200 OK\r\n"
	tests := map[string]struct {
		answer string
		want   string
	}{
		"no HTTP":              {"whsec_leaked\r\n\r\n", unreadable},
		"no status":            {"HTTP/1.1 leaked\r\n\r\n", unreadable},
		"a status that talks":  {"HTTP/1.1 500 leaked: LPA:1$rsp.example.com$leaked\r\nContent-Length: 6\r\n\r\nleaked", "the endpoint answered 500 Internal Server Error"},
		"a header of no form":  {head + "leaked\r\n\r\n", unreadable},
		"headers without end":  {head + "X-A: " + strings.Repeat("leaked", 100_000) + "\r\n\r\n", unreadable},
		"hints without end":    {strings.Repeat("HTTP/1.1 103 Early Hints\r\nX-A: leaked\r\n\r\n", 100_000), unreadable},
		"another protocol":     {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: leaked\r\n\r\n", "the endpoint answered 101 Switching Protocols"},
		"nothing":              {"", "the connection ended before the answer"},
		"two lengths that lie": {head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", unreadable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := raw(t, says(test.answer))
			f := failed(t, sender(t, nil, server).Send(t.Context(), server.URL, mustSecrets(t, exampleSecret), delivery))
			if f.Reason != test.want {
				t.Errorf("reason %q, want %q", f.Reason, test.want)
			}
		})
	}
}

func TestAnAnswerThatDripsIsNotWaitedForWithoutEnd(t *testing.T) {
	server := raw(t, func(conn net.Conn) {
		drip := time.NewTicker(5 * time.Millisecond)
		defer drip.Stop()
		out := bufio.NewWriterSize(conn, 16)
		_, err := out.WriteString("HTTP/1.1 200 OK\r\n")
		for err == nil {
			<-drip.C
			_, err = out.WriteString("X-A: b\r\n")
		}
	})
	s := sender(t, func(c *Config) { c.Timeout = 200 * time.Millisecond }, server)
	f := failed(t, s.Send(t.Context(), server.URL, mustSecrets(t, exampleSecret), delivery))
	if f.Reason != "there was no answer in time" {
		t.Error(f.Reason)
	}
}

func TestAConnectionThatWasClosedWhileIdleIsNoFailedTry(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if calls.Add(1) != 2 {
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	}))
	server.StartTLS()
	t.Cleanup(server.Close)
	s, secrets := sender(t, nil, server), mustSecrets(t, exampleSecret)
	for range 2 {
		if err := s.Send(t.Context(), server.URL, secrets, delivery); err != nil {
			t.Error(err)
		}
	}
}

func TestWhyThereIsNoConnection(t *testing.T) {
	handler := unreached(t)
	quiet := func(change func(*httptest.Server)) *httptest.Server {
		server := httptest.NewUnstartedServer(handler)
		server.Config.ErrorLog = nil
		if change != nil {
			change(server)
		}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	good := quiet(nil)
	old := quiet(func(s *httptest.Server) {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	})
	mutual := quiet(func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	})
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(handler)
	gone.Close()
	tests := map[string]struct {
		url     string
		trusted []*httptest.Server
		want    string
	}{
		"nobody listens":        {"https://" + strings.TrimPrefix(gone.URL, "http://"), nil, "the connection was refused"},
		"unknown authority":     {good.URL, nil, "the endpoint's certificate is not signed by a known authority"},
		"another host":          {strings.Replace(good.URL, "127.0.0.1", "localhost", 1), []*httptest.Server{good}, "the endpoint's certificate is for another host"},
		"no TLS":                {"https://" + strings.TrimPrefix(plain.URL, "http://"), nil, "the endpoint does not speak TLS"},
		"TLS 1.1":               {old.URL, []*httptest.Server{old}, "the endpoint refused the TLS handshake"},
		"wants our certificate": {mutual.URL, []*httptest.Server{mutual}, "the endpoint refused the TLS handshake"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := failed(t, sender(t, nil, test.trusted...).Send(t.Context(), test.url, mustSecrets(t, exampleSecret), delivery))
			if f.Reason != test.want || f.Status != 0 {
				t.Errorf("%+v, want %s", f, test.want)
			}
		})
	}
}
