package smdp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/telcodev/esim-operator/internal/es2plus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer serves until the test ends.
func startServer(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// peer is an operator's ES2+ client.
type peer struct {
	t    *testing.T
	name string
	url  string
	http *http.Client
}

// client of the server, with a new certificate of this name.
func client(t *testing.T, s *Server, name string) *peer {
	t.Helper()
	cert, key, err := s.PKI().Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	return clientWith(t, s, name, cert, key)
}

func clientWith(t *testing.T, s *Server, name string, cert, key []byte) *peer {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.PKI().CA) {
		t.Fatal("the CA is not PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: roots,
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &peer{t: t, name: name, url: s.URL(), http: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// send posts a body as it is.
func (p *peer) send(f es2plus.Function, body string) (*http.Response, error) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+f.Path(), strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(es2plus.HeaderAdminProtocol, es2plus.AdminProtocol("2.2.0"))
	return p.http.Do(request)
}

// reply is what any function answers.
type reply struct {
	Header      es2plus.ResponseHeader `json:"header"`
	ICCID       string                 `json:"iccid"`
	EID         string                 `json:"eid"`
	MatchingID  string                 `json:"matchingId"`
	SMDPAddress string                 `json:"smdpAddress"`
}

// code is the status code, or the status where there is none.
func (r reply) code() string {
	status := r.Header.FunctionExecutionStatus
	if status.StatusCodeData != nil {
		return status.StatusCodeData.Code()
	}
	return string(status.Status)
}

// call fails the test unless the function is answered in good form.
func (p *peer) call(f es2plus.Function, fields map[string]any) reply {
	p.t.Helper()
	answer, err := p.try(f, fields)
	if err != nil {
		p.t.Fatalf("%s: %v", f, err)
	}
	return answer
}

// try calls the function with the fields and a good header, unless the fields bring one.
func (p *peer) try(f es2plus.Function, fields map[string]any) (reply, error) {
	p.t.Helper()
	all := map[string]any{"header": map[string]string{
		"functionRequesterIdentifier": p.name, "functionCallIdentifier": "call-" + string(f),
	}}
	for name, value := range fields {
		all[name] = value
	}
	body, err := json.Marshal(all)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := p.send(f, string(body))
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	if response.StatusCode != http.StatusOK {
		p.t.Errorf("%s answered HTTP %d, not 200", f, response.StatusCode)
	}
	var out reply
	return out, decodeReply(data, &out)
}

// decodeReply reads strictly: the SM-DP+ writes exactly.
func decodeReply(data []byte, out *reply) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(out); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

// success fails the test unless the function was executed.
func (p *peer) success(f es2plus.Function, fields map[string]any) reply {
	p.t.Helper()
	answer := p.call(f, fields)
	if answer.code() != string(es2plus.ExecutedSuccess) {
		p.t.Fatalf("%s answered %s", f, answer.code())
	}
	return answer
}

// order a profile of the type, and return its ICCID.
func (p *peer) order(profileType string) string {
	p.t.Helper()
	return p.success(es2plus.DownloadOrder, map[string]any{"profileType": profileType}).ICCID
}

// tlsConfig of the client, to change before its first call.
func (p *peer) tlsConfig() *tls.Config {
	p.t.Helper()
	transport, ok := p.http.Transport.(*http.Transport)
	if !ok {
		p.t.Fatalf("the transport is a %T", p.http.Transport)
	}
	return transport.TLSClientConfig
}

// syncBuffer is a log that many write to.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// logger that tells everything.
func (b *syncBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
