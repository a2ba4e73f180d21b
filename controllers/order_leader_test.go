package controllers_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// depose closes the fence around the calls: passes begin, as if this process led when they
// did, and no call may leave.
func (d *desk) depose() {
	d.t.Helper()
	var operator v1alpha1.EsimOperator
	if err := d.api.Get(d.t.Context(), types.NamespacedName{Name: d.shop.Name}, &operator); err != nil {
		d.t.Fatal(err)
	}
	neverRenewed := leader.NewFence(nil, 0, 0)
	driver, err := controllers.NewDrivers(neverRenewed, nil)(&operator, d.shop.Credentials(), func(call operators.Call) {
		d.t.Errorf("a call left: %+v", call)
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.Pool.For(d.shop.Name).Connect(driver, 50)
}

func TestAProcessThatDoesNotLeadAnyMoreCallsNobodyAndWritesNothing(t *testing.T) {
	for name, status := range map[string]func(*v1alpha1.OrderProvisioning){
		"to be confirmed": func(p *v1alpha1.OrderProvisioning) { p.ICCID = "" }, // the journal alone knows it
		"to be given back": func(p *v1alpha1.OrderProvisioning) {
			p.Closing = p.ICCID
		},
	} {
		d := atDesk(t, testshop.Options{}, nil)
		d.connect()
		if err := d.shop.SMDP.Inject(smdp.Fault{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.ConfirmOrder}); err != nil {
			t.Fatal(err)
		}
		d.order()
		if err := d.pass(); err != nil {
			t.Fatal(err)
		}
		held := d.look()
		status(held.Status.Provisioning)
		if err := d.api.Status().Update(t.Context(), held); err != nil {
			t.Fatal(err)
		}
		calls := len(d.shop.SMDP.Ledger())
		d.depose()
		for range 3 {
			if err := d.pass(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if now := d.look(); now.ResourceVersion != held.ResourceVersion {
			t.Errorf("%s: the order was written: %+v", name, now.Status.Provisioning)
		}
		if n := len(d.shop.SMDP.Ledger()); n != calls || held.Status.Provisioning.RequestID == "" {
			t.Errorf("%s: %d calls were made", name, n-calls)
		}
	}
}
