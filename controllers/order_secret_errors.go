package controllers

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
)

// secretError is why a Secret was not written, as it may be logged: an admission webhook may
// quote what it refuses.
type secretError struct {
	text string
	err  error
}

// Error is what the API server says, without credentials.
func (e *secretError) Error() string { return e.text }

// Unwrap is the error as it came, for what kind it is.
func (e *secretError) Unwrap() error { return e.err }

// aboutSecret is an error of writing a Secret that holds, or held, these credentials.
func aboutSecret(err error, held ...activation.Credential) error {
	if err == nil {
		return nil
	}
	return &secretError{activation.Redact(err.Error(), held...), err}
}

// credentialsIn an order's Secret.
func credentialsIn(secret *corev1.Secret) []activation.Credential {
	var held []activation.Credential
	for _, key := range []string{
		v1alpha1.SecretKeyActivationCode, v1alpha1.SecretKeyMatchingID, v1alpha1.SecretKeyConfirmationCode,
	} {
		held = append(held, activation.NewCredential(string(secret.Data[key])))
	}
	return held
}
