package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/mailbox"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	// maxEvent bounds an event's body, in bytes.
	maxEvent = 1 << 20
	// tolerance of an event's time.
	tolerance = 5 * time.Minute
	// signingSecret is the endpoint's, for this program alone.
	signingSecret = "whsec_cGxhdGZvcm0gcGxhdGZvcm0gcGxhdGZvcm0gcGw="
)

// event is one as it came, by its webhook-id, which is the same whenever it comes again.
type event struct {
	ID, Type string
	Order    int64
}

// post is where receipts and events arrive: a mail server and a client's endpoint, each behind a
// gate.
type post struct {
	mails       *mailbox.Mailbox
	smtp, hooks *gate
	server      *http.Server
	secrets     []webhook.Secret
	serving     sync.WaitGroup

	mu     sync.Mutex
	events map[event]int
	wrong  []error
}

func openPost(ctx context.Context) (_ *post, err error) {
	p := &post{events: map[event]int{}}
	if p.secrets, err = webhook.ParseSecrets(map[string][]byte{"only": []byte(signingSecret)}); err != nil {
		return nil, fmt.Errorf("making the endpoint: %w", err)
	}
	if p.mails, err = mailbox.Start(ctx, mailbox.Options{Keep: 10_000}); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the endpoint: %w", err), p.mails.Close())
	}
	p.server = &http.Server{Handler: http.HandlerFunc(p.receive), ReadHeaderTimeout: time.Minute}
	p.serving.Go(func() { _ = p.server.Serve(listener) }) // it tells of the end
	if p.smtp, err = openGate(ctx, p.mails.SMTPAddress()); err != nil {
		return nil, errors.Join(err, p.close())
	}
	if p.hooks, err = openGate(ctx, listener.Addr().String()); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *post) close() error {
	var errs []error
	for _, g := range []*gate{p.smtp, p.hooks} {
		if g != nil {
			errs = append(errs, g.shut())
		}
	}
	errs = append(errs, p.server.Close(), p.mails.Close())
	p.serving.Wait()
	return errors.Join(errs...)
}

// config is the manager's part about both.
func (p *post) config() string {
	_, port, err := net.SplitHostPort(p.smtp.address)
	if err != nil {
		panic(err) // a listener's own address
	}
	return fmt.Sprintf(`mail: {host: 127.0.0.1, port: %s, encryption: none, from: eSIM shop <shop@example.com>, timeout: 5s}
webhooks: {allowedNetworks: [127.0.0.0/8], allowHTTP: true, timeout: 5s}
`, port)
}

// receive takes an event, as a client's own server would.
func (p *post) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		http.Error(w, "it cannot be read", http.StatusBadRequest)
		return
	}
	var found struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			ID int64 `json:"id"`
		} `json:"data"`
	}
	err = errors.Join(webhook.Verify(p.secrets, r.Header, body, time.Now(), tolerance), json.Unmarshal(body, &found))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.wrong = append(p.wrong, fmt.Errorf("an event that nobody should send: %w", err))
		http.Error(w, "it is not signed, or no event", http.StatusUnauthorized)
		return
	}
	p.events[event{found.ID, found.Type, found.Data.ID}]++
	w.WriteHeader(http.StatusNoContent)
}

// received are the IDs of all events, and how often each came, by order and type.
func (p *post) received() (map[int64]map[string]map[string]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := map[int64]map[string]map[string]int{}
	for e, times := range p.events {
		if found[e.Order] == nil {
			found[e.Order] = map[string]map[string]int{}
		}
		if found[e.Order][e.Type] == nil {
			found[e.Order][e.Type] = map[string]int{}
		}
		found[e.Order][e.Type][e.ID] += times
	}
	return found, errors.Join(p.wrong...)
}

// receipts are how often each mail came, by address and Message-ID.
func (p *post) receipts(ctx context.Context) (map[string]map[string]int, error) {
	text, err := stand.Exchange(ctx, http.MethodGet, p.mails.URL()+"messages", "")
	if err != nil {
		return nil, fmt.Errorf("reading the mailbox: %w", err)
	}
	var mails []struct {
		To        []string
		MessageID string
		Problem   string
	}
	if err := json.Unmarshal(text, &mails); err != nil {
		return nil, fmt.Errorf("reading the mailbox: %w", err)
	}
	found := map[string]map[string]int{}
	for _, m := range mails {
		if m.Problem != "" || m.MessageID == "" {
			return nil, fmt.Errorf("a mail cannot be read, or has no Message-ID: %s", m.Problem)
		}
		for _, to := range m.To {
			if found[to] == nil {
				found[to] = map[string]int{}
			}
			found[to][m.MessageID]++
		}
	}
	return found, nil
}
