package config_test

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// deployments are those of the whole installation, by name.
func deployments(ctx context.Context) map[string]appsv1.Deployment {
	GinkgoHelper()
	all := map[string]appsv1.Deployment{}
	for _, folder := range []string{"default", "rest"} {
		for _, d := range ofKind[appsv1.Deployment](rendered(ctx, folder), "Deployment") {
			all[d.Name] = d
		}
	}
	Expect(all).To(And(HaveLen(2), HaveKey("esim-operator-controllers"), HaveKey("esim-facade")))
	return all
}

var _ = Describe("The Pods of an installation", func() {
	const judged = "judged"
	BeforeEach(func(ctx context.Context) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: judged, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"},
		}}
		Expect(client.IgnoreAlreadyExists(env.Client.Create(ctx, namespace))).To(Succeed())
	})

	pod := func(ctx context.Context, name string) *corev1.Pod {
		GinkgoHelper()
		template := deployments(ctx)[name].Spec.Template
		made := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		made.Name, made.Namespace = name, judged
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: judged, Name: made.Spec.ServiceAccountName}}
		Expect(client.IgnoreAlreadyExists(env.Client.Create(ctx, account))).To(Succeed())
		return made
	}

	DescribeTable("are what Pod Security's restricted profile demands, each part of it:",
		func(ctx context.Context, name string) {
			whole := pod(ctx, name)
			Expect(env.Client.Create(ctx, whole.DeepCopy(), client.DryRunAll)).To(Succeed())
			for what, spoil := range map[string]func(*corev1.PodSpec){
				"runAsNonRoot":              func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot = nil },
				"seccompProfile":            func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil },
				"allowPrivilegeEscalation":  func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
				"unrestricted capabilities": func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil },
			} {
				spoilt := whole.DeepCopy()
				spoil(&spoilt.Spec)
				Expect(env.Client.Create(ctx, spoilt, client.DryRunAll)).To(MatchError(And(
					ContainSubstring(`violates PodSecurity "restricted`), ContainSubstring(what))))
			}
		},
		Entry("the manager", "esim-operator-controllers"), Entry("the facade", "esim-facade"),
	)

	DescribeTable("cannot write to their own files, and use no more of the node than they need:",
		func(ctx context.Context, name string) {
			spec := pod(ctx, name).Spec
			Expect(spec.HostNetwork || spec.HostPID || spec.HostIPC).To(BeFalse())
			Expect(spec.InitContainers).To(BeEmpty())
			Expect(spec.Containers).To(HaveLen(1))
			Expect(spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()))
			Expect(spec.Containers[0].Resources.Limits.Memory().IsZero()).To(BeFalse())
			for _, mount := range spec.Containers[0].VolumeMounts {
				Expect(mount.ReadOnly).To(BeTrue(), mount.Name)
			}
			for _, volume := range spec.Volumes {
				Expect(volume.ConfigMap != nil || volume.Secret != nil).To(BeTrue(), volume.Name)
			}
		},
		Entry("the manager", "esim-operator-controllers"), Entry("the facade", "esim-facade"),
	)

	It("get no secret by flags, environment or ConfigMap", func(ctx context.Context) {
		for name, deployment := range deployments(ctx) {
			for _, container := range deployment.Spec.Template.Spec.Containers {
				Expect(container.Env).To(BeEmpty(), name)
				Expect(container.EnvFrom).To(BeEmpty(), name)
				Expect(container.Command).To(BeEmpty(), name)
				Expect(container.Args).To(HaveLen(2), name)
				Expect(container.Args[0]).To(BeElementOf("controllers", "facade"))
				Expect(container.Args[1]).To(Equal("--config=/etc/esim-operator/config.yaml"))
			}
		}
		for _, folder := range []string{"default", "rest"} {
			objects := rendered(ctx, folder)
			Expect(ofKind[corev1.Secret](objects, "Secret")).To(BeEmpty(), "a secret in the manifests is a secret in Git")
			for _, configMap := range ofKind[corev1.ConfigMap](objects, "ConfigMap") {
				for _, line := range strings.Split(configMap.Data["config.yaml"], "\n") {
					Expect(strings.ToLower(line)).NotTo(MatchRegexp(`^\s*[a-z]*(password|token|apikey|secretkey|privatekey)[a-z]*\s*:`))
				}
			}
		}
	})
})

