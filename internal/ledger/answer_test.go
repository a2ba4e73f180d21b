package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
)

var orderResource = schema.GroupResource{Group: "esim.telco.dev", Resource: "esimorders"}

// What the answer to a charge's write does to the money that was set aside for it.
func TestTheAnswerToACharge(t *testing.T) {
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "EsimOrder"}, "order", nil)
	for name, tc := range map[string]struct {
		landed bool
		answer error
		// reread is what the API server answers when the ledger reads the order again.
		reread error
		want   sums
		// told is when the order was seen afterwards, as it is.
		told sums
	}{
		"written": {
			landed: true, want: sums{"6", "6", 1}, told: sums{"6", "6", 1},
		},
		"forbidden": {
			answer: apierrors.NewForbidden(orderResource, "order", errors.New("no")),
			want:   sums{"10", "10", 0}, told: sums{"10", "10", 0},
		},
		"invalid": {answer: invalid, want: sums{"10", "10", 0}, told: sums{"10", "10", 0}},
		"a bad request": {
			answer: apierrors.NewBadRequest("no"), want: sums{"10", "10", 0}, told: sums{"10", "10", 0},
		},
		"too large": {
			answer: apierrors.NewRequestEntityTooLargeError("no"), want: sums{"10", "10", 0}, told: sums{"10", "10", 0},
		},
		"a conflict with an edit": {
			answer: conflict(), want: sums{"10", "10", 0}, told: sums{"10", "10", 0},
		},
		"a conflict with a charge": {
			landed: true, answer: conflict(), want: sums{"6", "6", 1}, told: sums{"6", "6", 1},
		},
		"a conflict with what cannot be read": {
			landed: true, answer: conflict(), reread: errors.New("unreachable"),
			want: sums{"10", "6", 0}, told: sums{"6", "6", 1},
		},
		"lost, and it had landed": {
			landed: true, answer: context.DeadlineExceeded, want: sums{"10", "6", 0}, told: sums{"6", "6", 1},
		},
		"lost, and it may yet land": {
			answer: context.DeadlineExceeded, want: sums{"10", "6", 0}, told: sums{"10", "6", 0},
		},
		"a server that is overloaded": {
			answer: apierrors.NewInternalError(errors.New("etcd: request timed out")),
			want:   sums{"10", "6", 0}, told: sums{"10", "6", 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			wallet := a.wallet("main", "10")
			books := a.ledger()
			order := a.order("order", "4")
			reservation, err := books.Reserve(t.Context(), order)
			a.must(err)
			if diff := cmp.Diff(sums{"10", "6", 0}, a.sums(books, wallet)); diff != "" {
				t.Errorf("while the charge is on its way (-want +got):\n%s", diff)
			}
			order.Status.Charge = reservation.Charge
			if tc.landed {
				a.must(a.api.Status().Update(t.Context(), order))
			}
			if tc.reread != nil {
				books.Live = failingGet(a.api, tc.reread)
			}
			reservation.Written(t.Context(), order, tc.answer)
			if diff := cmp.Diff(tc.want, a.sums(books, wallet)); diff != "" {
				t.Errorf("after the answer (-want +got):\n%s", diff)
			}
			books.Observe(a.look(order))
			if diff := cmp.Diff(tc.told, a.sums(books, wallet)); diff != "" {
				t.Errorf("once the order was seen (-want +got):\n%s", diff)
			}
		})
	}
}

func conflict() error {
	return apierrors.NewConflict(orderResource, "order", errors.New("the object has been modified"))
}

// Money that is set aside for a charge whose answer was lost is spent by nobody else before it
// is known what became of the charge; then it is free, or gone.
func TestALostAnswerIsResolvedBeforeTheNextCharge(t *testing.T) {
	for name, tc := range map[string]struct {
		landed bool
		want   string
	}{
		"it had landed":     {true, "INSUFFICIENT_FUNDS"},
		"it had not landed": {false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			a.wallet("main", "10")
			books := a.ledger()
			lost := a.order("lost", "6")
			reservation, err := books.Reserve(t.Context(), lost)
			a.must(err)
			lost.Status.Charge = reservation.Charge
			late := lost.DeepCopy()
			if tc.landed {
				a.must(a.api.Status().Update(t.Context(), lost))
			}
			reservation.Written(t.Context(), lost, context.DeadlineExceeded)

			err = a.charge(books, a.order("next", "6"))
			if got := string(refusal(err).Code); got != tc.want {
				t.Fatalf("the next order: %v, want %q", err, tc.want)
			}
			if err := a.api.Status().Update(t.Context(), late); !apierrors.IsConflict(err) {
				t.Errorf("the lost charge arrives late: %v, want a conflict", err)
			}
			if got := a.balance("main"); got != "4" {
				t.Errorf("the balance is %s, want 4", got)
			}
		})
	}
}

