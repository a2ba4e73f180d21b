package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/vendorhooks"
)

// VendorHints has orders asked about that wholesalers hint at. Whichever replica gets a hint
// writes the refresh annotation; the leader's order controller acts on it.
type VendorHints struct {
	// Client reads from the cache.
	Client client.Client
	// Live asks the API server.
	Live client.Reader
	// Writer writes with a short deadline.
	Writer client.Client
	// Clock tells the time.
	Clock clock.PassiveClock
}

const (
	// hintTries is how many writes of others in a row a hint comes after.
	hintTries = 8
	// hintPause is for how long a hint covers those that follow it about the same order.
	hintPause = time.Second
	// clocksApart is how far ahead another replica's clock may be.
	clocksApart = 5 * time.Second
)

// Hint implements vendorhooks.Hints.
func (h *VendorHints) Hint(ctx context.Context, operator string, about vendorhooks.About) (vendorhooks.Fate, error) {
	order, err := h.find(ctx, operator, about)
	if err != nil {
		return 0, err
	}
	for range hintTries {
		if order == nil || operatorOf(order) != operator {
			return vendorhooks.UnknownOrder, nil
		}
		now := h.Clock.Now()
		if fate := judgeHint(order, now); fate != vendorhooks.Stored {
			return fate, nil
		}
		err = h.annotate(ctx, order, now)
		if err == nil {
			return vendorhooks.Stored, nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return 0, err
		}
		if order, err = h.now(ctx, order); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("asking for a refresh of EsimOrder %s: others wrote it %d times meanwhile", client.ObjectKeyFromObject(order), hintTries)
}

// find is the order of an operator that a hint is about; the newest, where there are several:
// wholesalers sell an ICCID again once it is free. nil where there is none.
func (h *VendorHints) find(ctx context.Context, operator string, about vendorhooks.About) (*v1alpha1.EsimOrder, error) {
	for _, by := range []struct{ index, value string }{{indexRequestID, about.RequestID}, {indexICCID, string(about.ICCID)}} {
		if by.value == "" {
			continue
		}
		var found v1alpha1.EsimOrderList
		if err := h.Client.List(ctx, &found, client.MatchingFields{by.index: by.value}); err != nil {
			return nil, fmt.Errorf("looking for the order that a webhook is about: %w", err)
		}
		own := slices.DeleteFunc(found.Items, func(o v1alpha1.EsimOrder) bool { return operatorOf(&o) != operator })
		if len(own) > 0 {
			return new(slices.MaxFunc(own, func(a, b v1alpha1.EsimOrder) int {
				return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
			})), nil
		}
	}
	return nil, nil
}

// now is the same order as the API server has it; nil where it is gone.
func (h *VendorHints) now(ctx context.Context, order *v1alpha1.EsimOrder) (*v1alpha1.EsimOrder, error) {
	var now v1alpha1.EsimOrder
	if err := h.Live.Get(ctx, client.ObjectKeyFromObject(order), &now); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading EsimOrder %s: %w", client.ObjectKeyFromObject(order), err)
	}
	if now.UID != order.UID {
		return nil, nil
	}
	return &now, nil
}

// annotate asks for a refresh of this version of an order.
func (h *VendorHints) annotate(ctx context.Context, order *v1alpha1.EsimOrder, now time.Time) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": order.UID, "resourceVersion": order.ResourceVersion,
		"annotations": map[string]string{v1alpha1.RefreshAnnotation: now.UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return fmt.Errorf("asking for a refresh of EsimOrder %s: %w", client.ObjectKeyFromObject(order), err)
	}
	asked := &v1alpha1.EsimOrder{}
	asked.Namespace, asked.Name = order.Namespace, order.Name
	if err := h.Writer.Patch(ctx, asked, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("asking for a refresh of EsimOrder %s: %w", client.ObjectKeyFromObject(order), err)
	}
	return nil
}

// judgeHint tells what is to become of a hint that arrives now: Stored where it must be.
func judgeHint(order *v1alpha1.EsimOrder, now time.Time) vendorhooks.Fate {
	provisioning := order.Status.Provisioning
	if order.Status.Phase == v1alpha1.PhaseDelivered && provisioning.Closing == "" {
		return judgeDelivered(order, now)
	}
	if order.Terminal() && provisioning.Closing == "" {
		return vendorhooks.Moot
	}
	switch {
	case provisioning.NextAttemptTime == nil, !now.Before(provisioning.NextAttemptTime.Time):
		return vendorhooks.Covered // it is being asked about, or about to be
	case !wakeable(provisioning):
		return vendorhooks.Moot
	}
	if asked := hintedAt(order); asked.After(provisioning.LastError.Time.Time) && asked.Before(now.Add(clocksApart)) {
		return vendorhooks.Covered // the next try is due by then
	}
	return vendorhooks.Stored
}

// judgeDelivered is judgeHint of a delivered order. A request that the controller has not acted
// on covers a hint where it cannot have begun to; what it may be acting on at this moment covers
// none that comes a while later, because the answer may be older.
func judgeDelivered(order *v1alpha1.EsimOrder, now time.Time) vendorhooks.Fate {
	life := order.Status.Activation
	if !trackable(order) || life.Installed || !order.DeletionTimestamp.IsZero() {
		return vendorhooks.Moot
	}
	asked, err := time.Parse(time.RFC3339Nano, order.Annotations[v1alpha1.RefreshAnnotation])
	if err != nil || refreshWanted(order) == "" || asked.After(now.Add(clocksApart)) {
		return vendorhooks.Stored
	}
	waits := life.RefreshedTime != nil && now.Before(life.RefreshedTime.Add(life.RefreshInterval.Duration))
	if waits || now.Before(asked.Add(hintPause)) {
		return vendorhooks.Covered
	}
	return vendorhooks.Stored
}
