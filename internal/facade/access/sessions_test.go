package access_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/ids"
)

// revocation is how long a token may still be good after its session has ended. Ten seconds
// are promised; half of that shows that the API server's own cache, of ten, does not count.
const revocation = 5 * time.Second

var _ = Describe("Logging in", func() {
	var (
		namespace string
		key       *access.APIKey
		// Two replicas of the facade.
		guard, replica *access.Guard
	)

	BeforeEach(func(ctx context.Context) {
		namespace = newClient(ctx)
		key = newKey(ctx, namespace)
		guard, replica = newGuard(newClock()), newGuard(newClock())
	})

	It("with an API key and its secret gives an access token for an hour and a refresh token for a week", func(ctx context.Context) {
		begun := time.Now()
		session := login(ctx, guard, key)
		Expect(session.ClientID).To(Equal(ids.Client(namespace)))
		Expect(session.AccessExpires).To(BeTemporally("~", begun.Add(access.AccessLifetime), time.Minute))
		Expect(session.RefreshExpires).To(BeTemporally("~", begun.Add(access.RefreshLifetime), time.Minute))
		caller, err := replica.Admit(with(ctx, session.Access.Reveal()), "createOrder")
		Expect(err).NotTo(HaveOccurred())
		Expect(caller.Identity.Namespace).To(Equal(namespace))
	})

	It("with anything wrong is refused, and never says what", func(ctx context.Context) {
		for name, wrong := range map[string][2]string{
			"a wrong secret":          {key.Key, "wrong"},
			"another client's secret": {key.Key, newKey(ctx, newClient(ctx)).Secret.Reveal()},
			"a key that is not there": {namespace + ".aaaaaaaaaaaaaaaa", key.Secret.Reveal()},
			"a namespace without it":  {"nowhere.aaaaaaaaaaaaaaaa", key.Secret.Reveal()},
			"no key at all":           {"ann@example.com", key.Secret.Reveal()},
		} {
			_, err := guard.Login(ctx, home, wrong[0], activation.NewCredential(wrong[1]))
			Expect(err).To(BeIdenticalTo(access.ErrInvalidCredentials), name)
		}
		Expect(sessionSecrets(ctx, namespace)).To(BeEmpty())
	})

	It("gives a refresh token that is no access token, and the other way round", func(ctx context.Context) {
		session := login(ctx, guard, key)
		Expect(refusalOf(ctx, guard, session.Refresh)).To(MatchError(access.ErrInvalidToken))
		_, err := guard.Refresh(ctx, home, session.Access)
		Expect(err).To(MatchError(access.ErrInvalidCredentials))
	})

	It("is limited per client and address while the secret is wrong, and per client once it was right", func(ctx context.Context) {
		clock := newClock()
		guard = newGuard(clock)
		newTerms(ctx, namespace, v1alpha1.EsimClientSpec{RateLimits: &v1alpha1.RateLimits{Login: 2}})
		login(ctx, guard, key)
		for i := range 9 {
			_, err := guard.Login(ctx, home, key.Key, activation.NewCredential(fmt.Sprint("guess ", i)))
			Expect(err).To(MatchError(access.ErrInvalidCredentials))
		}
		_, err := guard.Login(ctx, home, key.Key, activation.NewCredential("one more guess"))
		Expect(reasonOf(err)).To(Equal(access.TooManyRequests))

		By("guessing from there, and logging in from there with the secret")
		login(ctx, guard, key)
		_, err = guard.Login(ctx, netip.MustParseAddr("198.51.100.1"), key.Key, key.Secret)
		Expect(reasonOf(err)).To(Equal(access.TooManyRequests), "the client's own limit holds wherever it comes from")
		clock.Step(time.Minute)
		login(ctx, guard, key)
	})

	It("ends with the API key: there is no refreshing after it is deleted", func(ctx context.Context) {
		session := login(ctx, guard, key)
		Expect(sessionSecrets(ctx, namespace)).To(HaveExactElements(
			HaveField("OwnerReferences", HaveExactElements(HaveField("UID", key.Object.UID)))),
			"the garbage collector removes a session with its key")
		Expect(env.Client.Delete(ctx, key.Object)).To(Succeed())
		_, err := guard.Refresh(ctx, home, session.Refresh)
		Expect(err).To(MatchError(access.ErrInvalidCredentials))
		_, err = guard.Login(ctx, home, key.Key, key.Secret)
		Expect(err).To(MatchError(access.ErrInvalidCredentials))
	})
})

