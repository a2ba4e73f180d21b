package chart_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/manifests"
)

// The chart and config/ differ in what this function takes away, and in nothing else:
//
//   - Helm's labels on each object (not on Pods, nor in selectors): helmLabels.
//   - The annotation helm.sh/resource-policy: keep on the kinds and their policies.
//   - The Namespace: Helm makes it, or somebody did before.
//   - How a change of the configuration file rolls a Deployment: kustomize puts a hash into the
//     ConfigMap's name, the chart an annotation on the Pods.
//   - The image's tag: the chart's appVersion here, latest there.
//   - The text of the configuration file: what a manager or facade reads from it is compared.
func stripped(objects []*unstructured.Unstructured) map[string]any {
	GinkgoHelper()
	configMaps := map[string]string{}
	for _, object := range objects {
		if name := object.GetName(); object.GetKind() == "ConfigMap" {
			for _, base := range []string{"esim-operator-controllers-config", "esim-facade-config"} {
				if strings.HasPrefix(name, base) {
					configMaps[name] = base
				}
			}
		}
	}
	same := map[string]any{}
	for _, object := range objects {
		object = object.DeepCopy()
		if object.GetKind() == "Namespace" {
			continue
		}
		labels, annotations := object.GetLabels(), object.GetAnnotations()
		maps.DeleteFunc(labels, func(name, _ string) bool { return helmLabels[name] })
		delete(annotations, "helm.sh/resource-policy")
		if len(annotations) == 0 {
			annotations = nil
		}
		object.SetLabels(labels)
		object.SetAnnotations(annotations)
		switch object.GetKind() {
		case "ConfigMap":
			object.SetName(configMaps[object.GetName()])
			Expect(unstructured.SetNestedField(object.Object, effective(object), "data", "config.yaml")).To(Succeed())
		case "Deployment":
			comparePods(object, configMaps)
		}
		key := object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
		Expect(same).NotTo(HaveKey(key), "rendered twice")
		same[key] = object.Object
	}
	return same
}

var helmLabels = map[string]bool{
	"app.kubernetes.io/instance": true, "app.kubernetes.io/version": true,
	"app.kubernetes.io/managed-by": true, "helm.sh/chart": true,
}

// comparePods takes away how a Deployment's Pods may differ.
func comparePods(deployment *unstructured.Unstructured, configMaps map[string]string) {
	GinkgoHelper()
	unstructured.RemoveNestedField(deployment.Object, "spec", "template", "metadata", "annotations", "checksum/config")
	volumes, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "volumes")
	Expect(err).NotTo(HaveOccurred())
	for _, volume := range volumes {
		fields, ok := volume.(map[string]any)
		Expect(ok).To(BeTrue())
		if name, found, err := unstructured.NestedString(fields, "configMap", "name"); found {
			Expect(err).NotTo(HaveOccurred())
			Expect(unstructured.SetNestedField(fields, configMaps[name], "configMap", "name")).To(Succeed())
		}
	}
	Expect(unstructured.SetNestedSlice(deployment.Object, volumes, "spec", "template", "spec", "volumes")).To(Succeed())
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	Expect(err).NotTo(HaveOccurred())
	for _, container := range containers {
		fields, ok := container.(map[string]any)
		Expect(ok).To(BeTrue())
		image, _, err := unstructured.NestedString(fields, "image")
		Expect(err).NotTo(HaveOccurred())
		fields["image"], _, _ = strings.Cut(image, ":")
	}
	Expect(unstructured.SetNestedSlice(deployment.Object, containers, "spec", "template", "spec", "containers")).To(Succeed())
}

// effective is what the manager, or the facade, makes of its configuration file.
func effective(configMap *unstructured.Unstructured) string {
	GinkgoHelper()
	text, found, err := unstructured.NestedString(configMap.Object, "data", "config.yaml")
	Expect(err).NotTo(HaveOccurred())
	Expect(found).To(BeTrue())
	file := filepath.Join(GinkgoT().TempDir(), "config.yaml")
	Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	var config any
	if strings.HasPrefix(configMap.GetName(), "esim-facade") {
		config, err = facade.ReadConfig([]string{"--config", file})
	} else {
		config, err = manager.ReadConfig([]string{"--config", file})
	}
	Expect(err).NotTo(HaveOccurred(), text)
	read, err := yaml.Marshal(config)
	Expect(err).NotTo(HaveOccurred())
	return string(read)
}

var _ = Describe("The chart", func() {
	DescribeTable("renders the same objects as config/:",
		func(ctx context.Context, values string, folders []string) {
			rendered, err := template(ctx, "esim-system", values)
			Expect(err).NotTo(HaveOccurred())
			want, got := stripped(kustomized(ctx, folders...)), stripped(rendered)
			Expect(slices.Sorted(maps.Keys(got))).To(Equal(slices.Sorted(maps.Keys(want))))
			for name := range want {
				if diff := cmp.Diff(want[name], got[name]); diff != "" {
					Fail(name + ": -config/ +chart; `make chart` writes what is generated\n" + diff)
				}
			}
		},
		Entry("the manager, by default", ``, []string{"default"}),
		Entry("the manager and the REST API", `{facade: {enabled: true}}`, []string{"default", "rest"}),
		Entry("both with ServiceMonitors and alerts", `{facade: {enabled: true}, metrics: {serviceMonitor: {enabled: true}, rules: {enabled: true}}}`,
			[]string{"default", "rest", "prometheus"}),
	)

	It("labels every object as Helm's, and no Pod", func(ctx context.Context) {
		rendered, err := template(ctx, "esim-system", `{facade: {enabled: true}, metrics: {podMonitor: {enabled: true}}}`)
		Expect(err).NotTo(HaveOccurred())
		for _, object := range rendered {
			for label := range helmLabels {
				Expect(object.GetLabels()).To(HaveKey(label), object.GetKind()+" "+object.GetName())
				pods, _, err := unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "labels")
				Expect(err).NotTo(HaveOccurred())
				Expect(pods).NotTo(HaveKey(label), "a label that changes with the version would not fit the selector")
			}
		}
	})

	It("says the release's namespace wherever config/ says esim-system", func(ctx context.Context) {
		values := `{facade: {enabled: true}, metrics: {podMonitor: {enabled: true}}}`
		here, err := helm(ctx, "template", release, chartFolder, "--namespace", "esim-system", "--values", valuesFile(values))
		Expect(err).NotTo(HaveOccurred())
		there, err := helm(ctx, "template", release, chartFolder, "--namespace", "1234", "--values", valuesFile(values))
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Count(here, "esim-system")).To(BeNumerically(">", 20))
		Expect(there).NotTo(ContainSubstring("esim-system"))
		objects, err := manifests.Decode([]byte(there))
		Expect(err).NotTo(HaveOccurred())
		for _, object := range objects {
			Expect(object.GetNamespace()).To(BeElementOf("", "1234"))
		}
	})
})
