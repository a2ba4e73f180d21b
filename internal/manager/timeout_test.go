package manager

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// An API server that does not answer must not keep an order's worker, and its place at the
// operator, for ever.
func TestARequestToAnAPIServerThatHangsEnds(t *testing.T) {
	ended := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	defer hung.Close()
	defer close(ended)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("EsimOrder"), meta.RESTScopeNamespace)
	reader, err := newClient(&rest.Config{Host: hung.URL}, 50*time.Millisecond, scheme, mapper)
	if err != nil {
		t.Fatal(err)
	}
	var order v1alpha1.EsimOrder
	if err := reader.Get(t.Context(), types.NamespacedName{Namespace: "acme", Name: "order"}, &order); err == nil {
		t.Error("a read that nobody answered ended well")
	}
}
