package chart_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// named are the names of the objects of a kind.
func named(objects []*unstructured.Unstructured, kind string) []string {
	var names []string
	for _, object := range objects {
		if object.GetKind() == kind {
			names = append(names, object.GetName())
		}
	}
	return names
}

// selects tells whether labels select the Pods of a Deployment.
func selects(selector map[string]string, deployment *appsv1.Deployment) bool {
	return labels.SelectorFromSet(selector).Matches(labels.Set(deployment.Spec.Template.Labels))
}

// There is no Prometheus Operator here: its own types, read strictly, tell what it would not know.
var _ = Describe("Monitoring that the chart switches on", func() {
	DescribeTable("has one PodMonitor for each program, which finds its Pods and their port",
		func(ctx context.Context, values string, programs ...string) {
			objects, err := template(ctx, "shop", values)
			Expect(err).NotTo(HaveOccurred())
			Expect(named(objects, "PodMonitor")).To(ConsistOf(programs))
			for _, program := range programs {
				monitor := one[monitoring.PodMonitor](objects, "PodMonitor", program)
				Expect(monitor.Namespace).To(Equal("shop"), "without a namespaceSelector it looks into its own")
				Expect(monitor.Spec.Selector.MatchExpressions).To(BeEmpty())
				for _, other := range named(objects, "Deployment") {
					deployment := one[appsv1.Deployment](objects, "Deployment", other)
					Expect(selects(monitor.Spec.Selector.MatchLabels, &deployment)).To(Equal(other == program), "PodMonitor %s, Deployment %s", program, other)
				}
				deployment := one[appsv1.Deployment](objects, "Deployment", program)
				Expect(monitor.Spec.PodMetricsEndpoints).To(HaveLen(1))
				endpoint := monitor.Spec.PodMetricsEndpoints[0]
				Expect(endpoint.Port).NotTo(BeNil())
				Expect(slices.ContainsFunc(deployment.Spec.Template.Spec.Containers[0].Ports, func(port corev1.ContainerPort) bool {
					return port.Name == *endpoint.Port
				})).To(BeTrue(), "Pods of %s have no port %s", program, *endpoint.Port)
			}
		},
		Entry("with the manager alone", `{metrics: {podMonitor: {enabled: true}}}`, "esim-operator-controllers"),
		Entry("with the REST API beside it", everything, "esim-operator-controllers", "esim-facade"),
	)

	It("shows Pods the token of an account that may read metrics", func(ctx context.Context) {
		objects, err := template(ctx, "shop", everything)
		Expect(err).NotTo(HaveOccurred())
		for _, name := range named(objects, "PodMonitor") {
			endpoint := one[monitoring.PodMonitor](objects, "PodMonitor", name).Spec.PodMetricsEndpoints[0]
			Expect(endpoint.Scheme.String()).To(Equal("https"), "a token in the clear is seen by others")
			Expect(endpoint.Authorization).NotTo(BeNil())
			Expect(endpoint.Authorization.Type).To(BeElementOf("", "Bearer"))
			shown := endpoint.Authorization.Credentials
			Expect(shown).NotTo(BeNil())
			secret := one[corev1.Secret](objects, "Secret", shown.Name)
			Expect(secret.Namespace).To(Equal("shop"))
			Expect(secret.Type).To(Equal(corev1.SecretTypeServiceAccountToken))
			Expect(shown.Key).To(Equal(corev1.ServiceAccountTokenKey))
			account := secret.Annotations[corev1.ServiceAccountNameKey]
			Expect(named(objects, "ServiceAccount")).To(ContainElement(account))
			binding := one[rbacv1.ClusterRoleBinding](objects, "ClusterRoleBinding", account)
			Expect(binding.Subjects).To(ConsistOf(rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: "shop"}))
			role := one[rbacv1.ClusterRole](objects, "ClusterRole", binding.RoleRef.Name)
			Expect(role.Rules).To(ContainElement(HaveField("NonResourceURLs", ContainElement("/metrics"))))
		}
	})

	DescribeTable("has no field that the Prometheus Operator does not know",
		func(ctx context.Context, values string) {
			objects, err := template(ctx, "shop", values)
			Expect(err).NotTo(HaveOccurred())
			read := 0
			for _, object := range objects {
				if !strings.HasPrefix(object.GetAPIVersion(), monitoring.SchemeGroupVersion.Group+"/") {
					continue
				}
				read++
				Expect(object.GetAPIVersion()).To(Equal(monitoring.SchemeGroupVersion.String()))
				switch name := object.GetName(); object.GetKind() {
				case monitoring.PodMonitorsKind:
					one[monitoring.PodMonitor](objects, monitoring.PodMonitorsKind, name)
				case monitoring.ServiceMonitorsKind:
					one[monitoring.ServiceMonitor](objects, monitoring.ServiceMonitorsKind, name)
				case monitoring.PrometheusRuleKind:
					one[monitoring.PrometheusRule](objects, monitoring.PrometheusRuleKind, name)
				default:
					Fail("nobody reads a " + object.GetKind())
				}
			}
			Expect(read).To(BeNumerically(">", 0))
		},
		Entry("in PodMonitors and rules", strings.Replace(everything, "metrics: {", "metrics: {rules: {enabled: true}, ", 1)),
		Entry("in ServiceMonitors", `{facade: {enabled: true}, metrics: {interval: 15s, serviceMonitor: {enabled: true}}}`),
	)
})
