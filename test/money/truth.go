package money

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

// truth is what was ever written about money, kept beside the API server, which forgets
// orders that are deleted.
type truth struct {
	mu      sync.Mutex
	charges map[types.UID]v1alpha1.OrderCharge
	phases  map[types.UID]v1alpha1.OrderPhase
	wrong   []error
}

func newTruth() *truth {
	return &truth{charges: map[types.UID]v1alpha1.OrderCharge{}, phases: map[types.UID]v1alpha1.OrderPhase{}}
}

// watch has the truth hear of every status of an order that is written through the client.
func (t *truth) watch(api client.WithWatch) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if err := c.SubResource(sub).Update(ctx, o, opts...); err != nil {
				return err
			}
			if order, ok := o.(*v1alpha1.EsimOrder); ok {
				t.written(order)
			}
			return nil
		},
	})
}

func (t *truth) complain(order *v1alpha1.EsimOrder, what string) {
	t.wrong = append(t.wrong, fmt.Errorf("EsimOrder %s: %s", order.Name, what))
}

// written holds a status that was just written against those before it.
func (t *truth) written(order *v1alpha1.EsimOrder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, charged := t.charges[order.UID]
	now := order.Status.Charge
	t.phases[order.UID] = order.Status.Phase
	if now == nil {
		if charged {
			t.complain(order, "its charge is gone")
		}
		if order.Status.Phase == v1alpha1.PhaseDelivered {
			t.complain(order, "DELIVERED and never charged")
		}
		return
	}
	t.charges[order.UID] = *now.DeepCopy()
	switch {
	case charged && (before.Amount != now.Amount || before.WalletUID != now.WalletUID || before.TransactionID != now.TransactionID):
		t.complain(order, "charged twice")
	case charged && before.Refund != nil && (now.Refund == nil || !before.Refund.Time.Equal(&now.Refund.Time)):
		t.complain(order, "refunded twice")
	case now.Refund != nil && order.Status.Activation != nil && order.Status.Activation.Installed:
		t.complain(order, "refunded although its profile is on a device")
	case now.Refund != nil && order.Status.Phase != v1alpha1.PhaseFailed && order.Status.Phase != v1alpha1.PhaseCancelled:
		t.complain(order, "refunded while "+string(order.Status.Phase))
	case now.Refund == nil && (order.Status.Phase == v1alpha1.PhaseFailed || order.Status.Phase == v1alpha1.PhaseCancelled):
		t.complain(order, "ended and not refunded")
	}
}

// errors that were found so far.
func (t *truth) errors() []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong
}

// spent is what a wallet's orders took and did not get back.
func (t *truth) spent(wallet types.UID) (money.Amount, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var sum money.Amount
	for _, charge := range t.charges {
		if charge.WalletUID != wallet || charge.Refund != nil {
			continue
		}
		amount, err := money.Parse(string(charge.Amount))
		if err != nil {
			return money.Amount{}, err
		}
		sum = sum.Add(amount)
	}
	return sum, nil
}
