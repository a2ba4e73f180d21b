package config_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
)

// There is no Prometheus Operator here: its own types, read strictly, tell what it would not know.
var _ = Describe("Monitoring by the Prometheus Operator", func() {
	It("scrapes a port of the Services that are there for it", func(ctx context.Context) {
		objects := rendered(ctx, "prometheus")
		services := ofKind[corev1.Service](objects, "Service")
		monitors := ofKind[monitoring.ServiceMonitor](objects, "ServiceMonitor")
		Expect(monitors).NotTo(BeEmpty())
		for _, monitor := range monitors {
			selected := labels.Set(monitor.Spec.Selector.MatchLabels).AsSelector()
			ports := sets.New[string]()
			for _, service := range services {
				if service.Namespace == monitor.Namespace && selected.Matches(labels.Set(service.Labels)) {
					for _, port := range service.Spec.Ports {
						ports.Insert(port.Name)
					}
				}
			}
			Expect(monitor.Spec.Endpoints).NotTo(BeEmpty())
			for _, endpoint := range monitor.Spec.Endpoints {
				Expect(ports).To(HaveKey(endpoint.Port), "ServiceMonitor %s selects no Service with a port of that name", monitor.Name)
			}
		}
	})

	It("knows every field of the alerts' rules", func(ctx context.Context) {
		rules := ofKind[monitoring.PrometheusRule](rendered(ctx, "prometheus"), "PrometheusRule")
		Expect(rules).NotTo(BeEmpty())
		for _, rule := range rules {
			Expect(rule.Spec.Groups).NotTo(BeEmpty())
		}
	})
})
