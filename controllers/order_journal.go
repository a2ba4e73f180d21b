package controllers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// errForeignSecret: something that is not ours has the name of the order's Secret.
var errForeignSecret = fmt.Errorf("%w: another Secret has its name; remove that one", operators.ErrJournalRefused)

// journal is an attempt's operators.Journal: the order's Secret. It is written before
// ConfirmOrder leaves, so that a process that starts anew finds what was bought.
type journal struct {
	live   client.Reader
	writer client.Client
	// turn waits until the pass may write.
	turn      func(context.Context) (leave func(), err error)
	memory    *unwrittenProfiles
	order     *v1alpha1.EsimOrder
	attempt   int32
	secret    *corev1.Secret // as it stands, whatever attempt it is about; nil where none does
	entry     operators.Profile
	hasEntry  bool
	secretRef types.NamespacedName
}

// openJournal reads the Secret from the API server, never from a cache. The pass that has
// just written the first intent skips that: no Secret can exist.
func (r *OrderReconciler) openJournal(ctx context.Context, p *pass) error {
	p.journal = &journal{
		live: r.Live, writer: r.Writer, memory: &r.unwritten,
		turn:  func(ctx context.Context) (func(), error) { return r.turn(ctx, p) },
		order: p.order, attempt: p.provisioning().Attempt,
		secretRef: types.NamespacedName{Namespace: p.order.Namespace, Name: v1alpha1.ActivationSecretName(p.order.Name)},
	}
	if p.fresh {
		return nil
	}
	return p.journal.read(ctx)
}

// read finds what stands in the Secret. One that an order of the same name left behind, which
// is gone by now, is deleted.
func (j *journal) read(ctx context.Context) error {
	j.secret, j.hasEntry = nil, false
	var secret corev1.Secret
	err := j.live.Get(ctx, j.secretRef, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading the activation Secret: %w", err)
	}
	owner := metav1.GetControllerOf(&secret)
	switch {
	case secret.Type != v1alpha1.ActivationSecretType:
		return errForeignSecret
	case j.order.OwnsSecret(&secret):
	case owner != nil && owner.Kind == "EsimOrder" && owner.Name == j.order.Name:
		return j.removeLeftover(ctx, &secret)
	default:
		return errForeignSecret
	}
	attempt, err := strconv.ParseInt(string(secret.Data[v1alpha1.SecretKeyAttempt]), 10, 32)
	switch {
	case err != nil:
		return errForeignSecret
	case attempt > int64(j.attempt):
		return staleCache(j.order, errLaterAttempt)
	}
	j.secret = &secret
	if attempt < int64(j.attempt) {
		return nil // about an attempt that is over: it will be replaced
	}
	iccid, err := activation.ParseICCID(string(secret.Data[v1alpha1.SecretKeyICCID]))
	if err != nil {
		return errForeignSecret
	}
	j.entry = operators.Profile{
		ICCID:            iccid,
		MatchingID:       activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyMatchingID])),
		SMDPAddress:      string(secret.Data[v1alpha1.SecretKeySMDPAddress]),
		Confirmed:        string(secret.Data[v1alpha1.SecretKeyConfirmed]) == "true",
		ConfirmationCode: activation.NewCredential(string(secret.Data[v1alpha1.SecretKeyConfirmationCode])),
	}
	j.hasEntry = true
	return nil
}

// removeLeftover deletes the Secret of an earlier order of this name. Which of the two orders
// is the earlier one only the API server can tell.
func (j *journal) removeLeftover(ctx context.Context, secret *corev1.Secret) error {
	var now v1alpha1.EsimOrder
	err := j.live.Get(ctx, client.ObjectKeyFromObject(j.order), &now)
	if apierrors.IsNotFound(err) || err == nil && now.UID != j.order.UID {
		return staleCache(j.order, errAnotherOrder)
	}
	if err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	if err := discard(ctx, j.writer, secret); err != nil {
		return fmt.Errorf("removing the activation Secret of an earlier order of this name: %w", err)
	}
	return nil
}

// discard removes a Secret that is ours, and nothing that has taken its place.
func discard(ctx context.Context, writer client.Client, secret *corev1.Secret) error {
	if controllerutil.RemoveFinalizer(secret, v1alpha1.JournalFinalizer) {
		if err := writer.Update(ctx, secret); err != nil {
			return aboutSecret(client.IgnoreNotFound(err), credentialsIn(secret)...)
		}
	}
	if !secret.DeletionTimestamp.IsZero() {
		return nil // somebody else has deleted it, and it was only held
	}
	err := writer.Delete(ctx, secret, client.Preconditions{UID: &secret.UID})
	return aboutSecret(client.IgnoreNotFound(err), credentialsIn(secret)...)
}

// Why what we know of an order is old.
var (
	errLaterAttempt = errors.New("the activation Secret is about a later attempt")
	errAnotherOrder = errors.New("another order has its name by now")
)

// staleCache says, as the API server would, that what we know of the order is old.
func staleCache(order *v1alpha1.EsimOrder, why error) error {
	return apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "esimorders"}, order.Name, why)
}

// written tells whether this attempt's profile stands in the Secret.
func (j *journal) written() bool { return j.hasEntry }

// requestID names the attempt that the journal is about.
func (j *journal) requestID() string { return requestID(j.order.FirstUID(), j.attempt) }

// Profile implements operators.Journal.
func (j *journal) Profile() (operators.Profile, bool) { return j.entry, j.hasEntry }

// Unwritten implements operators.Journal.
func (j *journal) Unwritten() (activation.ICCID, bool) {
	return j.memory.get(client.ObjectKeyFromObject(j.order), j.order.UID, j.attempt)
}

