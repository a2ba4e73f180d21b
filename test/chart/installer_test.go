package chart_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/telcodev/esim-operator/internal/manifests"
)

var _ = Describe("The installer", func() {
	run := func(ctx context.Context, image string) (string, []byte, error) {
		file := filepath.Join(GinkgoT().TempDir(), "dist", "install.yaml")
		script := exec.CommandContext(ctx, filepath.Join(env.Root, "hack", "tools", "installer.sh"),
			filepath.Join(env.Assets, "kubectl"), image, file)
		said, err := script.CombinedOutput()
		return file, said, err
	}

	It("is config/default in one file, with the image that it was told", func(ctx context.Context) {
		file, said, err := run(ctx, "registry.example.com:5000/esim-operator:v1.2.3")
		Expect(err).NotTo(HaveOccurred(), string(said))
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		objects, err := manifests.Decode(text)
		Expect(err).NotTo(HaveOccurred())
		dryRun(ctx, objects)
		deployment := one[appsv1.Deployment](objects, "Deployment", "esim-operator-controllers")
		Expect(deployment.Spec.Template.Spec.Containers[0].Image).To(Equal("registry.example.com:5000/esim-operator:v1.2.3"))
		Expect(objects).To(HaveLen(len(kustomized(ctx, "default"))))
		Expect(cmp.Diff(kustomized(ctx, "default")[0].Object, objects[0].Object)).To(BeEmpty(), "in the same order: the Namespace first")
	})

	It("takes nothing for an image that is none", func(ctx context.Context) {
		_, said, err := run(ctx, "esim operator; rm")
		Expect(err).To(HaveOccurred())
		Expect(string(said)).To(ContainSubstring("is no name of an image"))
	})
})
