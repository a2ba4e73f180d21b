package access_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
)

// protected are the operations that need a token, and whether they only look.
var protected = map[string]bool{
	"listProducts": true, "getProduct": true, "listVariants": true, "getVariant": true, "quoteCharges": true,
	"listOrders": true, "getOrder": true, "listWallets": true, "listTransactions": true, "logout": true,
	"createOrder": false, "setNotificationEmail": false, "cancelOrder": false,
	// An activation code is not for those who only look.
	"getOrderQRPNG": false, "getOrderQRSVG": false,
}

var _ = Describe("A client", func() {
	var (
		namespace string
		guard     *access.Guard
		now       *clocktesting.FakeClock
	)

	BeforeEach(func(ctx context.Context) {
		now = newClock()
		namespace, guard = newClient(ctx), newGuard(now)
	})

	request := func(ctx context.Context, account string) *http.Request {
		GinkgoHelper()
		return with(ctx, tokenOf(ctx, namespace, account, access.Audience))
	}

	It("with the role esim-client may do everything, and see activation codes", func(ctx context.Context) {
		r := request(ctx, "esim-api")
		for operation := range protected {
			caller, err := guard.Admit(r, operation)
			Expect(err).NotTo(HaveOccurred(), operation)
			Expect(caller.Identity.Namespace).To(Equal(namespace))
			Expect(caller.Address).To(Equal(home))
			Expect(guard.Authorize(ctx, caller.Identity, access.SeeActivationCodes)).To(Succeed())
		}
	})

	It("with the role esim-client-readonly may look, and sees no activation codes", func(ctx context.Context) {
		newAccount(ctx, namespace, "support", "esim-client-readonly")
		r := request(ctx, "support")
		for operation, looks := range protected {
			caller, err := guard.Admit(r, operation)
			if looks {
				Expect(err).NotTo(HaveOccurred(), operation)
			} else {
				Expect(err).To(MatchError(access.ErrForbidden), operation)
			}
			Expect(guard.Authorize(ctx, caller.Identity, access.SeeActivationCodes)).To(MatchError(access.ErrForbidden))
		}
	})

	It("has no rights but those that its own namespace gives, wherever else its ServiceAccount has some", func(ctx context.Context) {
		other := newClient(ctx)
		newAccount(ctx, namespace, "guest")
		bind(ctx, other, "esim-client", namespace, "guest")
		r := request(ctx, "guest")
		for operation := range protected {
			if operation == "logout" {
				continue
			}
			_, err := guard.Admit(r, operation)
			Expect(err).To(MatchError(access.ErrForbidden), operation)
		}
		identity, err := guard.Authenticate(r)
		Expect(err).NotTo(HaveOccurred())
		Expect(guard.Logout(ctx, identity)).To(MatchError(access.ErrForbidden))
	})

	It("may do nothing that nobody has thought of", func(ctx context.Context) {
		_, err := guard.Admit(request(ctx, "esim-api"), "deleteEverything")
		Expect(err).To(MatchError(access.ErrForbidden))
	})

	It("loses a right in some ten seconds", func(ctx context.Context) {
		identity, err := guard.Authenticate(request(ctx, "esim-api"))
		Expect(err).NotTo(HaveOccurred())
		Expect(guard.Authorize(ctx, identity, access.SeeActivationCodes)).To(Succeed())
		Expect(env.Client.DeleteAllOf(ctx, &rbacv1.RoleBinding{}, client.InNamespace(namespace))).To(Succeed())
		now.Step(9 * time.Second)
		Expect(guard.Authorize(ctx, identity, access.SeeActivationCodes)).To(Succeed(), "it does not ask for each request")
		Eventually(func() error { // it asks each time; the API server learns of it in a moment
			now.Step(10 * time.Second)
			return guard.Authorize(ctx, identity, access.SeeActivationCodes)
		}).Should(MatchError(access.ErrForbidden))
	})

	It("may call from its own networks only, whatever it writes in X-Forwarded-For", func(ctx context.Context) {
		newTerms(ctx, namespace, v1alpha1.EsimClientSpec{AllowedCIDRs: []v1alpha1.CIDR{"198.51.100.0/24"}})
		r := request(ctx, "esim-api")
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		_, err := guard.Admit(r, "listOrders")
		Expect(err).To(MatchError(access.ErrAddress))
		r.RemoteAddr = "198.51.100.7:4711"
		_, err = guard.Admit(r, "listOrders")
		Expect(err).NotTo(HaveOccurred())

		By("logging in from elsewhere")
		key := newKey(ctx, namespace)
		_, err = guard.Login(ctx, home, key.Key, key.Secret)
		Expect(err).To(MatchError(access.ErrAddress))
		Expect(sessionSecrets(ctx, namespace)).To(BeEmpty())
	})

	It("has limits of its own, and learns when to come again", func(ctx context.Context) {
		newTerms(ctx, namespace, v1alpha1.EsimClientSpec{RateLimits: &v1alpha1.RateLimits{Order: 2}})
		clock := newClock()
		guard = newGuard(clock)
		r := request(ctx, "esim-api")
		for range 2 {
			_, err := guard.Admit(r, "createOrder")
			Expect(err).NotTo(HaveOccurred())
		}
		_, err := guard.Admit(r, "createOrder")
		var refusal *access.Refusal
		Expect(err).To(BeAssignableToTypeOf(refusal))
		Expect(err).To(HaveField("Reason", access.TooManyRequests))
		Expect(err).To(HaveField("RetryAfter", 30*time.Second))
		_, err = guard.Admit(r, "listOrders")
		Expect(err).NotTo(HaveOccurred(), "reading has a limit of its own")
		clock.Step(30 * time.Second)
		_, err = guard.Admit(r, "createOrder")
		Expect(err).NotTo(HaveOccurred())
	})
})
