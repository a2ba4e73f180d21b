package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/telcodev/esim-operator/internal/facade/access"
)

func account(namespace string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: access.LoginServiceAccount}}
}

func TestAnAPIKeyIsPrintedOnceAndKeptAsAHash(t *testing.T) {
	c := newClient(account("acme"))
	var out bytes.Buffer
	if err := createAPIKey(t.Context(), c, rand.Reader, "acme", &out); err != nil {
		t.Fatal(err)
	}
	printed := regexp.MustCompile(`^ESIM_API_KEY=acme\.([a-z2-7]{16})\nESIM_API_SECRET=([a-z2-7]{48})\n$`).FindStringSubmatch(out.String())
	if printed == nil {
		t.Fatal("key and secret are not printed as they should be")
	}
	var kept corev1.Secret
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "esim-api-key-" + printed[1]}, &kept); err != nil {
		t.Fatal(err)
	}
	if kept.Type != access.KeySecretType || kept.Labels[access.KeyLabel] != printed[1] {
		t.Errorf("it is kept as type %s with labels %v", kept.Type, kept.Labels)
	}
	for name, value := range kept.Data {
		if strings.Contains(string(value), printed[2]) {
			t.Errorf("the secret is kept under %s", name)
		}
	}
	if err := bcrypt.CompareHashAndPassword(kept.Data["secret-hash"], []byte(printed[2])); err != nil {
		t.Errorf("what is printed is not what is kept: %v", err)
	}
}

func TestAnAPIKeyThatNobodyCouldUseIsNotMade(t *testing.T) {
	c := newClient(account("globex"))
	err := createAPIKey(t.Context(), c, rand.Reader, "acme", io.Discard)
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "config/samples/client.yaml") {
		t.Errorf("without a ServiceAccount: %v", err)
	}
	full, err := os.OpenFile("/dev/null", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	err = createAPIKey(t.Context(), c, rand.Reader, "globex", full)
	var path *os.PathError
	if !errors.As(err, &path) || !strings.Contains(err.Error(), "delete Secret esim-api-key-") {
		t.Errorf("where it cannot be printed: %v", err)
	}
}

func TestAnAPIKeyIsMadeForSomebody(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing": nil, "no namespace": {"create"}, "another verb": {"delete", "--namespace=acme"},
		"something else": {"create", "--namespace=acme", "globex"},
	} {
		if err := apiKeyCommand(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), "--namespace=<client>") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newClient(objects ...client.Object) client.Client {
	return fake.NewClientBuilder().WithObjects(objects...).Build()
}
