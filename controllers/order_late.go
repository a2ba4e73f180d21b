package controllers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
)

// reign is what a process knows of the time since it began to lead. Whoever led before may have
// been cut off while it waited for an operator's answer: that may come, and be written down, when
// the order has long been filled, or has ended, under us.
type reign struct {
	mu    sync.Mutex
	began time.Time
	// ours are the orders that this process intended, and others those that it found unfinished.
	ours, others map[types.UID]struct{}
}

// longestOverlap is longer than any overlap.
const longestOverlap = 10 * time.Minute

// begin notes when the first order came.
func (r *reign) begin(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = now
	}
}

// beginAnew is for a process that takes over what another worked on.
func (r *reign) beginAnew(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began, r.ours, r.others = now, nil, nil
}

// intended notes an order that this process is the first to buy.
func (r *reign) intended(order types.UID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young(now) {
		enrol(&r.ours, order)
	}
}

// found notes an unfinished order, which somebody else may be buying.
func (r *reign) found(order types.UID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ours := r.ours[order]; !ours && r.young(now) {
		enrol(&r.others, order)
	}
}

// young tells whether anything of a former leader can come yet, and forgets all where not.
func (r *reign) young(now time.Time) bool {
	if now.Sub(r.began) > longestOverlap {
		r.ours, r.others = nil, nil
		return false
	}
	return true
}

func enrol(orders *map[types.UID]struct{}, order types.UID) {
	if *orders == nil {
		*orders = map[types.UID]struct{}{}
	}
	(*orders)[order] = struct{}{}
}

// overlap is for how much longer something that a former leader asked for an order may be written
// down, where that can be so long after this process began to lead.
func (r *reign) overlap(order types.UID, long time.Duration, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, others := r.others[order]; !others {
		return 0
	}
	age := now.Sub(r.began)
	if age < 0 { // the clock was set back
		r.began, age = now, 0
	}
	return max(long-age, 0)
}

// find notes an order that this process did not finish itself: an attempt of somebody else goes on,
// or one is watched for.
func (r *OrderReconciler) find(order *v1alpha1.EsimOrder, now time.Time) {
	p := order.Status.Provisioning
	if p != nil && (!order.Terminal() || p.Closing == p.RequestID) {
		r.reign.found(order.UID, now)
	}
}

// mayComeLate is for how much longer a former leader's answer about an order may be written down.
func (r *OrderReconciler) mayComeLate(ctx context.Context, p *pass) (time.Duration, error) {
	provisioning := p.provisioning()
	if r.Overlap == nil || provisioning == nil {
		return 0, nil
	}
	var operator v1alpha1.EsimOperator
	err := r.Client.Get(ctx, types.NamespacedName{Name: provisioning.OperatorRef.Name}, &operator)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("reading EsimOperator %s: %w", provisioning.OperatorRef.Name, err)
	}
	return r.reign.overlap(p.order.UID, r.Overlap(&operator), p.now), nil
}

// watchForLate has an order that ends without an eSIM, and of which nothing is held, looked at once
// more when no late answer can come any more. Until then its request stays named as closing.
func (r *OrderReconciler) watchForLate(ctx context.Context, p *pass) error {
	provisioning := p.provisioning()
	if provisioning == nil || provisioning.Closing != "" {
		return nil
	}
	late, err := r.mayComeLate(ctx, p)
	if late > 0 {
		provisioning.Closing = provisioning.RequestID
	}
	return err
}

// strayIn is the profile that a Secret about an order's attempt names where it is not the one that
// was delivered, or given back. Only a former leader's late answer can have left that. Whoever keeps
// books has one purchase under a request, whoever asks for it: of that one all is known.
func strayIn(secret *corev1.Secret, order *v1alpha1.EsimOrder) (activation.ICCID, bool) {
	provisioning := order.Status.Provisioning
	iccid := string(secret.Data[v1alpha1.SecretKeyICCID])
	attempt := string(secret.Data[v1alpha1.SecretKeyAttempt])
	switch {
	case iccid == "", provisioning == nil, provisioning.Books != "", iccid == provisioning.Closing,
		attempt != strconv.Itoa(int(provisioning.Attempt)),
		order.Status.Esim != nil && order.Status.Esim.ICCID == iccid:
		return "", false
	}
	return activation.ICCID(iccid), true
}

// returnStray gives back a profile that a former leader bought for an order that did not wait for
// it. It decides only where that has to wait: whoever comes next finds the Secret as it was.
func (r *OrderReconciler) returnStray(ctx context.Context, p *pass, secret *corev1.Secret) (*decision, error) {
	stray, is := strayIn(secret, p.order)
	if !is {
		return nil, nil
	}
	p.ending = true
	p.source = currentSource(p.provisioning())
	operator := p.source.OperatorRef.Name
	if gone, err := r.operatorGone(ctx, operator); err != nil {
		return nil, err
	} else if gone {
		r.strand(p, stray)
		return nil, nil
	}
	if p.slot == nil {
		if decided, err := r.enter(ctx, p); decided != nil || err != nil {
			return &decision{silent: true, after: r.Pace.Waiting.Duration}, err
		}
	}
	p.called = true
	calling, span := atOperator(ctx, p, spanGiveBack)
	err := p.slot.Driver.GiveBack(calling, operators.Held{
		RequestID: p.provisioning().RequestID, Since: p.provisioning().StartTime.Time, ICCID: stray,
		MatchingID: activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyMatchingID])),
	})
	span.End(spanClass(err))
	var failed *operators.Error
	switch {
	case errors.Is(err, leader.ErrNotLeading):
		return nil, err
	case err == nil, errors.Is(err, operators.ErrUnknownProfile):
		return nil, nil
	case errors.Is(err, operators.ErrInstalled), errors.Is(err, operators.ErrNotReturnable), errors.Is(err, operators.ErrNotOurs):
		r.strand(p, stray)
		return nil, nil
	case errors.As(err, &failed):
		ctrl.LoggerFrom(ctx).Info("A profile that came late is not given back yet", "iccid", stray, "class", failed.Class, "error", failed.Error())
		return &decision{silent: true, after: r.Pace.retryDelay(failed, triesBeforeEvent, false, r.Jitter())}, nil
	default:
		return nil, err
	}
}

// strand tells of a profile that nobody has and nobody takes back.
func (r *OrderReconciler) strand(p *pass, profile activation.ICCID) {
	operator := p.source.OperatorRef.Name
	r.countStranded(operator, 1)
	r.Recorder.Eventf(p.order, nil, eventWarning, "StrandedProfile", "GiveBack",
		"Profile %s was bought twice for this order, by a manager that had lost its lease meanwhile, and EsimOperator %s does not take it back; ask the operator",
		profile, operator)
}
