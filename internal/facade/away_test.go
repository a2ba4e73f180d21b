package facade_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

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
		identity, err := env.ServiceAccountConfig(testenv.SystemNamespace, "esim-facade")
		Expect(err).NotTo(HaveOccurred())
		var way road
		identity.Dial = way.dial
		there := client.at(startFacade(identity, testConfig()))
		order := map[string]any{"product_id": product, "amount": 4.5}
		Expect(there.post("/api/v1/esim/orders", order).object()).To(HaveKeyWithValue("status", "DELIVERED"))
		Expect(there.get("/api/v1/esim/products").status).To(Equal(http.StatusOK), "the token and the right are known now")

		way.shut(true)
		Expect(there.get("/api/v1/esim/products").status).To(Equal(http.StatusOK))
		refused := there.post("/api/v1/esim/orders", order)
		Expect(refused.status).To(Equal(http.StatusServiceUnavailable), string(refused.body))
		Expect(refused.header.Get("Retry-After")).NotTo(BeEmpty())
		Eventually(func() int { return there.get("/readyz").status }).WithContext(ctx).Should(Equal(http.StatusServiceUnavailable))
		Expect(there.get("/healthz").status).To(Equal(http.StatusOK))

		way.shut(false)
		Eventually(func() int { return there.get("/readyz").status }).WithContext(ctx).Should(Equal(http.StatusOK))
		Expect(there.post("/api/v1/esim/orders", order).object()).To(HaveKeyWithValue("status", "DELIVERED"))
	})
})
