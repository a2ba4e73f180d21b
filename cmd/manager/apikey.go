package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/facade/access"
)

const apiKeyUsage = `Makes an API key, with which a client logs in to the REST API.

Usage:
  manager api-key create --namespace=<client> [--kubeconfig=<file>]

It is made with your own rights: create on secrets, and get on serviceaccounts, in the
client's namespace. The secret is printed once and kept nowhere. To list a client's keys, and
to revoke one with every session that began with it:

  kubectl -n <client> get secrets -l esim.telco.dev/api-key
  kubectl -n <client> delete secret esim-api-key-<end of the key>

Flags:
`

// apiKeyCommand is `manager api-key`.
func apiKeyCommand(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("manager api-key create", flag.ContinueOnError)
	flags.SetOutput(os.Stderr)
	flags.Usage = func() {
		fmt.Fprint(os.Stderr, apiKeyUsage)
		flags.PrintDefaults()
	}
	namespace := flags.String("namespace", "", "the client's namespace")
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server; else KUBECONFIG, else the Pod's own identity")
	if len(args) == 0 || args[0] != "create" {
		flags.Usage()
		return errors.New("api-key: say what is to be done: manager api-key create --namespace=<client>")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *namespace == "" || flags.NArg() > 0 {
		return errors.New("api-key create: name the client's namespace, and nothing else: --namespace=<client>")
	}
	config, err := identity(*kubeconfig)
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	return createAPIKey(ctx, c, rand.Reader, *namespace, out)
}

// createAPIKey makes an API key and prints it, with its secret.
func createAPIKey(ctx context.Context, c client.Client, random io.Reader, namespace string, out io.Writer) error {
	var account corev1.ServiceAccount
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: access.LoginServiceAccount}, &account)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("namespace %s has no ServiceAccount %s, so nobody can log in to it; "+
			"apply one, as config/samples/client.yaml does: %w", namespace, access.LoginServiceAccount, err)
	case err != nil:
		return fmt.Errorf("getting the ServiceAccount %s of namespace %s: %w", access.LoginServiceAccount, namespace, err)
	}
	key, err := access.NewAPIKey(random, namespace)
	if err != nil {
		return err
	}
	if err := c.Create(ctx, key.Object); err != nil {
		return fmt.Errorf("creating Secret %s in namespace %s: %w", key.Object.Name, namespace, err)
	}
	if _, err := fmt.Fprintf(out, "ESIM_API_KEY=%s\nESIM_API_SECRET=%s\n", key.Key, key.Secret.Reveal()); err != nil {
		return fmt.Errorf("printing the API key, which is of no use now; delete Secret %s in namespace %s: %w",
			key.Object.Name, namespace, err)
	}
	return nil
}
