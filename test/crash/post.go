package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/mailbox"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// post is where receipts and events arrive: a mail server, and a client's endpoint that takes
// what is signed.
type post struct {
	mails *mailbox.Mailbox
	// host and port of the mail server.
	host    string
	port    int
	hooks   *httptest.Server
	secrets []webhook.Secret

	mu sync.Mutex
	// events by ID.
	events map[string]*heard
	// wrong is what came and should not have.
	wrong []error
}

// heard is an event that came.
type heard struct {
	kind string
	// order is the client_reference of the order that it tells of.
	order  string
	copies int
}

// signingSecret is whsec_ and 24 bytes.
const signingSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

// clockSkew that an endpoint allows.
const clockSkew = 5 * time.Minute

// keptMails is more than any story sends.
const keptMails = 5000

func openPost(ctx context.Context) (*post, error) {
	secrets, err := webhook.ParseSecrets(map[string][]byte{"current": []byte(signingSecret)})
	if err != nil {
		return nil, fmt.Errorf("opening the post: %w", err)
	}
	mails, err := mailbox.Start(ctx, mailbox.Options{Keep: keptMails})
	if err != nil {
		return nil, fmt.Errorf("opening the post: %w", err)
	}
	p := &post{mails: mails, secrets: secrets, events: map[string]*heard{}}
	if p.host, p.port, err = splitAddress(mails.SMTPAddress()); err != nil {
		return nil, errors.Join(err, mails.Close())
	}
	p.hooks = httptest.NewServer(http.HandlerFunc(p.take))
	return p, nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		return "", 0, fmt.Errorf("the mail server's address %q: %w", address, err)
	}
	return host, port, nil
}

func (p *post) close() error {
	p.hooks.Close()
	return p.mails.Close()
}

// take takes an event.
func (p *post) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = webhook.Verify(p.secrets, r.Header, body, time.Now(), clockSkew)
	}
	var event struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			ClientReference string `json:"client_reference"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.wrong = append(p.wrong, fmt.Errorf("an event cannot be read: %w", err))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if p.events[event.ID] == nil {
		p.events[event.ID] = &heard{kind: event.Type, order: event.Data.ClientReference}
	}
	p.events[event.ID].copies++
	w.WriteHeader(http.StatusNoContent)
}

// serve has a manager's receipts and events come here.
func (p *post) serve(config *manager.Config) {
	config.Mail.Host, config.Mail.Port = p.host, p.port
	config.Mail.Encryption, config.Mail.From = "none", "eSIM shop <shop@example.com>"
	config.Webhooks.AllowedNetworks, config.Webhooks.AllowHTTP = []string{"127.0.0.0/8"}, true
}

// subscribe has a client hear of all events here.
func (p *post) subscribe(ctx context.Context, api client.Client, namespace string) error {
	for _, object := range []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "webhook"},
			Data:       map[string][]byte{"current": []byte(signingSecret)},
		},
		&v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.ClientName},
			Spec: v1alpha1.EsimClientSpec{Webhooks: []v1alpha1.WebhookEndpoint{{
				Name: "shop", URL: p.hooks.URL + "/hooks", SigningSecretRef: v1alpha1.SecretReference{Name: "webhook"},
			}}},
		},
	} {
		if err := api.Create(ctx, object); err != nil {
			return fmt.Errorf("subscribing to events: %w", err)
		}
	}
	return nil
}

// delivery is what came under one ID.
type delivery struct {
	// Kind of an event; of a receipt, whether it holds a code to scan.
	Kind   string
	Copies int
}

// eventsOf are the events that came of an order with a client_reference. Each type comes under
// one ID.
func (p *post) eventsOf(reference string) ([]delivery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wrong := slices.Clone(p.wrong)
	byKind := map[string]delivery{}
	for _, e := range p.events {
		if e.order != reference {
			continue
		}
		if _, known := byKind[e.kind]; known {
			wrong = append(wrong, fmt.Errorf("%s of %s came under two IDs", e.kind, reference))
		}
		byKind[e.kind] = delivery{e.kind, e.copies}
	}
	return sorted(byKind), errors.Join(wrong...)
}

// mailsTo are the mails that came to an address.
func (p *post) mailsTo(ctx context.Context, address string) ([]delivery, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.mails.URL()+"messages?to="+address, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for mails: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for mails: %w", err)
	}
	var letters []struct {
		MessageID string `json:"messageID"`
		HasQR     bool   `json:"hasQR"`
		Problem   string `json:"problem"`
	}
	if err := errors.Join(json.NewDecoder(answer.Body).Decode(&letters), answer.Body.Close()); err != nil {
		return nil, fmt.Errorf("reading the list of mails: %w", err)
	}
	byID := map[string]delivery{}
	for _, l := range letters {
		if l.Problem != "" || l.MessageID == "" {
			return nil, fmt.Errorf("a mail to %s with the Message-ID %q: %s", address, l.MessageID, l.Problem)
		}
		kind := "receipt"
		if l.HasQR {
			kind = "receipt with a code"
		}
		byID[l.MessageID] = delivery{kind, byID[l.MessageID].Copies + 1}
	}
	return sorted(byID), nil
}

func sorted(deliveries map[string]delivery) []delivery {
	return slices.SortedFunc(maps.Values(deliveries), func(a, b delivery) int {
		if a.Kind != b.Kind {
			if a.Kind < b.Kind {
				return -1
			}
			return 1
		}
		return a.Copies - b.Copies
	})
}
