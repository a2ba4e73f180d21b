package secrecy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

const hooksSecret = "hooks"

// receivers are a client's endpoints, good and bad, and everything that they received.
type receivers struct {
	// secret that events are signed with, and token in the endpoints' URLs.
	secret, token string
	url           string

	mu  sync.Mutex
	got []received
}

type received struct {
	path string
	// whole is the request with its headers and its body.
	whole    []byte
	verified bool
}

func (h *receivers) open(ctx context.Context) {
	GinkgoHelper()
	h.secret, h.token = webhook.SecretPrefix+randomText(), randomText()
	h.token = strings.NewReplacer("/", "-", "+", "_").Replace(h.token)
	server := httptest.NewServer(h)
	DeferCleanup(server.Close)
	h.url = server.URL
	Expect(k8s.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: hooksSecret}, StringData: map[string]string{"one": h.secret},
	})).To(Succeed())
	terms := &v1alpha1.EsimClient{ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: v1alpha1.ClientName}}
	for _, name := range []string{"good", "failing", "gone", "garbled", "moved"} {
		terms.Spec.Webhooks = append(terms.Spec.Webhooks, v1alpha1.WebhookEndpoint{
			Name: name, URL: h.url + "/" + name + "?token=" + h.token, SigningSecretRef: v1alpha1.SecretReference{Name: hooksSecret},
		})
	}
	Expect(k8s.Create(ctx, terms)).To(Succeed())
}

// ServeHTTP answers what it was sent, in the way of the endpoint.
func (h *receivers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	whole, err := httputil.DumpRequest(r, true)
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	secrets, err := webhook.ParseSecrets(map[string][]byte{"one": []byte(h.secret)})
	if err != nil {
		http.Error(w, "no secret", http.StatusInternalServerError)
		return
	}
	genuine := webhook.Verify(secrets, r.Header, body, now.Now(), 5*time.Minute) == nil
	h.mu.Lock()
	h.got = append(h.got, received{r.URL.Path, whole, genuine})
	h.mu.Unlock()
	repeated := string(body) + " " + h.secret + " " + h.token
	switch r.URL.Path {
	case "/failing":
		http.Error(w, repeated, http.StatusInternalServerError)
	case "/gone":
		http.Error(w, repeated, http.StatusGone)
	case "/moved":
		http.Redirect(w, r, h.url+"/elsewhere?token="+h.token, http.StatusTemporaryRedirect)
	case "/garbled":
		h.garble(w, repeated)
	}
}

// garble answers what is no HTTP.
func (*receivers) garble(w http.ResponseWriter, repeated string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, repeated, http.StatusBadGateway)
		return
	}
	_, err = fmt.Fprintf(conn, "%s\r\n\r\n", repeated)
	if closed := conn.Close(); err != nil || closed != nil {
		GinkgoWriter.Println("the garbled answer was not sent", err, closed)
	}
}

func (h *receivers) requests() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]received(nil), h.got...)
}

// events are how many genuine events of a type, or of any where it is empty, came to an endpoint.
func (h *receivers) events(endpoint, event string) func() int {
	return func() int {
		n := 0
		for _, r := range h.requests() {
			if r.path == "/"+endpoint && r.verified && (event == "" || bytes.Contains(r.whole, []byte(`"type":"`+event+`"`))) {
				n++
			}
		}
		return n
	}
}
