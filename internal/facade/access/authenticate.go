package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	tokencache "k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
)

const (
	// Audience of the tokens that the REST API takes.
	Audience = "esim-api"
	// RefreshAudience is that of refresh tokens, which are good for nothing else.
	RefreshAudience = "esim-api-refresh"

	// reviewTTL is how long the answer about a token counts here.
	reviewTTL = 2 * time.Second
)

// Identity is who is calling.
type Identity struct {
	// Namespace is the client.
	Namespace string
	// ServiceAccount is the caller, in Namespace.
	ServiceAccount string
	// User is the same as RBAC knows it.
	User user.Info
}

// Authenticate tells who makes a request. While the API server is away, for requests that only
// read its last word about their token counts. The error is a Refusal: ErrNoToken, ErrInvalidToken,
// that the API server did not answer, or that the address has shown too many bad tokens.
func (g *Guard) Authenticate(r *http.Request) (*Identity, error) {
	token, err := bearer(r.Header)
	if err != nil {
		return nil, err
	}
	shown := g.attempts.digests.of(accessToken, token)
	if known, ok := g.recognised.Get(shown); ok {
		if identity, ok := known.(*Identity); ok {
			return identity, nil
		}
	}
	ctx := contextOf(r)
	if isReading(ctx) {
		if identity, ok := g.stillGood(g.tokensHeard.meanwhile(shown)); ok {
			return identity, nil
		}
	}
	try, err := g.attempts.begin(accessToken, token, g.Address(r), ErrInvalidToken)
	if err != nil {
		return nil, err
	}
	identity, err := g.review(ctx, token)
	try.end(err)
	var refusal *Refusal
	switch {
	case err == nil:
		g.recognised.Add(shown, identity, reviewTTL)
		g.recall(shown, token, identity)
	case errors.As(err, &refusal) && refusal.Reason == Unauthorized:
		g.tokensHeard.forget(shown)
	case isReading(ctx) && ctx.Err() == nil:
		if last, ok := g.stillGood(g.tokensHeard.unanswered(shown)); ok {
			return last, nil
		}
	}
	return identity, err
}

// review asks the API server whose token it is.
func (g *Guard) review(ctx context.Context, token string) (*Identity, error) {
	ctx = authenticator.WithAudiences(ctx, authenticator.Audiences{Audience})
	response, genuine, err := g.tokens.AuthenticateToken(ctx, token)
	switch {
	case err != nil:
		return nil, unavailable(fmt.Errorf("having a token reviewed: %w", err))
	case !genuine:
		return nil, ErrInvalidToken
	}
	return identityOf(response.User)
}

// identityOf is the ServiceAccount that a user is; only these are clients.
func identityOf(info user.Info) (*Identity, error) {
	namespace, name, err := serviceaccount.SplitUsername(info.GetName())
	if err != nil || !slices.Contains(info.GetGroups(), serviceaccount.ServiceAccountGroupPrefix+namespace) {
		return nil, ErrInvalidToken
	}
	return &Identity{Namespace: namespace, ServiceAccount: name, User: asQuestioned(info)}, nil
}

// newAuthenticators are those of access tokens, which ask once for all who show one at one time
// and remember for reviewTTL what is none, and of refresh tokens, which do not: each is used
// once. The Guard itself remembers who showed a good one.
func newAuthenticators(kube kubernetes.Interface) (access, refresh authenticator.Token) {
	reviews := newReviewer(kube)
	living := &livingSessions{reviews: reviews, secrets: kube.CoreV1()}
	return tokencache.New(living, false, 0, reviewTTL), reviews
}

// retries of a question to the API server: one, at once, for a connection that it has closed.
func retries() wait.Backoff { return wait.Backoff{Steps: 2, Duration: 20 * time.Millisecond} }
