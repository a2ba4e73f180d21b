package facade

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// terms reads EsimClients, which each request needs, from memory without a copy: what they hold
// is shared, and nobody changes it. Whatever else is read comes from the Reader. It is an event
// handler: an informer of EsimClients feeds it.
type terms struct {
	client.Reader

	mu    sync.RWMutex
	known map[client.ObjectKey]*v1alpha1.EsimClient
}

var _ toolscache.ResourceEventHandler = (*terms)(nil)

func newTerms(of client.Reader) *terms {
	return &terms{Reader: of, known: map[client.ObjectKey]*v1alpha1.EsimClient{}}
}

// errNoTerms is the answer about a client that has none.
var errNoTerms = apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("esimclients").GroupResource(), v1alpha1.ClientName)

// Get reads an object.
func (t *terms) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	asked, ok := into.(*v1alpha1.EsimClient)
	if !ok {
		return t.Reader.Get(ctx, key, into, opts...)
	}
	t.mu.RLock()
	known, found := t.known[key]
	t.mu.RUnlock()
	if !found {
		return errNoTerms
	}
	*asked = *known
	return nil
}

// OnAdd takes in a client's terms.
func (t *terms) OnAdd(object any, _ bool) { t.OnUpdate(nil, object) }

// OnUpdate takes in what became of a client's terms.
func (t *terms) OnUpdate(_, object any) {
	if changed, ok := object.(*v1alpha1.EsimClient); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.known[client.ObjectKeyFromObject(changed)] = changed
	}
}

// OnDelete lets go of a client's terms. Where the informer missed the deletion itself, it has
// the key and perhaps an old copy.
func (t *terms) OnDelete(object any) {
	name, err := toolscache.DeletionHandlingObjectToName(object)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, name.AsNamespacedName())
}
