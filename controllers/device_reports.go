package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators/es2plus/progress"
)

// DeviceReports stores what operators report of profiles in the orders that hold them. Whichever
// replica gets a report stores it; the leader's order controller works it in.
type DeviceReports struct {
	// Client reads from the cache.
	Client client.Client
	// Live asks the API server.
	Live client.Reader
	// Writer writes with a short deadline.
	Writer client.Client

	// asks bounds how often the API server is asked for an ICCID that the cache does not know.
	asks *rate.Limiter
}

// NewDeviceReports is a store for reports.
func NewDeviceReports(cache client.Client, live client.Reader, writer client.Client) *DeviceReports {
	return &DeviceReports{Client: cache, Live: live, Writer: writer, asks: rate.NewLimiter(5, 20)}
}

// maxReports is what an order's schema holds. They are worked in at once while anybody leads.
const maxReports = 10

// errManyReports has the operator send a report again later.
var errManyReports = errors.New("the order holds more reports than it can: they are not worked in")

// errTooManyUnknown has the operator send a report again: it may be about an order that the cache
// does not show yet, and the API server was asked for others too often to be asked for it.
var errTooManyUnknown = errors.New("too many reports at once are about ICCIDs that the cache does not know")

// reportTries is how many writes of others in a row a report comes after.
const reportTries = 8

// Report implements progress.Store.
func (d *DeviceReports) Report(ctx context.Context, operators []string, report v1alpha1.DeviceReport) error {
	order, err := d.find(ctx, report.ICCID)
	if err != nil {
		return err
	}
	if order == nil {
		return progress.ErrUnknownICCID
	}
	for range reportTries {
		if !slices.Contains(operators, operatorOf(order)) || !holds(order, report.ICCID) {
			return progress.ErrUnknownICCID
		}
		if known(order, report) {
			return nil
		}
		if len(order.Status.Reports) >= maxReports {
			return errManyReports
		}
		changed := order.DeepCopy()
		changed.Status.Reports = append(changed.Status.Reports, report)
		err = d.Writer.Status().Update(ctx, changed)
		if err == nil {
			return nil
		}
		if apierrors.IsNotFound(err) {
			return progress.ErrUnknownICCID
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("storing a report in EsimOrder %s: %w", client.ObjectKeyFromObject(order), err)
		}
		var now v1alpha1.EsimOrder
		if err := d.Live.Get(ctx, client.ObjectKeyFromObject(order), &now); err != nil {
			if apierrors.IsNotFound(err) {
				return progress.ErrUnknownICCID
			}
			return fmt.Errorf("reading EsimOrder %s: %w", client.ObjectKeyFromObject(order), err)
		}
		order = &now
	}
	return fmt.Errorf("storing a report in EsimOrder %s: %w", client.ObjectKeyFromObject(order), err)
}

// find is the order with an ICCID, as the cache knows it; where it knows none, as the API server
// does: a customer may be faster than a watch. nil where there is none.
func (d *DeviceReports) find(ctx context.Context, iccid string) (*v1alpha1.EsimOrder, error) {
	var orders v1alpha1.EsimOrderList
	if err := d.Client.List(ctx, &orders, client.MatchingFields{indexICCID: iccid}); err != nil {
		return nil, fmt.Errorf("looking for an ICCID: %w", err)
	}
	if len(orders.Items) == 0 {
		if !d.asks.Allow() {
			return nil, errTooManyUnknown
		}
		orders = v1alpha1.EsimOrderList{}
		if err := d.Live.List(ctx, &orders, client.MatchingFields{fieldICCID: iccid}); err != nil {
			return nil, fmt.Errorf("looking for an ICCID: %w", err)
		}
	}
	switch len(orders.Items) {
	case 0:
		return nil, nil
	case 1:
		return &orders.Items[0], nil
	}
	// An operator that gives one ICCID out again has the order in mind that has it now: not one
	// that gave it back, which may have been made later.
	return new(slices.MaxFunc(orders.Items, func(a, b v1alpha1.EsimOrder) int {
		return cmp.Or(cmp.Compare(claim(&a), claim(&b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time))
	})), nil
}

// claim is how sure it is that a profile which an order names is its own: delivered to it, held
// on the way there, given back.
func claim(order *v1alpha1.EsimOrder) int {
	switch {
	case order.Status.Phase == v1alpha1.PhaseDelivered:
		return 2
	case !order.Terminal():
		return 1
	default:
		return 0
	}
}

// fieldICCID is the selectable field.
const fieldICCID = "status.esim.iccid"

func operatorOf(order *v1alpha1.EsimOrder) string {
	if order.Status.Provisioning == nil {
		return ""
	}
	return order.Status.Provisioning.OperatorRef.Name
}

// holds tells whether an order holds a profile, or gives it back.
func holds(order *v1alpha1.EsimOrder, iccid string) bool {
	return slices.Contains(iccidsOf(order), iccid)
}

// iccidsOf are the profiles that an order is about: the delivered one, the one that an attempt
// holds, and the one that is being given back.
func iccidsOf(order *v1alpha1.EsimOrder) []string {
	var iccids []string
	add := func(iccid string) {
		if iccid != "" && !slices.Contains(iccids, iccid) {
			iccids = append(iccids, iccid)
		}
	}
	if order.Status.Esim != nil {
		add(order.Status.Esim.ICCID)
	}
	if p := order.Status.Provisioning; p != nil {
		add(p.ICCID)
		add(p.Closing)
	}
	return iccids
}

// known tells whether a report changes nothing that is not known, or waits to be worked in,
// already.
func known(order *v1alpha1.EsimOrder, report v1alpha1.DeviceReport) bool {
	if slices.ContainsFunc(order.Status.Reports, func(r v1alpha1.DeviceReport) bool {
		return r.Event == report.Event && r.ICCID == report.ICCID && r.Time.Equal(&report.Time)
	}) {
		return true
	}
	life := order.Status.Activation
	switch report.Event {
	case v1alpha1.DeviceInstalled, v1alpha1.DeviceDownloadFailed:
		return life != nil && life.Installed && life.InstalledTime != nil
	case v1alpha1.DeviceUsed:
		return life != nil && life.Used && !report.Time.Before(life.ActivatedTime)
	case v1alpha1.DeviceDeleted:
		return meta.IsStatusConditionTrue(order.Status.Conditions, v1alpha1.ConditionDeletedFromDevice)
	default:
		return false
	}
}
