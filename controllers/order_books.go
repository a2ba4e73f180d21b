package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

// reasonConnectedElsewhere: the order was sent to another wholesaler or account than its
// EsimOperator is connected to now. Until a person mends that, or tells, nobody knows what was
// bought.
const reasonConnectedElsewhere = "ConnectedElsewhere"

// booksOf names a driver's books as an order's status does: hashed, for addresses and accounts
// are nothing for clients. Empty for a driver that keeps none, and for no driver.
func booksOf(driver operators.Driver) string {
	keeper, ok := driver.(operators.Bookkeeper)
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(keeper.Books()))
	return hex.EncodeToString(sum[:8])
}

// openBooks makes sure, before an attempt is bought or looked up, that it is so where it was sent.
// What was never sent goes where its operator is connected now, which is written first; as a rule
// the intent has said it already.
func (r *OrderReconciler) openBooks(ctx context.Context, p *pass) (*decision, error) {
	provisioning, here := p.provisioning(), booksOf(p.slot.Driver)
	if provisioning.Books == here {
		return nil, nil
	}
	if provisioning.Books != "" && !r.unsent.is(provisioning.RequestID) {
		return r.otherBooks(p), nil
	}
	provisioning.Books = here
	if err := r.record(ctx, p); err != nil {
		return nil, fmt.Errorf("recording where the order is sent: %w", err)
	}
	return nil, nil
}

// otherBooks has an order wait while its operator's books are others than those that it was sent
// to; nil where they are not. What those others do not know proves nothing.
func (r *OrderReconciler) otherBooks(p *pass) *decision {
	provisioning := p.provisioning()
	if provisioning.Books == "" || provisioning.Books == booksOf(p.slot.Driver) {
		return nil
	}
	// Whoever puts the connection back has the driver made anew, and the order woken.
	key := client.ObjectKeyFromObject(p.order)
	r.Connections.For(provisioning.OperatorRef.Name).AwaitReconnect(key)
	provisioning.NextAttemptTime = nil
	d := &decision{
		reason: reasonConnectedElsewhere, condition: v1alpha1.ConditionOutcomeUnknown, after: r.Pace.Misconfigured.Max.Duration,
		message: fmt.Sprintf("the order was sent to another url or account than EsimOperator %s has now, and its books are not asked; put url and account back",
			provisioning.OperatorRef.Name),
	}
	if p.order.Status.Phase == v1alpha1.PhaseDelivered && provisioning.Closing == "" {
		d.condition = v1alpha1.ConditionCancelling // it is known what was bought
		return d
	}
	d.message += fmt.Sprintf(", or ask the operator about request %s, and annotate the order with %s=%s or, if the customer has it, %s",
		provisioning.RequestID, v1alpha1.ResolveAnnotation, v1alpha1.ResolveNotBought, v1alpha1.ResolveDelivered)
	if !waitsForPerson(p.order) {
		d.event = &orderEvent{eventWarning, reasonConnectedElsewhere, "LookUp", d.message}
	}
	return d
}
