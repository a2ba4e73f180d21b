package orders_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
)

func TestAnOperatorIsAskedWhereItCanTellSomethingNew(t *testing.T) {
	now := time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC)
	ago := func(d time.Duration) *metav1.Time { at := metav1.NewTime(now.Add(-d)); return &at }
	asked := func(ago time.Duration) func(*v1alpha1.EsimOrder) {
		return func(o *v1alpha1.EsimOrder) {
			metav1.SetMetaDataAnnotation(&o.ObjectMeta, v1alpha1.RefreshAnnotation, now.Add(-ago).Format(time.RFC3339Nano))
		}
	}
	for name, tc := range map[string]struct {
		change []func(*v1alpha1.EsimOrder)
		want   orders.Refresh
	}{
		"delivered, and never asked about": {nil, orders.RefreshDue},
		"still pending": {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) {
			o.Status.Phase, o.Status.Activation = v1alpha1.PhasePending, nil
		}}, orders.NoRefresh},
		"cancelled":            {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) { o.Status.Phase = v1alpha1.PhaseCancelled }}, orders.NoRefresh},
		"on a device":          {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) { o.Status.Activation.Installed = true }}, orders.NoRefresh},
		"being deleted":        {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) { o.DeletionTimestamp = ago(0) }}, orders.NoRefresh},
		"cannot be asked":      {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) { o.Status.Activation.RefreshInterval = nil }}, orders.NoRefresh},
		"asked 9 s ago of 10":  {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) { o.Status.Activation.RefreshedTime = ago(9 * time.Second) }}, orders.NoRefresh},
		"asked 10 s ago of 10": {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) { o.Status.Activation.RefreshedTime = ago(10 * time.Second) }}, orders.RefreshDue},
		"somebody asks now":    {[]func(*v1alpha1.EsimOrder){asked(time.Second)}, orders.RefreshUnderWay},
		"no answer for 5 s":    {[]func(*v1alpha1.EsimOrder){asked(5 * time.Second)}, orders.NoRefresh},
		"no answer for 10 s":   {[]func(*v1alpha1.EsimOrder){asked(10 * time.Second)}, orders.RefreshDue},
		"answered what was asked last": {[]func(*v1alpha1.EsimOrder){asked(11 * time.Second), func(o *v1alpha1.EsimOrder) {
			o.Status.Activation.Refreshed = o.Annotations[v1alpha1.RefreshAnnotation]
			o.Status.Activation.RefreshedTime = ago(11 * time.Second)
		}}, orders.RefreshDue},
		"somebody's clock is an hour ahead": {[]func(*v1alpha1.EsimOrder){asked(-time.Hour)}, orders.RefreshDue},
		"somebody asks in other words": {[]func(*v1alpha1.EsimOrder){func(o *v1alpha1.EsimOrder) {
			metav1.SetMetaDataAnnotation(&o.ObjectMeta, v1alpha1.RefreshAnnotation, "please")
		}}, orders.RefreshDue},
	} {
		t.Run(name, func(t *testing.T) {
			order := &v1alpha1.EsimOrder{}
			order.Status.Phase = v1alpha1.PhaseDelivered
			order.Status.Activation = &v1alpha1.OrderActivation{
				Status: v1alpha1.ActivationNotInstalled, RefreshInterval: &metav1.Duration{Duration: 10 * time.Second},
			}
			for _, change := range tc.change {
				change(order)
			}
			if got := orders.JudgeRefresh(order, now); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
