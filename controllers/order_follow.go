package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// follow takes an order that has ended through what comes after: a delivered profile onto its
// device and to its plan's end; receipts that are asked for late; events that are asked for again.
func (r *OrderReconciler) follow(ctx context.Context, p *pass) (*decision, error) {
	var made changes
	var left error
	d := &decision{kept: true}
	if p.order.Status.Phase == v1alpha1.PhaseDelivered && p.order.Status.Esim != nil && p.order.Status.Activation != nil {
		made = p.applyReports()
		asked, wait := r.track(ctx, p)
		made.join(asked)
		made.add(p.expire())
		d.after = soonest(wait, r.nextLook(p))
		if left = r.removeCode(ctx, p); left != nil {
			d.after = removeCodeAgain // but what is known of the profile is recorded first
		}
	} else {
		d.event = p.refuseReports()
	}
	r.tell(ctx, p, made.events...)
	r.tellAgain(ctx, p)
	r.sendLateReceipt(p)
	if equality.Semantic.DeepEqual(p.order.Status, p.written) && p.written.ObservedGeneration == p.generation {
		if left != nil {
			return nil, left
		}
		d.silent = true
		r.looks.written(p.order)
		return d, nil
	}
	if made.deleted {
		d.event = &orderEvent{eventWarning, v1alpha1.ConditionDeletedFromDevice, "Follow", adviceDeleted}
	} else if made.failed {
		d.event = &orderEvent{eventWarning, v1alpha1.ConditionDownloadFailed, "Follow", adviceDownloadFailed}
	}
	return d, nil
}

// refuseReports takes reports off an order that has no eSIM. A profile that was given back and
// comes onto a device all the same is the operator's mistake; somebody should hear of it.
func (p *pass) refuseReports() *orderEvent {
	if len(p.order.Status.Reports) == 0 {
		return nil
	}
	p.order.Status.Reports = nil
	return &orderEvent{
		eventWarning, "ReportedAfterEnd", "Follow",
		"The operator reports the profile on a device although this order ended without it; ask the operator",
	}
}

const messageInstalled = "The profile is on its device; its activation code is removed"

// removeCodeAgain is after how long a code is removed that could not be removed at once; then as
// after any error of our own API server.
const removeCodeAgain = time.Second

// removeCode takes the activation code of a profile that is on its device out of the Secret: it
// is of no use to its owner any more, and of use to a thief.
func (r *OrderReconciler) removeCode(ctx context.Context, p *pass) error {
	life := p.order.Status.Activation
	if !life.Installed || life.CodeRemoved {
		return nil
	}
	var secret corev1.Secret
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: p.order.Namespace, Name: p.order.Status.Esim.SecretRef.Name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("reading the activation Secret: %w", err)
	}
	if secret.Type == v1alpha1.ActivationSecretType && p.order.OwnsSecret(&secret) {
		held := credentialsIn(&secret)
		for _, key := range []string{
			v1alpha1.SecretKeyActivationCode, v1alpha1.SecretKeyMatchingID, v1alpha1.SecretKeyConfirmationCode,
		} {
			delete(secret.Data, key)
		}
		if err := r.Writer.Update(ctx, &secret); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing the activation code from the Secret: %w", aboutSecret(err, held...))
		}
	}
	life.CodeRemoved = true
	p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, reasonDelivered, messageInstalled)
	return nil
}

