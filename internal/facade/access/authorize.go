package access

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

const (
	// allowTTL is how long a right that was given counts here, and denyTTL one that was not.
	allowTTL = 10 * time.Second
	denyTTL  = 2 * time.Second
)

// Authorize checks that the caller has all these rights in the client's namespace. It asks
// without the names of objects, so an answer about one order is one about all. The error is a
// Refusal that wraps ErrForbidden, or says that the API server did not answer. For a ctx that is
// Reading its last answer counts while it does not.
func (g *Guard) Authorize(ctx context.Context, identity *Identity, rights ...Right) error {
	for _, right := range rights {
		decision, _, err := g.rights.Authorize(ctx, authorizer.AttributesRecord{
			User:            identity.User,
			Verb:            right.Verb,
			Namespace:       identity.Namespace,
			APIGroup:        v1alpha1.GroupVersion.Group,
			APIVersion:      v1alpha1.GroupVersion.Version,
			Resource:        right.Resource,
			Subresource:     right.Subresource,
			ResourceRequest: true,
		})
		switch {
		case err != nil:
			return unavailable(fmt.Errorf("asking whether %s may %s: %w", identity.User.GetName(), right.phrase(), err))
		case decision != authorizer.DecisionAllow:
			return forbidden(right)
		}
	}
	return nil
}

func newAuthorizer(kube kubernetes.Interface, c clock.PassiveClock) (authorizer.Authorizer, error) {
	backoff := retries()
	rights, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: kube.AuthorizationV1(),
		WebhookRetryBackoff:       &backoff,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("setting up the review of rights: %w", err)
	}
	return newDecisions(rights, c), nil
}
