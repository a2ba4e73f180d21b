package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// A wallet that is charged before it has its finalizer can be deleted at once, with the charge.
func TestAWalletIsNotChargedBeforeItIsHeld(t *testing.T) {
	for name, price := range map[string]v1alpha1.Decimal{"what it covers": "4", "more than it covers": "40"} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			wallet := a.wallet("main", "10")
			controllerutil.RemoveFinalizer(wallet, v1alpha1.WalletFinalizer)
			a.must(a.api.Update(t.Context(), wallet))
			books := a.ledger()
			order := a.order("order", price)
			err := a.charge(books, order)
			later := (*ledger.Later)(nil)
			if !errors.Is(err, ledger.ErrNotHeld) || isRefusal(err) || !errors.As(err, &later) || later.After <= 0 {
				t.Fatalf("before the wallet is held: %v, want ErrNotHeld in a Later", err)
			}
			if diff := cmp.Diff(sums{"10", "10", 0}, a.sums(books, wallet)); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
			controllerutil.AddFinalizer(wallet, v1alpha1.WalletFinalizer)
			a.must(a.api.Update(t.Context(), wallet))
			if err := a.charge(books, order); (err != nil) != (price == "40") || err != nil && !isRefusal(err) {
				t.Errorf("once it is held: %v", err)
			}
		})
	}
}

// Of a wallet that is being deleted nothing is taken any more, whether it is held or not.
func TestAWalletThatIsBeingDeletedIsNotCharged(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.EsimOrder){
		"by its name":     func(o *v1alpha1.EsimOrder) { o.Spec.WalletRef = &v1alpha1.WalletReference{Name: "main"} },
		"by its currency": func(*v1alpha1.EsimOrder) {},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			wallet := a.wallet("main", "10", func(w *v1alpha1.EsimWallet) {
				w.ObjectMeta = metav1.ObjectMeta{Namespace: w.Namespace, Name: w.Name, Finalizers: []string{"example.com/other"}}
			})
			a.must(a.api.Delete(t.Context(), wallet))
			if err := a.charge(a.ledger(), a.order("order", "4", change)); refusal(err).Code != v1alpha1.FailureInvalidWallet {
				t.Errorf("the order: %v, want INVALID_WALLET", err)
			}
		})
	}
}
