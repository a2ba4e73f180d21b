package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
)

var noon = time.Date(2036, 1, 1, 12, 0, 0, 0, time.UTC)

const ourICCID = "8947010000123456784"

// deliveredOrder was delivered at noon, with a plan of 7 days.
func deliveredOrder(reports ...v1alpha1.DeviceReport) *v1alpha1.EsimOrder {
	return &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{UID: "5d0c1a52-1b2c-4a3e-9f4d-6a7b8c9d0e1f", Name: "order", Namespace: "shop"},
		Status: v1alpha1.EsimOrderStatus{
			Phase:      v1alpha1.PhaseDelivered,
			Plan:       &v1alpha1.OrderPlan{ValidityDays: 7},
			Esim:       &v1alpha1.OrderEsim{ICCID: ourICCID},
			Activation: &v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled},
			Reports:    reports,
			Conditions: v1alpha1.Conditions{{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon),
			}},
		},
	}
}

func report(event v1alpha1.DeviceEvent, minutes int) v1alpha1.DeviceReport {
	return v1alpha1.DeviceReport{Event: event, ICCID: ourICCID, Time: metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute))}
}

func minute(minutes int) *metav1.Time { return rounded(noon.Add(time.Duration(minutes) * time.Minute)) }

func inAWeek(minutes int) *metav1.Time { return minute(minutes + 7*24*60) }

const (
	installed, used       = v1alpha1.DeviceInstalled, v1alpha1.DeviceUsed
	deleted, notInstalled = v1alpha1.DeviceDeleted, v1alpha1.DeviceDownloadFailed
)

func TestReportsMakeALifeInWhateverOrderTheyCome(t *testing.T) {
	activeFrom := func(installedAt int) v1alpha1.OrderActivation {
		return v1alpha1.OrderActivation{
			Status: v1alpha1.ActivationActive, Installed: true,
			InstalledTime: minute(installedAt), ActivatedTime: minute(installedAt), ExpiryTime: inAWeek(installedAt),
		}
	}
	usedFrom := func(installedAt, usedAt int) v1alpha1.OrderActivation {
		life := activeFrom(installedAt)
		life.Used, life.ActivatedTime, life.ExpiryTime = true, minute(usedAt), inAWeek(usedAt)
		return life
	}
	both := []string{v1alpha1.EventInstalled, v1alpha1.EventActivated}
	foreign := report(installed, 1)
	foreign.ICCID = "8997250230000292199"
	for name, tc := range map[string]struct {
		reports    []v1alpha1.DeviceReport
		want       v1alpha1.OrderActivation
		events     []string
		conditions []string
	}{
		"nothing":   {want: v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled}},
		"installed": {reports: []v1alpha1.DeviceReport{report(installed, 1)}, want: activeFrom(1), events: both},
		"installed, told twice": {
			reports: []v1alpha1.DeviceReport{report(installed, 1), report(installed, 3)}, want: activeFrom(1), events: both,
		},
		"installed, then used": {
			reports: []v1alpha1.DeviceReport{report(installed, 1), report(used, 90)}, want: usedFrom(1, 90), events: both,
		},
		"used, told before installed": {
			reports: []v1alpha1.DeviceReport{report(used, 90), report(installed, 1)}, want: usedFrom(90, 90), events: both,
		},
		"used, told late and again": {
			reports: []v1alpha1.DeviceReport{report(installed, 1), report(used, 300), report(used, 90), report(used, 500)},
			want:    usedFrom(1, 90), events: both,
		},
		"another profile's": {
			reports: []v1alpha1.DeviceReport{foreign}, want: v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled},
		},
		"failed": {
			reports:    []v1alpha1.DeviceReport{report(notInstalled, 1)},
			want:       v1alpha1.OrderActivation{Status: v1alpha1.ActivationNotInstalled},
			conditions: []string{v1alpha1.ConditionDownloadFailed},
		},
		"failed, then installed": {
			reports: []v1alpha1.DeviceReport{report(notInstalled, 1), report(installed, 2)}, want: activeFrom(2), events: both,
		},
		"installed, then failed, told late": {
			reports: []v1alpha1.DeviceReport{report(installed, 2), report(notInstalled, 1)}, want: activeFrom(2), events: both,
		},
		"installed, then deleted": {
			reports: []v1alpha1.DeviceReport{report(installed, 1), report(deleted, 9)}, want: activeFrom(1), events: both,
			conditions: []string{v1alpha1.ConditionDeletedFromDevice},
		},
		"deleted, and nothing else": {
			reports: []v1alpha1.DeviceReport{report(deleted, 9)}, want: activeFrom(9), events: both,
			conditions: []string{v1alpha1.ConditionDeletedFromDevice},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPass(deliveredOrder(tc.reports...), noon.Add(10*time.Minute))
			made := p.applyReports()
			if diff := cmp.Diff(&tc.want, p.order.Status.Activation); diff != "" {
				t.Errorf("activation (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.events, made.events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			var conditions []string
			for _, c := range p.order.Status.Conditions {
				if c.Type != v1alpha1.ConditionReady {
					conditions = append(conditions, c.Type)
				}
			}
			if diff := cmp.Diff(tc.conditions, conditions); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if len(p.order.Status.Reports) > 0 {
				t.Error("the reports were not taken off the order")
			}
		})
	}
}

