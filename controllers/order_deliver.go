package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
)

// deliver brings the Secret up to what the operator answered, then the order to DELIVERED.
func (r *OrderReconciler) deliver(ctx context.Context, p *pass) (*decision, error) {
	operator, err := r.operator(ctx, p.provisioning().OperatorRef.Name)
	if err != nil {
		return nil, err
	}
	if operator.Spec.ES2Plus != nil { // a wholesaler's books tell each profile's own
		if err := r.addresses.learn(ctx, r, operator, p.profile.SMDPAddress); err != nil {
			return nil, err
		}
	}
	if entry, _ := p.journal.Profile(); !sameProfile(entry, p.profile) {
		standing, err := p.journal.Write(ctx, p.profile)
		if errors.Is(err, operators.ErrJournalRefused) {
			p.provisioning().ICCID = string(p.profile.ICCID)
			return r.journalUnusable(p, err)
		}
		if failed := (*operators.Error)(nil); errors.As(err, &failed) {
			return r.notProvisioned(ctx, p, failed)
		}
		if err != nil {
			return nil, err
		}
		if !sameProfile(standing, p.profile) {
			return nil, staleCache(p.order, errLaterAttempt)
		}
	}
	d := delivered(p)
	if _, ok := p.slot.Driver.(operators.Tracker); ok {
		p.order.Status.Activation.RefreshInterval = &metav1.Duration{Duration: operator.RefreshInterval()}
	}
	return d, nil
}

// deliverInstalled is for an order that turned out, when it was to be given back, to be on
// its customer's device: delivered it is.
func (r *OrderReconciler) deliverInstalled(_ context.Context, p *pass) (*decision, error) {
	d := delivered(p)
	d.events = p.installed(p.time())
	if p.order.Spec.Cancel {
		d.condition, d.reason, d.message = v1alpha1.ConditionCancelRefused, reasonTooLate, messageTooLate
	}
	return d, nil
}

// deliverTold is for an order of which a person found out that its profile is on its
// customer's device. Its code may be lost; it is of no use any more.
func (r *OrderReconciler) deliverTold(ctx context.Context, p *pass) (*decision, error) {
	entry, _ := p.journal.Profile()
	provisioning := p.provisioning()
	held := activation.ICCID(cmp.Or(provisioning.Closing, provisioning.ICCID))
	if provisioning.Closing == provisioning.RequestID {
		held = activation.ICCID(provisioning.ICCID) // what is given back has no ICCID that is known
	}
	if held != "" && entry.ICCID != held {
		entry = operators.Profile{ICCID: held}
	}
	p.profile = entry
	return r.deliverInstalled(ctx, p)
}

func delivered(p *pass) *decision {
	p.order.Status.Esim = &v1alpha1.OrderEsim{
		ICCID:          string(p.profile.ICCID),
		ActivationCode: codeOf(p.profile).Masked(),
		SecretRef:      v1alpha1.SecretReference{Name: v1alpha1.ActivationSecretName(p.order.Name)},
	}
	p.order.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled}
	provisioning := p.provisioning()
	provisioning.ICCID, provisioning.Closing = "", ""
	provisioning.NextAttemptTime, provisioning.LastError = nil, nil
	return &decision{phase: v1alpha1.PhaseDelivered}
}

func sameProfile(a, b operators.Profile) bool {
	return a.ICCID == b.ICCID && a.SMDPAddress == b.SMDPAddress &&
		a.MatchingID.Equal(b.MatchingID) && a.ConfirmationCode.Equal(b.ConfirmationCode)
}

// operator is the EsimOperator as the cache has it.
func (r *OrderReconciler) operator(ctx context.Context, name string) (*v1alpha1.EsimOperator, error) {
	var operator v1alpha1.EsimOperator
	if err := r.Client.Get(ctx, types.NamespacedName{Name: name}, &operator); err != nil {
		return nil, fmt.Errorf("reading EsimOperator %s: %w", name, err)
	}
	return &operator, nil
}

// learnedAddresses are the SM-DP+ addresses that operators answered, as this process knows
// them: ahead of the cache, and written once for all orders that learn one together.
type learnedAddresses struct {
	mu         sync.Mutex
	byOperator map[types.UID]learnedAddress
	// writing is held, per operator, by whoever writes its address: one that is slow to write
	// delays no other.
	writing map[types.UID]*sync.Mutex
}

// learnedAddress counts under one generation of the EsimOperator's spec only: another one may
// name another SM-DP+.
type learnedAddress struct {
	address    string
	generation int64
}

// of is the address that the operator answered last; empty where it answered none yet under
// the generation of its spec.
func (l *learnedAddresses) of(operator *v1alpha1.EsimOperator) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.byOperator[operator.UID].generation == operator.Generation:
		return l.byOperator[operator.UID].address
	case operator.Status.SMDPAddressGeneration == operator.Generation:
		return operator.Status.SMDPAddress
	default:
		return ""
	}
}

// configuredAddress is what activation codes name where the operator answers no address.
func configuredAddress(operator *v1alpha1.EsimOperator) string {
	if operator.Spec.ES2Plus == nil {
		return ""
	}
	return operator.Spec.ES2Plus.SMDPAddress
}

// learn writes a new address into the EsimOperator's status, before any order is delivered
// with it: the next process will need it when it finds an answer lost.
func (l *learnedAddresses) learn(ctx context.Context, r *OrderReconciler, operator *v1alpha1.EsimOperator, address string) error {
	learned := learnedAddress{address, operator.Generation}
	if address == "" || address == l.of(operator) {
		return nil
	}
	if l.of(operator) == "" && address == configuredAddress(operator) {
		return nil // it would be used anyway
	}
	writing := l.writer(operator.UID)
	writing.Lock()
	defer writing.Unlock()
	if l.has(operator.UID, learned) {
		return nil
	}
	now := operator.DeepCopy()
	for {
		now.Status.SMDPAddress, now.Status.SMDPAddressGeneration = learned.address, learned.generation
		err := r.Writer.Status().Update(ctx, now)
		if err == nil {
			break
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("recording the SM-DP+ address of EsimOperator %s: %w", operator.Name, err)
		}
		if err := r.Live.Get(ctx, types.NamespacedName{Name: operator.Name}, now); err != nil {
			return fmt.Errorf("reading EsimOperator %s to record its SM-DP+ address: %w", operator.Name, err)
		}
		if now.UID != operator.UID || now.Generation != operator.Generation {
			return nil // another connection by now: what the one before it answered does not count
		}
	}
	l.remember(operator.UID, learned)
	return nil
}

func (l *learnedAddresses) writer(operator types.UID) *sync.Mutex {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing == nil {
		l.writing = map[types.UID]*sync.Mutex{}
	}
	if l.writing[operator] == nil {
		l.writing[operator] = &sync.Mutex{}
	}
	return l.writing[operator]
}

func (l *learnedAddresses) has(operator types.UID, address learnedAddress) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byOperator[operator] == address
}

func (l *learnedAddresses) remember(operator types.UID, address learnedAddress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byOperator == nil {
		l.byOperator = map[types.UID]learnedAddress{}
	}
	l.byOperator[operator] = address
}
