package postoffice_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/telcodev/esim-operator/internal/mailbox"
	"github.com/telcodev/esim-operator/internal/notify/mail"
	"github.com/telcodev/esim-operator/internal/notify/postoffice"
	"github.com/telcodev/esim-operator/internal/notify/receipt"
)

var ours = types.NamespacedName{Namespace: "esim-system", Name: "receipts"}

// stand is an office with a mailbox that takes what it sends.
type stand struct {
	t      *testing.T
	api    client.Client
	clock  *testingclock.FakePassiveClock
	office *postoffice.Office
	box    *mailbox.Mailbox
}

func open(t *testing.T, objects ...client.Object) *stand {
	t.Helper()
	box, err := mailbox.Start(t.Context(), mailbox.Options{SMTPAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	address := netip.MustParseAddrPort(box.SMTPAddress())
	s := &stand{
		t: t, api: fake.NewClientBuilder().WithObjects(objects...).Build(), box: box,
		clock: testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	s.office = &postoffice.Office{
		Live: s.api, Templates: ours, Clock: s.clock, Log: logr.Discard(),
		Server: mail.Server{
			Host: address.Addr().String(), Port: int(address.Port()), Encryption: mail.Unencrypted, From: "shop@example.com",
		},
	}
	return s
}

// send sends a receipt and returns the subject under which it arrived.
func (s *stand) send() string {
	s.t.Helper()
	s.clock.SetTime(s.clock.Now().Add(time.Minute))
	failed := receipt.Receipt{Kind: receipt.Failed, ProductName: "Japan 1 GB", FailureReason: "The plan is not sold any more"}
	if err := s.office.Send(s.t.Context(), "ann@example.com", "an-order", failed); err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.box.URL()+"messages", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := answer.Body.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	var mails []struct {
		ID      int    `json:"id"`
		Subject string `json:"subject"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&mails); err != nil {
		s.t.Fatal(err)
	}
	newest := mails[0]
	for _, m := range mails {
		if m.ID > newest.ID {
			newest = m
		}
	}
	return newest.Subject
}

func templates(subject string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: ours.Namespace, Name: ours.Name},
		Data:       map[string]string{"failed.subject": subject},
	}
}

func (s *stand) change(subject string) {
	s.t.Helper()
	var texts corev1.ConfigMap
	if err := s.api.Get(s.t.Context(), ours, &texts); err != nil {
		s.t.Fatal(err)
	}
	texts.Data = templates(subject).Data
	if err := s.api.Update(s.t.Context(), &texts); err != nil {
		s.t.Fatal(err)
	}
}

func TestTemplatesOfThePlatformTeamCountFromWhenTheyAreThere(t *testing.T) {
	s := open(t, templates("Sorry: {{.Product}}"))
	if got := s.send(); got != "Sorry: Japan 1 GB" {
		t.Errorf("the subject is %q", got)
	}
	s.change("Alas: {{.Product}}")
	if got := s.send(); got != "Alas: Japan 1 GB" {
		t.Errorf("after a change the subject is %q", got)
	}
	s.change("{{.Nothing.Of.This}}")
	if got := s.send(); got != "Alas: Japan 1 GB" {
		t.Errorf("after a change that cannot be used the subject is %q", got)
	}
	if err := s.api.Delete(t.Context(), templates("")); err != nil {
		t.Fatal(err)
	}
	if got := s.send(); got == "" || strings.HasPrefix(got, "Alas") {
		t.Errorf("without templates of the platform team the subject is %q", got)
	}
}

func TestMissingCredentialsAreNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		secret map[string][]byte
		want   string
	}{
		"no Secret":   {want: "not found"},
		"no password": {secret: map[string][]byte{"username": []byte("shop")}, want: "needs username and password"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.office.Credentials = types.NamespacedName{Namespace: "esim-system", Name: "mail"}
			if tc.secret != nil {
				secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "esim-system", Name: "mail"}, Data: tc.secret}
				if err := s.api.Create(t.Context(), secret); err != nil {
					t.Fatal(err)
				}
			}
			err := s.office.Send(context.WithoutCancel(t.Context()), "ann@example.com", "x", receipt.Receipt{Kind: receipt.Failed})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want one that says %q", err, tc.want)
			}
		})
	}
}
