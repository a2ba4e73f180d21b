package secrecy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const etcdPlace = "etcd, key "

// allPlaces are where somebody could read, and what may be there.
func allPlaces(ctx context.Context, scraper string) []place {
	GinkgoHelper()
	audit, err := env.AuditLog()
	Expect(err).NotTo(HaveOccurred())
	places := []place{
		{name: "the manager's log", content: managerLog.bytes()},
		{name: "the facade's log", content: facadeLog.bytes()},
		{name: "the SM-DP+ simulator's output", content: smdpLog.bytes()},
		{name: "the API server's audit log", content: audit},
		{name: "the traces", content: traces.Text()},
		{name: "the Kubernetes events", content: listed(ctx, &eventsv1.EventList{})},
		{name: "the metadata of Secrets", content: metadataOfSecrets(ctx)},
	}
	for _, kind := range []client.ObjectList{
		&v1alpha1.EsimOrderList{}, &v1alpha1.EsimOperatorList{}, &v1alpha1.EsimProductList{}, &v1alpha1.EsimWalletList{}, &corev1.NamespaceList{},
	} {
		places = append(places, place{name: fmt.Sprintf("a list, %T", kind), content: listed(ctx, kind)})
	}
	for role, address := range metricsOf {
		places = append(places, place{name: "the metrics of " + role, content: scraped(ctx, address, scraper)})
	}
	places = append(places, etcdPlaces(ctx)...)
	places = append(places, sentPlaces()...)
	return append(places, answerPlaces()...)
}

func listed(ctx context.Context, list client.ObjectList) []byte {
	GinkgoHelper()
	Expect(k8s.List(ctx, list)).To(Succeed())
	text, err := json.Marshal(list)
	Expect(err).NotTo(HaveOccurred())
	return text
}

// metadataOfSecrets is what those may see who may not read Secrets but, say, watch metadata.
func metadataOfSecrets(ctx context.Context) []byte {
	GinkgoHelper()
	var secrets corev1.SecretList
	Expect(k8s.List(ctx, &secrets)).To(Succeed())
	var all []any
	for i := range secrets.Items {
		all = append(all, secrets.Items[i].ObjectMeta)
	}
	text, err := json.Marshal(all)
	Expect(err).NotTo(HaveOccurred())
	return text
}

// scraped is /metrics of one role, as Prometheus gets it. Its certificate is made at its start.
func scraped(ctx context.Context, address, token string) []byte {
	GinkgoHelper()
	roundTripper, err := rest.HTTPWrappersForConfig(&rest.Config{BearerToken: token}, &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	})
	Expect(err).NotTo(HaveOccurred())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/metrics", nil)
	Expect(err).NotTo(HaveOccurred())
	response, err := (&http.Client{Transport: roundTripper}).Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(response.Body.Close()).To(Succeed()) }()
	text, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.StatusCode).To(Equal(http.StatusOK))
	return text
}

// etcdPlaces are all keys of etcd. A matching ID may be in its order's own Secret, as long as
// the order is not over and its profile not on a device; a secret in the Secret that it is for.
func etcdPlaces(ctx context.Context) []place {
	GinkgoHelper()
	var orders v1alpha1.EsimOrderList
	Expect(k8s.List(ctx, &orders)).To(Succeed())
	open := map[string]string{} // the owner by key
	for i := range orders.Items {
		order := &orders.Items[i]
		life := order.Status.Activation
		if !order.Terminal() || order.Status.Phase == v1alpha1.PhaseDelivered && !life.Installed {
			open["/registry/secrets/"+order.Namespace+"/"+v1alpha1.ActivationSecretName(order.Name)] = order.Namespace + "/" + order.Name
		}
	}
	own := map[string]string{
		"/registry/secrets/" + testenv.SystemNamespace + "/smtp":                                             ownerMail,
		"/registry/secrets/" + shop.Name + "/" + hooksSecret:                                                 ownerHooks,
		"/registry/" + v1alpha1.GroupVersion.Group + "/esimclients/" + shop.Name + "/" + v1alpha1.ClientName: ownerURL,
	}
	entries, err := env.EtcdEntries(ctx)
	Expect(err).NotTo(HaveOccurred())
	places := make([]place, 0, len(entries))
	for _, entry := range entries {
		content := append([]byte(entry.Key+"\n"), entry.Value...)
		places = append(places, place{etcdPlace + entry.Key, content, func(c credential) bool {
			if c.kind == kindMatchingID {
				return open[entry.Key] == c.owner
			}
			return c.kind == kindSecret && own[entry.Key] == c.owner
		}})
	}
	return places
}

// The owners of secrets that are no order's.
const (
	ownerMail  = "the mail server"
	ownerHooks = "the webhooks of a client"
	ownerURL   = "the url of a webhook"
	ownerKey   = "an API key"
	ownerLogin = "a session"
)

// sentPlaces are the mails and the webhook requests, as they arrived. A matching ID may be in
// the receipt of its own order's delivery; a token of a webhook's url in what goes there.
func sentPlaces() []place {
	GinkgoHelper()
	sender, err := mail.NewSender(mail.Server{
		Host: "127.0.0.1", Port: 1, Encryption: mail.Unencrypted, From: "shop@example.com", Timeout: 1,
	}, &now)
	Expect(err).NotTo(HaveOccurred())
	messageID := func(about string) string { return sender.MessageID(about) }
	var places []place
	for i, l := range post.letters() {
		owner := register.deliveredTo(l, messageID)
		places = append(places, place{fmt.Sprintf("mail %d to %s", i, l.to), l.readable(), func(c credential) bool {
			return c.kind == kindMatchingID && c.owner == owner
		}})
	}
	for i, r := range hooks.requests() {
		places = append(places, place{fmt.Sprintf("webhook request %d to %s", i, r.path), r.whole, func(c credential) bool {
			return c.owner == ownerURL
		}})
	}
	return places
}

// answerPlaces are the answers of the REST API. A matching ID may be in those that show its
// order to somebody who may see it; tokens in those to logging in and refreshing.
func answerPlaces() []place {
	answers.mu.Lock()
	defer answers.mu.Unlock()
	places := make([]place, 0, len(answers.all))
	for i, a := range answers.all {
		owner := ""
		if id, ok := a.order(); ok {
			owner = register.byID(id)
		}
		tokens := a.status == http.StatusOK && (a.path == "/auth/login" || a.path == "/auth/refresh")
		var content strings.Builder
		if err := a.header.Write(&content); err != nil {
			Fail("a header cannot be written: " + err.Error())
		}
		content.Write(a.body)
		// The path is the caller's own, and may be what it should not have sent.
		name := fmt.Sprintf("REST answer %d, %d to %s", i, a.status, a.method)
		places = append(places, place{name, []byte(content.String()), func(c credential) bool {
			return c.kind == kindMatchingID && owner != "" && c.owner == owner || tokens && c.owner == ownerLogin
		}})
	}
	return places
}
