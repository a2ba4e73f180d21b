package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// pick is the source that a new order is given to: the first that is fit, or that should be
// tried again; where none is, the first.
func (r *OrderReconciler) pick(ctx context.Context, sources []v1alpha1.VariantSource) (v1alpha1.VariantSource, error) {
	for _, source := range sources {
		ok, err := r.admits(ctx, source)
		if err != nil {
			return v1alpha1.VariantSource{}, err
		}
		if ok {
			return source, nil
		}
	}
	return sources[0], nil
}

// takes tells whether an order should be given to a source while there are others: its operator
// was not unfit for long, or may be back.
func (r *OrderReconciler) takes(ctx context.Context, source v1alpha1.VariantSource) (bool, error) {
	failoverAfter, err := r.failoverAfter(ctx, source.OperatorRef.Name)
	if err != nil {
		return false, err
	}
	fitness := r.Connections.For(source.OperatorRef.Name).Fitness()
	return fitness.Trial || !fitness.Unfit(r.clockNow(), failoverAfter), nil
}

// admits tells whether an order that can go to a source now should do so: of those that find out
// whether an operator is back, only one at a time.
func (r *OrderReconciler) admits(ctx context.Context, source v1alpha1.VariantSource) (bool, error) {
	failoverAfter, err := r.failoverAfter(ctx, source.OperatorRef.Name)
	if err != nil {
		return false, err
	}
	connection := r.Connections.For(source.OperatorRef.Name)
	return !connection.Fitness().Unfit(r.clockNow(), failoverAfter) || connection.TakeTrial(), nil
}

// clockNow is the machine's time, by which connections measure; what is written down goes by
// Clock.
func (r *OrderReconciler) clockNow() time.Time { return time.Now() }

// failoverAfter is how long an order at an operator that has bought nothing waits.
func (r *OrderReconciler) failoverAfter(ctx context.Context, operator string) (time.Duration, error) {
	var found v1alpha1.EsimOperator
	err := r.Client.Get(ctx, types.NamespacedName{Name: operator}, &found, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("reading EsimOperator %s: %w", operator, err)
	}
	return found.FailoverAfter(), nil
}

// failOver has an order go to the next source that takes it, once it failed long enough at the
// one where it is, and holds nothing there. What it may hold is given back first; while it is
// not known what it holds, it stays. nil: it stays.
//
// failed is the error that the order failed with now; nil where its operator cannot be called.
func (r *OrderReconciler) failOver(ctx context.Context, p *pass, failed *operators.Error) (*decision, error) {
	next, err := r.elsewhere(ctx, p, failed)
	if next == nil || err != nil {
		return nil, err
	}
	if p.journal == nil {
		if err := r.openJournal(ctx, p); err != nil {
			if errors.Is(err, operators.ErrJournalRefused) {
				return nil, nil // whether it holds something cannot be read
			}
			return nil, err
		}
	}
	cause := failed
	if cause == nil {
		cause = &operators.Error{Class: operators.Transient, Message: "the operator cannot be called"}
	}
	held, err := r.mayHold(ctx, p)
	switch {
	case err != nil:
		return nil, err
	case held == "":
		if ok, err := r.admits(ctx, *next); !ok || err != nil {
			return nil, err
		}
		return r.beginAttempt(p, *next, cause, 0), nil
	case held == p.provisioning().RequestID:
		return nil, nil // something may be in the books: they tell when they can be read, and then it is delivered
	case p.slot == nil:
		return nil, nil // it has to be given back first, and that needs the operator
	default:
		return r.close(ctx, p, held, cause)
	}
}

// failoverDue is after how long an order that waits for an operator may go to another one.
func (r *OrderReconciler) failoverDue(ctx context.Context, p *pass, operator string) time.Duration {
	failoverAfter, err := r.failoverAfter(ctx, operator)
	since := r.Connections.For(operator).Fitness().UnfitSince
	if err != nil || since.IsZero() || p.ending || p.order.Status.Plan == nil || len(p.order.Status.Plan.Sources) < 2 {
		return 0
	}
	if wait := failoverAfter - r.clockNow().Sub(since); wait > 0 {
		return wait + failoverMargin
	}
	return 0
}

// failoverMargin comes after the moment at which an order may go elsewhere.
const failoverMargin = 100 * time.Millisecond

