package orders

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/money"
)

func amount(t testing.TB, text string) money.Amount {
	t.Helper()
	parsed, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestARepeatIsToldByItsKeyAndItsBody(t *testing.T) {
	body := Request{ProductID: 712, Amount: amount(t, "4.5"), ClientReference: "TRIP", NotificationEmail: "ann@example.com"}
	spec := v1alpha1.EsimOrderSpec{
		ProductRef: v1alpha1.ProductReference{Name: "japan"}, Amount: "4.50", ClientReference: "TRIP", Quantity: 1,
		NotificationEmail: "ann@example.com",
	}
	with := func(change func(*Request)) Request {
		changed := body
		change(&changed)
		return changed
	}
	overREST := newOrder("acme", "o-1", body, spec)
	// As it stands later: with another address, and cancelled.
	changed := overREST.DeepCopy()
	changed.Spec.NotificationEmail, changed.Spec.Cancel = "bob@example.com", true
	bob := with(func(r *Request) { r.NotificationEmail = "bob@example.com" })

	for _, c := range []struct {
		name  string
		first *v1alpha1.EsimOrder
		asked Request
		key   string
		want  Repeat
	}{
		{"no key", overREST, body, "", Duplicate},
		{"the key is not the reference", overREST, body, "other", Duplicate},
		{"half a quote", overREST, body, `"TRIP`, Duplicate},
		{"bare", overREST, body, "TRIP", SameRequest},
		{"quoted", overREST, body, `"TRIP"`, SameRequest},
		{"the same amount, written otherwise", overREST, with(func(r *Request) { r.Amount = amount(t, "4.50") }), "TRIP", SameRequest},
		{"the first order was changed meanwhile", changed, body, "TRIP", SameRequest},
		{"what the first order was changed to", changed, bob, "TRIP", OtherRequest},
		{"another amount", overREST, with(func(r *Request) { r.Amount = amount(t, "4.51") }), "TRIP", OtherRequest},
		{"another product", overREST, with(func(r *Request) { r.ProductID = 713 }), "TRIP", OtherRequest},
		{"a variant beside the amount", overREST, with(func(r *Request) { r.VariantID = 3301 }), "TRIP", OtherRequest},
		{"a wallet", overREST, with(func(r *Request) { r.WalletID = 41 }), "TRIP", OtherRequest},
		{"no address", overREST, with(func(r *Request) { r.NotificationEmail = "" }), "TRIP", OtherRequest},
		{"no reference", overREST, with(func(r *Request) { r.ClientReference = "" }), "TRIP", Duplicate},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := JudgeRepeat(c.first, &c.asked, nil, c.key); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestARequestIsHeldAgainstTheSpecOfAnOrderMadeWithKubectl(t *testing.T) {
	body := Request{ProductID: 712, Amount: amount(t, "4.5"), ClientReference: "TRIP"}
	spec := v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Amount: "4.50", ClientReference: "TRIP"}
	first := &v1alpha1.EsimOrder{Spec: *spec.DeepCopy()}
	// What no request can say does not count.
	first.Spec.Quantity, first.Spec.Cancel = 1, true
	with := func(change func(*v1alpha1.EsimOrderSpec)) *v1alpha1.EsimOrderSpec {
		changed := spec.DeepCopy()
		change(changed)
		return changed
	}
	for _, c := range []struct {
		name string
		spec *v1alpha1.EsimOrderSpec
		want Repeat
	}{
		{"the same", &spec, SameRequest},
		{"the same amount, written otherwise", with(func(s *v1alpha1.EsimOrderSpec) { s.Amount = "4.5" }), SameRequest},
		{"another amount", with(func(s *v1alpha1.EsimOrderSpec) { s.Amount = "9" }), OtherRequest},
		{"another product", with(func(s *v1alpha1.EsimOrderSpec) { s.ProductRef.Name = "france" }), OtherRequest},
		{"a variant in place of the amount", with(func(s *v1alpha1.EsimOrderSpec) { s.Amount, s.Variant = "", "1gb" }), OtherRequest},
		{"a wallet", with(func(s *v1alpha1.EsimOrderSpec) { s.WalletRef = &v1alpha1.WalletReference{Name: "usd"} }), OtherRequest},
		{"an address", with(func(s *v1alpha1.EsimOrderSpec) { s.NotificationEmail = "ann@example.com" }), OtherRequest},
		{"what comes to no order any more", nil, OtherRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := JudgeRepeat(first, &body, c.spec, "TRIP"); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// A reference may begin and end with quotes itself: then it is its own key, bare or in more.
func TestEveryReferenceIsItsOwnKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := Request{ClientReference: rapid.StringMatching(`[ -~]{1,20}`).Draw(t, "reference")}
		first := newOrder("acme", "o-1", request, v1alpha1.EsimOrderSpec{ClientReference: request.ClientReference})
		for _, key := range []string{request.ClientReference, `"` + request.ClientReference + `"`} {
			if got := JudgeRepeat(first, &request, nil, key); got != SameRequest {
				t.Fatalf("key %s: %d", key, got)
			}
		}
	})
}
