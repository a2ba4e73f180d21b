package orders

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestARepeatIsToldByItsKeyAndItsBody(t *testing.T) {
	body := v1alpha1.EsimOrderSpec{
		ProductRef: v1alpha1.ProductReference{Name: "japan"}, Amount: "4.5", ClientReference: "TRIP", Quantity: 1,
		NotificationEmail: "ann@example.com",
	}
	with := func(change func(*v1alpha1.EsimOrderSpec)) v1alpha1.EsimOrderSpec {
		changed := *body.DeepCopy()
		change(&changed)
		return changed
	}
	overREST := newOrder("acme", "o-1", body)
	// As it stands later: with another address, and cancelled.
	changed := overREST.DeepCopy()
	changed.Spec.NotificationEmail, changed.Spec.Cancel = "bob@example.com", true
	byKubectl := newOrder("acme", "trip", body)
	byKubectl.Annotations = nil

	for _, c := range []struct {
		name  string
		first *v1alpha1.EsimOrder
		asked v1alpha1.EsimOrderSpec
		key   string
		want  Repeat
	}{
		{"no key", overREST, body, "", Duplicate},
		{"the key is not the reference", overREST, body, "other", Duplicate},
		{"half a quote", overREST, body, `"TRIP`, Duplicate},
		{"bare", overREST, body, "TRIP", SameRequest},
		{"quoted", overREST, body, `"TRIP"`, SameRequest},
		{"the same amount, written otherwise", overREST, with(func(s *v1alpha1.EsimOrderSpec) { s.Amount = "4.50" }), "TRIP", SameRequest},
		{"the first order was changed meanwhile", changed, body, "TRIP", SameRequest},
		{"what the first order was changed to", changed, changed.Spec, "TRIP", OtherRequest},
		{"another amount", overREST, with(func(s *v1alpha1.EsimOrderSpec) { s.Amount = "4.51" }), "TRIP", OtherRequest},
		{"another product", overREST, with(func(s *v1alpha1.EsimOrderSpec) { s.ProductRef.Name = "france" }), "TRIP", OtherRequest},
		{"a variant in place of the amount", overREST, with(func(s *v1alpha1.EsimOrderSpec) { s.Amount, s.Variant = "", "4.5" }), "TRIP", OtherRequest},
		{"a wallet", overREST, with(func(s *v1alpha1.EsimOrderSpec) { s.WalletRef = &v1alpha1.WalletReference{Name: "usd"} }), "TRIP", OtherRequest},
		{"no address", overREST, with(func(s *v1alpha1.EsimOrderSpec) { s.NotificationEmail = "" }), "TRIP", OtherRequest},
		{"made with kubectl, the same", byKubectl, body, "TRIP", SameRequest},
		{"made with kubectl, another", byKubectl, with(func(s *v1alpha1.EsimOrderSpec) { s.Amount = "9" }), "TRIP", OtherRequest},
		{"no reference", overREST, with(func(s *v1alpha1.EsimOrderSpec) { s.ClientReference = "" }), "TRIP", Duplicate},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := JudgeRepeat(c.first, &c.asked, c.key); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// A reference may begin and end with quotes itself: then it is its own key, bare or in more.
func TestEveryReferenceIsItsOwnKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := v1alpha1.EsimOrderSpec{ClientReference: rapid.StringMatching(`[ -~]{1,20}`).Draw(t, "reference")}
		first := newOrder("acme", "o-1", spec)
		for _, key := range []string{spec.ClientReference, `"` + spec.ClientReference + `"`} {
			if got := JudgeRepeat(first, &spec, key); got != SameRequest {
				t.Fatalf("key %s: %d", key, got)
			}
		}
	})
}
