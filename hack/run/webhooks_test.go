//go:build unix

package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// as reads an object into its Go type.
func as[T any](t *testing.T, object *unstructured.Unstructured) T {
	t.Helper()
	var out T
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheSampleClientIsToldOfItsOrdersOnThisMachine(t *testing.T) {
	s := usualSettings(t)
	if err := ensureSigningSecret(s); err != nil {
		t.Fatal(err)
	}
	samples := []*unstructured.Unstructured{
		object(t, "kind: EsimClient\nmetadata: {name: default, namespace: globex}\nspec: {}"),
		object(t, "kind: EsimClient\nmetadata: {name: default, namespace: acme}\nspec: {defaultCurrency: JPY}"),
	}
	secrets, err := newCluster(s, t.Logf).connectWebhooks(samples)
	if err != nil || len(secrets) != 1 {
		t.Fatalf("there are %d Secrets, %v", len(secrets), err)
	}
	if others := as[v1alpha1.EsimClient](t, samples[0]).Spec.Webhooks; len(others) > 0 {
		t.Errorf("another client got %+v", others)
	}
	spec := as[v1alpha1.EsimClient](t, samples[1]).Spec
	want := []v1alpha1.WebhookEndpoint{{
		Name: "development", URL: "http://127.0.0.1:18096/hooks/acme", SigningSecretRef: v1alpha1.SecretReference{Name: "webhook-signing"},
	}}
	if diff := cmp.Diff(want, spec.Webhooks); diff != "" || spec.DefaultCurrency != "JPY" {
		t.Errorf("the client has the currency %s and the endpoints (-want +got):\n%s", spec.DefaultCurrency, diff)
	}
	secret := as[corev1.Secret](t, secrets[0])
	if secret.Namespace != "acme" || secret.Name != "webhook-signing" {
		t.Errorf("the Secret is %s/%s", secret.Namespace, secret.Name)
	}
	if _, err := webhook.ParseSecrets(secret.Data); err != nil {
		t.Errorf("events cannot be signed with it: %v", err)
	}
}

func TestTheSigningSecretLastsOverRestarts(t *testing.T) {
	s := usualSettings(t)
	var first []byte
	for range 2 {
		if err := ensureSigningSecret(s); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(s.file(signingSecretFile))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = content
		}
		if string(content) != string(first) {
			t.Error("it was made anew")
		}
	}
}
