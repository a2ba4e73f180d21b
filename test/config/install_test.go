package config_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/testenv"
)

var _ = Describe("An installation", func() {
	It("is one folder, which can be applied again", func(ctx context.Context) {
		Expect(env.ApplyFolder(ctx, "config/default")).To(Succeed())
		Expect(env.ApplyFolder(ctx, "config/default")).To(Succeed())
	})

	It("runs the manager as the restricted profile of its namespace demands", func(ctx context.Context) {
		Expect(env.ApplyFolder(ctx, "config/default")).To(Succeed())
		template := deployment(ctx).Spec.Template
		pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.Name, pod.Namespace = "judged", testenv.SystemNamespace
		Expect(env.Client.Create(ctx, pod.DeepCopy(), client.DryRunAll)).To(Succeed())

		By("being judged at all")
		pod.Spec.Containers[0].SecurityContext = nil
		Expect(env.Client.Create(ctx, pod, client.DryRunAll)).To(MatchError(ContainSubstring(`violates PodSecurity "restricted`)))
	})

	It("runs the manager under the name that the admission policies know", func(ctx context.Context) {
		account := deployment(ctx).Spec.Template.Spec.ServiceAccountName
		Expect(account).To(Equal(testenv.ManagerServiceAccount))
		accounts := ofKind[corev1.ServiceAccount](rendered(ctx, "default"), "ServiceAccount")
		Expect(accounts).To(HaveLen(1))
		Expect(accounts[0].Namespace + "/" + accounts[0].Name).To(Equal(testenv.SystemNamespace + "/" + account))
	})

	It("configures the manager with a file that it reads, and lets it stop in its own time", func(ctx context.Context) {
		config, err := manager.ReadConfig([]string{"--config", filepath.Join(env.Root, "config", "manager", "config.yaml")})
		Expect(err).NotTo(HaveOccurred())
		Expect(config.Namespace).To(Equal(testenv.SystemNamespace))
		spec := deployment(ctx).Spec.Template.Spec
		Expect(*spec.TerminationGracePeriodSeconds).To(BeNumerically(">", config.GracefulShutdown.Seconds()))
		By("being told to take notifications and webhooks, as the file shows it")
		text, err := os.ReadFile(filepath.Join(env.Root, "config", "manager", "config.yaml"))
		Expect(err).NotTo(HaveOccurred())
		told := filepath.Join(GinkgoT().TempDir(), "config.yaml")
		uncommented := regexp.MustCompile(`(?m)^# (notifications:|vendorWebhooks:|  )`).ReplaceAll(text, []byte("$1"))
		Expect(os.WriteFile(told, uncommented, 0o600)).To(Succeed())
		config, err = manager.ReadConfig([]string{"--config", told})
		Expect(err).NotTo(HaveOccurred())
		for _, folder := range []string{config.Notifications.CertDir, config.VendorWebhooks.CertDir} {
			Expect(spec.Containers[0].VolumeMounts).To(ContainElement(HaveField("MountPath", folder)))
		}

		ports := map[string]string{
			config.MetricsBindAddress: "metrics", config.HealthProbeBindAddress: "health", config.Notifications.BindAddress: "notifications",
			config.VendorWebhooks.BindAddress: "vendor-hooks",
		}
		Expect(spec.Containers[0].Ports).To(HaveLen(len(ports)))
		for _, port := range spec.Containers[0].Ports {
			Expect(ports).To(HaveKeyWithValue(fmt.Sprintf(":%d", port.ContainerPort), port.Name))
		}
	})

	It("limits the manager's lease to the one that its configuration names", func(ctx context.Context) {
		config, limited := manager.DefaultConfig(), 0
		for _, role := range ofKind[rbacv1.Role](rendered(ctx, "default"), "Role") {
			for _, rule := range role.Rules {
				if rule.Resources[0] == "leases" && rule.Verbs[0] != "create" {
					Expect(rule.ResourceNames).To(ConsistOf(config.LeaderElection.LeaseName))
					limited++
				}
			}
		}
		Expect(limited).To(Equal(1))
	})

	It("gives the admins and editors of a namespace orders, and those who view everything products", func(ctx SpecContext) {
		granted := map[string][]string{}
		for _, role := range ofKind[rbacv1.ClusterRole](rendered(ctx, "default"), "ClusterRole") {
			if aggregates(role) {
				granted[role.Name] = permissions(role)
			}
		}
		Expect(granted).To(HaveLen(3))
		Expect(granted).To(HaveKeyWithValue("esimorders-edit", ConsistOf(
			"create esimorders", "get esimorders", "list esimorders", "watch esimorders", "update esimorders", "patch esimorders",
			"delete esimorders", "get esimorders/status")))
		Expect(granted).To(HaveKeyWithValue("esimorders-view", ConsistOf(
			"get esimorders", "list esimorders", "watch esimorders", "get esimorders/status")))
		By("letting nobody change products, or see wallets and operators, by aggregation")
		Expect(granted).To(HaveKeyWithValue("esimproducts-view", ConsistOf(
			"get esimproducts", "list esimproducts", "watch esimproducts", "get esimproducts/status")))
	})
})

func deployment(ctx context.Context) appsv1.Deployment {
	GinkgoHelper()
	all := ofKind[appsv1.Deployment](rendered(ctx, "default"), "Deployment")
	Expect(all).To(HaveLen(1))
	return all[0]
}

func aggregates(role rbacv1.ClusterRole) bool {
	for label := range role.Labels {
		if strings.HasPrefix(label, "rbac.authorization.k8s.io/aggregate-to-") {
			return true
		}
	}
	return false
}
