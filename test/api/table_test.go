package api_test

import (
	"context"
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// table is what kubectl get prints of an object: columns and cells.
func table(ctx context.Context, resource string, object client.Object) (columns []string, cells []any) {
	GinkgoHelper()
	config := rest.CopyConfig(env.Config)
	config.APIPath = "/apis"
	config.GroupVersion = &schema.GroupVersion{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	rc, err := rest.RESTClientFor(config)
	Expect(err).NotTo(HaveOccurred())
	answer, err := rc.Get().Namespace(object.GetNamespace()).Resource(resource).Name(object.GetName()).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	var printed metav1.Table
	Expect(json.Unmarshal(answer, &printed)).To(Succeed())
	for _, column := range printed.ColumnDefinitions {
		columns = append(columns, column.Name)
	}
	Expect(printed.Rows).To(HaveLen(1))
	return columns, printed.Rows[0].Cells
}
