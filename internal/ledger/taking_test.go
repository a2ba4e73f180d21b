package ledger_test

import (
	"context"
	"testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// An order that its owner edits in a loop holds up the others of its namespace no longer than
// a number of writes, and not for good.
func TestTakingAnOrderOverEnds(t *testing.T) {
	a := newAcme(t)
	a.wallet("main", "10")
	a.order("edited", "1")
	order := a.order("order", "1")
	books := a.ledger()
	edited, writes := true, 0
	books.Writer = onStatusWrite(a.api, func(_ context.Context, send func() error, written *v1alpha1.EsimOrder) error {
		if writes++; edited && writes <= 1000 {
			now := a.look(written)
			now.Labels = map[string]string{"edit": now.ResourceVersion}
			a.must(a.api.Update(t.Context(), now))
		}
		return send()
	})
	if _, err := books.Reserve(t.Context(), order); err == nil || isRefusal(err) {
		t.Errorf("the other order: %v, want an error that is no refusal", err)
	}
	if writes > 100 {
		t.Errorf("%d writes to one order", writes)
	}
	edited = false
	a.must(a.charge(books, order))
}
