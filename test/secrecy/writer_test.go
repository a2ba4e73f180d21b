package secrecy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// quarrelsome is an API server that refuses some writes, and repeats in its answer what was to
// be written.
type quarrelsome struct {
	status, secrets atomic.Int64
	// conflicts and quotes count what was refused.
	conflicts, quotes atomic.Int64

	mu sync.Mutex
	// drawn are the matching IDs that were to be written, with their orders: also those that no
	// SM-DP+ ever heard of.
	drawn map[string]string
}

// conflictEvery is how many writes of an order's status there are for each that comes too late,
// and quoteEvery how many of Secrets for each that is refused.
const (
	conflictEvery = 7
	quoteEvery    = 5
)

func (q *quarrelsome) writer(inner client.Client) client.Client {
	watching, ok := inner.(client.WithWatch)
	if !ok {
		watching = blind{inner}
	}
	return interceptor.NewClient(watching, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := q.quoted(o); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := q.quoted(o); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if _, ok := o.(*v1alpha1.EsimOrder); ok && q.status.Add(1)%conflictEvery == 0 {
				q.conflicts.Add(1)
				return apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "esimorders"}, o.GetName(), errors.New("it changed"))
			}
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
	})
}

// quoted refuses some Secrets of orders as a third party's admission webhook would: with what it
// does not like.
func (q *quarrelsome) quoted(o client.Object) error {
	secret, ok := o.(*corev1.Secret)
	if !ok || secret.Type != v1alpha1.ActivationSecretType {
		return nil
	}
	q.note(secret)
	if q.secrets.Add(1)%quoteEvery != 0 {
		return nil
	}
	q.quotes.Add(1)
	var quoted strings.Builder
	for name, value := range secret.Data {
		fmt.Fprintf(&quoted, "data[%s]: Invalid value: %q, ", name, value)
	}
	for name, value := range secret.StringData {
		fmt.Fprintf(&quoted, "data[%s]: Invalid value: %q, ", name, value)
	}
	return apierrors.NewInternalError(fmt.Errorf("admission webhook %q denied the request: %s", "policy.example.com", quoted.String()))
}

// note remembers the matching ID that a Secret carries.
func (q *quarrelsome) note(secret *corev1.Secret) {
	id := string(secret.Data[v1alpha1.SecretKeyMatchingID])
	if id == "" {
		return // the profile is on its device
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.drawn == nil {
		q.drawn = map[string]string{}
	}
	q.drawn[id] = secret.Namespace + "/" + strings.TrimSuffix(secret.Name, v1alpha1.ActivationSecretName(""))
}

// all are the matching IDs that were to be written, with their orders.
func (q *quarrelsome) all() map[string]string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.drawn)
}

// blind satisfies the interceptor; the manager's writer never watches.
type blind struct{ client.Client }

// Watch implements client.WithWatch.
func (blind) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.New("the writing client does not watch")
}