// An order whose charge's answer was lost is written to with what it is, and not with what its
// pass had decided and not written.
func TestAnOrderIsTakenOverAsItStands(t *testing.T) {
	a := newAcme(t)
	a.wallet("main", "10")
	books := a.ledger()
	lost := a.order("lost", "6")
	reservation, err := books.Reserve(t.Context(), lost)
	a.must(err)
	reservation.Written(t.Context(), lost, context.DeadlineExceeded)
	a.charged(books, "next", "4")
	want := v1alpha1.EsimOrderStatus{
		Phase: v1alpha1.PhasePending, TakenOverTime: &metav1.MicroTime{Time: a.clock.Now()},
	}
	if diff := cmp.Diff(want, a.look(lost).Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// The same order's own next try takes its own money, not other money beside it.
func TestAnOrderThatTriesAgainIsSetAsideForOnce(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	books := a.ledger()
	order := a.order("order", "6")
	reservation, err := books.Reserve(t.Context(), order)
	a.must(err)
	reservation.Written(t.Context(), order, context.DeadlineExceeded)
	a.must(a.charge(books, a.accept(a.look(order))))
	if diff := cmp.Diff(sums{"4", "4", 1}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestAReservationThatIsNotUsedIsFreeAgain(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	books := a.ledger()
	reservation, err := books.Reserve(t.Context(), a.order("order", "10"))
	a.must(err)
	reservation.Unused()
	if diff := cmp.Diff(sums{"10", "10", 0}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestAnOrderIsNotChargedFromAnOldCache(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	books := a.ledger()
	order := a.order("order", "4")
	old := order.DeepCopy()
	a.must(a.charge(books, order))
	if _, err := books.Reserve(t.Context(), old); !errors.Is(err, ledger.ErrCharged) {
		t.Errorf("a charged order: %v, want ErrCharged", err)
	}
	a.end(order, v1alpha1.PhaseCancelled)
	books.Observe(a.look(order))
	if _, err := books.Reserve(t.Context(), old); !errors.Is(err, ledger.ErrCharged) {
		t.Errorf("a refunded order: %v, want ErrCharged", err)
	}
	moved := []v1alpha1.SettlingOrder{{Name: order.Name, UID: order.UID, Debited: "4", Refunded: "4"}}
	wallet.Status.Settled = v1alpha1.WalletSettled{Debited: "4", Refunded: "4", Orders: 1}
	a.must(books.Settled(wallet, moved))
	if _, err := books.Reserve(t.Context(), old); !errors.Is(err, ledger.ErrCharged) {
		t.Errorf("a settled order: %v, want ErrCharged", err)
	}
}

// Whatever becomes of the writes, what can be spent is never more than the balance that the
// orders themselves tell, and is just that once all answers are known.
func TestWhatIsAvailableIsNeverMoreThanTheBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAcme(t)
		wallet := a.wallet("main", "20")
		books := a.ledger()
		available := func() {
			if got := a.number(a.sums(books, wallet).Available); got > a.number(a.balance("main")) || got < 0 {
				t.Fatalf("%v can be spent of a balance of %s", got, a.balance("main"))
			}
		}
		for i := range rapid.IntRange(1, 8).Draw(t, "orders") {
			order := a.order(fmt.Sprintf("o%d", i), v1alpha1.Decimal(rapid.SampledFrom([]string{"0", "2.5", "7", "11.25"}).Draw(t, "price")))
			a.soon()
			reservation, err := books.Reserve(t.Context(), order)
			if isRefusal(err) {
				continue
			}
			a.must(err)
			order.Status.Charge = reservation.Charge
			switch rapid.SampledFrom([]string{"written", "lost", "landed and lost", "forbidden", "unused"}).Draw(t, "write") {
			case "written":
				err := a.api.Status().Update(t.Context(), order)
				a.must(err)
				reservation.Written(t.Context(), order, nil)
			case "lost":
				reservation.Written(t.Context(), order, context.DeadlineExceeded)
			case "landed and lost":
				a.must(a.api.Status().Update(t.Context(), order))
				reservation.Written(t.Context(), order, context.DeadlineExceeded)
			case "forbidden":
				reservation.Written(t.Context(), order, apierrors.NewForbidden(orderResource, order.Name, nil))
			default:
				reservation.Unused()
			}
			available()
		}
		reservation, err := books.Reserve(t.Context(), a.order("last", "0")) // takes over what is in doubt
		a.must(err)
		reservation.Unused()
		if got, want := a.sums(books, wallet).Available, a.balance("main"); got != want {
			t.Fatalf("%s can be spent of a balance of %s that nothing is on its way from", got, want)
		}
	})
}
