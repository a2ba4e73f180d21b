package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"

	"github.com/telcodev/esim-operator/internal/activation"
)

// logoutRounds bounds how often Logout looks again for sessions that were renewed meanwhile.
const logoutRounds = 10

// errRenewing is a logout that new sessions keep ahead of.
var errRenewing = errors.New("sessions are renewed faster than they are ended")

// Login begins a session for who shows an API key and its secret, from an address that Admit
// told. The error is a Refusal.
//
// The client's limit counts those who have the secret, so that nobody who lacks it can lock
// the client out. Those who lack it have the same limit per client and address.
func (g *Guard) Login(ctx context.Context, from netip.Addr, key string, secret activation.Credential) (*Session, error) {
	kept, err := g.checkKey(ctx, from, key, secret.Reveal())
	if err != nil {
		return nil, err
	}
	if err := g.admitClient(ctx, kept.Namespace, from, Login); err != nil {
		return nil, err
	}
	session, _, err := g.sessions.begin(ctx, kept)
	if err != nil {
		return nil, err
	}
	g.attempts.issued(session)
	return session, nil
}

// checkKey is the Secret of an API key whose secret this is, unless it is tried too often.
func (g *Guard) checkKey(ctx context.Context, from netip.Addr, key, secret string) (*corev1.Secret, error) {
	credential := key + "\x00" + secret
	if !g.attempts.knows(keyAndSecret, credential) {
		// Keys that nobody can have been given are one client's.
		namespace, _, _ := parseKey(key)
		if err := g.limiter.take(Login, namespace+" from "+neighbourhood(from), g.limits.Login); err != nil {
			return nil, err
		}
	}
	try, err := g.attempts.begin(keyAndSecret, credential, from, ErrInvalidCredentials)
	if err != nil {
		return nil, err
	}
	kept, err := g.keys.check(ctx, key, secret)
	try.end(err)
	return kept, err
}

// Refresh exchanges a refresh token for a new session, and ends the one that it belongs to.
// Of many who present one token, one gets a session: whose deletion of the Secret succeeds.
// The error is a Refusal; ErrInvalidCredentials where the token is not good any more.
func (g *Guard) Refresh(ctx context.Context, from netip.Addr, token activation.Credential) (*Session, error) {
	if !looksLikeToken(token.Reveal()) {
		return nil, ErrInvalidCredentials
	}
	try, err := g.attempts.begin(refreshToken, token.Reveal(), from, ErrInvalidCredentials)
	if err != nil {
		return nil, err
	}
	identity, bound, err := g.reviewRefresh(ctx, token.Reveal())
	try.end(err)
	if err != nil {
		return nil, err
	}
	if err := g.admitClient(ctx, identity.Namespace, from, Refresh); err != nil {
		return nil, err
	}
	key, err := g.sessions.keyOf(ctx, identity.Namespace, bound)
	if err != nil {
		return nil, err
	}
	// The new one first: if it cannot be had, the old one is still good.
	session, begun, err := g.sessions.begin(ctx, key)
	if err != nil {
		return nil, err
	}
	won, err := g.sessions.end(ctx, identity.Namespace, bound.Name, bound.UID)
	if err == nil && !won {
		err = ErrInvalidCredentials
	}
	if err != nil {
		g.sessions.abandon(ctx, begun)
		return nil, err
	}
	g.attempts.issued(session)
	return session, nil
}

// reviewRefresh is whose refresh token it is, and the Secret of its session.
func (g *Guard) reviewRefresh(ctx context.Context, token string) (*Identity, boundSecret, error) {
	ctx = authenticator.WithAudiences(ctx, authenticator.Audiences{RefreshAudience})
	response, genuine, err := g.refreshes.AuthenticateToken(ctx, token)
	switch {
	case err != nil:
		return nil, boundSecret{}, unavailable(fmt.Errorf("having a refresh token reviewed: %w", err))
	case !genuine:
		return nil, boundSecret{}, ErrInvalidCredentials
	}
	identity, err := identityOf(response.User)
	if err != nil || identity.ServiceAccount != LoginServiceAccount {
		return nil, boundSecret{}, ErrInvalidCredentials
	}
	bound, isBound, err := secretOf(token)
	if err != nil || !isBound {
		return nil, boundSecret{}, ErrInvalidCredentials
	}
	return identity, bound, nil
}

// keyOf is the API key that a session began with. ErrInvalidCredentials where the session has
// ended, or the key is gone.
func (s *sessions) keyOf(ctx context.Context, namespace string, bound boundSecret) (*corev1.Secret, error) {
	session, err := s.get(ctx, namespace, bound.Name)
	if err != nil {
		return nil, err
	}
	if session.UID != bound.UID || session.Type != sessionType || len(session.OwnerReferences) != 1 {
		return nil, ErrInvalidCredentials
	}
	owner := session.OwnerReferences[0]
	key, err := s.get(ctx, namespace, owner.Name)
	if err != nil {
		return nil, err
	}
	if key.UID != owner.UID || key.Type != KeySecretType {
		return nil, ErrInvalidCredentials
	}
	return key, nil
}

func (s *sessions) get(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret, err := s.kube.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, ErrInvalidCredentials
	case err != nil:
		return nil, unavailable(fmt.Errorf("getting the Secret of a session: %w", err))
	}
	return secret, nil
}

// Logout ends every session of the caller's client, and the tokens that came with them. It
// takes the ServiceAccount whose sessions they are, or the right EndSessions.
//
// A session that is renewed meanwhile ends too: a deletion that finds nothing tells of it,
// and then Logout looks again.
func (g *Guard) Logout(ctx context.Context, identity *Identity) error {
	if identity.ServiceAccount != LoginServiceAccount {
		if err := g.Authorize(ctx, identity, EndSessions); err != nil {
			return err
		}
	}
	for range logoutRounds {
		missed := false
		err := g.sessions.each(ctx, identity.Namespace, func(session *corev1.Secret) error {
			ended, err := g.sessions.end(ctx, session.Namespace, session.Name, session.UID)
			missed = missed || (err == nil && !ended)
			return err
		})
		if err != nil {
			return asUnavailable(err)
		}
		if !missed {
			return nil
		}
	}
	return unavailable(fmt.Errorf("ending the sessions of client %s: %w", identity.Namespace, errRenewing))
}

// asUnavailable is err as a Refusal.
func asUnavailable(err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return err
	}
	return unavailable(err)
}
