package ledger

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// references are the clientReferences of a client, each with the order that has it.
type references map[string]referenceHolder

type referenceHolder struct {
	uid  types.UID
	name string
	// promised: this process gave the order the reference, and the order goes on by that.
	promised bool
	accepted bool
	created  int64
}

func holderOf(order *v1alpha1.EsimOrder) referenceHolder {
	return referenceHolder{
		uid: order.UID, name: order.Name,
		accepted: order.Status.Plan != nil, created: order.CreationTimestamp.Unix(),
	}
}

// before tells who of two orders has the reference: one that has this process' word, else one
// that was accepted, else the one that was created first; of two that were created in one
// second, the one whose UID sorts first.
func (h referenceHolder) before(other referenceHolder) bool {
	switch {
	case h.promised != other.promised:
		return h.promised
	case h.accepted != other.accepted:
		return h.accepted
	case h.created != other.created:
		return h.created < other.created
	default:
		return h.uid < other.uid
	}
}

// list takes in an order that was read, and whether it has this process' word.
func (r references) list(order *v1alpha1.EsimOrder, promised bool) {
	if order.Spec.ClientReference == "" || isDuplicate(order) {
		return
	}
	holder := holderOf(order)
	holder.promised = promised
	if known, taken := r[order.Spec.ClientReference]; !taken || holder.before(known) {
		r[order.Spec.ClientReference] = holder
	}
}

// promised tells whether this process gave the order its reference.
func (r references) promised(order *v1alpha1.EsimOrder) bool {
	holder := r[order.Spec.ClientReference]
	return holder.uid == order.UID && holder.promised
}

// isDuplicate tells whether an order has failed for its clientReference: it keeps nobody else
// from it.
func isDuplicate(order *v1alpha1.EsimOrder) bool {
	return order.Status.Failure != nil && order.Status.Failure.Code == v1alpha1.FailureDuplicateReference
}

func (r references) release(order *v1alpha1.EsimOrder) {
	if r[order.Spec.ClientReference].uid == order.UID {
		delete(r, order.Spec.ClientReference)
	}
}

func (r references) empty() bool { return len(r) == 0 }

// claim gives the reference to the order, or returns the name of the order that has it.
func (b *book) claim(order *v1alpha1.EsimOrder) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, taken := b.references[order.Spec.ClientReference]; taken && known.uid != order.UID {
		if b.onHearsay() {
			return "", errStartOver
		}
		return known.name, nil
	}
	holder := holderOf(order)
	holder.promised = true
	b.references[order.Spec.ClientReference] = holder
	return "", nil
}
