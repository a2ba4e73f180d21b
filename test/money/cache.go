package money

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// lag is a cache that shows orders and wallets as they were, each until it is brought up to
// date by itself. Everything else it reads from the API server.
type lag struct {
	client.Client
	orders  map[types.NamespacedName]*v1alpha1.EsimOrder
	wallets map[types.NamespacedName]*v1alpha1.EsimWallet
	// books hear of what the cache hears.
	books *ledger.Ledger
}

func newLag(api client.Client) *lag {
	return &lag{Client: api, orders: map[types.NamespacedName]*v1alpha1.EsimOrder{}, wallets: map[types.NamespacedName]*v1alpha1.EsimWallet{}}
}

// heir is the cache of the next leader: it has been warm for as long, and lags as much.
func (l *lag) heir() *lag {
	next := newLag(l.Client)
	for key, order := range l.orders {
		next.orders[key] = order.DeepCopy()
	}
	for key, wallet := range l.wallets {
		next.wallets[key] = wallet.DeepCopy()
	}
	return next
}

func (l *lag) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	switch into := object.(type) {
	case *v1alpha1.EsimOrder:
		if order, ok := l.orders[key]; ok {
			order.DeepCopyInto(into)
			return nil
		}
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("esimorders").GroupResource(), key.Name)
	case *v1alpha1.EsimWallet:
		if wallet, ok := l.wallets[key]; ok {
			wallet.DeepCopyInto(into)
			return nil
		}
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("esimwallets").GroupResource(), key.Name)
	default:
		return l.Client.Get(ctx, key, object, opts...)
	}
}

func (l *lag) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	switch into := list.(type) {
	case *v1alpha1.EsimWalletList:
		for _, wallet := range l.wallets {
			into.Items = append(into.Items, *wallet.DeepCopy())
		}
		return nil
	case *v1alpha1.EsimOrderList:
		return fmt.Errorf("this cache lists no orders")
	default:
		return l.Client.List(ctx, list, opts...)
	}
}

// syncOrder brings one order up to date.
func (l *lag) syncOrder(ctx context.Context, key types.NamespacedName) error {
	var now v1alpha1.EsimOrder
	err := l.Client.Get(ctx, key, &now)
	known := l.orders[key]
	if apierrors.IsNotFound(err) || err == nil && known != nil && known.UID != now.UID {
		delete(l.orders, key)
		if known != nil {
			l.books.Gone(known)
		}
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	l.orders[key] = now.DeepCopy()
	l.books.Observe(&now)
	return nil
}

// syncWallet brings one wallet up to date.
func (l *lag) syncWallet(ctx context.Context, key types.NamespacedName) error {
	var now v1alpha1.EsimWallet
	err := l.Client.Get(ctx, key, &now)
	if apierrors.IsNotFound(err) {
		delete(l.wallets, key)
		return nil
	}
	if err != nil {
		return err
	}
	l.wallets[key] = now.DeepCopy()
	return nil
}
