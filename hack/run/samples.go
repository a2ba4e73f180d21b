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

// applySamples applies the samples, and the Secrets that they name: our credentials at what the
// simulator serves, and what webhooks are signed with.
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
		if err := connection.setPort(c.s); err != nil {
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

// simulated is what the simulator serves for one driver.
type simulated struct {
	// block of the EsimOperator's spec, and the field in it that names the Secret.
	block, secretField string
	port               portName
	// folder of the simulator's data with what the Secret holds. An SM-DP+ has one for each
	// client; then it is the folder that they are in.
	folder []string
	keys   []string
}

var allSimulated = []simulated{
	{"es2plus", "tlsSecretRef", es2plusPort, []string{"pki", "clients"}, []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, caKey}},
	{"zendit", "credentialsSecretRef", zenditPort, []string{"wholesalers", "zendit"}, []string{"api-key", caKey}},
	{"esimAccess", "credentialsSecretRef", esimAccessPort, []string{"wholesalers", "esim-access"}, []string{"access-code", "secret-key", caKey}},
	{"airalo", "credentialsSecretRef", airaloPort, []string{"wholesalers", "airalo"}, []string{"client-id", "client-secret", caKey}},
}

const caKey = corev1.ServiceAccountRootCAKey

// connection is the driver's block of an EsimOperator that speaks to this machine.
type connection struct {
	simulated
	operator          *unstructured.Unstructured
	url               *url.URL
	requester, secret string
}

// simulatedOperator is the connection of an EsimOperator to what the simulator serves on this
// machine; nil where the object is no such thing.
func simulatedOperator(object *unstructured.Unstructured) (*connection, error) {
	if object.GetKind() != "EsimOperator" {
		return nil, nil //nolint:nilnil // most objects are none, and that is no error.
	}
	for _, served := range allSimulated {
		block, found, err := unstructured.NestedMap(object.Object, "spec", served.block)
		if err != nil {
			return nil, err
		}
		if found {
			return connectionOf(object, served, block)
		}
	}
	return nil, nil //nolint:nilnil // a driver that the simulator does not know.
}

func connectionOf(object *unstructured.Unstructured, served simulated, block map[string]any) (*connection, error) {
	text, _, err := unstructured.NestedString(block, "url")
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if name := address.Hostname(); name != host && name != "localhost" {
		return nil, nil //nolint:nilnil // it is somebody else's.
	}
	requester, _, err := unstructured.NestedString(block, "functionRequesterIdentifier")
	if err != nil {
		return nil, err
	}
	secret, _, err := unstructured.NestedString(block, served.secretField, "name")
	if err != nil {
		return nil, err
	}
	return &connection{simulated: served, operator: object, url: address, requester: requester, secret: secret}, nil
}

// setPort makes the connection go to the port that the simulator listens on here.
func (c *connection) setPort(s settings) error {
	c.url.Host = c.url.Hostname() + ":" + s.port(c.port)
	if err := unstructured.SetNestedField(c.operator.Object, c.url.String(), "spec", c.block, "url"); err != nil {
		return fmt.Errorf("setting the port of the sample %s: %w", c.operator.GetName(), err)
	}
	return nil
}

// credentials makes the Secret of a connection from the files that the simulator has made when
// it started.
func (c *cluster) credentials(of *connection) (*unstructured.Unstructured, error) {
	secret := &corev1.Secret{Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
	if of.block == "es2plus" {
		secret.Type = corev1.SecretTypeTLS
	}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	secret.Namespace, secret.Name = systemNamespace, of.secret
	for _, key := range of.keys {
		path := slices.Concat([]string{"smdp"}, of.folder, []string{of.requester, key})
		content, err := os.ReadFile(c.s.file(path...))
		if err != nil {
			return nil, fmt.Errorf("reading what the simulator has made for %s: %w", of.operator.GetName(), err)
		}
		secret.Data[key] = content
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(secret)
	if err != nil {
		return nil, fmt.Errorf("making the Secret %s: %w", of.secret, err)
	}
	return &unstructured.Unstructured{Object: object}, nil
}
