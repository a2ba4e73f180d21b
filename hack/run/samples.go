//go:build unix

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/telcodev/esim-operator/internal/manifests"
)

// applySamples applies the samples, and the Secrets that they name: our client certificates at
// the simulator, and what webhooks are signed with.
func (c *cluster) applySamples(ctx context.Context) error {
	objects, err := c.read(ctx, samplesFolder)
	if err != nil {
		return err
	}
	var secrets []*unstructured.Unstructured
	for _, object := range objects {
		connection, err := simulatedOperator(object)
		if err != nil {
			return fmt.Errorf("reading the sample %s: %w", object.GetName(), err)
		}
		if connection == nil {
			continue
		}
		if err := connection.setPort(c.s.port(es2plusPort)); err != nil {
			return err
		}
		secret, err := c.credentials(connection)
		if err != nil {
			return err
		}
		secrets = append(secrets, secret)
	}
	signing, err := c.connectWebhooks(objects)
	if err != nil {
		return err
	}
	// The client's Secret comes after the client's namespace.
	return manifests.Apply(ctx, c.client, fieldOwner, slices.Concat(secrets, objects, signing))
}

// connection is the ES2+ block of an EsimOperator that speaks to this machine.
type connection struct {
	operator          *unstructured.Unstructured
	url               *url.URL
	requester, secret string
}

// simulatedOperator is the connection of an EsimOperator to an SM-DP+ on this machine; nil
// where the object is no such thing.
func simulatedOperator(object *unstructured.Unstructured) (*connection, error) {
	if object.GetKind() != "EsimOperator" {
		return nil, nil //nolint:nilnil // most objects are none, and that is no error.
	}
	block, found, err := unstructured.NestedMap(object.Object, "spec", "es2plus")
	if err != nil || !found {
		return nil, err
	}
	text, _, err := unstructured.NestedString(block, "url")
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if name := address.Hostname(); name != host && name != "localhost" {
		return nil, nil //nolint:nilnil // somebody else's SM-DP+.
	}
	requester, _, err := unstructured.NestedString(block, "functionRequesterIdentifier")
	if err != nil {
		return nil, err
	}
	secret, _, err := unstructured.NestedString(block, "tlsSecretRef", "name")
	if err != nil {
		return nil, err
	}
	return &connection{operator: object, url: address, requester: requester, secret: secret}, nil
}

// setPort makes the connection go to the port that the simulator listens on here.
func (c *connection) setPort(port string) error {
	c.url.Host = c.url.Hostname() + ":" + port
	if err := unstructured.SetNestedField(c.operator.Object, c.url.String(), "spec", "es2plus", "url"); err != nil {
		return fmt.Errorf("setting the port of the sample %s: %w", c.operator.GetName(), err)
	}
	return nil
}

// credentials makes the Secret of a connection from the files that the simulator has made
// for this client when it started.
func (c *cluster) credentials(of *connection) (*unstructured.Unstructured, error) {
	secret := &corev1.Secret{Type: corev1.SecretTypeTLS, Data: map[string][]byte{}}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	secret.Namespace, secret.Name = systemNamespace, of.secret
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt"} {
		content, err := os.ReadFile(c.s.file("smdp", "pki", "clients", of.requester, key))
		if err != nil {
			return nil, fmt.Errorf("reading the certificate that the simulator has made for %s: %w", of.requester, err)
		}
		secret.Data[key] = content
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(secret)
	if err != nil {
		return nil, fmt.Errorf("making the Secret %s: %w", of.secret, err)
	}
	return &unstructured.Unstructured{Object: object}, nil
}
