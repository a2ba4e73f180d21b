package controllers

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// writeTakes is how long the crowded API server takes for each write.
const writeTakes = 100 * time.Millisecond

// crowdedAPI is an API server that has orders and nothing else, and counts the writes that are
// under way.
type crowdedAPI struct {
	client.Client

	mu        sync.Mutex
	orders    map[types.NamespacedName]*v1alpha1.EsimOrder
	now, most int
}

func (a *crowdedAPI) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	order, wanted := into.(*v1alpha1.EsimOrder)
	if standing, ok := a.orders[key]; ok && wanted {
		standing.DeepCopyInto(order)
		return nil
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (a *crowdedAPI) Status() client.SubResourceWriter { return crowdedStatus{api: a} }

// crowdedStatus writes statuses.
type crowdedStatus struct {
	client.SubResourceWriter
	api *crowdedAPI
}

func (s crowdedStatus) Update(_ context.Context, object client.Object, _ ...client.SubResourceUpdateOption) error {
	a := s.api
	a.mu.Lock()
	a.now++
	a.most = max(a.most, a.now)
	a.mu.Unlock()
	<-time.After(writeTakes)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now--
	order, ok := object.(*v1alpha1.EsimOrder)
	if !ok {
		return fmt.Errorf("the status of a %T is written", object)
	}
	a.orders[client.ObjectKeyFromObject(order)] = order.DeepCopy()
	return nil
}

// waitingOrder is an order that was accepted a minute ago, and whose operator is not connected.
func (a *crowdedAPI) waitingOrder(namespace, name string) types.NamespacedName {
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(namespace + name), Generation: 1,
			CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Minute)),
			Finalizers:        []string{v1alpha1.SettlementFinalizer},
		},
		Status: v1alpha1.EsimOrderStatus{
			Phase: v1alpha1.PhasePending,
			Plan: &v1alpha1.OrderPlan{
				Amount: "4.5", Currency: "USD",
				Sources: []v1alpha1.VariantSource{{OperatorRef: v1alpha1.OperatorReference{Name: "op"}, PlanID: "plan"}},
			},
		},
	}
	key := client.ObjectKeyFromObject(order)
	a.orders[key] = order
	return key
}

func newCrowdedAPI() (*crowdedAPI, *OrderReconciler) {
	api := &crowdedAPI{orders: map[types.NamespacedName]*v1alpha1.EsimOrder{}}
	return api, &OrderReconciler{
		Client: api, Live: api, Writer: api, Clock: clock.RealClock{}, Jitter: func() float64 { return 0 },
		Ledger: &ledger.Ledger{}, Recorder: events.NewFakeRecorder(10), Pace: DefaultPace, Connections: connections.NewPool(connections.DefaultConfig),
	}
}

func TestACrowdThatBeginsToWaitLeavesTheAPIServerToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crowd = 500
		api, r := newCrowdedAPI()
		single := api.waitingOrder("single", "order")
		for i := range crowd {
			api.waitingOrder("crowd", fmt.Sprintf("order-%d", i))
		}
		pass := func(order types.NamespacedName) {
			if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: order}); err != nil {
				t.Error(err)
			}
		}
		var group sync.WaitGroup
		for i := range crowd {
			group.Go(func() { pass(types.NamespacedName{Namespace: "crowd", Name: fmt.Sprintf("order-%d", i)}) })
		}
		synctest.Wait()
		if api.now != mostOthers {
			t.Fatalf("%d write at one time that they wait, want %d", api.now, mostOthers)
		}

		began := time.Now()
		filled := newPass(api.orders[single], began)
		filled.slot = &connections.Slot{}
		filled.order.Status.ID = 7
		if err := r.writeStatus(t.Context(), filled); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != writeTakes {
			t.Errorf("the write of an order that is being filled took %s, want %s", took, writeTakes)
		}

		began = time.Now()
		pass(single)
		if took := time.Since(began); took > 2*writeTakes {
			t.Errorf("the single order of another client waited for its write for %s; one that is under way, and its own, are %s", took, 2*writeTakes)
		}

		group.Wait()
		if most := mostOthers + 1; api.most > most {
			t.Errorf("%d wrote at one time, want %d", api.most, most)
		}
		for key, order := range api.orders {
			if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != reasonOperatorUnavailable {
				t.Errorf("%s does not say that it waits: %v", key, ready)
			}
		}
	})
}

func TestOrdersThatAreFilledWriteNoMoreAtOneTimeThanTheAPIServerDoesWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 500
		api, r := newCrowdedAPI()
		passes := make([]*pass, slots)
		for i := range passes {
			key := api.waitingOrder("acme", fmt.Sprintf("order-%d", i))
			passes[i] = newPass(api.orders[key], time.Now())
			passes[i].slot = &connections.Slot{}
			passes[i].order.Status.ID = int64(i + 1)
		}
		began := time.Now()
		var group sync.WaitGroup
		for _, p := range passes {
			group.Go(func() {
				if err := r.writeStatus(t.Context(), p); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if api.most != mostFilling {
			t.Errorf("%d wrote at one time, want %d", api.most, mostFilling)
		}
		rounds := (slots + mostFilling - 1) / mostFilling
		if took, want := time.Since(began), time.Duration(rounds)*writeTakes; took != want {
			t.Errorf("all took %s, want %s", took, want)
		}
		for key, order := range api.orders {
			if order.Status.ID == 0 {
				t.Errorf("%s was not written", key)
			}
		}
	})
}

// lease is what this process and another one want.
type lease struct {
	resourcelock.Interface
	record resourcelock.LeaderElectionRecord
}

func (l *lease) Identity() string { return "this" }

func (l *lease) Update(context.Context, resourcelock.LeaderElectionRecord) error { return nil }

func (l *lease) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &l.record, nil, nil
}

// The fence counts on a write that leaves at once.
func TestARefundThatWaitedForItsTurnIsNotWrittenOnceAnotherLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, r := newCrowdedAPI()
		held := &lease{record: resourcelock.LeaderElectionRecord{HolderIdentity: "this"}}
		r.Fence = leader.NewFence(held, 15*time.Second, 3*time.Second)
		if err := r.Fence.Update(t.Context(), held.record); err != nil {
			t.Fatal(err)
		}
		key := api.waitingOrder("acme", "order")
		api.orders[key].Status.Charge = &v1alpha1.OrderCharge{Amount: "4.5", Currency: "USD"}

		var leaves []func()
		for range mostOthers {
			leave, err := r.turns.enter(t.Context(), "crowd", false)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		concluded := make(chan error, 1)
		go func() {
			_, err := r.conclude(t.Context(), newPass(api.orders[key], time.Now()), cancelled("why"))
			concluded <- err
		}()
		synctest.Wait()
		<-time.After(time.Minute) // the lease is over
		for _, leave := range leaves {
			leave()
		}
		if err := <-concluded; err != nil {
			t.Fatal(err)
		}
		if status := api.orders[key].Status; status.Phase != v1alpha1.PhasePending || status.Charge.Refund != nil {
			t.Errorf("the order is %s, its refund %+v", status.Phase, status.Charge.Refund)
		}
		leave, err := r.turns.enter(t.Context(), "next", false)
		if err != nil || len(api.orders) != 1 {
			t.Fatalf("a turn was kept: %v", err)
		}
		leave()
	})
}
