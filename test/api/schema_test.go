package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/internal/money"
)

// explainWidth is what kubectl explain has for a line; it breaks longer ones, and leaves the
// rest of them on a line of its own.
const explainWidth = 76

// walk visits every schema within one, with its path.
func walk(path string, schema apiextensionsv1.JSONSchemaProps, visit func(string, apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	for name, property := range schema.Properties {
		walk(path+"."+name, property, visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(path+"[]", *schema.Items.Schema, visit)
	}
}

// schemas are those of the CRDs, by kind.
func schemas() map[string]apiextensionsv1.JSONSchemaProps {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(env.Root, "config", "crd", "bases", "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	Expect(files).NotTo(BeEmpty())
	all := map[string]apiextensionsv1.JSONSchemaProps{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		var crd apiextensionsv1.CustomResourceDefinition
		Expect(yaml.UnmarshalStrict(text, &crd)).To(Succeed())
		for _, version := range crd.Spec.Versions {
			all[crd.Spec.Names.Kind] = *version.Schema.OpenAPIV3Schema
		}
	}
	return all
}

var _ = Describe("The schema", func() {
	It("has no rule about a spec whose message no case of this suite has shown", func() {
		shown := map[string]string{}
		for kind, cases := range map[string][]refusal{
			"EsimOrder": refusedOrders, "EsimProduct": refusedProducts, "EsimOperator": refusedOperators,
			"EsimWallet": refusedWallets, "EsimClient": refusedClients,
		} {
			for _, refused := range cases {
				shown[kind] += strings.Join(refused.says, "\n") + "\n"
			}
		}
		for kind, cases := range map[string][]refusedChange{
			"EsimOrder": slices.Concat(refusedOrderChanges, refusedLedgerChanges), "EsimWallet": refusedWalletChanges,
			"EsimOperator": refusedOperatorChanges,
		} {
			for _, refused := range cases {
				shown[kind] += strings.Join(refused.says, "\n") + "\n"
			}
		}
		rules := 0
		for kind, schema := range schemas() {
			walk(kind, schema, func(path string, schema apiextensionsv1.JSONSchemaProps) {
				if strings.HasPrefix(path, kind+".status") {
					return
				}
				for _, rule := range schema.XValidations {
					rules++
					field := strings.TrimPrefix(path, kind+".")
					if rule.FieldPath != "" {
						field = strings.TrimPrefix(strings.TrimPrefix(path, kind)+rule.FieldPath, ".")
					}
					Expect(shown[kind]).To(ContainSubstring(rule.Message), "%s: %s", field, rule.Rule)
				}
			})
		}
		Expect(rules).To(BeNumerically(">", 60))
	})

	It("knows the currencies of ISO 4217, all of them and no other", func() {
		var codes []string
		for _, currency := range money.Currencies() {
			codes = append(codes, "'"+currency.Code+"'")
		}
		rule, fields := "self in ["+strings.Join(codes, ",")+"]", 0
		for kind, schema := range schemas() {
			walk(kind, schema, func(path string, schema apiextensionsv1.JSONSchemaProps) {
				if !strings.HasSuffix(strings.ToLower(path), "currency") {
					return
				}
				fields++
				Expect(schema.XValidations).To(HaveLen(1), path)
				Expect(schema.XValidations[0].Rule).To(Equal(rule), path)
			})
		}
		Expect(fields).To(BeNumerically(">=", 5), "of products, plans, charges, wallets and clients")
	})

	It("is explained field by field, in lines that kubectl explain need not break", func() {
		var faults []string
		for kind, schema := range schemas() {
			walk(kind, schema, func(path string, schema apiextensionsv1.JSONSchemaProps) {
				isItem := strings.HasSuffix(path, "[]")
				isObjectMeta := path == kind+".metadata"
				fromKubernetes := path == kind+".apiVersion" || path == kind+".kind" || strings.Contains(path, ".conditions[]") ||
					strings.Contains(path, ".productSelector.")
				switch {
				case isItem || isObjectMeta || fromKubernetes:
				case schema.Description == "":
					faults = append(faults, path+" is not explained")
				default:
					for _, line := range strings.Split(schema.Description, "\n") {
						if len([]rune(line)) > explainWidth {
							faults = append(faults, fmt.Sprintf("%s: %q is too long", path, line))
						}
					}
				}
			})
		}
		Expect(faults).To(BeEmpty())
	})
})
