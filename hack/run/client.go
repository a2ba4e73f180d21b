//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/hack/run/internal/supervise"
	"github.com/telcodev/esim-operator/internal/facade/access"
)

const (
	// sampleClient is the client of config/samples.
	sampleClient = "acme"
	// apiServiceAccount is who a client is at the REST API, and apiAudience what its tokens
	// are for.
	apiServiceAccount = "esim-api"
	apiAudience       = "esim-api"
	tokenLifetime     = 7 * 24 * time.Hour
)

// clientAccess is how the sample client gets in at the REST API.
type clientAccess struct{ token, key, secret string }

// clientAccess makes a token, and an API key that lasts over restarts.
func (c *cluster) clientAccess(ctx context.Context) (clientAccess, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: sampleClient, Name: apiServiceAccount}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{apiAudience}, ExpirationSeconds: ptr.To(int64(tokenLifetime.Seconds())),
	}}
	if err := c.client.SubResource("token").Create(ctx, account, request); err != nil {
		return clientAccess{}, fmt.Errorf("asking for a token of %s: %w", sampleClient, err)
	}
	key, secret, err := c.apiKey(ctx)
	return clientAccess{token: request.Status.Token, key: key, secret: secret}, err
}

// apiKey is the one of an earlier run; a new one where that is gone.
func (c *cluster) apiKey(ctx context.Context) (key, secret string, err error) {
	file := c.s.file("api-key")
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("reading the API key: %w", err)
	}
	if key, secret, ok := strings.Cut(strings.TrimSpace(string(text)), " "); ok {
		var keys corev1.SecretList
		_, id, _ := strings.Cut(key, ".")
		err := c.client.List(ctx, &keys, client.InNamespace(sampleClient), client.MatchingLabels{access.KeyLabel: id})
		if err != nil {
			return "", "", fmt.Errorf("looking for the API key: %w", err)
		}
		if len(keys.Items) > 0 {
			return key, secret, nil
		}
	}
	made, err := access.NewAPIKey(rand.Reader, sampleClient)
	if err != nil {
		return "", "", err
	}
	if err := c.client.Create(ctx, made.Object); err != nil {
		return "", "", fmt.Errorf("making an API key: %w", err)
	}
	return made.Key, made.Secret.Reveal(), supervise.WriteFile(file, []byte(made.Key+" "+made.Secret.Reveal()+"\n"))
}
