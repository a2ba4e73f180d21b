package chart_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// dryRun has the API server judge objects as `kubectl apply --server-side --dry-run=server` does,
// unknown fields included. The kinds of the Prometheus Operator are not in this cluster.
func dryRun(ctx context.Context, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	Expect(objects).NotTo(BeEmpty())
	strict := client.WithFieldValidation(env.Client, "Strict")
	for _, object := range objects {
		if strings.HasPrefix(object.GetAPIVersion(), "monitoring.coreos.com/") {
			continue
		}
		apply := client.ApplyConfigurationFromUnstructured(object.DeepCopy()) // the answer is written into it
		Expect(strict.Apply(ctx, apply, client.FieldOwner("chart"), client.ForceOwnership, client.DryRunAll)).To(Succeed(),
			object.GetKind()+" "+object.GetName())
	}
}

// one is the object of a kind and name, as T.
func one[T any](objects []*unstructured.Unstructured, kind, name string) T {
	GinkgoHelper()
	var typed T
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true)).To(Succeed())
			return typed
		}
	}
	Fail("there is no " + kind + " " + name)
	return typed
}

// readConfig is the manager's configuration as it reads it.
func readConfig(objects []*unstructured.Unstructured) manager.Config {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "config.yaml")
	text := one[corev1.ConfigMap](objects, "ConfigMap", "esim-operator-controllers-config").Data["config.yaml"]
	Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	config, err := manager.ReadConfig([]string{"--config", file})
	Expect(err).NotTo(HaveOccurred(), text)
	return config
}

const everything = `
image: {repository: registry.example.com/esim-operator, tag: v9, pullPolicy: Always}
imagePullSecrets: [{name: registry}]
controllers:
  replicas: 3
  config: {leaderElection: {leaseDuration: 30s}, webhooks: {allowedNetworks: [10.0.0.0/8]}}
  env: [{name: OTEL_EXPORTER_OTLP_HEADERS, valueFrom: {secretKeyRef: {name: collector, key: headers}}}]
  notifications: {enabled: true, tlsSecretName: cert-a, serviceType: LoadBalancer, serviceAnnotations: {a: b}}
  vendorWebhooks: {enabled: true, tlsSecretName: cert-b}
  podDisruptionBudget: {maxUnavailable: 50%}
  topologySpread: {topologyKeys: [kubernetes.io/hostname, topology.kubernetes.io/zone], whenUnsatisfiable: DoNotSchedule}
  nodeSelector: {kubernetes.io/os: linux}
  tolerations: [{key: spot, operator: Exists, effect: NoSchedule}]
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
  priorityClassName: system-cluster-critical
  podAnnotations: {note: "1"}
  podLabels: {team: platform}
  serviceAccountAnnotations: {role: "x"}
facade:
  enabled: true
  replicas: 5
  config: {trustedProxies: [10.0.0.0/8], rateLimits: {read: 100}}
  env: [{name: OTEL_RESOURCE_ATTRIBUTES, value: deployment.environment.name=production}]
  tlsSecretName: facade-tls
  service: {type: LoadBalancer, port: 443, annotations: {a: b}}
  ingress: {enabled: true, className: nginx, host: esim.example.com, tlsSecretName: host-tls, annotations: {a: b}}
  podLabels: {team: platform}
  serviceAccountAnnotations: {role: "x"}
networkPolicy: {notificationsFrom: [192.0.2.0/24], vendorWebhooksFrom: [], egressTo: [10.0.0.0/8, 192.0.2.0/24]}
metrics: {labels: {release: prometheus}, interval: 15s, podMonitor: {enabled: true}, reader: {name: prometheus, namespace: monitoring}}
extraCA: {configMapName: company-ca}
proxy: {url: "http://proxy.example.com:3128", direct: [10.0.0.0/8, .example.net]}
`

