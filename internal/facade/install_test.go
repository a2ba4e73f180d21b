package facade_test

import (
	"fmt"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/testenv"
)

var _ = Describe("An installation of the REST API", func() {
	It("is one folder, with a configuration that the facade reads, and time to stop", func(ctx SpecContext) {
		Expect(env.ApplyFolder(ctx, "config/rest")).To(Succeed())
		config, err := facade.ReadConfig([]string{"--config", filepath.Join(env.Root, "config", "rest", "config.yaml")})
		Expect(err).NotTo(HaveOccurred())
		var deployment appsv1.Deployment
		key := types.NamespacedName{Namespace: testenv.SystemNamespace, Name: "esim-facade"}
		Expect(env.Client.Get(ctx, key, &deployment)).To(Succeed())
		pod := deployment.Spec.Template.Spec
		Expect(*pod.TerminationGracePeriodSeconds).To(BeNumerically(">", config.GracefulShutdown.Seconds()))
		Expect(pod.ServiceAccountName).To(Equal("esim-facade"))
		Expect(pod.Containers[0].Ports).To(HaveLen(2))
		Expect(fmt.Sprintf(":%d", pod.Containers[0].Ports[0].ContainerPort)).To(Equal(config.BindAddress))
		Expect(fmt.Sprintf(":%d", pod.Containers[0].Ports[1].ContainerPort)).To(Equal(config.MetricsBindAddress))
	})
})
