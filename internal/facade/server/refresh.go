package server

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
)

const (
	// refreshesPerSecond bounds how many of a client's orders this replica has asked about in a
	// second, and refreshBurst at one moment: each costs a write and a call to an operator.
	refreshesPerSecond, refreshBurst = 10, 20
	// maxPaced bounds for how many clients that is remembered.
	maxPaced = 10_000
)

// refreshes are the orders whose operators are being asked for readers. The zero value is ready
// for use.
type refreshes struct {
	mu      sync.Mutex
	byOrder map[types.UID]*refresh
	// begun are the same, oldest first.
	begun []*refresh
	// paces are the *rate.Limiter of each client, by its namespace.
	paces *lru.Cache
}

// refresh is one order about which an operator is asked, for all who read it meanwhile.
type refresh struct {
	order types.UID
	until time.Time
	// before is what was acted on last when it began.
	before string
	// asked is closed once the controller was told to ask, or could not be. Then err says which.
	asked chan struct{}
	err   error
}

// join is the refresh of an order that is under way, or a new one. It is nil where the client
// has begun too many.
func (rs *refreshes) join(order *v1alpha1.EsimOrder, verdict orders.Refresh, now time.Time) (r *refresh, first bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.byOrder == nil {
		rs.byOrder, rs.paces = map[types.UID]*refresh{}, lru.New(maxPaced)
	}
	for len(rs.begun) > 0 && !now.Before(rs.begun[0].until) {
		delete(rs.byOrder, rs.begun[0].order)
		rs.begun = rs.begun[1:]
	}
	if r, ok := rs.byOrder[order.UID]; ok {
		return r, false
	}
	if verdict == orders.RefreshDue && !rs.pace(order.Namespace).AllowN(now, 1) {
		return nil, false
	}
	r = &refresh{
		order: order.UID, until: now.Add(orders.RefreshPatience), before: order.Status.Activation.Refreshed,
		asked: make(chan struct{}),
	}
	rs.byOrder[order.UID], rs.begun = r, append(rs.begun, r)
	return r, true
}

// pace is a client's. The caller holds mu.
func (rs *refreshes) pace(namespace string) *rate.Limiter {
	if known, ok := rs.paces.Get(namespace); ok {
		if limiter, ok := known.(*rate.Limiter); ok {
			return limiter
		}
	}
	limiter := rate.NewLimiter(refreshesPerSecond, refreshBurst)
	rs.paces.Add(namespace, limiter)
	return limiter
}

// answered tells whether there is nothing more to wait for: what was asked is recorded.
func (r *refresh) answered(order *v1alpha1.EsimOrder) bool {
	life := order.Status.Activation
	return order.Status.Phase != v1alpha1.PhaseDelivered || life == nil || life.Installed || life.Refreshed != r.before
}

// refreshed is an order as it stands once its mobile operator was asked, if it is to be. Where
// that cannot be done, or takes too long, it is the order as it was recorded: refreshed_at tells
// how old that is.
func (s *Server) refreshed(ctx context.Context, order *v1alpha1.EsimOrder) *v1alpha1.EsimOrder {
	now := s.Clock.Now()
	verdict := orders.JudgeRefresh(order, now)
	if verdict == orders.NoRefresh {
		return order
	}
	r, first := s.refreshes.join(order, verdict, now)
	if r == nil {
		return order
	}
	if first {
		s.begin(ctx, r, order, verdict)
	}
	select {
	case <-r.asked:
	case <-ctx.Done():
		return order
	}
	if r.err != nil {
		return order
	}
	return s.await(ctx, order, r.until.Sub(s.Clock.Now()), r.answered)
}

// begin has the controller asked, unless somebody has already. The others wait for that, so it
// ends also where it panics.
func (s *Server) begin(ctx context.Context, r *refresh, order *v1alpha1.EsimOrder, verdict orders.Refresh) {
	defer close(r.asked)
	if verdict == orders.RefreshDue {
		r.err = s.askForRefresh(ctx, order, r.until)
	}
}

// askForRefresh has the controller ask the operator. It writes on the version of the order that
// is known, so that of two replicas one does; the other sees that, and waits with it.
func (s *Server) askForRefresh(ctx context.Context, order *v1alpha1.EsimOrder, until time.Time) error {
	// Others may read the same, when whoever came first has hung up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), until.Sub(s.Clock.Now()))
	defer cancel()
	for {
		err := s.annotate(ctx, order)
		if apierrors.IsConflict(err) {
			seen := order.ResourceVersion
			order, err = s.Desk.Index.Wait(ctx, order, func(o *v1alpha1.EsimOrder) bool { return o.ResourceVersion != seen })
			if err == nil && orders.JudgeRefresh(order, s.Clock.Now()) == orders.RefreshDue {
				continue
			}
		}
		if err != nil {
			s.logger(ctx).Error(err, "An order is answered as it was recorded, without asking its operator", "order", order.Name)
		}
		return err
	}
}

// annotate asks for a refresh of this version of an order.
func (s *Server) annotate(ctx context.Context, order *v1alpha1.EsimOrder) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": order.UID, "resourceVersion": order.ResourceVersion,
		"annotations": map[string]string{v1alpha1.RefreshAnnotation: s.Clock.Now().UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return fmt.Errorf("asking for a refresh of EsimOrder %s: %w", order.Name, err)
	}
	asked := &v1alpha1.EsimOrder{}
	asked.Namespace, asked.Name = order.Namespace, order.Name
	if err := s.Writer.Patch(ctx, asked, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("asking for a refresh of EsimOrder %s: %w", order.Name, err)
	}
	return nil
}
