package testdesk_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

func newAPI(t *testing.T, options ...testdesk.Option) client.WithWatch {
	t.Helper()
	clock := testingclock.NewFakePassiveClock(time.Date(2036, 1, 17, 9, 0, 0, 0, time.UTC))
	api, err := testdesk.NewAPI(clock, options...)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// A real API server's answer to a write that conflicts carries no object.
func TestAWriteThatConflictsLeavesTheObjectAsItWasSent(t *testing.T) {
	for name, write := range map[string]func(api client.Client, o *v1alpha1.EsimOrder) error{
		"an update":             func(api client.Client, o *v1alpha1.EsimOrder) error { return api.Update(t.Context(), o) },
		"an update of a status": func(api client.Client, o *v1alpha1.EsimOrder) error { return api.Status().Update(t.Context(), o) },
		"a patch": func(api client.Client, o *v1alpha1.EsimOrder) error {
			lock := client.MergeFromWithOptions(o.DeepCopy(), client.MergeFromWithOptimisticLock{})
			controllerutil.AddFinalizer(o, "example.com/held")
			return api.Patch(t.Context(), o, lock)
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(t)
			order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "order"}}
			if err := api.Create(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			old := order.DeepCopy()
			order.Labels = map[string]string{"edited": "meanwhile"}
			if err := api.Update(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			if err := api.Delete(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			old.Status.Phase = v1alpha1.PhaseFailed
			sent := old.DeepCopy()
			if err := write(api, old); !apierrors.IsConflict(err) {
				t.Fatalf("the answer is %v, want a conflict", err)
			}
			if name == "a patch" {
				controllerutil.AddFinalizer(sent, "example.com/held")
			}
			if diff := cmp.Diff(sent, old); diff != "" {
				t.Errorf("the object (-as sent +after):\n%s", diff)
			}
		})
	}
}

func TestANewWalletIsHeldUnlessATestWantsOtherwise(t *testing.T) {
	for held, options := range map[bool][]testdesk.Option{true: nil, false: {testdesk.WalletsNotHeld}} {
		wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "main"}}
		if err := newAPI(t, options...).Create(t.Context(), wallet); err != nil {
			t.Fatal(err)
		}
		if got := controllerutil.ContainsFinalizer(wallet, v1alpha1.WalletFinalizer); got != held {
			t.Errorf("the finalizer is there: %t, want %t", got, held)
		}
	}
}
