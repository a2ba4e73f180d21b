package access

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/lru"
	"k8s.io/utils/ptr"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/ids"
)

const (
	// LoginServiceAccount is whose tokens those who log in get, in the client's namespace.
	LoginServiceAccount = "esim-api"
	// AccessLifetime is what is asked for. The API server may grant less.
	AccessLifetime = time.Hour
	// RefreshLifetime is what is asked for, likewise.
	RefreshLifetime = 7 * 24 * time.Hour

	// sessionType is that of the empty Secret to which a session's tokens are bound, so
	// that deleting it ends them.
	sessionType corev1.SecretType = "esim.telco.dev/session"
	// sessionLabel finds the sessions of a namespace.
	sessionLabel  = "esim.telco.dev/session"
	sessionPrefix = "esim-session-"
)

// Session is what logging in gives.
type Session struct {
	// ClientID is the number that REST clients know themselves by.
	ClientID int64
	// Access is for the Authorization header, Refresh for the next session, once.
	Access, Refresh activation.Credential
	// AccessExpires and RefreshExpires are as the API server granted them.
	AccessExpires, RefreshExpires time.Time
}

// sessions makes and ends sessions.
type sessions struct {
	kube corev1client.CoreV1Interface
	// ended are the UIDs of the Secrets that are known here to be gone.
	ended *lru.Cache
}

// hasEnded tells whether a session is known to be over. There is none without a UID.
func (s *sessions) hasEnded(uid types.UID) bool {
	_, ended := s.ended.Get(uid)
	return ended
}

// begin makes the tokens of a new session of the client that an API key belongs to. The
// session goes when the key is deleted. On an error nothing is left of it, if possible.
func (s *sessions) begin(ctx context.Context, key *corev1.Secret) (*Session, *corev1.Secret, error) {
	bound, err := s.kube.Secrets(key.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, GenerateName: sessionPrefix,
			Labels: map[string]string{sessionLabel: "true"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Secret", Name: key.Name, UID: key.UID,
			}},
		},
		Type:      sessionType,
		Immutable: ptr.To(true),
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, nil, unavailable(fmt.Errorf("creating the Secret of a session: %w", err))
	}
	session := &Session{ClientID: ids.Client(key.Namespace)}
	if session.Access, session.AccessExpires, err = s.token(ctx, bound, Audience, AccessLifetime); err == nil {
		session.Refresh, session.RefreshExpires, err = s.token(ctx, bound, RefreshAudience, RefreshLifetime)
	}
	if err != nil {
		s.abandon(ctx, bound)
		return nil, nil, err
	}
	return session, bound, nil
}

// token has one made that ends with the Secret.
func (s *sessions) token(ctx context.Context, bound *corev1.Secret, audience string, lifetime time.Duration) (activation.Credential, time.Time, error) {
	granted, err := s.kube.ServiceAccounts(bound.Namespace).CreateToken(ctx, LoginServiceAccount,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			Audiences:         []string{audience},
			ExpirationSeconds: ptr.To(int64(lifetime.Seconds())),
			BoundObjectRef: &authenticationv1.BoundObjectReference{
				APIVersion: "v1", Kind: "Secret", Name: bound.Name, UID: bound.UID,
			},
		}}, metav1.CreateOptions{})
	if err != nil {
		return activation.Credential{}, time.Time{}, unavailable(fmt.Errorf(
			"having a token made for the ServiceAccount %s/%s: %w", bound.Namespace, LoginServiceAccount, err))
	}
	return activation.NewCredential(granted.Status.Token), granted.Status.ExpirationTimestamp.Time, nil
}

// end deletes the Secret of a session. False: somebody else has, or it is another's by now.
func (s *sessions) end(ctx context.Context, namespace, name string, uid types.UID) (bool, error) {
	err := s.kube.Secrets(namespace).Delete(ctx, name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid},
	})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		s.ended.Add(uid, nil)
		return false, nil
	case err != nil:
		return false, unavailable(fmt.Errorf("deleting the Secret of a session: %w", err))
	}
	s.ended.Add(uid, nil)
	return true, nil
}

// abandon ends a session whose tokens nobody was given. If that fails too it costs a Secret,
// which the sweep removes in its time.
func (s *sessions) abandon(ctx context.Context, bound *corev1.Secret) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if _, err := s.end(ctx, bound.Namespace, bound.Name, bound.UID); err != nil {
		logAbandoned(ctx, bound, err)
	}
}

// each calls do for every session of a namespace, as the API server has them now.
func (s *sessions) each(ctx context.Context, namespace string, do func(*corev1.Secret) error) error {
	options := metav1.ListOptions{LabelSelector: sessionLabel, Limit: 500}
	for {
		page, err := s.kube.Secrets(namespace).List(ctx, options)
		if err != nil {
			return fmt.Errorf("listing the sessions in namespace %s: %w", namespace, err)
		}
		for i := range page.Items {
			if page.Items[i].Type != sessionType {
				continue
			}
			if err := do(&page.Items[i]); err != nil {
				return err
			}
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}