// elsewhere is the source that an order should go to from where it is; nil where it should stay:
// because its outcome is unknown, the time has not come, or there is no other that takes it.
func (r *OrderReconciler) elsewhere(ctx context.Context, p *pass, failed *operators.Error) (*v1alpha1.VariantSource, error) {
	provisioning := p.provisioning()
	if p.ending || !p.order.DeletionTimestamp.IsZero() || provisioning.Closing != "" || waitsForPerson(p.order) {
		return nil, nil
	}
	if failed != nil && !knownFailure(failed) {
		return nil, nil
	}
	here := provisioning.OperatorRef.Name
	failoverAfter, err := r.failoverAfter(ctx, here)
	if err != nil {
		return nil, err
	}
	unfit := r.Connections.For(here).Fitness().Unfit(r.clockNow(), failoverAfter)
	if !unfit && (failed == nil || p.now.Sub(attemptStart(provisioning)) < failoverAfter) {
		return nil, nil
	}
	sources, err := r.sources(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, source := range openSources(r.affordable(p.order.Status.Plan, sources), provisioning, "") {
		if source.OperatorRef.Name == here {
			continue
		}
		ok, err := r.takes(ctx, source)
		if ok || err != nil {
			return &source, err
		}
	}
	return nil, nil
}

// knownFailure tells errors that say what did not happen, and that may last.
func knownFailure(failed *operators.Error) bool {
	switch failed.Class {
	case operators.Transient, operators.Misconfigured:
		return true
	case operators.Busy:
		return !failed.Pending
	default:
		return false
	}
}

// attemptStart is when the current attempt began.
func attemptStart(p *v1alpha1.OrderProvisioning) time.Time {
	if len(p.Attempts) > 0 {
		return p.Attempts[len(p.Attempts)-1].EndTime.Time
	}
	return p.StartTime.Time
}

// mayHold is what the attempt holds at its operator, or may hold: an ICCID, or the attempt's
// request ID where the operator keeps books and may have a purchase under it; empty where it
// holds nothing for sure.
func (r *OrderReconciler) mayHold(ctx context.Context, p *pass) (string, error) {
	if held := p.held(); held != "" {
		return string(held), nil
	}
	books, err := r.keepsBooks(ctx, p.provisioning().OperatorRef.Name)
	if err != nil || !books || r.unsent.is(p.provisioning().RequestID) {
		return "", err
	}
	return p.provisioning().RequestID, nil
}

// keepsBooks tells whether an operator keeps purchases under our request IDs: all but those that
// are spoken to over ES2+. One that is gone does not any more.
func (r *OrderReconciler) keepsBooks(ctx context.Context, name string) (bool, error) {
	var operator v1alpha1.EsimOperator
	err := r.Client.Get(ctx, types.NamespacedName{Name: name}, &operator, &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading EsimOperator %s: %w", name, err)
	}
	return operator.Spec.ES2Plus == nil, nil
}

// unsentRequests are the request IDs under which this process knows that nothing was bought,
// because it made them itself and heard of every call. After a restart none is known.
type unsentRequests struct {
	mu    sync.Mutex
	known map[string]struct{}
}

func (u *unsentRequests) is(request string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.known[request]
	return ok
}

func (u *unsentRequests) note(request string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = map[string]struct{}{}
	}
	u.known[request] = struct{}{}
}

func (u *unsentRequests) forget(request string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.known, request)
}

// forgetAll forgets the requests of orders that another process may have sent since.
func (u *unsentRequests) forgetAll(of []v1alpha1.EsimOrder) {
	orders := make(map[string]struct{}, len(of))
	for i := range of {
		orders[orderOfRequest(requestID(of[i].FirstUID(), 1))] = struct{}{}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.known, func(request string, _ struct{}) bool {
		_, is := orders[orderOfRequest(request)]
		return is
	})
}

// orderOfRequest is what the request IDs of all attempts of an order begin with.
func orderOfRequest(request string) string {
	order, _, _ := strings.Cut(request, "-")
	return order
}

// calling has do make a call that may buy. A request under which nothing was sent stays one
// where the answer, or that the call did not leave, proves that nothing was bought.
func (u *unsentRequests) calling(request string, do func(fresh bool) error) error {
	fresh := u.is(request)
	u.forget(request)
	err := do(fresh)
	failed := (*operators.Error)(nil)
	if errors.As(err, &failed) && fresh && failed.Unsent {
		u.note(request)
	}
	return err
}