var _ = Describe("The network policies", func() {
	policies := func(ctx context.Context) []networkingv1.NetworkPolicy {
		GinkgoHelper()
		return slices.Concat(ofKind[networkingv1.NetworkPolicy](rendered(ctx, "default"), "NetworkPolicy"),
			ofKind[networkingv1.NetworkPolicy](rendered(ctx, "rest"), "NetworkPolicy"))
	}
	// about are the policies that select a Deployment's Pods.
	about := func(ctx context.Context, deployment appsv1.Deployment) (own []networkingv1.NetworkPolicy) {
		GinkgoHelper()
		for _, policy := range policies(ctx) {
			selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
			Expect(err).NotTo(HaveOccurred())
			if policy.Namespace == deployment.Namespace && selector.Matches(labels.Set(deployment.Spec.Template.Labels)) {
				own = append(own, policy)
			}
		}
		return own
	}

	It("refuse to everything in the namespace what they do not allow, both ways", func(ctx context.Context) {
		for _, policy := range policies(ctx) {
			if policy.Name != "deny-all" {
				continue
			}
			Expect(policy.Namespace).To(Equal(testenv.SystemNamespace))
			Expect(policy.Spec.PodSelector).To(Equal(metav1.LabelSelector{}))
			Expect(policy.Spec.PolicyTypes).To(ConsistOf(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress))
			Expect(policy.Spec.Ingress).To(BeEmpty())
			Expect(policy.Spec.Egress).To(BeEmpty())
			return
		}
		Fail("there is no policy deny-all")
	})

	DescribeTable("let in to the ports that are served, and to no other, from where they say:",
		func(ctx context.Context, name string, want map[string]string) {
			deployment := deployments(ctx)[name]
			ports := map[int32]string{}
			for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
				ports[port.ContainerPort] = port.Name
			}
			got := map[string]string{}
			for _, policy := range about(ctx, deployment) {
				for _, rule := range policy.Spec.Ingress {
					Expect(rule.Ports).NotTo(BeEmpty(), "a rule without ports is for all of them")
					Expect(rule.From).NotTo(BeEmpty(), "a rule without peers is for everybody: say so")
					for _, port := range rule.Ports {
						Expect(port.EndPort).To(BeNil())
						Expect(ports).To(HaveKey(port.Port.IntVal))
						got[ports[port.Port.IntVal]] = peers(rule.From)
					}
				}
			}
			Expect(got).To(Equal(want))
		},
		// The node's probes of the port health need no rule.
		Entry("the manager's", "esim-operator-controllers", map[string]string{
			"metrics": "namespaces with metrics=enabled", "notifications": "0.0.0.0/0, ::/0", "vendor-hooks": "0.0.0.0/0, ::/0",
		}),
		Entry("the facade's", "esim-facade", map[string]string{
			"http": "namespaces with esim-api=enabled", "metrics": "namespaces with metrics=enabled",
		}),
	)

	It("let the ports in that the configuration has by default", func() {
		m, f := manager.DefaultConfig(), facade.DefaultConfig()
		Expect([]string{m.MetricsBindAddress, f.MetricsBindAddress, f.BindAddress}).To(Equal([]string{":8443", ":8443", ":8080"}))
		read, err := manager.ReadConfig([]string{"--config", filepath.Join(env.Root, "config", "manager", "config.yaml")})
		Expect(err).NotTo(HaveOccurred())
		Expect(read.MetricsBindAddress).To(Equal(m.MetricsBindAddress))
	})

	It("let the facade out to names and the API server's ports alone", func(ctx context.Context) {
		Expect(egress(about(ctx, deployments(ctx)["esim-facade"]))).To(ConsistOf("53/UDP", "53/TCP", "443/TCP", "6443/TCP"))
	})

	It("let the manager out to everywhere but where clouds hand out a node's credentials", func(ctx context.Context) {
		var excepted []string
		for _, policy := range about(ctx, deployments(ctx)["esim-operator-controllers"]) {
			for _, rule := range policy.Spec.Egress {
				for _, peer := range rule.To {
					if peer.IPBlock != nil {
						excepted = append(excepted, peer.IPBlock.Except...)
					}
				}
			}
		}
		Expect(excepted).To(ConsistOf("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"))
	})
})

// peers are who a rule lets in.
func peers(from []networkingv1.NetworkPolicyPeer) string {
	GinkgoHelper()
	var all []string
	for _, peer := range from {
		Expect(peer.PodSelector).To(BeNil())
		if peer.IPBlock != nil {
			all = append(all, peer.IPBlock.CIDR)
			continue
		}
		all = append(all, "namespaces with "+metav1.FormatLabelSelector(peer.NamespaceSelector))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// egress are the ports to which policies let out.
func egress(policies []networkingv1.NetworkPolicy) []string {
	GinkgoHelper()
	var all []string
	for _, policy := range policies {
		for _, rule := range policy.Spec.Egress {
			Expect(rule.Ports).NotTo(BeEmpty())
			for _, port := range rule.Ports {
				protocol := cmp.Or(ptr.Deref(port.Protocol, ""), corev1.ProtocolTCP)
				Expect(port.EndPort).To(BeNil())
				all = append(all, fmt.Sprintf("%d/%s", port.Port.IntVal, protocol))
			}
		}
	}
	return all
}
