package controllers

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// nothing is a cluster without objects.
type nothing struct{ client.Client }

func (nothing) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// TestACrowdThatBeginsToWaitLeavesTheAPIServerToOthers: all of them would write at one moment that
// they wait, and nobody's order would be filled meanwhile.
func TestACrowdThatBeginsToWaitLeavesTheAPIServerToOthers(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &OrderReconciler{
		Client: nothing{}, Clock: testingclock.NewFakePassiveClock(now), Jitter: func() float64 { return 0 },
		Pace: DefaultPace, Connections: connections.NewPool(connections.DefaultConfig),
	}
	full := &connections.Unavailable{Operator: "op", Health: connections.Full}
	waits := func(told bool) (*pass, bool) {
		order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-time.Minute))}}
		p := newPass(order, now)
		if told {
			setPending(p, reasonOperatorUnavailable, full.Error())
		}
		d, err := r.waitForOperator(t.Context(), p, full)
		if err != nil {
			t.Fatal(err)
		}
		if d.after < DefaultPace.Waiting.Duration {
			t.Errorf("it comes again after %s", d.after)
		}
		return p, !d.silent
	}
	var writing []*pass
	for range 1000 {
		if p, writes := waits(false); writes {
			writing = append(writing, p)
		}
	}
	if len(writing) != mostTelling {
		t.Errorf("%d write at one time that they wait, want %d", len(writing), mostTelling)
	}
	if _, kept := waits(true); !kept {
		t.Error("one that says so already, and has nothing to write, was held back")
	}
	for _, p := range writing {
		p.leave()
	}
	if _, writes := waits(false); !writes {
		t.Error("nobody may write any more although those before are done")
	}
}
