package stored_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/manifests"
)

// kinds are ours, and how etcd calls them.
var kinds = map[string]struct {
	plural string
	object func() client.Object
}{
	"EsimClient":   {"esimclients", func() client.Object { return &v1alpha1.EsimClient{} }},
	"EsimOperator": {"esimoperators", func() client.Object { return &v1alpha1.EsimOperator{} }},
	"EsimOrder":    {"esimorders", func() client.Object { return &v1alpha1.EsimOrder{} }},
	"EsimProduct":  {"esimproducts", func() client.Object { return &v1alpha1.EsimProduct{} }},
	"EsimWallet":   {"esimwallets", func() client.Object { return &v1alpha1.EsimWallet{} }},
}

// stored are the objects of testdata.
func stored() []*unstructured.Unstructured {
	GinkgoHelper()
	text, err := os.ReadFile("testdata/v1alpha1.yaml")
	Expect(err).NotTo(HaveOccurred())
	objects, err := manifests.Decode(text)
	Expect(err).NotTo(HaveOccurred())
	Expect(objects).NotTo(BeEmpty())
	return objects
}

var _ = Describe("Objects that v1alpha1 stored", Ordered, func() {
	BeforeAll(func(ctx context.Context) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
		Expect(env.Client.Create(ctx, namespace)).To(Succeed())
		for _, object := range stored() {
			key := strings.Join([]string{"/registry/esim.telco.dev", kinds[object.GetKind()].plural, object.GetNamespace(), object.GetName()}, "/")
			value, err := json.Marshal(object)
			Expect(err).NotTo(HaveOccurred())
			Expect(env.PutEtcd(ctx, strings.ReplaceAll(key, "//", "/"), value)).To(Succeed())
		}
	})

	It("are served as they were stored", func(ctx context.Context) {
		for _, want := range stored() {
			got := &unstructured.Unstructured{}
			got.SetGroupVersionKind(want.GroupVersionKind())
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(want), got)).To(Succeed(), want.GetName())
			got.SetResourceVersion("")
			if diff := cmp.Diff(asJSON(want), asJSON(got)); diff != "" {
				Fail(want.GetKind() + " " + want.GetName() + ": -stored +served\n" + diff)
			}
		}
	})

	It("lose nothing on their way through this version", func() {
		for _, want := range stored() {
			typed := kinds[want.GetKind()].object()
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(want.Object, typed, true)).To(Succeed(), want.GetName())
			if diff := cmp.Diff(asJSON(want), asJSON(typed), durations); diff != "" {
				Fail(want.GetKind() + " " + want.GetName() + ": -stored +written again\n" + diff)
			}
		}
	})

	It("can be written by this version's manager, status and all", func(ctx context.Context) {
		config, err := env.ManagerConfig()
		Expect(err).NotTo(HaveOccurred())
		manager, err := client.New(config, client.Options{Scheme: env.Scheme})
		Expect(err).NotTo(HaveOccurred())
		for _, want := range stored() {
			object := kinds[want.GetKind()].object()
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(want), object)).To(Succeed())
			object.SetLabels(map[string]string{"seen": "true"})
			Expect(env.Client.Update(ctx, object)).To(Succeed(), want.GetName())
			touch(object)
			Expect(manager.Status().Update(ctx, object)).To(Succeed(), want.GetName())
		}
	})

	It("show every field that the kinds have", func() {
		shown := map[string]bool{}
		for _, object := range stored() {
			collect(object.GetKind(), object.Object, shown)
		}
		var missing []string
		for kind, known := range kinds {
			text, err := os.ReadFile("../../config/crd/bases/esim.telco.dev_" + known.plural + ".yaml")
			Expect(err).NotTo(HaveOccurred())
			var crd apiextensionsv1.CustomResourceDefinition
			Expect(yaml.UnmarshalStrict(text, &crd)).To(Succeed())
			for _, part := range []string{"spec", "status"} {
				schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties[part]
				missing = append(missing, unseen(kind+"."+part, schema, shown)...)
			}
		}
		Expect(missing).To(ConsistOf(leftOut), "a field that an object may have, and none of testdata has: add an object with it")
	})
})

// leftOut are fields that the schema has and a rule refuses: Airalo's webhooks are not taken.
var leftOut = []string{"EsimOperator.spec.airalo.webhook"}

// asJSON is an object as JSON has it, which knows one kind of number.
func asJSON(object any) (plain map[string]any) {
	GinkgoHelper()
	text, err := json.Marshal(object)
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(text, &plain)).To(Succeed())
	return plain
}

// durations may be written in another way: 72h is 72h0m0s.
var durations = cmp.FilterValues(func(a, b string) bool {
	_, errA := time.ParseDuration(a)
	_, errB := time.ParseDuration(b)
	return errA == nil && errB == nil
}, cmp.Comparer(func(a, b string) bool {
	durationA, errA := time.ParseDuration(a)
	durationB, errB := time.ParseDuration(b)
	return errA == nil && errB == nil && durationA == durationB
}))

// touch changes a status, so that it is written.
func touch(object client.Object) {
	GinkgoHelper()
	now := metav1.Condition{Type: "Seen", Status: metav1.ConditionTrue, Reason: "Seen", LastTransitionTime: metav1.Now()}
	switch o := object.(type) {
	case *v1alpha1.EsimClient:
		o.Status.Conditions = append(o.Status.Conditions, now)
	case *v1alpha1.EsimOperator:
		o.Status.Conditions = append(o.Status.Conditions, now)
	case *v1alpha1.EsimOrder:
		o.Status.Conditions = append(o.Status.Conditions, now)
	case *v1alpha1.EsimProduct:
		o.Status.Conditions = append(o.Status.Conditions, now)
	case *v1alpha1.EsimWallet:
		o.Status.Conditions = append(o.Status.Conditions, now)
	default:
		Fail("a kind without a status")
	}
}

// collect notes the paths of all fields of value.
func collect(path string, value any, into map[string]bool) {
	into[path] = true
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			collect(path+"."+name, field, into)
		}
	case []any:
		for _, item := range v {
			collect(path, item, into)
		}
	}
}

// unseen are the fields of a schema that are not in seen.
func unseen(path string, schema apiextensionsv1.JSONSchemaProps, seen map[string]bool) (missing []string) {
	if !seen[path] {
		return []string{path}
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		schema = *schema.Items.Schema
	}
	for name, field := range schema.Properties {
		missing = append(missing, unseen(path+"."+name, field, seen)...)
	}
	return missing
}