var _ = Describe("The values of the chart", func() {
	DescribeTable("render what the API server takes:",
		func(ctx context.Context, values string) {
			objects, err := template(ctx, "esim-system", values)
			Expect(err).NotTo(HaveOccurred())
			dryRun(ctx, objects)
			readConfig(objects)
		},
		Entry("the defaults", ``),
		Entry("all that there is", everything),
		Entry("one replica on a small cluster", `{controllers: {replicas: 1, podDisruptionBudget: {enabled: false}, topologySpread: {topologyKeys: []}}, networkPolicy: {enabled: false}}`),
		Entry("CRDs that somebody else installs", `{crds: {enabled: false}}`),
		Entry("ServiceMonitors", `{facade: {enabled: true}, metrics: {serviceMonitor: {enabled: true}}}`),
	)

	DescribeTable("are refused where they make no sense, with what to do:",
		func(ctx context.Context, values, because string) {
			_, err := template(ctx, "esim-system", values)
			Expect(err).To(MatchError(ContainSubstring(because)))
		},
		Entry("a value that does not exist", `{controllers: {replica: 2}}`, "replica"),
		Entry("a field of the configuration that does not exist", `{controllers: {config: {worker: 2}}}`, "worker"),
		Entry("another namespace than the release's", `{controllers: {config: {namespace: here}}}`, "namespace"),
		Entry("a lease that the role does not know", `{controllers: {config: {leaderElection: {leaseName: mine}}}}`, "leaseName"),
		Entry("a part of the namespaces, which takes more than one manager", `{controllers: {config: {namespaceSelector: "shard=a"}}}`, "namespaceSelector"),
		Entry("no replicas", `{controllers: {replicas: 0}}`, "replicas"),
		Entry("two managers that do not choose a leader", `{controllers: {config: {leaderElection: {enabled: false}}}}`, "each of them would buy"),
		Entry("both ways to scrape", `{metrics: {podMonitor: {enabled: true}, serviceMonitor: {enabled: true}}}`, "choose one"),
		Entry("certificates from two places", `{extraCA: {configMapName: a, secretName: b}}`, "put all certificates into one of them"),
		Entry("an ingress without a host", `{facade: {enabled: true, ingress: {enabled: true}}}`, "name the host"),
		Entry("a password in the proxy's URL", `{proxy: {url: "http://user:secret@proxy:3128"}}`, "proxy"),
	)

	It("roll the Deployment when the configuration changes, and only then", func(ctx context.Context) {
		checksum := func(values string) string {
			objects, err := template(ctx, "esim-system", values)
			Expect(err).NotTo(HaveOccurred())
			return one[appsv1.Deployment](objects, "Deployment", "esim-operator-controllers").Spec.Template.Annotations["checksum/config"]
		}
		before := checksum(``)
		Expect(checksum(`{facade: {enabled: true}, controllers: {podDisruptionBudget: {enabled: false}}}`)).To(Equal(before))
		Expect(checksum(`{controllers: {config: {workers: 2048}}}`)).NotTo(Equal(before))
	})

	It("tell the manager what they switch on, and mount what that needs", func(ctx context.Context) {
		objects, err := template(ctx, "shop", everything)
		Expect(err).NotTo(HaveOccurred())
		config := readConfig(objects)
		Expect(config.Namespace).To(Equal("shop"))
		Expect(config.Notifications.BindAddress).To(Equal(":8444"))
		Expect(config.VendorWebhooks.BindAddress).To(Equal(":8445"))
		Expect(config.OperatorProxy).To(Equal(manager.OperatorProxy{URL: "http://proxy.example.com:3128", Direct: []string{"10.0.0.0/8", ".example.net"}}))
		pod := one[appsv1.Deployment](objects, "Deployment", "esim-operator-controllers").Spec.Template.Spec
		secrets := map[string]string{}
		for _, volume := range pod.Volumes {
			for _, mount := range pod.Containers[0].VolumeMounts {
				if volume.Secret != nil && mount.Name == volume.Name {
					secrets[mount.MountPath] = volume.Secret.SecretName
				}
			}
		}
		Expect(secrets).To(Equal(map[string]string{config.Notifications.CertDir: "cert-a", config.VendorWebhooks.CertDir: "cert-b"}))
	})

	DescribeTable("have both programs trust further certificates, and give them the environment that is wanted:",
		func(ctx context.Context, deployment, variable string) {
			objects, err := template(ctx, "esim-system", everything)
			Expect(err).NotTo(HaveOccurred())
			pod := one[appsv1.Deployment](objects, "Deployment", deployment).Spec.Template.Spec
			container, variables := pod.Containers[0], map[string]corev1.EnvVar{}
			for _, one := range container.Env {
				variables[one.Name] = one
			}
			Expect(variables).To(And(HaveLen(2), HaveKey(variable)))
			mount := slices.IndexFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "extra-ca" })
			Expect(mount).To(BeNumerically(">=", 0))
			Expect(filepath.SplitList(variables["SSL_CERT_DIR"].Value)).To(ContainElements("/etc/ssl/certs", container.VolumeMounts[mount].MountPath))
			volume := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "extra-ca" })
			Expect(volume).To(BeNumerically(">=", 0))
			Expect(pod.Volumes[volume].ConfigMap.Name).To(Equal("company-ca"))
		},
		Entry("the manager", "esim-operator-controllers", "OTEL_EXPORTER_OTLP_HEADERS"),
		Entry("the facade", "esim-facade", "OTEL_RESOURCE_ATTRIBUTES"),
	)

	It("let the manager out to the networks that they name alone", func(ctx context.Context) {
		objects, err := template(ctx, "esim-system", everything)
		Expect(err).NotTo(HaveOccurred())
		policy := one[networkingv1.NetworkPolicy](objects, "NetworkPolicy", "esim-operator-controllers")
		var out, in []string
		for _, rule := range policy.Spec.Egress {
			for _, peer := range rule.To {
				if peer.IPBlock != nil {
					out = append(out, peer.IPBlock.CIDR)
				}
			}
		}
		for _, rule := range policy.Spec.Ingress {
			for _, peer := range rule.From {
				if peer.IPBlock != nil {
					in = append(in, peer.IPBlock.CIDR)
				}
			}
		}
		Expect(out).To(Equal([]string{"10.0.0.0/8", "192.0.2.0/24"}))
		Expect(in).To(Equal([]string{"192.0.2.0/24"}), "nobody may send vendors' webhooks")
	})

	It("have both programs send traces to a collector, and let the facade out to it", func(ctx context.Context) {
		ports := func(values string) (open []int32) {
			objects, err := template(ctx, "esim-system", values)
			Expect(err).NotTo(HaveOccurred())
			dryRun(ctx, objects)
			policy := one[networkingv1.NetworkPolicy](objects, "NetworkPolicy", "esim-facade")
			rules := policy.Spec.Egress
			for _, port := range rules[len(rules)-1].Ports {
				open = append(open, port.Port.IntVal)
			}
			return open
		}
		Expect(ports(`{facade: {enabled: true}}`)).To(Equal([]int32{443, 6443}))
		Expect(ports(`{facade: {enabled: true, config: {tracing: {endpoint: "http://otel.monitoring:14317"}}}}`)).To(Equal([]int32{443, 6443, 14317}))
		Expect(ports(`{facade: {enabled: true, config: {tracing: {endpoint: "https://collector2"}}}}`)).To(Equal([]int32{443, 6443, 4317}))

		objects, err := template(ctx, "esim-system", `{controllers: {config: {tracing: {endpoint: "https://collector2", samplingRatio: 0.25, tellOperators: true}}}}`)
		Expect(err).NotTo(HaveOccurred())
		Expect(readConfig(objects).Tracing).To(Equal(manager.Tracing{
			Config: tracing.Config{Endpoint: "https://collector2", SamplingRatio: 0.25}, TellOperators: true,
		}))
	})

	It("are told in the README, each of them", func(ctx context.Context) {
		shown, err := helm(ctx, "show", "readme", chartFolder)
		Expect(err).NotTo(HaveOccurred())
		for _, name := range []string{"controllers.replicas", "crds.keep", "proxy.url", "extraCA.configMapName", "facade.ingress.host"} {
			Expect(shown).To(ContainSubstring("| `" + name + "` |"))
		}
	})

	It("take dashboards along, for Grafana's sidecar", func(ctx context.Context) {
		files, err := filepath.Glob(filepath.Join(env.Root, "config", "grafana", "*.json"))
		Expect(err).NotTo(HaveOccurred())
		objects, err := template(ctx, "esim-system", `{metrics: {dashboards: {enabled: true}}}`)
		Expect(err).NotTo(HaveOccurred())
		dryRun(ctx, objects)
		shown := map[string]string{}
		for _, object := range objects {
			if object.GetKind() == "ConfigMap" && object.GetLabels()["grafana_dashboard"] == "1" {
				data, _, err := unstructured.NestedStringMap(object.Object, "data")
				Expect(err).NotTo(HaveOccurred())
				maps.Copy(shown, data)
			}
		}
		Expect(shown).To(HaveLen(len(files)))
		for _, file := range files {
			content, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			Expect(shown[filepath.Base(file)]).To(MatchJSON(content))
		}
	})

	It("pass Helm's own linter", func(ctx context.Context) {
		said, err := helm(ctx, "lint", "--strict", chartFolder, "--values", valuesFile(everything))
		Expect(err).NotTo(HaveOccurred(), said)
	})
})
