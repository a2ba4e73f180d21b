package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/markdown"
)

// foreign are groups of kinds that others install, which this API server does not know: of these
// manifests it is held only that they are YAML.
var foreign = map[string]bool{
	"kustomize.toolkit.fluxcd.io": true, "source.toolkit.fluxcd.io": true, "argoproj.io": true,
	"kustomize.config.k8s.io": true, "cert-manager.io": true,
}

// hereDocument is what a command gets from the lines behind it.
var hereDocument = regexp.MustCompile(`(?s)<<'?(EO[A-Z])'?\n(.*?\n)EO[A-Z]\n`)

var _ = Describe("What the documentation shows", func() {
	files, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	more, err := filepath.Glob(root + "/docs/*/*.md")
	if err != nil {
		panic(err)
	}
	for _, file := range append(append(files, more...), root+"/README.md") {
		name, err := filepath.Rel(root, file)
		if err != nil {
			panic(err)
		}
		It("is YAML, and manifests that the API server takes, in "+name, func(ctx SpecContext) {
			page, err := markdown.Read(file)
			Expect(err).NotTo(HaveOccurred())
			for _, block := range page.Blocks {
				for _, text := range yamlOf(block) {
					By(fmt.Sprintf("reading %s:%d", name, block.Line))
					for _, document := range documents(text) {
						expectTaken(ctx, document)
					}
				}
			}
		})
	}

	It("has manifests of all kinds of ours", func() {
		Expect(taken).To(And(HaveKey("EsimOrder"), HaveKey("EsimProduct"), HaveKey("EsimOperator"), HaveKey("EsimWallet"), HaveKey("EsimClient")))
	})
}, Ordered)

// taken are the kinds of which the API server took a manifest.
var taken = map[string]bool{}

// yamlOf is the YAML in a block of code.
func yamlOf(block markdown.Block) []string {
	switch block.Language {
	case "yaml":
		return []string{block.Text}
	case "sh":
		var all []string
		for _, found := range hereDocument.FindAllStringSubmatch(block.Text, -1) {
			all = append(all, found[2])
		}
		return all
	}
	return nil
}

// documents are those of a YAML text, each strictly read: a key that is there twice fails.
func documents(text string) []map[string]any {
	GinkgoHelper()
	reader := utilyaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(text)))
	var all []map[string]any
	buffer := make([]byte, len(text)+1)
	for {
		n, err := reader.Read(buffer)
		if errors.Is(err, io.EOF) {
			return all
		}
		Expect(err).NotTo(HaveOccurred())
		raw := bytes.TrimSpace(buffer[:n])
		if bytes.HasPrefix(raw, []byte("- ")) || len(raw) == 0 {
			continue // a list is a part of something
		}
		var document map[string]any
		Expect(yaml.UnmarshalStrict(raw, &document)).To(Succeed(), "in\n%s", raw)
		all = append(all, document)
	}
}

// expectTaken has the API server look at a manifest; a part of one is only read.
func expectTaken(ctx context.Context, document map[string]any) {
	GinkgoHelper()
	object := &unstructured.Unstructured{Object: document}
	if object.GetAPIVersion() == "" || object.GetKind() == "" {
		return
	}
	group, err := schema.ParseGroupVersion(object.GetAPIVersion())
	Expect(err).NotTo(HaveOccurred())
	if foreign[group.Group] {
		return
	}
	if name := object.GetNamespace(); name != "" {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		Expect(client.IgnoreAlreadyExists(env.Client.Create(ctx, namespace))).To(Succeed())
	} else if namespaced, err := env.Client.IsObjectNamespaced(object); err == nil && namespaced {
		object.SetNamespace(metav1.NamespaceDefault)
	}
	what := fmt.Sprintf("%s %s", object.GetKind(), object.GetName())
	strict := client.WithFieldValidation(env.Client, metav1.FieldValidationStrict)
	Expect(client.IgnoreAlreadyExists(strict.Create(ctx, object, client.DryRunAll))).To(Succeed(), what)
	taken[object.GetKind()] = true
}
