package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// callTimeout bounds each question to the API server.
const callTimeout = 3 * time.Second

// Config is what a Guard is made of.
type Config struct {
	// REST reaches the API server as the facade.
	REST *rest.Config
	// Cache has EsimClients and EsimWallets.
	Cache client.Reader
	// TrustedProxies are those whose X-Forwarded-For is believed. Default: none.
	TrustedProxies Proxies
	// Limits are for clients that have none of their own; what is 0 is the contract's. Login
	// is also how often an address may try one client's keys.
	Limits v1alpha1.RateLimits
	// Failures is how many bad tokens and API keys an address may show per minute; 0 is
	// DefaultFailures.
	Failures int
	// Clock and Random are the machine's, but in tests. Random makes secrets.
	Clock  clock.WithTicker
	Random io.Reader
}

// Guard lets requests through, or not. It is safe for concurrent use.
type Guard struct {
	cache   client.Reader
	proxies Proxies
	limits  v1alpha1.RateLimits
	clock   clock.WithTicker

	tokens authenticator.Token
	// recognised are the Identities of the good tokens of the last moments, by their digests.
	recognised *cache.LRUExpireCache
	// tokensHeard are the good tokens of the last minutes, for when the API server is away.
	tokensHeard *lastWords[digest, recalled]
	refreshes   authenticator.Token
	rights      authorizer.Authorizer
	limiter     *limiter
	attempts    *attempts
	keys        *keyring
	sessions    *sessions
}

// Caller is who makes a request, and from where.
type Caller struct {
	// Address is not valid where it could not be told.
	Address netip.Addr
	// Identity is nil where the operation is public.
	Identity *Identity
}

// New makes a Guard. It asks nothing of the API server yet.
func New(config Config) (*Guard, error) {
	connection := rest.CopyConfig(config.REST)
	connection.Timeout = callTimeout
	// How fast we may ask is for the API server to say.
	connection.QPS = -1
	kube, err := kubernetes.NewForConfig(connection)
	if err != nil {
		return nil, fmt.Errorf("making the client for reviews and tokens: %w", err)
	}
	g := &Guard{
		cache: config.Cache, proxies: config.TrustedProxies, clock: config.Clock,
		limits: withDefaults(config.Limits), limiter: newLimiter(config.Clock),
		sessions: &sessions{kube: kube.CoreV1(), ended: lru.New(maxCredentials)}, recognised: cache.NewLRUExpireCache(maxCredentials),
		tokensHeard: newLastWords[digest, recalled](config.Clock, maxCredentials),
	}
	if g.attempts, err = newAttempts(config.Random, config.Clock, cmp.Or(config.Failures, DefaultFailures)); err != nil {
		return nil, err
	}
	if g.keys, err = newKeyring(config.Random, kube.CoreV1()); err != nil {
		return nil, err
	}
	g.tokens, g.refreshes = newAuthenticators(kube)
	if g.rights, err = newAuthorizer(kube, config.Clock); err != nil {
		return nil, err
	}
	return g, nil
}

// Admit lets a request of an operation through: it is known who is calling, they may from
// this address, not too often, and have every right that it takes. Otherwise the error is a
// Refusal. What Login and Refresh take is for them to say, who see what is shown to them.
func (g *Guard) Admit(r *http.Request, operationID string) (Caller, error) {
	operation, found := OperationOf(operationID)
	if !found {
		return Caller{}, fmt.Errorf("operation %q: %w", operationID, ErrForbidden)
	}
	caller := Caller{Address: g.Address(r)}
	if operation.Public {
		return caller, nil
	}
	identity, err := g.Authenticate(r)
	if err != nil {
		return caller, err
	}
	caller.Identity = identity
	if err := g.admitClient(r.Context(), identity.Namespace, caller.Address, operation.Class); err != nil {
		return caller, err
	}
	return caller, g.Authorize(contextOf(r), identity, operation.Rights...)
}

// admitClient checks what the client's own terms say: from where, and how often.
func (g *Guard) admitClient(ctx context.Context, namespace string, address netip.Addr, class Class) error {
	terms, err := g.terms(ctx, namespace)
	if err != nil {
		return err
	}
	if err := checkAddress(terms.AllowedCIDRs, address); err != nil {
		return err
	}
	return g.limiter.take(class, namespace, limitOf(class, terms.RateLimits, g.limits))
}

// Address is where a request comes from. It is not valid where that cannot be told.
func (g *Guard) Address(r *http.Request) netip.Addr {
	return g.proxies.ClientAddress(r.RemoteAddr, r.Header)
}

// terms are what the client's EsimClient says. Without one, the defaults hold.
func (g *Guard) terms(ctx context.Context, namespace string) (v1alpha1.EsimClientSpec, error) {
	var terms v1alpha1.EsimClient
	err := g.cache.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.ClientName}, &terms)
	switch {
	case apierrors.IsNotFound(err):
		return v1alpha1.EsimClientSpec{}, nil
	case err != nil:
		return v1alpha1.EsimClientSpec{}, unavailable(fmt.Errorf("getting the terms of client %s: %w", namespace, err))
	}
	return terms.Spec, nil
}

// checkAddress holds an address against a list. A network that cannot be read lets nobody in.
func checkAddress(allowed []v1alpha1.CIDR, address netip.Addr) error {
	if len(allowed) == 0 {
		return nil
	}
	var faults []error
	for _, text := range allowed {
		network, err := netip.ParsePrefix(string(text))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if network.Contains(address) {
			return nil
		}
	}
	return &Refusal{Reason: Forbidden, Message: ErrAddress.Message, cause: errors.Join(faults...)}
}

func withDefaults(limits v1alpha1.RateLimits) v1alpha1.RateLimits {
	defaults := DefaultLimits()
	return v1alpha1.RateLimits{
		Read: limitOf(Read, &limits, defaults), Order: limitOf(Order, &limits, defaults),
		Quote: limitOf(Quote, &limits, defaults), Change: limitOf(Change, &limits, defaults),
		Login: limitOf(Login, &limits, defaults), Refresh: limitOf(Refresh, &limits, defaults),
	}
}
