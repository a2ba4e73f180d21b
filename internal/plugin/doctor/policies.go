package doctor

import (
	"context"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

// The admission policies of config/admission; a test compares. Each has a binding of its name.
var (
	validatingPolicies = []string{
		"activation-secrets.esim.telco.dev",
		"orders-keep-settlement-finalizer.esim.telco.dev",
		"orders-no-orphans.esim.telco.dev",
		"orders-resolve.esim.telco.dev",
		"orders-status.esim.telco.dev",
		"secrets-own-types.esim.telco.dev",
		"wallets.esim.telco.dev",
		"wallets-keep-ledger-finalizer.esim.telco.dev",
		"wallets-status.esim.telco.dev",
	}
	mutatingPolicies = []string{"orders-add-settlement-finalizer.esim.telco.dev"}
)

const installPolicies = "install the policies of the manager's release: kubectl apply -k config/admission; " +
	"without them clients can erase what they owe, and the manager's token is worth an administrator's"

// checkPolicies looks whether each admission policy is there, bound, and in force.
func checkPolicies(ctx context.Context, i *Installation) []Finding {
	var findings []Finding
	for _, name := range validatingPolicies {
		findings = append(findings, i.validatingPolicy(ctx, name))
	}
	for _, name := range mutatingPolicies {
		findings = append(findings, i.mutatingPolicy(ctx, name))
	}
	return findings
}

func (i *Installation) validatingPolicy(ctx context.Context, name string) Finding {
	var policy admissionv1.ValidatingAdmissionPolicy
	if f := i.fetch(ctx, &policy, "validatingadmissionpolicies", name); f != nil {
		return *f
	}
	var binding admissionv1.ValidatingAdmissionPolicyBinding
	if f := i.fetch(ctx, &binding, "validatingadmissionpolicybindings", name); f != nil {
		return *f
	}
	switch {
	case policy.Spec.FailurePolicy != nil && *policy.Spec.FailurePolicy == admissionv1.Ignore:
		return fail(name, "its failurePolicy is Ignore, so that it can be got round", installPolicies)
	case binding.Spec.PolicyName != name || !slices.Contains(binding.Spec.ValidationActions, admissionv1.Deny):
		return fail(name, "its binding does not deny what it finds", installPolicies)
	case binding.Spec.MatchResources != nil:
		return warn(name, "its binding holds for some objects only", "see that no client's namespace is left out of spec.matchResources")
	case policy.Status.TypeChecking != nil && len(policy.Status.TypeChecking.ExpressionWarnings) > 0:
		return warn(name, fmt.Sprintf("the API server has doubts about it: %.200s", policy.Status.TypeChecking.ExpressionWarnings[0].Warning), installPolicies)
	}
	return ok(name, "in force")
}

func (i *Installation) mutatingPolicy(ctx context.Context, name string) Finding {
	var policy admissionv1.MutatingAdmissionPolicy
	var binding admissionv1.MutatingAdmissionPolicyBinding
	for _, found := range []*Finding{
		i.fetch(ctx, &policy, "mutatingadmissionpolicies", name), i.fetch(ctx, &binding, "mutatingadmissionpolicybindings", name),
	} {
		if found == nil {
			continue
		}
		if found.Level == Fail {
			// The manager does what this policy would, for one write more.
			return warn(name, found.Message+": each order that is made with kubectl costs the manager a write more", "kubectl apply -k config/admission")
		}
		return *found
	}
	if binding.Spec.PolicyName != name {
		return fail(name, "its binding is for another policy", installPolicies)
	}
	return ok(name, "in force")
}

// fetch reads a policy or binding; the finding says why that was not possible.
func (i *Installation) fetch(ctx context.Context, into client.Object, resource, name string) *Finding {
	err := i.Client.Get(ctx, client.ObjectKey{Name: name}, into)
	if err == nil {
		return nil
	}
	f := unread(err, name, refusal.Call{Verb: "get", Group: admissionv1.GroupName, Resource: resource, Name: name})
	if absent(err) {
		what := "it is not installed"
		if _, binding := into.(*admissionv1.ValidatingAdmissionPolicyBinding); binding {
			what = "it has no binding, so that it is not in force"
		}
		f = fail(name, what, installPolicies)
	}
	return &f
}
