package ledger_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
)

func referred(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "booking-17" }

// claim claims an order's reference; it returns the name of the order that has it.
func (a *acme) claim(books *ledger.Ledger, order *v1alpha1.EsimOrder) string {
	a.t.Helper()
	holder, err := books.Claim(a.t.Context(), order)
	a.must(err)
	return holder
}

func TestWhoHasAReference(t *testing.T) {
	for name, tc := range map[string]struct {
		// others come before the order that claims.
		others func(a *acme)
		want   string
	}{
		"nobody": {func(*acme) {}, ""},
		"an order with another one": {func(a *acme) {
			a.order("other", "1", func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "booking-18" })
		}, ""},
		"an order that was created before":             {func(a *acme) { a.order("other", "1", referred) }, "other"},
		"an order that was accepted, of two before":    {func(a *acme) { a.order("x", "1", referred); a.acceptedOrder("y") }, "y"},
		"an order that failed, for another reason":     {func(a *acme) { a.failedOrder("other", v1alpha1.FailureInsufficientFunds) }, "other"},
		"an order that failed because it had none":     {func(a *acme) { a.failedOrder("other", v1alpha1.FailureDuplicateReference) }, ""},
		"an order that is gone":                        {func(a *acme) { a.letGo(a.order("other", "1", referred)) }, ""},
		"an order that was created in the same second": {func(a *acme) { a.order("same", "1", referred); a.clock.SetTime(a.clock.Now().Add(-time.Second)) }, "same"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			tc.others(a)
			a.clock.SetTime(a.clock.Now().Add(time.Second))
			if got := a.claim(a.ledger(), a.order("order", "1", referred)); got != tc.want {
				t.Errorf("the reference is %q's, want %q", got, tc.want)
			}
		})
	}
}

// acceptedOrder has a plan, as its status says.
func (a *acme) acceptedOrder(name string) *v1alpha1.EsimOrder {
	a.t.Helper()
	order := a.order(name, "1", referred)
	a.must(a.api.Status().Update(a.t.Context(), order))
	return order
}

func (a *acme) failedOrder(name string, code v1alpha1.FailureCode) {
	a.t.Helper()
	order := a.order(name, "1", referred)
	order.Status.Plan = nil
	order.Status.Phase, order.Status.Failure = v1alpha1.PhaseFailed, &v1alpha1.OrderFailure{Code: code, Reason: "r"}
	a.must(a.api.Status().Update(a.t.Context(), order))
}

func TestOneOfManyAtOnceGetsAReference(t *testing.T) {
	a := newAcme(t)
	books := a.ledger()
	a.claim(books, a.order("other", "1"))
	const orders = 50
	holders := make([]string, orders)
	names := make([]string, orders)
	var all sync.WaitGroup
	for i := range orders {
		order := a.order(string(rune('a'+i%26))+string(rune('a'+i/26)), "1", referred)
		names[i] = order.Name
		all.Go(func() {
			holder, err := books.Claim(context.Background(), order)
			if err != nil {
				holder = err.Error()
			}
			holders[i] = holder
		})
	}
	all.Wait()
	winner := ""
	for i, holder := range holders {
		if holder == "" {
			if winner != "" {
				t.Fatalf("both %s and %s have the reference", winner, names[i])
			}
			winner = names[i]
		}
	}
	for i, holder := range holders {
		if holder != "" && holder != winner {
			t.Errorf("%s is told that %q has the reference, want %q", names[i], holder, winner)
		}
	}
}

// A reference is claimed once, as often as one asks, and free again when its order is gone.
func TestAReferenceIsFreeWhenItsOrderIsGone(t *testing.T) {
	a := newAcme(t)
	books := a.ledger()
	first, second := a.order("first", "1", referred), a.order("second", "1", referred)
	got := []string{a.claim(books, first), a.claim(books, first), a.claim(books, second)}
	books.Gone(second) // that frees nothing
	got = append(got, a.claim(books, second))
	books.Gone(a.letGo(first))
	got = append(got, a.claim(books, second))
	if diff := cmp.Diff([]string{"", "", "first", "first", ""}, got); diff != "" {
		t.Errorf("who has it (-want +got):\n%s", diff)
	}
}

// An order that was promised its reference keeps it when the book is opened anew, whatever the
// order of names and of creation.
func TestAPromisedReferenceSurvivesAReopening(t *testing.T) {
	for name, tc := range map[string]struct{ first, second string }{
		"the promised one comes first by name": {"a", "b"},
		"the promised one comes last by name":  {"b", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			books := a.ledger()
			earlier := a.order(tc.second, "1", referred)
			a.clock.SetTime(a.clock.Now().Add(time.Second))
			promised := a.order(tc.first, "1", referred)
			// The book does not know the earlier one when it promises.
			books.Live = listWithout(a.api, tc.second)
			if got := a.claim(books, promised); got != "" {
				t.Fatalf("the reference is %q's", got)
			}
			books.Live = a.api
			books.Distrust("acme")
			if got := a.claim(books, earlier); got != promised.Name {
				t.Errorf("the reference is %q's, want %q", got, promised.Name)
			}
		})
	}
}

// An order that the leader before accepted at the last moment keeps its reference from others.
func TestALateAcceptanceKeepsItsReference(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	books := a.ledger()
	order := a.order("order", "1", referred)
	a.clock.SetTime(a.clock.Now().Add(time.Second))
	late := a.order("late", "1", referred)
	books.Writer = onStatusWrite(a.api, func(_ context.Context, send func() error, touched *v1alpha1.EsimOrder) error {
		if touched.Name == late.Name && a.look(late).Status.Charge == nil {
			a.chargedBy(late, wallet) // the other leader's write comes first
		}
		return send()
	})
	if got := a.claim(books, order); got != "late" {
		t.Errorf("the reference is %q's, want late's", got)
	}
}
