package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
)

func TestOrdersAtOnceSpendNoMoreThanThereIs(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "450")
	books := a.ledger()
	const orders, covered = 200, 100
	a.sums(books, wallet) // opens the book: no order is there yet to be taken over
	results := make([]error, orders)
	var all sync.WaitGroup
	for i := range orders {
		order := a.order(fmt.Sprintf("o%03d", i), "4.50")
		all.Go(func() {
			for results[i] = a.charge(books, order); later(results[i]) > 0; results[i] = a.charge(books, order) {
				a.soon()
			}
		})
	}
	all.Wait()
	charged, refused := 0, 0
	for _, err := range results {
		switch {
		case err == nil:
			charged++
		case refusal(err).Code == v1alpha1.FailureInsufficientFunds:
			refused++
		default:
			t.Fatal(err)
		}
	}
	if charged != covered || refused != orders-covered {
		t.Errorf("%d were charged and %d refused, want %d and %d", charged, refused, covered, orders-covered)
	}
	want := sums{Balance: "0", Available: "0", Open: covered}
	if diff := cmp.Diff(want, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if got := a.balance("main"); got != "0" {
		t.Errorf("by the API server's orders the balance is %s", got)
	}
}

// A reservation that is made after an order was read to be taken over is not freed by the
// answer to that, which comes later.
func TestALateAnswerToATakeOverFreesNothingThatWasReservedSince(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	order, other := a.order("order", "10"), a.order("other", "0")
	books := a.ledger()
	slow := newStop()
	books.Cache = onList(a.api, func(_ context.Context, send func() error, _ client.ObjectList) error {
		slow.once()
		return send()
	})
	late := newStop()
	books.Writer = onStatusWrite(a.api, func(_ context.Context, send func() error, written *v1alpha1.EsimOrder) error {
		err := send()
		if written.Name == order.Name {
			late.once()
		}
		return err
	})
	first := reserve(books, order)
	<-slow.stopped // it has taken the others over, and set nothing aside yet
	second := reserve(books, other)
	<-late.stopped // the order is taken over for the other's sake, and that is not answered yet
	close(slow.goOn)
	one, err := first()
	a.must(err)
	defer one.Unused()
	close(late.goOn)
	two, err := second()
	a.must(err)
	defer two.Unused()
	if diff := cmp.Diff(sums{"10", "0", 0}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// reserve reserves in another goroutine. What it returns waits for that.
func reserve(books *ledger.Ledger, order *v1alpha1.EsimOrder) func() (*ledger.Reservation, error) {
	var reservation *ledger.Reservation
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		reservation, err = books.Reserve(context.Background(), order)
	}()
	return func() (*ledger.Reservation, error) {
		<-done
		return reservation, err
	}
}

// stop holds up the first who comes, until it may go on.
type stop struct {
	stopped, goOn chan struct{}
	first         sync.Once
}

func newStop() *stop { return &stop{stopped: make(chan struct{}), goOn: make(chan struct{})} }

func (s *stop) once() {
	first := false
	s.first.Do(func() { first = true })
	if first {
		close(s.stopped)
		<-s.goOn
	}
}

// While an order's wallets are looked up, the answer to another's charge is lost, and a second
// try of that one gives its money back. The lost charge may still land: nobody spends its money.
func TestWhatBecomesDoubtfulWhileAnotherReservesIsResolvedFirst(t *testing.T) {
	a := newAcme(t)
	a.wallet("main", "10")
	books := a.ledger()
	a.sums(books, a.walletNow("main"))
	slow := newStop()
	books.Cache = onList(a.api, func(_ context.Context, send func() error, _ client.ObjectList) error {
		slow.once()
		return send()
	})
	other := reserve(books, a.order("other", "6"))
	<-slow.stopped

	lost := a.order("lost", "6")
	again := lost.DeepCopy()
	reservation, err := books.Reserve(t.Context(), lost)
	a.must(err)
	lost.Status.Charge = reservation.Charge
	reservation.Written(t.Context(), lost, context.DeadlineExceeded)
	reservation, err = books.Reserve(t.Context(), again)
	a.must(err)
	reservation.Unused()

	close(slow.goOn)
	reservation, err = other()
	a.must(err)
	defer reservation.Unused()
	if err := a.api.Status().Update(t.Context(), lost); !apierrors.IsConflict(err) {
		t.Errorf("the lost charge arrives late: %v, want a conflict", err)
	}
}

// A book that is closed while an order's wallets are looked up is opened anew before anything
// is set aside: it may lack what another wrote.
func TestNothingIsReservedFromABookThatWasClosedMeanwhile(t *testing.T) {
	for name, closes := range map[string]func(a *acme, books *ledger.Ledger, before *v1alpha1.EsimWallet){
		"for distrust": func(_ *acme, books *ledger.Ledger, _ *v1alpha1.EsimWallet) { books.Distrust("acme") },
		"for its last wallet is gone": func(_ *acme, books *ledger.Ledger, before *v1alpha1.EsimWallet) {
			books.WalletGone("acme", before.UID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			before := a.wallet("main", "1")
			books := a.ledger()
			a.sums(books, before)
			slow := newStop()
			books.Cache = onList(a.api, func(_ context.Context, send func() error, _ client.ObjectList) error {
				slow.once()
				return send()
			})
			order := a.order("order", "6")
			first := reserve(books, order)
			<-slow.stopped
			a.dropWallet(before)
			now := a.wallet("main", "10")
			a.written("another", now, "6") // by another leader
			closes(a, books, before)
			close(slow.goOn)
			if _, err := first(); refusal(err).Code != v1alpha1.FailureInsufficientFunds {
				t.Errorf("the order: %v, want INSUFFICIENT_FUNDS", err)
			}
		})
	}
}
