// Package chart_test holds the Helm chart to what config/ says, and has a real API server judge
// what it renders. Helm is the one of hack/tools.
package chart_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/telcodev/esim-operator/internal/manifests"
	"github.com/telcodev/esim-operator/internal/testenv"
)

const release = "esim-operator"

func TestChart(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The Helm chart")
}

var (
	env        *testenv.Environment
	helmBinary string
	kubeconfig string
)

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	env, err = testenv.Start(ctx, testenv.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return env.Stop() })
	// -n prints the command that would run, which is the tool as Go has built and kept it.
	find := exec.CommandContext(ctx, "go", "tool", "-modfile=hack/tools/go.mod", "-n", "helm")
	find.Dir, find.Stderr = env.Root, GinkgoWriter
	found, err := find.Output()
	Expect(err).NotTo(HaveOccurred())
	helmBinary = strings.TrimSpace(string(found))
	kubeconfig = filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*administrator(env.Config), kubeconfig)).To(Succeed())
})

func administrator(of *rest.Config) *clientcmdapi.Config {
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: of.Host, CertificateAuthorityData: of.CAData}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: of.CertData, ClientKeyData: of.KeyData}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	return config
}

// helm runs Helm in the repository's root as an administrator of the cluster; its error is what
// Helm says.
func helm(ctx context.Context, args ...string) (string, error) {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, helmBinary, args...)
	home := filepath.Dir(kubeconfig)
	cmd.Dir = env.Root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var said, complained bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complained
	if err := cmd.Run(); err != nil {
		return said.String(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, complained.String())
	}
	return said.String(), nil
}

// chartFolder is the chart, from the repository's root.
const chartFolder = "charts/esim-operator"

// template renders the chart with values, which are YAML.
func template(ctx context.Context, namespace, values string) ([]*unstructured.Unstructured, error) {
	GinkgoHelper()
	rendered, err := helm(ctx, "template", release, chartFolder, "--namespace", namespace, "--values", valuesFile(values))
	if err != nil {
		return nil, err
	}
	return manifests.Decode([]byte(rendered))
}

// valuesFile is a file with values.
func valuesFile(values string) string {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "values.yaml")
	Expect(os.WriteFile(file, []byte(values), 0o600)).To(Succeed())
	return file
}

// kustomized are the objects of folders of config/.
func kustomized(ctx context.Context, folders ...string) []*unstructured.Unstructured {
	GinkgoHelper()
	var all []*unstructured.Unstructured
	for _, folder := range folders {
		objects, err := manifests.Read(ctx, filepath.Join(env.Assets, "kubectl"), filepath.Join(env.Root, "config", folder))
		Expect(err).NotTo(HaveOccurred())
		all = append(all, objects...)
	}
	return all
}