var _ = Describe("A session", func() {
	var (
		namespace      string
		key            *access.APIKey
		guard, replica *access.Guard
		session        *access.Session
	)

	BeforeEach(func(ctx context.Context) {
		namespace = newClient(ctx)
		key = newKey(ctx, namespace)
		guard, replica = newGuard(newClock()), newGuard(newClock())
		session = login(ctx, guard, key)
		Expect(refusalOf(ctx, guard, session.Access)).To(Succeed())
		Expect(refusalOf(ctx, replica, session.Access)).To(Succeed())
	})

	ends := func(ctx context.Context, session *access.Session) {
		GinkgoHelper()
		for _, one := range []*access.Guard{guard, replica} {
			Eventually(refusalOf).WithArguments(ctx, one, session.Access).
				WithTimeout(revocation).WithPolling(100 * time.Millisecond).Should(MatchError(access.ErrInvalidToken))
		}
	}

	It("is exchanged for a new one, and what it gave is revoked within ten seconds, on every replica", func(ctx context.Context) {
		renewed, err := replica.Refresh(ctx, home, session.Refresh)
		Expect(err).NotTo(HaveOccurred())
		Expect(refusalOf(ctx, guard, renewed.Access)).To(Succeed())
		ends(ctx, session)

		By("presenting the refresh token once more")
		for _, one := range []*access.Guard{guard, replica} {
			_, err := one.Refresh(ctx, home, session.Refresh)
			Expect(err).To(MatchError(access.ErrInvalidCredentials))
		}
		Expect(refusalOf(ctx, guard, renewed.Access)).To(Succeed())
		Expect(sessionSecrets(ctx, namespace)).To(HaveLen(1))
	})

	It("is exchanged once, if 20 ask at the same time", func(ctx context.Context) {
		outcomes := make(chan error, 20)
		var together sync.WaitGroup
		start := make(chan struct{})
		for i := range cap(outcomes) {
			together.Go(func() {
				<-start
				one := guard
				if i%2 == 1 {
					one = replica
				}
				_, err := one.Refresh(ctx, home, session.Refresh)
				outcomes <- err
			})
		}
		close(start)
		together.Wait()
		close(outcomes)
		won := 0
		for err := range outcomes {
			if err == nil {
				won++
				continue
			}
			Expect(err).To(MatchError(access.ErrInvalidCredentials))
		}
		Expect(won).To(Equal(1))
		Expect(sessionSecrets(ctx, namespace)).To(HaveLen(1), "those who lost leave nothing behind")
	})

	It("ends with all others of the client when one logs out, and those of other clients go on", func(ctx context.Context) {
		second := login(ctx, replica, key)
		other := newClient(ctx)
		theirs := login(ctx, guard, newKey(ctx, other))
		identity, err := guard.Authenticate(with(ctx, session.Access.Reveal()))
		Expect(err).NotTo(HaveOccurred())
		Expect(guard.Logout(ctx, identity)).To(Succeed())

		Expect(sessionSecrets(ctx, namespace)).To(BeEmpty())
		ends(ctx, session)
		ends(ctx, second)
		_, err = guard.Refresh(ctx, home, second.Refresh)
		Expect(err).To(MatchError(access.ErrInvalidCredentials))
		Expect(refusalOf(ctx, guard, theirs.Access)).To(Succeed())

		By("logging in again")
		Expect(refusalOf(ctx, guard, login(ctx, guard, key).Access)).To(Succeed())
	})

	It("ends with a logout, even while it is being renewed", func(ctx context.Context) {
		identity, err := guard.Authenticate(with(ctx, session.Access.Reveal()))
		Expect(err).NotTo(HaveOccurred())
		renewals, stop := make(chan int), make(chan struct{})
		go func() {
			defer GinkgoRecover()
			defer close(renewals)
			for current := session.Refresh; ; {
				renewed, err := newGuard(newClock()).Refresh(ctx, home, current)
				if err != nil {
					Expect(err).To(MatchError(access.ErrInvalidCredentials))
					return
				}
				current = renewed.Refresh
				select {
				case renewals <- 1:
				case <-stop:
				}
			}
		}()
		Eventually(renewals).WithTimeout(revocation).Should(Receive())
		close(stop)
		Expect(guard.Logout(ctx, identity)).To(Succeed())
		Eventually(renewals).WithTimeout(revocation).Should(BeClosed())
		Expect(sessionSecrets(ctx, namespace)).To(BeEmpty())
	})

	It("is ended by nobody who only looks on", func(ctx context.Context) {
		newAccount(ctx, namespace, "support", "esim-client-readonly")
		identity, err := guard.Authenticate(with(ctx, tokenOf(ctx, namespace, "support", access.Audience)))
		Expect(err).NotTo(HaveOccurred())
		Expect(guard.Logout(ctx, identity)).To(MatchError(access.ErrForbidden))
		Expect(refusalOf(ctx, guard, session.Access)).To(Succeed())
	})

	It("leaves a Secret that is removed once its tokens have expired", func(ctx context.Context) {
		newTerms(ctx, namespace, v1alpha1.EsimClientSpec{})
		clock := newClock()
		guard = newGuard(clock)
		Expect(guard.Sweep(ctx)).To(Succeed())
		Expect(sessionSecrets(ctx, namespace)).To(HaveLen(1))
		clock.Step(access.RefreshLifetime + 2*time.Hour)
		Expect(guard.Sweep(ctx)).To(Succeed())
		Expect(sessionSecrets(ctx, namespace)).To(BeEmpty())
	})
})
