package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// saved are the kinds that are saved, in the order in which they are restored.
var saved = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Namespace"},
	v1alpha1.GroupVersion.WithKind("EsimOperator"),
	v1alpha1.GroupVersion.WithKind("EsimProduct"),
	v1alpha1.GroupVersion.WithKind("EsimClient"),
	v1alpha1.GroupVersion.WithKind("EsimWallet"),
	v1alpha1.GroupVersion.WithKind("EsimOrder"),
	{Version: "v1", Kind: "Secret"},
}

// backup is what `kubectl get -o yaml` wrote, a document for each object.
type backup []string

// save takes everything down, with status and Secrets.
func save(ctx context.Context, from client.Client) (backup, error) {
	var documents backup
	for _, kind := range saved {
		list := unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := from.List(ctx, &list); err != nil {
			return nil, fmt.Errorf("listing %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			document, err := yaml.Marshal(list.Items[i].Object)
			if err != nil {
				return nil, fmt.Errorf("writing %s %s: %w", kind.Kind, list.Items[i].GetName(), err)
			}
			documents = append(documents, string(document))
		}
	}
	return documents, nil
}

// notRestored are fields of metadata that belong to the object that was saved.
var notRestored = []string{
	"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
	"deletionGracePeriodSeconds", "managedFields", "selfLink",
}

// objects are the documents with what cannot be restored left out, and those of them that were
// being deleted. Owner references name UIDs that exist no more. Velero leaves them out, and
// `kubectl create -f` does not; keepOwner tells of an object which of the two is done.
func (b backup) objects(keepOwner func(name string) bool) (all, deleted []*unstructured.Unstructured, err error) {
	for _, document := range b {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, nil, fmt.Errorf("reading the backup: %w", err)
		}
		if object.GetDeletionTimestamp() != nil {
			deleted = append(deleted, object)
		}
		if err := keepFirstUID(object); err != nil {
			return nil, nil, err
		}
		for _, field := range notRestored {
			unstructured.RemoveNestedField(object.Object, "metadata", field)
		}
		if !keepOwner(object.GetName()) {
			object.SetOwnerReferences(nil)
		}
		all = append(all, object)
	}
	return all, deleted, nil
}

// keepFirstUID says of an object that an earlier version wrote, which does not say so itself, by
// which UID others know it.
func keepFirstUID(object *unstructured.Unstructured) error {
	switch secretType, _, _ := unstructured.NestedString(object.Object, "type"); {
	case object.GetKind() == "EsimWallet":
		if known, _, _ := unstructured.NestedString(object.Object, "status", "firstUID"); known == "" {
			return unstructured.SetNestedField(object.Object, string(object.GetUID()), "status", "firstUID")
		}
	case secretType == v1alpha1.ActivationSecretType && object.GetAnnotations()[v1alpha1.WrittenForAnnotation] == "":
		for _, owner := range object.GetOwnerReferences() {
			object.SetAnnotations(map[string]string{v1alpha1.WrittenForAnnotation: string(owner.UID)})
		}
	}
	return nil
}

// writtenBefore is the backup as a version wrote the named objects that did not note first UIDs.
func (b backup) writtenBefore(names ...string) backup {
	old := slices.Clone(b)
	for i, document := range b {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(document, "\n  name: "+name+"\n") }) {
			continue
		}
		var lines []string
		for line := range strings.Lines(document) {
			field := strings.TrimSpace(line)
			if !strings.HasPrefix(field, "firstUID:") && !strings.HasPrefix(field, v1alpha1.WrittenForAnnotation+":") {
				lines = append(lines, line)
			}
		}
		old[i] = strings.Join(lines, "")
	}
	return old
}

// restore puts a backup into a cluster: each object, then its status, and at last those that were
// being deleted are deleted again. The activation Secrets are written in the manager's name, as
// nobody else may.
func restore(ctx context.Context, env *testenv.Environment, from backup, keepOwner func(name string) bool) error {
	all, deleted, err := from.objects(keepOwner)
	if err != nil {
		return err
	}
	impersonating := rest.CopyConfig(env.Config)
	impersonating.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + testenv.SystemNamespace + ":" + testenv.ManagerServiceAccount,
	}
	manager, err := client.New(impersonating, client.Options{Scheme: env.Scheme})
	if err != nil {
		return fmt.Errorf("making a client in the manager's name: %w", err)
	}
	for _, object := range all {
		if isClusters(object) {
			continue
		}
		writer := env.Client
		if secretType, _, _ := unstructured.NestedString(object.Object, "type"); secretType == v1alpha1.ActivationSecretType {
			writer = manager
		}
		if err := restoreOne(ctx, writer, object); err != nil {
			return err
		}
	}
	for _, object := range deleted {
		if err := env.Client.Delete(ctx, object); err != nil {
			return fmt.Errorf("deleting %s %s again: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

func restoreOne(ctx context.Context, writer client.Client, object *unstructured.Unstructured) error {
	what := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
	status, hasStatus := object.Object["status"]
	created := object.DeepCopy()
	if err := writer.Create(ctx, created); err != nil {
		if apierrors.IsAlreadyExists(err) && object.GetKind() == "Namespace" {
			return nil
		}
		return fmt.Errorf("creating %s: %w", what, err)
	}
	if !hasStatus || object.GetKind() == "Namespace" {
		return nil
	}
	created.Object["status"] = status
	if err := writer.Status().Update(ctx, created); err != nil {
		return fmt.Errorf("writing the status of %s: %w", what, err)
	}
	return nil
}

// isClusters tells whether an object is the cluster's own.
func isClusters(object *unstructured.Unstructured) bool {
	if object.GetKind() == "Namespace" {
		return strings.HasPrefix(object.GetName(), "kube-") || slices.Contains([]string{"default", testenv.SystemNamespace}, object.GetName())
	}
	return strings.HasPrefix(object.GetNamespace(), "kube-")
}