// Obtained implements operators.Journal.
func (j *journal) Obtained(iccid activation.ICCID) {
	j.memory.put(client.ObjectKeyFromObject(j.order), unwrittenProfile{uid: j.order.UID, attempt: j.attempt, iccid: iccid})
}

// Dropped implements operators.Journal.
func (j *journal) Dropped() { j.memory.forget(client.ObjectKeyFromObject(j.order)) }

// Write implements operators.Journal.
func (j *journal) Write(ctx context.Context, profile operators.Profile) (_ operators.Profile, err error) {
	ctx, span := tracing.Start(ctx, spanJournal, tracing.Internal)
	defer func() { span.End(spanClass(err)) }()
	secret, err := activationSecret(j.order, j.attempt, profile)
	if err != nil {
		return operators.Profile{}, err
	}
	err = j.put(ctx, secret)
	held := credentialsIn(secret)
	if j.secret != nil {
		held = append(held, credentialsIn(j.secret)...)
	}
	err = aboutSecret(err, held...)
	switch {
	case err == nil:
		j.secret, j.entry, j.hasEntry = secret, profile, true
	case definitelyRefused(err):
		return operators.Profile{}, fmt.Errorf("%w: %w", operators.ErrJournalRefused, err)
	default:
		// Another worker came first, or the answer was lost: what stands there counts.
		if standing := j.read(ctx); standing != nil {
			return operators.Profile{}, standing
		}
		if !j.hasEntry {
			return operators.Profile{}, fmt.Errorf("writing the activation Secret: %w", err)
		}
	}
	j.Dropped()
	return j.entry, nil
}

// put writes the Secret over the one that stands there, if one does.
func (j *journal) put(ctx context.Context, secret *corev1.Secret) error {
	leave, err := j.turn(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if j.secret == nil {
		return j.writer.Create(ctx, secret)
	}
	secret.UID, secret.ResourceVersion = j.secret.UID, j.secret.ResourceVersion
	return j.writer.Update(ctx, secret)
}

// definitelyRefused: quota, policy, a terminating namespace, a Secret that is no good. The
// write was not done and will not be.
func definitelyRefused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// journalMessage says why the Secret cannot be written, without what differs each time.
func journalMessage(err error) string {
	switch {
	case errors.Is(err, errForeignSecret):
		return errForeignSecret.Error()
	case apierrors.IsForbidden(err):
		return operators.ErrJournalRefused.Error() + ": the API server forbids it (a quota, a policy, missing rights, or the namespace is being deleted)"
	default:
		return operators.ErrJournalRefused.Error()
	}
}

// activationSecret is the order's Secret for a profile.
func activationSecret(order *v1alpha1.EsimOrder, attempt int32, profile operators.Profile) (*corev1.Secret, error) {
	data := map[string][]byte{
		v1alpha1.SecretKeyICCID:      []byte(profile.ICCID),
		v1alpha1.SecretKeyMatchingID: []byte(profile.MatchingID.Reveal()),
		v1alpha1.SecretKeyAttempt:    []byte(strconv.Itoa(int(attempt))),
	}
	switch {
	case profile.SMDPAddress != "":
		lpa, err := codeOf(profile).LPA()
		if err != nil {
			return nil, &operators.Error{
				Class: operators.Misconfigured, ICCID: profile.ICCID, Err: err,
				Message: "SM-DP+ address and matching ID do not make a valid activation code",
			}
		}
		data[v1alpha1.SecretKeySMDPAddress] = []byte(profile.SMDPAddress)
		data[v1alpha1.SecretKeyActivationCode] = []byte(lpa.Reveal())
	case profile.Confirmed:
		data[v1alpha1.SecretKeyConfirmed] = []byte("true")
	}
	if !profile.ConfirmationCode.Empty() {
		data[v1alpha1.SecretKeyConfirmationCode] = []byte(profile.ConfirmationCode.Reveal())
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: order.Namespace,
			Name:      v1alpha1.ActivationSecretName(order.Name),
			// An owner reference does not outlive a restore from a backup.
			Annotations: map[string]string{v1alpha1.WrittenForAnnotation: string(order.FirstUID())},
			// The garbage collector must not take it from an order that is deleted in the foreground.
			Finalizers: []string{v1alpha1.JournalFinalizer},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "EsimOrder", Name: order.Name, UID: order.UID,
				Controller: ptr.To(true),
			}},
		},
		Type: v1alpha1.ActivationSecretType,
		Data: data,
	}, nil
}

func codeOf(profile operators.Profile) activation.Code {
	return activation.Code{
		SMDPAddress:              profile.SMDPAddress,
		MatchingID:               profile.MatchingID,
		ConfirmationCodeRequired: !profile.ConfirmationCode.Empty(),
	}
}

// unwrittenProfiles are those that an operator answered and that could not be journaled yet:
// the next pass of this process writes them instead of obtaining more.
type unwrittenProfiles struct {
	mu      sync.Mutex
	byOrder map[types.NamespacedName]unwrittenProfile
}

type unwrittenProfile struct {
	uid     types.UID
	attempt int32
	iccid   activation.ICCID
}

func (u *unwrittenProfiles) put(order types.NamespacedName, profile unwrittenProfile) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byOrder == nil {
		u.byOrder = map[types.NamespacedName]unwrittenProfile{}
	}
	u.byOrder[order] = profile
}

func (u *unwrittenProfiles) get(order types.NamespacedName, uid types.UID, attempt int32) (activation.ICCID, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	profile, ok := u.byOrder[order]
	return profile.iccid, ok && profile.uid == uid && profile.attempt == attempt
}

func (u *unwrittenProfiles) forget(order types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.byOrder, order)
}