func TestWhatWasInstalledOnceStaysInstalledAndExpiresOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := []v1alpha1.DeviceEvent{installed, used, deleted, notInstalled}
		order, seen, now := deliveredOrder(), map[string]int{}, noon
		for range rapid.IntRange(1, 12).Draw(t, "passes") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5*24*60).Draw(t, "minutes")) * time.Minute)
			before := *order.Status.Activation.DeepCopy()
			for range rapid.IntRange(0, 3).Draw(t, "reports") {
				kind := rapid.SampledFrom(kinds).Draw(t, "event")
				order.Status.Reports = append(order.Status.Reports, report(kind, rapid.IntRange(0, int(now.Sub(noon).Minutes())).Draw(t, "at")))
			}
			p := newPass(order, now)
			made := p.applyReports()
			made.add(p.expire())
			order = p.order
			after := *order.Status.Activation
			for _, event := range made.events {
				if seen[event]++; seen[event] > 1 {
					t.Fatalf("%s was told twice", event)
				}
			}
			stages := []v1alpha1.ActivationStatus{v1alpha1.ActivationNotInstalled, v1alpha1.ActivationActive, v1alpha1.ActivationExpired}
			switch {
			case before.Installed && !after.Installed:
				t.Fatal("an installed profile was not installed any more")
			case slices.Index(stages, after.Status) < slices.Index(stages, before.Status):
				t.Fatalf("%s became %s", before.Status, after.Status)
			case after.Installed != (after.Status != v1alpha1.ActivationNotInstalled):
				t.Fatalf("%s with installed %t", after.Status, after.Installed)
			case after.Installed && (after.ActivatedTime == nil || after.ExpiryTime == nil || after.InstalledTime == nil):
				t.Fatal("an installed profile has no times")
			case after.Status == v1alpha1.ActivationActive && !now.Before(after.ExpiryTime.Time):
				t.Fatal("a plan whose time is over is ACTIVE")
			}
		}
	})
}

func TestAnOperatorsOwnTimesCountBeforeOurs(t *testing.T) {
	p := newPass(deliveredOrder(), noon.Add(time.Hour))
	made := p.applyLife(operators.Life{Installed: true, UsedTime: noon.Add(30 * time.Minute), ExpiryTime: noon.Add(24 * time.Hour)})
	want := &v1alpha1.OrderActivation{
		Status: v1alpha1.ActivationActive, Installed: true, Used: true,
		InstalledTime: minute(30), ActivatedTime: minute(30), ExpiryTime: minute(24 * 60),
	}
	if diff := cmp.Diff(want, p.order.Status.Activation); diff != "" {
		t.Errorf("activation (-want +got):\n%s", diff)
	}
	if len(made.events) != 2 {
		t.Errorf("events are %v", made.events)
	}
	// An operator that knows nothing any more takes nothing back.
	if p.applyLife(operators.Life{}); !cmp.Equal(want, p.order.Status.Activation) {
		t.Errorf("an empty answer changed the order to %+v", p.order.Status.Activation)
	}
}

func TestADeletedProfileIsAdvisedOnOnce(t *testing.T) {
	p := newPass(deliveredOrder(report(installed, 1), report(deleted, 2)), noon)
	if made := p.applyReports(); !made.deleted {
		t.Error("the deletion is no news")
	}
	p.order.Status.Reports = []v1alpha1.DeviceReport{report(deleted, 2)}
	if made := p.applyReports(); made.deleted {
		t.Error("the same deletion is news again")
	}
	if !meta.IsStatusConditionTrue(p.order.Status.Conditions, v1alpha1.ConditionDeletedFromDevice) {
		t.Error("no condition tells of it")
	}
}

func TestPollingSlowsDownAndStops(t *testing.T) {
	count := map[string]int{}
	last, longest := noon, time.Duration(0)
	for now := noon; ; {
		next, ok := nextPoll(noon, "an-order", now)
		if !ok {
			break
		}
		switch age := next.Sub(noon); {
		case age <= 10*time.Minute+6*time.Second:
			count["in the first 10 minutes"]++
		case age <= 71*time.Minute:
			count["in the next hour"]++
		default:
			count["in the next day"]++
		}
		longest = max(longest, next.Sub(last))
		last, now = next, next
	}
	if diff := cmp.Diff(map[string]int{"in the first 10 minutes": 20, "in the next hour": 12, "in the next day": 24}, count); diff != "" {
		t.Errorf("looks (-want +got):\n%s", diff)
	}
	if longest > 80*time.Minute {
		t.Errorf("there are %s between two looks", longest)
	}
}

func TestOrdersThatWereDeliveredTogetherAreNotPolledTogether(t *testing.T) {
	at := map[time.Time]bool{}
	for i := range 100 {
		next, _ := nextPoll(noon, types.UID(rune('a'+i)), noon)
		at[next] = true
	}
	if len(at) < 90 {
		t.Errorf("100 orders come at %d times", len(at))
	}
}
