// Package inforce tells when admission policies that were just created are in force.
//
// The API server compiles policies in the background: a policy that was created a moment
// ago does not judge requests yet, and its status does not tell when it will. So a marker
// is created after them. Policies of one kind are read in the order of their creation and
// taken into use together, hence what came before a marker holds once the marker does.
package inforce

import (
	"context"
	"errors"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	pollInterval   = 50 * time.Millisecond
	cleanupTimeout = 10 * time.Second

	// probeNamespace exists in every cluster; nothing is ever stored in it, as each probe
	// is a dry run.
	probeNamespace = "default"

	markerPrefix     = "policies-in-force-"
	markerAnnotation = "esim.telco.dev/policies-in-force"
)

// Wait returns once every ValidatingAdmissionPolicy and MutatingAdmissionPolicy that was
// created before the call is in force, with its binding. It needs the rights to create and
// delete policies and bindings, and to create ConfigMaps in the namespace default, as it
// makes a marker of each kind, sees them work on dry runs, and removes them. How long that
// may take is the context's business; a few seconds are usual.
func Wait(ctx context.Context, c client.Client) (err error) {
	var made []client.Object
	defer func() { err = errors.Join(err, remove(context.WithoutCancel(ctx), c, made)) }()

	for _, m := range []marker{newValidatingMarker(), newMutatingMarker()} {
		objects, err := m.create(ctx, c)
		made = append(made, objects...)
		if err != nil {
			return err
		}
		err = wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
			return m.works(ctx, c)
		})
		if err != nil {
			return fmt.Errorf("waiting for the %s to be in force: %w", m.kind(), err)
		}
	}
	return nil
}

// marker is a policy that does something harmless and visible to one ConfigMap's dry run.
type marker interface {
	kind() string
	// create makes the policy and its binding, and returns what it made, also on errors.
	create(ctx context.Context, c client.Client) ([]client.Object, error)
	// works tells whether the API server obeys the policy.
	works(ctx context.Context, c client.Client) (bool, error)
}

type validatingMarker struct{ name string }

func newValidatingMarker() *validatingMarker { return &validatingMarker{} }

func (m *validatingMarker) kind() string { return "ValidatingAdmissionPolicies" }

func (m *validatingMarker) create(ctx context.Context, c client.Client) ([]client.Object, error) {
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{GenerateName: markerPrefix},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    new(admissionregistrationv1.Ignore),
			MatchConstraints: configMapCreation(),
			Validations: []admissionregistrationv1.Validation{{
				Expression: "false",
				Message:    "the policies are in force",
				// A reason that nothing else gives for a small ConfigMap.
				Reason: new(metav1.StatusReasonRequestEntityTooLarge),
			}},
		},
	}
	if err := c.Create(ctx, policy); err != nil {
		return nil, fmt.Errorf("creating the marker among the %s: %w", m.kind(), err)
	}
	m.name = policy.Name
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        policy.Name,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
			MatchResources:    configMapCreation(policy.Name),
		},
	}
	if err := c.Create(ctx, binding); err != nil {
		return []client.Object{policy}, fmt.Errorf("binding the marker among the %s: %w", m.kind(), err)
	}
	return []client.Object{binding, policy}, nil
}

func (m *validatingMarker) works(ctx context.Context, c client.Client) (bool, error) {
	_, err := probe(ctx, c, m.name)
	switch {
	case apierrors.IsRequestEntityTooLargeError(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("trying the marker among the %s: %w", m.kind(), err)
	default:
		return false, nil
	}
}

type mutatingMarker struct{ name string }

func newMutatingMarker() *mutatingMarker { return &mutatingMarker{} }

func (m *mutatingMarker) kind() string { return "MutatingAdmissionPolicies" }

func (m *mutatingMarker) create(ctx context.Context, c client.Client) ([]client.Object, error) {
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{GenerateName: markerPrefix},
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			FailurePolicy:      new(admissionregistrationv1.Ignore),
			ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
			MatchConstraints:   configMapCreation(),
			Mutations: []admissionregistrationv1.Mutation{{
				PatchType: admissionregistrationv1.PatchTypeApplyConfiguration,
				ApplyConfiguration: &admissionregistrationv1.ApplyConfiguration{
					Expression: "Object{metadata: Object.metadata{annotations: {'" + markerAnnotation + "': object.metadata.name}}}",
				},
			}},
		},
	}
	if err := c.Create(ctx, policy); err != nil {
		return nil, fmt.Errorf("creating the marker among the %s: %w", m.kind(), err)
	}
	m.name = policy.Name
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec: admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{
			PolicyName:     policy.Name,
			MatchResources: configMapCreation(policy.Name),
		},
	}
	if err := c.Create(ctx, binding); err != nil {
		return []client.Object{policy}, fmt.Errorf("binding the marker among the %s: %w", m.kind(), err)
	}
	return []client.Object{binding, policy}, nil
}

func (m *mutatingMarker) works(ctx context.Context, c client.Client) (bool, error) {
	answered, err := probe(ctx, c, m.name)
	if err != nil {
		return false, fmt.Errorf("trying the marker among the %s: %w", m.kind(), err)
	}
	return answered.Annotations[markerAnnotation] == m.name, nil
}

// probe asks for a ConfigMap that is never stored, and returns what it would have become.
func probe(ctx context.Context, c client.Client, name string) (*corev1.ConfigMap, error) {
	configMap := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: probeNamespace, Name: name},
	}
	return configMap, c.Create(ctx, configMap, client.DryRunAll)
}

// configMapCreation matches the creation of ConfigMaps in the namespace that is probed. A
// marker's binding narrows that to its policy's own name, which the server chose: so nobody
// else's ConfigMap is touched, and two markers do not meet.
func configMapCreation(names ...string) *admissionregistrationv1.MatchResources {
	return &admissionregistrationv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{corev1.LabelMetadataName: probeNamespace},
		},
		ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
			ResourceNames: names,
			RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule: admissionregistrationv1.Rule{
					APIGroups:   []string{""},
					APIVersions: []string{"v1"},
					Resources:   []string{"configmaps"},
				},
			},
		}},
	}
}

// remove deletes the markers; it has its own time, so that it works after a cancellation.
func remove(ctx context.Context, c client.Client, objects []client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	var errs []error
	for _, object := range objects {
		if err := c.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("removing the marker %s: %w", object.GetName(), err))
		}
	}
	return errors.Join(errs...)
}
