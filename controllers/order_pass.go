package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

// pass is one run of the pipeline over one order.
type pass struct {
	// order is worked on; its status is what will be written.
	order *v1alpha1.EsimOrder
	// written is the status as it stands in etcd, as far as this pass knows.
	written v1alpha1.EsimOrderStatus
	// generation of the spec that the pass decides from.
	generation int64
	// now is when the pass began.
	now time.Time

	// source is where the order is bought, once accept or an earlier pass chose it.
	source v1alpha1.VariantSource
	// slot is the right to call the operator.
	slot *connections.Slot
	// called tells that the operator was called: if what came of it cannot be recorded, the next
	// pass must not follow at once.
	called bool
	// fresh is true only in the very pass whose intent write for attempt 1 was answered:
	// then no journal can exist yet, and none is read.
	fresh bool
	// journal is what stands in the order's Secret.
	journal *journal
	// profile is what the operator made ready.
	profile operators.Profile
	// inDoubt tells that the operator keeps books, that the attempt may have bought something, and
	// that the books have not told yet.
	inDoubt bool
	// ended is the request ID of the attempt that this pass ends.
	ended string
	// ending tells that the order ends once what it holds is given back.
	ending bool
	// inTurn tells that it is the pass' turn to write.
	inTurn bool
	// accepted, where set, tells the order's trace of what accept did.
	accepted func(class string)
	// leaveFence ends what began with the fence's Enter.
	leaveFence func()
}

func newPass(order *v1alpha1.EsimOrder, now time.Time) *pass {
	order = order.DeepCopy()
	return &pass{
		order: order, written: *order.Status.DeepCopy(), generation: order.Generation, now: now, inDoubt: recordedDoubt(order),
	}
}

// leave gives back what the pass holds of what others wait for.
func (p *pass) leave() {
	if p.leaveFence != nil {
		p.leaveFence()
	}
	if p.slot != nil {
		p.slot.Leave()
	}
}

// provisioning is the order's provisioning status; nil before the intent.
func (p *pass) provisioning() *v1alpha1.OrderProvisioning { return p.order.Status.Provisioning }

// time is the pass' time as status fields hold it.
func (p *pass) time() metav1.Time { return metav1.NewTime(p.now) }

// decision is what a step decided about the order. conclude turns it into status,
// conditions, an event and a requeue.
type decision struct {
	// phase that the order has from now on; empty leaves it as it was.
	phase v1alpha1.OrderPhase
	// failure, where phase is FAILED.
	failure *v1alpha1.OrderFailure
	// refund is the reason of the refund, where phase is FAILED or CANCELLED.
	refund string

	// reason and message of the Ready condition while the order is PENDING.
	reason, message string
	// condition that is True for as long as this decision holds, beside the usual ones.
	condition string
	// kept leaves phase and conditions as the pass has set them: the order has ended, and lives on.
	kept bool
	// events that webhooks tell of, beside those of phase and refund.
	events []string

	// after is how long the order waits for its next pass.
	after time.Duration
	// silent leaves the status as it is: nothing worth a write has happened.
	silent bool
	// event is set where somebody should hear of it.
	event *orderEvent
}

// orderEvent is what an event says of an order.
type orderEvent struct {
	kind, reason, action, note string
}
