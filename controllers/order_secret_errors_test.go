package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestWhatRefusesASecretAndQuotesItIsLoggedWithoutCredentials(t *testing.T) {
	const matchingID, code, confirmation = "K3TQX9ZW7VJ2M4PBN8RD", "LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD", "4711"
	secret := &corev1.Secret{Data: map[string][]byte{
		v1alpha1.SecretKeyActivationCode: []byte(code), v1alpha1.SecretKeyMatchingID: []byte(matchingID),
		v1alpha1.SecretKeyConfirmationCode: []byte(confirmation), v1alpha1.SecretKeyICCID: []byte("8947010000123456784"),
	}}
	quoting := fmt.Errorf("webhook denied %s, %s, %s of profile %s", matchingID, strings.ToLower(code), confirmation, "8947010000123456784")
	refused := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "trip-activation", quoting)
	err := fmt.Errorf("writing the activation Secret: %w", aboutSecret(refused, credentialsIn(secret)...))
	for _, hidden := range []string{matchingID, code, confirmation} {
		if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(hidden)) {
			t.Error("the error shows a credential")
		}
	}
	for _, shown := range []string{"trip-activation", "webhook denied", "8947010000123456784"} {
		if !strings.Contains(err.Error(), shown) {
			t.Errorf("the error does not tell %q: %v", shown, err)
		}
	}
	if !apierrors.IsForbidden(err) || !errors.Is(err, refused) || !definitelyRefused(err) {
		t.Error("what kind of error it is got lost")
	}
	if aboutSecret(nil) != nil {
		t.Error("success became an error")
	}
}
