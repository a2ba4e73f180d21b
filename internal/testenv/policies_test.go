package testenv_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("Waiting for admission policies", func() {
	It("ends once a policy that was just created refuses requests", func(ctx context.Context) {
		policy, binding := refusingPolicy("no-forbidden-config")
		Expect(env.Client.Create(ctx, policy)).To(Succeed())
		Expect(env.Client.Create(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(env.Client.Delete(ctx, binding)).To(Succeed())
			Expect(env.Client.Delete(ctx, policy)).To(Succeed())
		})

		Expect(env.WaitForPolicies(ctx)).To(Succeed())

		err := env.Client.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: policy.Name},
		})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	})

	It("leaves no marker behind", func(ctx context.Context) {
		Expect(env.WaitForPolicies(ctx)).To(Succeed())

		var validating admissionregistrationv1.ValidatingAdmissionPolicyList
		var mutating admissionregistrationv1.MutatingAdmissionPolicyList
		Expect(env.Client.List(ctx, &validating)).To(Succeed())
		Expect(env.Client.List(ctx, &mutating)).To(Succeed())
		Expect(validating.Items).NotTo(ContainElement(HaveField("Name", HavePrefix("policies-in-force-"))))
		Expect(mutating.Items).NotTo(ContainElement(HaveField("Name", HavePrefix("policies-in-force-"))))
	})

	It("gives up when its time is over, and says so", func(ctx context.Context) {
		ended, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
		defer cancel()
		Expect(env.WaitForPolicies(ended)).To(MatchError(context.DeadlineExceeded))
	})
})

func objectKey(o client.Object) client.ObjectKey { return client.ObjectKeyFromObject(o) }

// refusingPolicy forbids a ConfigMap of its own name.
func refusingPolicy(name string) (
	*admissionregistrationv1.ValidatingAdmissionPolicy,
	*admissionregistrationv1.ValidatingAdmissionPolicyBinding,
) {
	meta := metav1.ObjectMeta{Name: name}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: meta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
					ResourceNames: []string{name},
					RuleWithOperations: admissionregistrationv1.RuleWithOperations{
						Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
						Rule: admissionregistrationv1.Rule{
							APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"},
						},
					},
				}},
			},
			Validations: []admissionregistrationv1.Validation{{
				Expression: "false", Reason: new(metav1.StatusReasonForbidden),
			}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: meta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        name,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	return policy, binding
}
