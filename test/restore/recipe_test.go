package restore

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/markdown"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// neverSkip is the variable by which `make test-e2e` says that all tools must be there. `make test`
// needs Go alone.
const neverSkip = "NEVER_SKIP"

// recipe is what docs/backup.md has its readers type.
type recipe struct{ save, restore string }

func readRecipe() recipe {
	GinkgoHelper()
	page, err := markdown.Read(filepath.Join(lost.Root, "docs", "backup.md"))
	Expect(err).NotTo(HaveOccurred())
	var blocks []string
	for _, block := range page.Blocks {
		if block.Language == "sh" {
			blocks = append(blocks, block.Text)
		}
	}
	Expect(blocks).To(HaveLen(3), "one that saves, and two that restore")
	return recipe{save: blocks[0], restore: blocks[1] + blocks[2]}
}

// run runs commands in the folder, against the cluster. What they print may hold credentials, and
// is kept back: files are what is looked at.
func run(ctx context.Context, env *testenv.Environment, folder, commands string) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	command.Dir = folder
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig(env, folder), "PATH="+env.Assets+":"+os.Getenv("PATH"))
	var messages strings.Builder
	command.Stderr = &messages
	Expect(command.Run()).To(Succeed(), "%s", &messages)
}

// kubeconfig writes an administrator's.
func kubeconfig(env *testenv.Environment, folder string) string {
	GinkgoHelper()
	config := clientcmdapi.NewConfig()
	config.Clusters["it"] = &clientcmdapi.Cluster{Server: env.Config.Host, CertificateAuthorityData: env.Config.CAData}
	config.AuthInfos["it"] = &clientcmdapi.AuthInfo{ClientCertificateData: env.Config.CertData, ClientKeyData: env.Config.KeyData}
	config.Contexts["it"] = &clientcmdapi.Context{Cluster: "it", AuthInfo: "it"}
	config.CurrentContext = "it"
	file := filepath.Join(folder, "kubeconfig")
	Expect(clientcmd.WriteToFile(*config, file)).To(Succeed())
	return file
}

var _ = Describe("The commands of docs/backup.md", func() {
	It("save a shop and restore it, so that nothing is bought again", func(ctx SpecContext) {
		for _, tool := range []string{"bash", "jq"} {
			if _, err := exec.LookPath(tool); err != nil {
				if os.Getenv(neverSkip) != "" {
					Fail("they need " + tool)
				}
				Skip("they need " + tool)
			}
		}
		ofOthers, ofOthersFresh := lost, fresh
		lost, fresh = startClusters(ctx)
		DeferCleanup(func() { lost, fresh = ofOthers, ofOthersFresh })
		shop, err := testshop.Open(ctx, lost.Client, "shop", testshop.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(shop.Close)
		Expect(lost.ApplyFolder(ctx, "config/manager")).To(Succeed())
		fill(ctx, shop)
		before := booksOf(ctx, lost, shop)
		folder, commands := GinkgoT().TempDir(), readRecipe()

		run(ctx, lost, folder, commands.save)
		var deployments appsv1.DeploymentList
		Expect(lost.Client.List(ctx, &deployments, client.InNamespace(testenv.SystemNamespace))).To(Succeed())
		Expect(deployments.Items).To(HaveLen(1))
		Expect(*deployments.Items[0].Spec.Replicas).To(Equal(int32(2)), "it was stopped, and is to go on")
		Expect(deployments.Items[0].Generation).To(BeNumerically(">=", 3), "it was never stopped")

		Expect(fresh.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop.Name}})).To(Succeed())
		run(ctx, fresh, folder, commands.restore)
		expectGoesOn(ctx, shop, before)
	})
})
