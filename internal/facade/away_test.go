package facade_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/testenv"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// road is the way to the API server, which can be closed.
type road struct {
	mu     sync.Mutex
	closed bool
	taken  []net.Conn
}

var errClosed = errors.New("the road is closed")

func (r *road) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.Join(errClosed, conn.Close())
	}
	r.taken = append(r.taken, conn)
	return conn, nil
}

// shut closes the road or opens it. Closing ends all connections.
func (r *road) shut(closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = closed
	for _, conn := range r.taken {
		_ = conn.Close() // it may have ended by itself
	}
	r.taken = nil
}

var _ = Describe("Without the API server", func() {
	It("reads go on, writes are to be tried again, and all is well when it is back", func(ctx SpecContext) {
		shop, client := newShop(ctx, "rest-away", testshop.Options{})
		product := productOf(client, shop)
		readonly := client.at(client.base)
		readonly.token = newToken(ctx, "rest-away", "support", "esim-client-readonly")
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		var way road
		identity.Dial = way.dial
		there := client.at(startFacade(identity, testConfig()))
		readonly.base = there.base
		order := map[string]any{"product_id": product, "amount": 4.5}
		made := there.post("/api/v1/esim/orders", order).object()
		Expect(made).To(HaveKeyWithValue("status", "DELIVERED"))
		path := orderPath(made)

		// What nobody has asked for before, nobody may while the API server is away.
		reads := []string{"/api/v1/esim/products", "/api/v1/esim/orders", "/api/v1/wallets", "/api/v1/transactions"}
		for _, asked := range append(reads, path) {
			Expect(there.get(asked).status).To(Equal(http.StatusOK))
			Expect(readonly.get(asked).status).To(Equal(http.StatusOK))
		}

		way.shut(true)
		Consistently(func(g Gomega) {
			for _, asked := range reads {
				g.Expect(there.get(asked).status).To(Equal(http.StatusOK), asked)
			}
			g.Expect(readonly.get(path).status).To(Equal(http.StatusOK), "it has no code that could be missing")
		}).WithTimeout(20 * time.Second).WithPolling(500 * time.Millisecond).Should(Succeed())
		for _, refused := range []answered{
			there.post("/api/v1/esim/orders", order), there.post(path+"/cancel", nil),
			// Without its code a client could take the order for not delivered.
			there.get(path),
		} {
			Expect(refused.status).To(Equal(http.StatusServiceUnavailable), string(refused.body))
			Expect(refused.header.Get("Retry-After")).NotTo(BeEmpty())
		}
		Eventually(func() int { return there.get("/readyz").status }).WithContext(ctx).Should(Equal(http.StatusServiceUnavailable))
		Expect(there.get("/healthz").status).To(Equal(http.StatusOK))

		way.shut(false)
		Eventually(func() int { return there.get("/readyz").status }).WithContext(ctx).Should(Equal(http.StatusOK))
		Expect(there.post("/api/v1/esim/orders", order).object()).To(HaveKeyWithValue("status", "DELIVERED"))
		Expect(there.get(path).object()).To(HaveKeyWithValue("activation_code", made["activation_code"]))
		Expect(env.Client.DeleteAllOf(ctx, &rbacv1.RoleBinding{}, ctrlclient.InNamespace("rest-away"))).To(Succeed())
		Eventually(func() int { return there.get("/api/v1/esim/products").status }).WithContext(ctx).Should(Equal(http.StatusForbidden),
			"its word of before it was away does not outlive a new one")
	}, SpecTimeout(2*time.Minute))

	It("a token that was revoked before does not come back", func(ctx SpecContext) {
		newShop(ctx, "rest-away-logout", testshop.Options{})
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		var way road
		identity.Dial = way.dial
		there := &caller{base: startFacade(identity, testConfig())}
		session := there.post("/auth/login", newAPIKey(ctx, "rest-away-logout")).object()["data"].(map[string]any)
		there.token = session["access_token"].(string)
		Expect(there.get("/api/v1/esim/products").status).To(Equal(http.StatusOK))
		Expect(there.post("/auth/logout", nil).status).To(BeNumerically("<", http.StatusBadRequest))
		way.shut(true)
		Eventually(func() int { return there.get("/api/v1/esim/products").status }).WithContext(ctx).WithTimeout(10 * time.Second).
			Should(Equal(http.StatusServiceUnavailable))
	})
})
