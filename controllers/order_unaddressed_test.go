package controllers_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// keys of the order's Secret.
func (d *desk) secretKeys() []string {
	d.t.Helper()
	secret, err := d.shop.Secret(d.t.Context(), "order")
	if err != nil || secret == nil {
		d.t.Fatalf("the Secret: %v, %v", secret, err)
	}
	var keys []string
	for key := range secret.Data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func TestAnOrderWhoseOperatorAnswersNoAddressKeepsItsProfileUntilOneIsConfigured(t *testing.T) {
	none := ""
	d := atDesk(t, testshop.Options{SMDPAddress: &none}, nil)
	d.order()
	for range 3 {
		d.connect() // which ends the pause that the operator gets
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
		if got := summary(d.look()); got != "PENDING OperatorMisconfigured" {
			t.Fatal(got)
		}
	}
	if calls := len(d.shop.SMDP.Ledger()); calls != 2 || d.shop.Bought() != 1 {
		t.Errorf("%d calls bought %d profiles", calls, d.shop.Bought())
	}
	if keys := d.secretKeys(); !slices.Equal(keys, []string{"attempt", "confirmed", "iccid", "matching-id"}) {
		t.Errorf("the Secret holds %q", keys)
	}

	var operator v1alpha1.EsimOperator
	if err := d.api.Get(t.Context(), types.NamespacedName{Name: d.shop.Name}, &operator); err != nil {
		t.Fatal(err)
	}
	operator.Spec.ES2Plus.SMDPAddress = testshop.SMDPAddress
	if err := d.api.Update(t.Context(), &operator); err != nil {
		t.Fatal(err)
	}
	d.connect()
	if err := d.pass(); err != nil {
		t.Fatal(err)
	}
	order := d.look()
	if got := summary(order); got != "DELIVERED Delivered" {
		t.Fatal(got)
	}
	if keys := d.secretKeys(); !slices.Equal(keys, []string{"activation-code", "attempt", "iccid", "matching-id", "smdp-address"}) {
		t.Errorf("the delivered Secret holds %q", keys)
	}
	secret, err := d.shop.Secret(t.Context(), "order")
	if err != nil {
		t.Fatal(err)
	}
	code, err := activation.ParseCode(string(secret.Data[v1alpha1.SecretKeyActivationCode]))
	if err != nil || code.SMDPAddress != testshop.SMDPAddress || !d.shop.SMDP.HasMatchingID(activation.ICCID(order.Status.Esim.ICCID), code.MatchingID) {
		t.Errorf("the code is dead or names another SM-DP+: %s, %v", code.SMDPAddress, err)
	}
	if d.shop.Bought() != 1 || d.shop.Stranded() != 0 {
		t.Errorf("%d profiles bought, %d stranded", d.shop.Bought(), d.shop.Stranded())
	}
}
