package orders

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// API is what is asked of the API server itself, not of a cache.
type API interface {
	Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error
	Create(ctx context.Context, object client.Object, opts ...client.CreateOption) error
}

// DuplicateError says that an order of the client has the clientReference already.
type DuplicateError struct {
	// First is the order that has it. Nobody changes it.
	First *v1alpha1.EsimOrder
}

func (e *DuplicateError) Error() string {
	return "the client has an order with this reference: EsimOrder " + e.First.Name
}

// ErrNoName says that every name that was tried for an order belongs to another. It is as good
// as impossible, and passes.
var ErrNoName = errors.New("every name that was tried for the order is taken")

// mostNames is how many names are tried for an order: at a hundred thousand orders of one
// client, one in twenty thousand new ones finds its first name taken.
const mostNames = 16

// Desk makes a client's orders and finds them by id. Its methods may be called at once.
type Desk struct {
	// Index is what is known without asking.
	Index *Index
	API   API
	// Random gives the ids of orders without a reference: crypto/rand's Reader.
	Random io.Reader
}

// Create makes an order. Its name is its id; with a clientReference it derives from that, so
// that the API server itself refuses the second of two that arrive at one moment, here or at
// another replica. The error is a *DuplicateError where the client has an order with the
// reference, ErrNoName, or the API server's, wrapped: after one that leaves open whether the
// order was made, a repeat with the same reference finds it.
func (d *Desk) Create(ctx context.Context, namespace string, request Request, spec v1alpha1.EsimOrderSpec) (_ *v1alpha1.EsimOrder, err error) {
	if first := d.known(namespace, spec.ClientReference); first != nil {
		return nil, &DuplicateError{First: first}
	}
	ctx, span := tracing.Start(tracing.With(ctx, tracing.KeyClient, namespace), "create EsimOrder", tracing.Producer)
	defer func() { span.End(spanClass(err)) }()
	probe := 0
	for range mostNames {
		id, err := d.number(spec.ClientReference, probe)
		if err != nil {
			return nil, err
		}
		order := newOrder(namespace, ids.OrderName(id), request, spec)
		if within := tracing.Traceparent(ctx); within != "" {
			order.Annotations[v1alpha1.TraceparentAnnotation] = within
		}
		err = d.API.Create(ctx, order)
		if err == nil {
			span.Text(tracing.KeyOrder, order.Name)
			return order, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("creating EsimOrder %s: %w", order.Name, err)
		}
		if spec.ClientReference == "" {
			continue
		}
		standing, err := d.Get(ctx, namespace, order.Name)
		switch {
		case err != nil:
			return nil, err
		case standing == nil:
			// Deleted meanwhile: the name is free again.
		case standing.Spec.ClientReference == spec.ClientReference:
			return nil, &DuplicateError{First: standing}
		default:
			probe++
		}
	}
	return nil, fmt.Errorf("creating an EsimOrder: %w", ErrNoName)
}

// spanClass is what the span of an order that was not made says: the kind of the error alone.
func spanClass(err error) string {
	if duplicate := (*DuplicateError)(nil); errors.As(err, &duplicate) {
		return "Duplicate"
	}
	return tracing.ClassOf(err)
}

// Holder is the client's order that has a reference; nil where there is none. One that was made
// over REST is found at once, at every replica.
func (d *Desk) Holder(ctx context.Context, namespace, reference string) (*v1alpha1.EsimOrder, error) {
	if reference == "" {
		return nil, nil
	}
	if first := d.known(namespace, reference); first != nil {
		return first, nil
	}
	for probe := range mostNames {
		standing, err := d.Get(ctx, namespace, ids.OrderName(ids.FromReference(reference, probe)))
		if err != nil || standing == nil || standing.Spec.ClientReference == reference {
			return standing, err
		}
	}
	return nil, nil
}

// known is the order that has a reference, if the index has it; nil where not. Orders that were
// made with kubectl have other names; and a name that was taken at the first order's time may
// be free now.
func (d *Desk) known(namespace, reference string) *v1alpha1.EsimOrder {
	if first, ok := d.Index.ByReference(namespace, reference); ok && !isDuplicate(first) {
		return first
	}
	return nil
}

// Find is a client's order by its id; nil where there is none. The index knows all but those
// that were made a moment ago; of these, the ones that were made over REST are named after
// their id and asked for by that.
func (d *Desk) Find(ctx context.Context, namespace string, id int64) (*v1alpha1.EsimOrder, error) {
	if order, ok := d.Index.ByID(namespace, id); ok {
		return order, nil
	}
	if id < 1 || id > ids.MaxNamed {
		return nil, nil
	}
	return d.Get(ctx, namespace, ids.OrderName(id))
}

// Get is a client's order by its name, as the API server has it; nil where there is none.
func (d *Desk) Get(ctx context.Context, namespace, name string) (*v1alpha1.EsimOrder, error) {
	var order v1alpha1.EsimOrder
	err := d.API.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &order)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading EsimOrder %s: %w", name, err)
	}
	return &order, nil
}

// number is the id to try: the reference's, or a random one.
func (d *Desk) number(reference string, probe int) (int64, error) {
	if reference != "" {
		return ids.FromReference(reference, probe), nil
	}
	var bits [4]byte
	if _, err := io.ReadFull(d.Random, bits[:]); err != nil {
		return 0, fmt.Errorf("drawing an order's id: %w", err)
	}
	return max(1, int64(binary.BigEndian.Uint32(bits[:])>>1)), nil
}

// newOrder is the order as it is sent. The finalizer is there from the start, which spares the
// controller a write on clusters where no policy adds it.
func newOrder(namespace, name string, request Request, spec v1alpha1.EsimOrderSpec) *v1alpha1.EsimOrder {
	return &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Finalizers: []string{v1alpha1.SettlementFinalizer},
			Annotations: map[string]string{RequestAnnotation: request.fingerprint()},
		},
		Spec: *spec.DeepCopy(),
	}
}
