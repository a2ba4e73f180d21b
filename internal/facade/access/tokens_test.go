package access_test

import (
	"context"
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	"github.com/telcodev/esim-operator/internal/facade/access"
)

var _ = Describe("A token", func() {
	var (
		namespace string
		guard     *access.Guard
	)

	BeforeEach(func(ctx context.Context) {
		namespace, guard = newClient(ctx), newGuard(newClock())
	})

	It("of a ServiceAccount tells its namespace, which is the client", func(ctx context.Context) {
		identity, err := guard.Authenticate(with(ctx, tokenOf(ctx, namespace, "esim-api", access.Audience)))
		Expect(err).NotTo(HaveOccurred())
		Expect(identity.Namespace).To(Equal(namespace))
		Expect(identity.ServiceAccount).To(Equal("esim-api"))
		Expect(identity.User.GetName()).To(Equal("system:serviceaccount:" + namespace + ":esim-api"))
	})

	It("is needed", func(ctx context.Context) {
		_, err := guard.Authenticate(with(ctx, ""))
		Expect(err).To(MatchError(access.ErrNoToken))
	})

	It("is refused if it is meant for the Kubernetes API, for refreshing, or for anything else", func(ctx context.Context) {
		for _, audiences := range [][]string{nil, {access.RefreshAudience}, {"vault"}} {
			_, err := guard.Authenticate(with(ctx, tokenOf(ctx, namespace, "esim-api", audiences...)))
			Expect(err).To(MatchError(access.ErrInvalidToken), "%v", audiences)
		}
	})

	It("is refused if anything in it was changed", func(ctx context.Context) {
		other := newClient(ctx)
		mine := strings.Split(tokenOf(ctx, namespace, "esim-api", access.Audience), ".")
		theirs := strings.Split(tokenOf(ctx, other, "esim-api", access.Audience), ".")
		for _, forged := range [][]string{
			{mine[0], theirs[1], mine[2]}, {mine[0], mine[1], theirs[2]}, {"e30", mine[1], mine[2]},
			// {"alg":"none"}
			{"eyJhbGciOiJub25lIn0", theirs[1], "x"},
		} {
			_, err := guard.Authenticate(with(ctx, strings.Join(forged, ".")))
			Expect(err).To(MatchError(access.ErrInvalidToken))
		}
	})

	It("is good until it expires, and refused from then on", func(ctx context.Context) {
		given := tokenOf(ctx, namespace, "esim-api", access.Audience)
		lasting := func(expires time.Duration) string {
			GinkgoHelper()
			now := time.Now()
			token, err := env.ResignToken(given, func(claims map[string]any) {
				claims["iat"], claims["nbf"] = now.Add(-time.Hour).Unix(), now.Add(-time.Hour).Unix()
				claims["exp"] = now.Add(expires).Unix()
			})
			Expect(err).NotTo(HaveOccurred())
			return token
		}
		_, err := guard.Authenticate(with(ctx, lasting(time.Minute)))
		Expect(err).NotTo(HaveOccurred(), "nothing but the time makes the difference")
		// The API server forgives a minute, as clocks differ.
		_, err = guard.Authenticate(with(ctx, lasting(-2*time.Minute)))
		Expect(err).To(MatchError(access.ErrInvalidToken))
	})

	It("is refused once it expires, also where it was good a moment ago", func(ctx context.Context) {
		now := time.Now()
		token, err := env.ResignToken(tokenOf(ctx, namespace, "esim-api", access.Audience), func(claims map[string]any) {
			claims["exp"] = now.Add(-time.Minute + 5*time.Second).Unix()
			claims["iat"], claims["nbf"] = now.Add(-time.Hour).Unix(), now.Add(-time.Hour).Unix()
		})
		Expect(err).NotTo(HaveOccurred())
		_, err = guard.Authenticate(with(ctx, token))
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error { _, err := guard.Authenticate(with(ctx, token)); return err }).
			WithTimeout(40 * time.Second).WithPolling(200 * time.Millisecond).Should(MatchError(access.ErrInvalidToken))
	})

	It("is neither good nor bad to a facade that may not have it reviewed", func(ctx context.Context) {
		elsewhere, err := env.UserConfig("nobody")
		Expect(err).NotTo(HaveOccurred())
		without, err := access.New(access.Config{REST: elsewhere, Cache: reader, Clock: newClock(), Random: strings.NewReader(strings.Repeat("x", 100))})
		Expect(err).NotTo(HaveOccurred())
		_, err = without.Authenticate(with(ctx, tokenOf(ctx, namespace, "esim-api", access.Audience)))
		Expect(reasonOf(err)).To(Equal(access.Unavailable))
	})

	It("is neither good nor bad while the API server is away", func(ctx context.Context) {
		away := rest.CopyConfig(facade)
		away.Host = "https://127.0.0.1:1"
		without, err := access.New(access.Config{REST: away, Cache: reader, Clock: newClock(), Random: strings.NewReader(strings.Repeat("x", 100))})
		Expect(err).NotTo(HaveOccurred())
		_, err = without.Authenticate(with(ctx, tokenOf(ctx, namespace, "esim-api", access.Audience)))
		Expect(reasonOf(err)).To(Equal(access.Unavailable))
	})
})

// reasonOf is that of a Refusal, and 0 for other errors.
func reasonOf(err error) access.Reason {
	var refusal *access.Refusal
	if !errors.As(err, &refusal) {
		return 0
	}
	return refusal.Reason
}
