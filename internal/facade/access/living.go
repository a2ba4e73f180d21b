package access

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// livingSessions takes the token of a session only while the session's Secret is there. The
// API server knows that too, but it may go by what it found ten seconds ago.
type livingSessions struct {
	reviews authenticator.Token
	secrets corev1client.SecretsGetter
}

// AuthenticateToken has the token reviewed, and looks for the Secret of its session.
func (l *livingSessions) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	response, genuine, err := l.reviews.AuthenticateToken(ctx, token)
	if err != nil || !genuine {
		return nil, false, err
	}
	identity, err := identityOf(response.User)
	if err != nil {
		// Somebody, but no client: Authenticate says so.
		return response, true, nil
	}
	bound, isBound, err := secretOf(token)
	if err != nil {
		// Genuine, and unlike any that the API server makes: refused, as any other.
		return nil, false, nil
	}
	if !isBound || !strings.HasPrefix(bound.Name, sessionPrefix) {
		return response, true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	secret, err := l.secrets.Secrets(identity.Namespace).Get(ctx, bound.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("looking for the Secret of a session: %w", err)
	}
	return response, secret.UID == bound.UID && secret.DeletionTimestamp.IsZero(), nil
}

func logAbandoned(ctx context.Context, bound *corev1.Secret, err error) {
	log.FromContext(ctx).Error(err, "A session that nobody was given is left to the sweep",
		"namespace", bound.Namespace, "secret", bound.Name)
}
