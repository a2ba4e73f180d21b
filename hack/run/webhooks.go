//go:build unix

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
)

const (
	// signingSecretFile holds what webhooks to the sample client are signed with. It lasts over
	// restarts, as the Secret of the same content does.
	signingSecretFile = "webhook-secret"
	signingSecret     = "webhook-signing"
	signingSecretSize = 32
)

// ensureSigningSecret makes the secret, unless it is there.
func ensureSigningSecret(s settings) error {
	if _, err := os.Stat(s.file(signingSecretFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	secret := make([]byte, signingSecretSize)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("drawing the secret of webhooks: %w", err)
	}
	return supervise.WriteFile(s.file(signingSecretFile), []byte("whsec_"+base64.StdEncoding.EncodeToString(secret)+"\n"))
}

// connectWebhooks gives the sample client an endpoint on this machine, and returns the Secret
// that it names. Where there is no such client there is nothing to do.
func (c *cluster) connectWebhooks(samples []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	for _, object := range samples {
		if object.GetKind() != "EsimClient" || object.GetNamespace() != sampleClient {
			continue
		}
		endpoint := map[string]any{
			"name":             "development",
			"url":              "http://" + c.s.address(webhooksPort) + "/hooks/" + sampleClient,
			"signingSecretRef": map[string]any{"name": signingSecret},
		}
		if err := unstructured.SetNestedSlice(object.Object, []any{endpoint}, "spec", "webhooks"); err != nil {
			return nil, fmt.Errorf("connecting the sample client's webhooks: %w", err)
		}
		secret, err := signing(c.s)
		return []*unstructured.Unstructured{secret}, err
	}
	return nil, nil
}

// signing is the client's Secret.
func signing(s settings) (*unstructured.Unstructured, error) {
	content, err := os.ReadFile(s.file(signingSecretFile))
	if err != nil {
		return nil, fmt.Errorf("reading the secret of webhooks: %w", err)
	}
	secret := &corev1.Secret{Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"current": bytes.TrimSpace(content)}}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	secret.Namespace, secret.Name = sampleClient, signingSecret
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(secret)
	if err != nil {
		return nil, fmt.Errorf("making the Secret %s: %w", signingSecret, err)
	}
	return &unstructured.Unstructured{Object: object}, nil
}
