package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/kubernetes"
	authenticationv1client "k8s.io/client-go/kubernetes/typed/authentication/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// errInDoubt says that the API server refused a token because it could not check it.
var errInDoubt = errors.New("the API server could not check the token")

// reviewer asks the API server whose a token is. Unlike Kubernetes' own webhook authenticator
// it tells a token that is bad from one that could not be checked.
type reviewer struct {
	reviews authenticationv1client.TokenReviewInterface
	secrets corev1client.SecretsGetter
}

func newReviewer(kube kubernetes.Interface) *reviewer {
	return &reviewer{reviews: kube.AuthenticationV1().TokenReviews(), secrets: kube.CoreV1()}
}

// AuthenticateToken has a token reviewed for the audiences of ctx. The error says that there
// is no verdict; a bad token is none.
func (r *reviewer) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	wanted, _ := authenticator.AudiencesFrom(ctx)
	review, err := r.ask(ctx, token, wanted)
	if err != nil {
		return nil, false, err
	}
	status := &review.Status
	if !status.Authenticated {
		return nil, false, r.doubt(ctx, token, status.Error)
	}
	// A server that knows nothing of audiences answers none: its tokens are good for all.
	audiences := wanted.Intersect(status.Audiences)
	if len(audiences) == 0 {
		return nil, false, nil
	}
	extra := make(map[string][]string, len(status.User.Extra))
	for key, values := range status.User.Extra {
		extra[key] = values
	}
	return &authenticator.Response{
		Audiences: audiences,
		User:      &user.DefaultInfo{Name: status.User.Username, UID: status.User.UID, Groups: status.User.Groups, Extra: extra},
	}, true, nil
}

func (r *reviewer) ask(ctx context.Context, token string, audiences authenticator.Audiences) (*authenticationv1.TokenReview, error) {
	var answer *authenticationv1.TokenReview
	err := webhook.WithExponentialBackoff(ctx, retries(), func() error {
		var err error
		answer, err = r.reviews.Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences},
		}, metav1.CreateOptions{})
		return err
	}, webhook.DefaultShouldRetry)
	if err != nil {
		return nil, fmt.Errorf("creating a TokenReview: %w", err)
	}
	return answer, nil
}

// doubt is nil where a token that was refused is bad, and an error where it may as well be
// good. The API server says so in words only, and not always: when it cannot look for the
// Secret of a token it calls the token invalidated. So a session's Secret is looked for here.
func (r *reviewer) doubt(ctx context.Context, token, said string) error {
	if soundsAway(said) {
		// What it said may have parts of the token in it.
		return errInDoubt
	}
	bound, isBound, err := secretOf(token)
	if err != nil || !isBound || !bound.isSession() {
		return nil //nolint:nilerr // what cannot be read is no session's: it is bad.
	}
	_, err = r.secrets.Secrets(bound.Namespace).Get(ctx, bound.Name, metav1.GetOptions{})
	switch {
	case err == nil, apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil
	default:
		return fmt.Errorf("%w, nor could the Secret of its session be read: %w", errInDoubt, err)
	}
}

// signsOfAway are what the errors of etcd, of the network and of the API server's own clients
// have in them. TokenReview has no field for the kind of an error.
//
// All have a space or a colon, which no name in a token has.
var signsOfAway = []string{
	"etcdserver: ", "rpc error: ", "context deadline exceeded", "context canceled", "request timed out", "i/o timeout",
	"handshake timeout", "Timeout: request did not complete", "dial tcp", "connection refused", "connection reset", "broken pipe",
	"no route to host", "unexpected EOF", "Internal error occurred", "unable to handle the request",
	"unable to return a response", "too many requests", "is not ready",
}

// quoted is text that an error repeats: an audience, say, which is whatever its owner likes.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// soundsAway tells whether the error of a TokenReview is about the one who reviews.
func soundsAway(said string) bool {
	said = quoted.ReplaceAllLiteralString(said, "")
	return slices.ContainsFunc(signsOfAway, func(sign string) bool { return strings.Contains(said, sign) })
}
