package v1alpha1

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The API server gives an object that is restored from a backup another UID. What an order has
// bought, and what it paid from which wallet, is known by the UIDs that both had first, and
// these outlive a restore in their status, which nobody but the manager and who restores a
// cluster may write.

// FirstUID is the UID that the order had when its first attempt was intended, by which its
// operator, its Secret and its wallet know it. It is metadata.uid, but for an order that was
// restored from a backup with its status.
func (o *EsimOrder) FirstUID() types.UID {
	if o.Status.Provisioning == nil {
		return o.UID
	}
	first, ok := uidOfRequest(o.Status.Provisioning.RequestID)
	if !ok {
		return o.UID
	}
	return first
}

// FirstUID is the UID that the wallet had when its status was first written, by which charges
// know it. It is metadata.uid, but for a wallet that was restored from a backup with its
// status.
func (w *EsimWallet) FirstUID() types.UID {
	if w.Status.FirstUID != "" {
		return w.Status.FirstUID
	}
	return w.UID
}

// requestUIDLength is that of a UID without its dashes.
const requestUIDLength = 32

// uidOfRequest is the UID that a request ID was made of: its digits, and after a dash the
// number of the attempt.
func uidOfRequest(requestID string) (types.UID, bool) {
	digits, _, ok := strings.Cut(requestID, "-")
	if !ok || len(digits) != requestUIDLength {
		return "", false
	}
	return types.UID(digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]), true
}

// OwnsSecret tells whether a Secret of ActivationSecretType is this order's own, and not one
// that an order of the same name left behind. Its owner has the order's UID, or the one that
// the order had before it was restored. One that was restored without an owner, as backups do
// not keep owners, says itself for which order it was written.
func (o *EsimOrder) OwnsSecret(secret metav1.Object) bool {
	owners := secret.GetOwnerReferences()
	if len(owners) == 0 {
		writtenFor := types.UID(secret.GetAnnotations()[WrittenForAnnotation])
		return writtenFor != "" && writtenFor == o.FirstUID()
	}
	return slices.ContainsFunc(owners, func(owner metav1.OwnerReference) bool {
		return owner.UID == o.UID || owner.UID == o.FirstUID()
	})
}
