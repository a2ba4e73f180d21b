package ledger_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// audited is what an audit says.
type audited struct {
	Differing []string
	Sure      bool
}

func (a *acme) audit(books *ledger.Ledger) audited {
	a.t.Helper()
	differing, sure, err := books.Audit(a.t.Context(), "acme")
	a.must(err)
	slices.Sort(differing)
	return audited{differing, sure}
}

func TestAnAuditFindsAWalletWhoseBookIsWrong(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	a.wallet("other", "10")
	books := a.ledger()
	order := a.charged(books, "order", "4")
	if diff := cmp.Diff(audited{Sure: true}, a.audit(books)); diff != "" {
		t.Errorf("before anything is wrong (-want +got):\n%s", diff)
	}
	a.written("by another", wallet, "3")
	want := audited{[]string{"main"}, true}
	if diff := cmp.Diff(want, a.audit(books)); diff != "" {
		t.Errorf("after a charge of another (-want +got):\n%s", diff)
	}
	books.Distrust("acme")
	if diff := cmp.Diff(audited{Sure: true}, a.audit(books)); diff != "" {
		t.Errorf("in a book that was opened anew (-want +got):\n%s", diff)
	}
	a.end(order, v1alpha1.PhaseCancelled) // nobody tells the book of the refund
	if diff := cmp.Diff(want, a.audit(books)); diff != "" {
		t.Errorf("after a refund that the book does not know (-want +got):\n%s", diff)
	}
}

func TestAnAuditSaysNothingWhileAChargeIsOnItsWay(t *testing.T) {
	a := newAcme(t)
	a.wallet("main", "10")
	books := a.ledger()
	order := a.order("order", "4")
	reservation, err := books.Reserve(t.Context(), order)
	a.must(err)
	order.Status.Charge = reservation.Charge
	if diff := cmp.Diff(audited{}, a.audit(books)); diff != "" {
		t.Errorf("before the charge lands (-want +got):\n%s", diff)
	}
	a.must(a.api.Status().Update(t.Context(), order))
	if diff := cmp.Diff(audited{}, a.audit(books)); diff != "" {
		t.Errorf("before the charge is answered (-want +got):\n%s", diff)
	}
	reservation.Written(t.Context(), order, nil)
	if diff := cmp.Diff(audited{Sure: true}, a.audit(books)); diff != "" {
		t.Errorf("after that (-want +got):\n%s", diff)
	}
}

// The orders are listed while others go on writing.
func TestAnAuditSaysNothingOfWhatIsWrittenMeanwhile(t *testing.T) {
	for name, tc := range map[string]struct {
		// happens before each list of orders.
		happens func(a *acme, books *ledger.Ledger, order *v1alpha1.EsimOrder, list int)
		want    audited
	}{
		"a charge": {
			func(a *acme, books *ledger.Ledger, _ *v1alpha1.EsimOrder, list int) {
				if list == 1 {
					a.charged(books, "another", "1")
				}
			}, audited{},
		},
		"a refund that the book hears of a moment later": {
			func(a *acme, books *ledger.Ledger, order *v1alpha1.EsimOrder, list int) {
				if list == 1 {
					a.end(order, v1alpha1.PhaseCancelled)
				} else {
					books.Observe(a.look(order))
				}
			}, audited{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			a.wallet("main", "10")
			books := a.ledger()
			order := a.charged(books, "order", "4")
			orderLists := 0
			books.Live = onList(a.api, func(_ context.Context, send func() error, list client.ObjectList) error {
				if _, ok := list.(*v1alpha1.EsimOrderList); ok {
					orderLists++
					tc.happens(a, books, order, orderLists)
				}
				return send()
			})
			if diff := cmp.Diff(tc.want, a.audit(books)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			books.Live = a.api
			if diff := cmp.Diff(audited{Sure: true}, a.audit(books)); diff != "" {
				t.Errorf("afterwards (-want +got):\n%s", diff)
			}
		})
	}
}

// Only open books can be wrong.
func TestTheNamespacesToAuditAreThoseWithOpenBooks(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	books := a.ledger()
	books.Observe(a.order("order", "4"))
	if got := books.Namespaces(); len(got) != 0 {
		t.Errorf("before a book is opened: %v", got)
	}
	a.sums(books, wallet)
	if diff := cmp.Diff([]string{"acme"}, books.Namespaces()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	books.WalletGone("acme", wallet.UID)
	if got := books.Namespaces(); len(got) != 0 {
		t.Errorf("after the last wallet went: %v", got)
	}
}
