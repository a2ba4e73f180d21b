package facade_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// browse gets what is not in the API's document.
func browse(ctx context.Context, base, path, token string) (status int, body []byte) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(answer.Body.Close()).To(Succeed()) }()
	body, err = io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	return answer.StatusCode, body
}

var _ = Describe("The console", func() {
	const products = "/console/api/products"

	It("shows its pages to everybody, and products to those alone who may list them", func(ctx SpecContext) {
		_, client := newShop(ctx, "rest-console", testshop.Options{})
		status, _ := browse(ctx, replicas[0], "/console", "")
		Expect(status).To(Equal(http.StatusOK))
		status, _ = browse(ctx, replicas[0], products, "")
		Expect(status).To(Equal(http.StatusUnauthorized))
		status, _ = browse(ctx, replicas[0], products, client.token)
		Expect(status).To(Equal(http.StatusOK))
		nobody := newToken(ctx, "rest-console", "nobody", "no-such-role")
		status, _ = browse(ctx, replicas[0], products, nobody)
		Expect(status).To(Equal(http.StatusForbidden))
	})

	It("shows each client what this client may buy", func(ctx SpecContext) {
		own := testshop.Options{Product: func(p *v1alpha1.EsimProduct) { p.Labels = map[string]string{"sold-to": "rest-console-a"} }}
		shop, mine := newShop(ctx, "rest-console-a", own)
		_, theirs := newShop(ctx, "rest-console-b", testshop.Options{})
		Expect(env.Client.Create(ctx, &v1alpha1.EsimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: "rest-console-b", Name: v1alpha1.ClientName},
			Spec:       v1alpha1.EsimClientSpec{ProductSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"sold-to": "rest-console-b"}}},
		})).To(Succeed())
		seen := func(who *caller) func() []int64 {
			return func() []int64 {
				status, body := browse(ctx, replicas[0], products+"?per_page=500", who.token)
				Expect(status).To(Equal(http.StatusOK), string(body))
				var listed []struct{ ID int64 }
				Expect(json.Unmarshal(body, &listed)).To(Succeed())
				ids := make([]int64, 0, len(listed))
				for _, p := range listed {
					ids = append(ids, p.ID)
				}
				return ids
			}
		}
		Expect(seen(mine)()).To(ContainElement(productOf(mine, shop)))
		Eventually(seen(theirs)).Should(BeEmpty())
	})

	It("counts what it asks for as the API's own requests", func(ctx SpecContext) {
		_, client := newShop(ctx, "rest-console-limit", testshop.Options{})
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		config := testConfig()
		config.RateLimits.Read = 2
		address := startFacade(identity, config)
		for range 2 {
			Expect(client.at(address).get("/api/v1/esim/products").status).To(Equal(http.StatusOK))
		}
		status, _ := browse(ctx, address, products, client.token)
		Expect(status).To(Equal(http.StatusTooManyRequests))
	})

	It("can be switched off", func(ctx SpecContext) {
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		config := testConfig()
		config.Console = false
		address := startFacade(identity, config)
		for _, path := range []string{"/console", "/console/", "/console/main.js", products} {
			status, _ := browse(ctx, address, path, "")
			Expect(status).To(Equal(http.StatusNotFound), path)
		}
	})
})
