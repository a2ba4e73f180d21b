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

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/mailbox"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const (
	// keptMails are kept by the mail server: this program's memory is not what is measured, but
	// need not grow either.
	keptMails = 1000
	// maxEvent bounds an event's body, in bytes, and tolerance its age.
	maxEvent  = 1 << 20
	tolerance = 5 * time.Minute
	// signingSecret is the endpoint's, for this program alone.
	signingSecret = "whsec_c29hayBzb2FrIHNvYWsgc29hayBzb2FrIHNvYWs="
	// often is more requests a minute than any client makes here.
	often = 100_000
)

// post is where receipts and events arrive: a mail server, and an endpoint of all clients.
type post struct {
	mails   *mailbox.Mailbox
	server  *http.Server
	hooks   string
	secrets []webhook.Secret
	serving sync.WaitGroup

	mu sync.Mutex
	// events counts what came, by type, and delivered are the orders that one said was delivered.
	events    map[string]int
	delivered map[int64]bool
	wrong     error
}

func openPost(ctx context.Context) (_ *post, err error) {
	p := &post{events: map[string]int{}, delivered: map[int64]bool{}}
	if p.secrets, err = webhook.ParseSecrets(map[string][]byte{"only": []byte(signingSecret)}); err != nil {
		return nil, fmt.Errorf("making the endpoint: %w", err)
	}
	if p.mails, err = mailbox.Start(ctx, mailbox.Options{Keep: keptMails}); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the endpoint: %w", err), p.mails.Close())
	}
	p.hooks = "http://" + listener.Addr().String() + "/events"
	p.server = &http.Server{Handler: http.HandlerFunc(p.receive), ReadHeaderTimeout: time.Minute}
	p.serving.Go(func() { _ = p.server.Serve(listener) }) // it tells of the end
	return p, nil
}

func (p *post) close() error {
	err := errors.Join(p.server.Close(), p.mails.Close())
	p.serving.Wait()
	return err
}

// config is the manager's part about both.
func (p *post) config() (string, error) {
	_, port, err := net.SplitHostPort(p.mails.SMTPAddress())
	if err != nil {
		return "", fmt.Errorf("reading the mail server's address: %w", err)
	}
	return fmt.Sprintf(`mail: {host: 127.0.0.1, port: %s, encryption: none, from: eSIM shop <shop@example.com>, timeout: 5s}
webhooks: {allowedNetworks: [127.0.0.0/8], allowHTTP: true, timeout: 5s}
`, port), nil
}

// receive takes an event, as a client's own server would.
func (p *post) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		http.Error(w, "it cannot be read", http.StatusBadRequest)
		return
	}
	var found struct {
		Type string `json:"type"`
		Data struct {
			ID int64 `json:"id"`
		} `json:"data"`
	}
	err = errors.Join(webhook.Verify(p.secrets, r.Header, body, time.Now(), tolerance), json.Unmarshal(body, &found))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.wrong = fmt.Errorf("an event that nobody should send: %w", err)
		http.Error(w, "it is not signed, or no event", http.StatusUnauthorized)
		return
	}
	p.events[found.Type]++
	if found.Type == v1alpha1.EventOrderDelivered {
		p.delivered[found.Data.ID] = true
	}
	w.WriteHeader(http.StatusNoContent)
}

// heard tells whether the endpoint was told that an order is delivered; the error is of an event
// that should not have come.
func (p *post) heard(number int64) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delivered[number], p.wrong
}

// total is how many events came.
func (p *post) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, times := range p.events {
		n += times
	}
	return n
}

// told has a client buy over REST, and be told of what becomes of its orders.
func (s *soak) told(name string) []client.Object {
	in := func(name, of string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: of, Name: name} }
	bind := func(role, namespace, account string) client.Object {
		return &rbacv1.RoleBinding{
			ObjectMeta: in(role, name),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
		}
	}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: in(apiAccount, name)},
		bind("esim-client", name, apiAccount),
		bind("esim-facade-client", testenv.SystemNamespace, "esim-facade"),
		&corev1.Secret{ObjectMeta: in("hook", name), Data: map[string][]byte{"only": []byte(signingSecret)}},
		&v1alpha1.EsimClient{
			ObjectMeta: in(v1alpha1.ClientName, name),
			Spec: v1alpha1.EsimClientSpec{RateLimits: &v1alpha1.RateLimits{Read: often, Order: often, Change: often}, Webhooks: []v1alpha1.WebhookEndpoint{{
				Name: "shop", URL: s.post.hooks, SigningSecretRef: v1alpha1.SecretReference{Name: "hook"},
			}}},
		},
	}
}
