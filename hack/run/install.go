//go:build unix

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	esimv1alpha1 "github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/inforce"
	"github.com/telcodev/esim-operator/internal/manifests"
)

const (
	fieldOwner      = client.FieldOwner("make-run")
	installTimeout  = time.Minute
	crdsFolder      = "config/crd/bases"
	rolesFolder     = "config/rbac"
	admissionFolder = "config/admission"
	facadeFolder    = "config/facade"
	samplesFolder   = "config/samples"
)

// startAPIServer starts kube-apiserver and connects to it as an administrator.
func (c *cluster) startAPIServer(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.s.file("kubeconfig"))
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	// The API server decides by itself how fast we may be.
	config.QPS = -1
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("connecting to kube-apiserver: %w", err)
	}
	ready := &probe{client: httpClient}
	if err := c.start(ctx, apiServerProcess(c.s, c.assets), ready.answers(config.Host+"/readyz")); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, esimv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("collecting the kinds: %w", err)
		}
	}
	if c.client, err = client.New(config, client.Options{Scheme: scheme, HTTPClient: httpClient}); err != nil {
		return fmt.Errorf("connecting to kube-apiserver: %w", err)
	}
	return nil
}

// install applies what an installation of the operator has, and waits until it is in force.
func (c *cluster) install(ctx context.Context) error {
	crds, err := c.read(ctx, crdsFolder)
	if err != nil {
		return err
	}
	if err := manifests.Apply(ctx, c.client, fieldOwner, crds); err != nil {
		return err
	}
	if err := await(ctx, installTimeout, c.established(crds)); err != nil {
		return fmt.Errorf("the CRDs are not served: %w", err)
	}
	namespace := &unstructured.Unstructured{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	namespace.SetName(systemNamespace)
	if err := manifests.Apply(ctx, c.client, fieldOwner, []*unstructured.Unstructured{namespace}); err != nil {
		return err
	}
	for _, folder := range []string{rolesFolder, facadeFolder, admissionFolder} {
		objects, err := c.read(ctx, folder)
		if err != nil {
			return err
		}
		if err := manifests.Apply(ctx, c.client, fieldOwner, objects); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	return inforce.Wait(limited, c.client)
}

// established checks that every CRD is served.
func (c *cluster) established(crds []*unstructured.Unstructured) check {
	return func(ctx context.Context) error {
		for _, object := range crds {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			if err := c.client.Get(ctx, client.ObjectKey{Name: object.GetName()}, crd); err != nil {
				return fmt.Errorf("getting the CRD %s: %w", object.GetName(), err)
			}
			if !isEstablished(crd) {
				return fmt.Errorf("%s is not established", crd.Name)
			}
		}
		return nil
	}
}

func isEstablished(crd *apiextensionsv1.CustomResourceDefinition) bool {
	for _, condition := range crd.Status.Conditions {
		if condition.Type == apiextensionsv1.Established {
			return condition.Status == apiextensionsv1.ConditionTrue
		}
	}
	return false
}

// awaitService waits until an operator can be reached and a product can be sold.
func (c *cluster) awaitService(ctx context.Context) error {
	if err := await(ctx, installTimeout, c.operatorReady); err != nil {
		return fmt.Errorf("no order would be served: %w\n%s", err, c.lastWords("manager"))
	}
	if err := await(ctx, installTimeout, c.productReady); err != nil {
		return fmt.Errorf("no order would be served: %w\n%s", err, c.lastWords("manager"))
	}
	return nil
}

func (c *cluster) operatorReady(ctx context.Context) error {
	var list esimv1alpha1.EsimOperatorList
	if err := c.client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing the EsimOperators: %w", err)
	}
	var conditions [][]metav1.Condition
	for i := range list.Items {
		conditions = append(conditions, list.Items[i].Status.Conditions)
	}
	return anyReady("EsimOperator", conditions)
}

func (c *cluster) productReady(ctx context.Context) error {
	var list esimv1alpha1.EsimProductList
	if err := c.client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing the EsimProducts: %w", err)
	}
	var conditions [][]metav1.Condition
	for i := range list.Items {
		conditions = append(conditions, list.Items[i].Status.Conditions)
	}
	return anyReady("EsimProduct", conditions)
}

// anyReady checks that one of the objects is Ready, and says why the last one is not.
func anyReady(kind string, objects [][]metav1.Condition) error {
	reason := "the manager has not looked at any yet"
	for _, conditions := range objects {
		for _, condition := range conditions {
			if condition.Type != esimv1alpha1.ConditionReady {
				continue
			}
			if condition.Status == metav1.ConditionTrue {
				return nil
			}
			reason = condition.Reason + ": " + condition.Message
		}
	}
	return fmt.Errorf("of %d, no %s is Ready (%s)", len(objects), kind, reason)
}

func (c *cluster) read(ctx context.Context, folder string) ([]*unstructured.Unstructured, error) {
	return manifests.Read(ctx, c.s.file("bin", "kubectl"), filepath.Join(c.s.Root, filepath.FromSlash(folder)))
}