// track asks the operator what became of the profile, if somebody wants to know or if it is
// time to look. Where the operator cannot be asked that costs nothing. An answer that does not
// come leaves what is known. wait is when a request that came too early is due.
func (r *OrderReconciler) track(ctx context.Context, p *pass) (made changes, wait time.Duration) {
	life, key := p.order.Status.Activation, client.ObjectKeyFromObject(p.order)
	if !trackable(p.order) {
		r.looks.forget(key)
		return made, 0
	}
	if last := r.looks.unwritten(p.order); last != nil {
		made = p.applyAnswer(last)
	}
	wanted := refreshWanted(p.order)
	if r.looks.answered(p.order, wanted) {
		wanted = ""
	}
	if wanted != "" && life.RefreshedTime != nil {
		if wait = life.RefreshedTime.Add(life.RefreshInterval.Duration).Sub(p.now); wait > 0 {
			wanted = ""
		}
	}
	if wanted == "" && !r.looks.due(p.order, p.now) {
		return made, wait
	}
	connection := r.Connections.For(p.order.Status.Provisioning.OperatorRef.Name)
	slot, err := connection.Enter(key, wanted == "")
	if unavailable := (*connections.Unavailable)(nil); errors.As(err, &unavailable) {
		return made, wait // whoever asked is woken when the operator can be; a look can be left out
	}
	p.slot = slot
	tracker, ok := slot.Driver.(operators.Tracker)
	if !ok {
		return made, 0
	}
	if wanted == "" {
		ctx = tracing.Without(ctx) // looks that nobody asked for go on for as long as the plan lasts
	}
	ctx, span := atOperator(ctx, p, spanRefresh)
	told, err := tracker.Track(ctx, operators.Tracked{
		RequestID: p.order.Status.Provisioning.RequestID, ICCID: activation.ICCID(p.order.Status.Esim.ICCID),
	})
	span.End(spanClass(err))
	if err != nil {
		r.looks.looked(p.order, p.now, wanted, nil)
		ctrl.LoggerFrom(ctx).V(1).Info("The operator did not tell what became of the profile", "cause", err.Error())
		return made, wait
	}
	came := &answer{told, p.now, wanted}
	r.looks.looked(p.order, p.now, wanted, came)
	made.join(p.applyAnswer(came))
	return made, wait
}

// applyAnswer works an operator's answer into the order's life, and dates it where somebody had
// asked for it. To do so twice is to do so once.
func (p *pass) applyAnswer(a *answer) changes {
	if life := p.order.Status.Activation; a.request != "" {
		life.RefreshedTime, life.Refreshed = rounded(a.at), a.request
	}
	return p.applyLife(a.life)
}

// trackable tells whether there is something that the operator can be asked about an order.
func trackable(order *v1alpha1.EsimOrder) bool {
	life := order.Status.Activation
	return life != nil && life.RefreshInterval != nil && order.Status.Esim != nil && order.Status.Provisioning != nil &&
		life.Status != v1alpha1.ActivationExpired && (!life.Installed || !life.Used) && order.Status.Phase == v1alpha1.PhaseDelivered
}

// refreshWanted is the value of a request to ask the operator that was not acted on; empty where
// there is none, or where it is known already that the profile is installed.
func refreshWanted(order *v1alpha1.EsimOrder) string {
	wanted := annotationValue(order, v1alpha1.RefreshAnnotation)
	if wanted == order.Status.Activation.Refreshed || order.Status.Activation.Installed {
		return ""
	}
	return wanted
}

// annotationValue is an annotation as a status remembers it: its first 64 characters, of those
// that it may hold.
func annotationValue(order *v1alpha1.EsimOrder, annotation string) string {
	return firstCharacters(order.Annotations[annotation])
}

func firstCharacters(text string) string {
	const most = 64
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

// nextLook is how long the order waits for its plan's end, or for the next look at the operator;
// 0 where it waits for nothing.
func (r *OrderReconciler) nextLook(p *pass) time.Duration {
	var wait time.Duration
	if life := p.order.Status.Activation; life.Status == v1alpha1.ActivationActive && life.ExpiryTime != nil {
		wait = life.ExpiryTime.Sub(p.now)
	}
	if trackable(p.order) {
		if next, ok := nextPoll(deliveredTime(p.order), p.order.UID, p.now); ok {
			wait = soonest(wait, next.Sub(p.now))
		}
	}
	return wait
}

// soonest of two waits; 0 is none.
func soonest(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return max(b, 0)
	}
	return a
}
