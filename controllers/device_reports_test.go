package controllers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/operators/es2plus/progress"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

func (d *desk) installedReport(after time.Duration) v1alpha1.DeviceReport {
	return v1alpha1.DeviceReport{
		Event: v1alpha1.DeviceInstalled, ICCID: d.look().Status.Esim.ICCID, Time: metav1.NewTime(d.clock.Now().Add(after)),
	}
}

func TestAReportIsStoredOnceWhateverOftenItComes(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	store := controllers.NewDeviceReports(d.api, d.api, d.api)
	ours := []string{d.shop.Name}
	for range 3 {
		if err := store.Report(t.Context(), ours, d.installedReport(0)); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.look().Status.Reports; len(got) != 1 {
		t.Errorf("the order holds %+v", got)
	}
	d.work()
	before := d.look().ResourceVersion
	if err := store.Report(t.Context(), ours, d.installedReport(time.Minute)); err != nil || d.look().ResourceVersion != before {
		t.Errorf("what is known already cost a write (error %v)", err)
	}
}

func TestAnOperatorSpeaksOfItsOwnProfilesOnly(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	store := controllers.NewDeviceReports(d.api, d.api, d.api)
	if err := store.Report(t.Context(), []string{"another-operator"}, d.installedReport(0)); !errors.Is(err, progress.ErrUnknownICCID) {
		t.Errorf("another operator's report is answered %v", err)
	}
	unknown := d.installedReport(0)
	unknown.ICCID = "8997250230000292199"
	if err := store.Report(t.Context(), []string{d.shop.Name}, unknown); !errors.Is(err, progress.ErrUnknownICCID) {
		t.Errorf("a report of an unknown ICCID is answered %v", err)
	}
	if got := d.look().Status.Reports; len(got) != 0 {
		t.Errorf("the order holds %+v", got)
	}
}

func TestWhoReportsManyUnknownProfilesIsToldToComeAgain(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	store := controllers.NewDeviceReports(d.api, d.api, d.api)
	unknown := d.installedReport(0)
	unknown.ICCID = "8997250230000292199"
	var err error
	for range 100 {
		err = store.Report(t.Context(), []string{d.shop.Name}, unknown)
	}
	if err == nil || errors.Is(err, progress.ErrUnknownICCID) {
		t.Errorf("the API server is asked each time: %v", err)
	}
	if err := store.Report(t.Context(), []string{d.shop.Name}, d.installedReport(0)); err != nil {
		t.Errorf("a report of a known profile waits with them: %v", err)
	}
}

func TestAReportComesAfterWhatOthersWriteMeanwhile(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	edits := 3
	busy := testdesk.BeforeStatusWrite(d.api, func(context.Context, *v1alpha1.EsimOrder) error {
		if edits--; edits >= 0 {
			d.edit(func(o *v1alpha1.EsimOrder) {
				metav1.SetMetaDataLabel(&o.ObjectMeta, "edit", time.Duration(edits).String())
			})
		}
		return nil
	})
	store := controllers.NewDeviceReports(d.api, d.api, busy)
	if err := store.Report(t.Context(), []string{d.shop.Name}, d.installedReport(0)); err != nil {
		t.Fatal(err)
	}
	if got := d.look().Status.Reports; len(got) != 1 {
		t.Errorf("the order holds %+v", got)
	}
}

func TestAReportThatCannotBeStoredIsAnError(t *testing.T) {
	d := deliveredAtDesk(t, nil)
	away := errors.New("the API server is away")
	broken := testdesk.BeforeStatusWrite(d.api, func(context.Context, *v1alpha1.EsimOrder) error { return away })
	store := controllers.NewDeviceReports(d.api, d.api, broken)
	if err := store.Report(t.Context(), []string{d.shop.Name}, d.installedReport(0)); !errors.Is(err, away) {
		t.Errorf("it is answered %v", err)
	}
	full := controllers.NewDeviceReports(d.api, d.api, d.api)
	var err error
	for i := range 12 {
		err = full.Report(t.Context(), []string{d.shop.Name}, d.installedReport(time.Duration(i)*time.Second))
	}
	if err == nil || errors.Is(err, progress.ErrUnknownICCID) {
		t.Errorf("an order full of reports takes another one: %v", err)
	}
}
