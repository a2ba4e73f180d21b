package controllers

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/connections"
)

func planAt(operator, plan string) v1alpha1.VariantSource {
	return v1alpha1.VariantSource{OperatorRef: v1alpha1.OperatorReference{Name: operator}, PlanID: plan}
}

func at(s v1alpha1.VariantSource, refused ...v1alpha1.VariantSource) *v1alpha1.OrderProvisioning {
	p := &v1alpha1.OrderProvisioning{OperatorRef: s.OperatorRef, PlanID: s.PlanID}
	for _, r := range refused {
		p.Attempts = append(p.Attempts, v1alpha1.ProvisioningAttempt{OperatorRef: r.OperatorRef, PlanID: r.PlanID, Class: string(operators.Rejected)})
	}
	return p
}

func TestNextSource(t *testing.T) {
	a, b, c := planAt("a", "1"), planAt("b", "1"), planAt("a", "2")
	all := []v1alpha1.VariantSource{a, b, c}
	type answer struct {
		Next     v1alpha1.VariantSource
		Wait, OK bool
	}
	for _, tc := range []struct {
		name    string
		sources []v1alpha1.VariantSource
		at      *v1alpha1.OrderProvisioning
		class   operators.Class
		want    answer
	}{
		{"out of stock moves on at once", all, at(a), operators.OutOfStock, answer{b, false, true}},
		{"the last one out of stock begins anew, later", all, at(c), operators.OutOfStock, answer{a, true, true}},
		{"the only one out of stock stays, later", all[:1], at(a), operators.OutOfStock, answer{a, true, true}},
		{"rejected moves on", all, at(a), operators.Rejected, answer{b, false, true}},
		{"what rejected before is passed over", all, at(a, b), operators.Rejected, answer{c, false, true}},
		{"the last one rejects: back to those without stock, later", all, at(c, b), operators.Rejected, answer{a, true, true}},
		{"rejected everywhere ends", all, at(c, a, b), operators.Rejected, answer{OK: false}},
		{"the only one rejects", all[:1], at(a), operators.Rejected, answer{OK: false}},
		{"one that the product does not name any more keeps its order", all[:2], at(c), operators.OutOfStock, answer{c, true, true}},
		{"and when it rejects, those named now are asked", all[:2], at(c), operators.Rejected, answer{a, false, true}},
	} {
		next, wait, ok := nextSource(tc.sources, tc.at, tc.class)
		if diff := cmp.Diff(tc.want, answer{next, wait, ok}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestARejectedSourceIsNeverAskedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := []v1alpha1.VariantSource{planAt("a", "1"), planAt("b", "1"), planAt("c", "1"), planAt("d", "1")}
		rejects := map[sourceKey]bool{}
		for _, s := range all {
			rejects[keyOf(s)] = rapid.Bool().Draw(t, "rejects")
		}
		p := at(all[0])
		for range 12 {
			class := operators.OutOfStock
			if rejects[keyOf(currentSource(p))] {
				class = operators.Rejected
			}
			next, _, ok := nextSource(all, p, class)
			if !ok {
				if len(openSources(all, p, class)) > 0 {
					t.Fatal("ended although a source is left")
				}
				return
			}
			for _, attempt := range append(p.Attempts, v1alpha1.ProvisioningAttempt{OperatorRef: p.OperatorRef, PlanID: p.PlanID, Class: string(class)}) {
				if attempt.Class == string(operators.Rejected) && keyOf(next) == (sourceKey{attempt.OperatorRef.Name, attempt.PlanID}) {
					t.Fatalf("%v rejected the order and is asked again", next)
				}
			}
			if keyOf(next) != keyOf(currentSource(p)) {
				p.Attempts = append(p.Attempts, v1alpha1.ProvisioningAttempt{OperatorRef: p.OperatorRef, PlanID: p.PlanID, Class: string(class)})
				p.Attempts = p.Attempts[max(0, len(p.Attempts)-keptAttempts):]
			}
			p.OperatorRef, p.PlanID = next.OperatorRef, next.PlanID
		}
	})
}

func TestRetryDelay(t *testing.T) {
	pace := Pace{
		Transient: backoff(time.Second, 5*time.Minute), Scarce: backoff(time.Minute, time.Hour),
		Misconfigured: backoff(10*time.Second, time.Minute),
	}
	for _, tc := range []struct {
		name   string
		failed operators.Error
		tries  int32
		lost   bool
		jitter float64
		want   time.Duration
	}{
		{"the first retry", operators.Error{Class: operators.Transient}, 1, false, 0, time.Second},
		{"doubles", operators.Error{Class: operators.Transient}, 4, false, 0, 8 * time.Second},
		{"up to the most", operators.Error{Class: operators.OutcomeUnknown}, 1000, false, 0, 5 * time.Minute},
		{"less by the jitter, a fifth at most", operators.Error{Class: operators.Transient}, 1, false, 1, 800 * time.Millisecond},
		{"as the operator asked, and not all together", operators.Error{Class: operators.Busy, RetryAfter: 7 * time.Second}, 9, false, .5, 7500 * time.Millisecond},
		{"long without stock", operators.Error{Class: operators.OutOfStock}, 1, false, 0, time.Minute},
		{"long after too many lost answers", operators.Error{Class: operators.Transient}, 1, true, 0, time.Minute},
		{"misconfigured", operators.Error{Class: operators.Misconfigured}, 2, false, 0, 20 * time.Second},
	} {
		if got := pace.retryDelay(&tc.failed, tc.tries, tc.lost, tc.jitter); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestDue(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	waiting := func(class operators.Class) *v1alpha1.OrderProvisioning {
		next := metav1.NewTime(now.Add(time.Minute))
		return &v1alpha1.OrderProvisioning{
			NextAttemptTime: &next,
			LastError:       &v1alpha1.ProvisioningError{Class: string(class), Time: metav1.NewTime(now.Add(-time.Minute))},
		}
	}
	stranding := waiting(operators.Transient)
	stranding.LostAnswers = 1
	setBack := waiting(operators.Transient)
	setBack.LastError.Time, setBack.NextAttemptTime = metav1.NewTime(now.Add(time.Hour)), &metav1.Time{Time: now.Add(time.Hour + time.Second)}
	untried := &v1alpha1.OrderProvisioning{NextAttemptTime: waiting(operators.Busy).NextAttemptTime}
	var never time.Time
	for _, tc := range []struct {
		name      string
		p         *v1alpha1.OrderProvisioning
		connected time.Time
		hinted    time.Time
		wait      time.Duration
		due       bool
	}{
		{"an order that was never tried", nil, now, never, 0, true},
		{"one whose time has not come", waiting(operators.Transient), now, never, time.Minute, false},
		{"a new connection does not hurry a transient error", waiting(operators.Transient), now, never, time.Minute, false},
		{"a new connection hurries what failed for want of configuration", waiting(operators.Misconfigured), now, never, 0, true},
		{"an old one does not", waiting(operators.Misconfigured), now.Add(-time.Hour), never, time.Minute, false},
		{"a hint since the last try", waiting(operators.Busy), never, now, 0, true},
		{"a hint to look up what nobody knows", waiting(operators.OutcomeUnknown), never, now, 0, true},
		{"a hint by a clock that is ahead waits until then", waiting(operators.Busy), never, now.Add(time.Second), time.Second, false},
		{"a hint by a clock of another year delays nothing", waiting(operators.Busy), never, now.AddDate(1, 0, 0), time.Minute, false},
		{"a hint that the last try came after", waiting(operators.Busy), never, now.Add(-time.Minute), time.Minute, false},
		{"a hint brings no stock", waiting(operators.OutOfStock), never, now, time.Minute, false},
		{"a hint mends no configuration", waiting(operators.Misconfigured), never, now, time.Minute, false},
		{"a hint hurries nobody who may strand a profile", stranding, never, now, time.Minute, false},
		{"a clock that was set back since the last try does not have an order wait until it has caught up", setBack, never, never, 0, true},
		{"a hint about what was not tried yet", untried, never, now, time.Minute, false},
	} {
		wait, ok := due(tc.p, now, tc.connected, tc.hinted)
		if wait != tc.wait || ok != tc.due {
			t.Errorf("%s: %s %t, want %s %t", tc.name, wait, ok, tc.wait, tc.due)
		}
	}
}

func TestAHintIsDatedSoThatItHurriesAnOrderOnce(t *testing.T) {
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Time{
		"":                               {},
		"please":                         {},
		"2026-01-02T03:04:05Z":           second,
		"2026-01-02T03:04:05.000000001Z": second.Add(time.Second),
		"2026-01-02T04:04:05.9+01:00":    second.Add(time.Second),
	} {
		order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.RefreshAnnotation: value}}}
		if got := hintedAt(order); !got.Equal(want) {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		lastTry := second.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "last try")))
		hint := second.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "hint")))
		order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.RefreshAnnotation: hint.Format(time.RFC3339Nano)}}}
		next := metav1.NewTime(second.Add(time.Hour))
		// A status keeps whole seconds.
		tried := func(at time.Time) *v1alpha1.OrderProvisioning {
			return &v1alpha1.OrderProvisioning{NextAttemptTime: &next, LastError: &v1alpha1.ProvisioningError{
				Class: string(operators.Busy), Time: metav1.NewTime(at.Truncate(time.Second)),
			}}
		}
		wait, ok := due(tried(lastTry), hint, time.Time{}, hintedAt(order))
		if hint.After(lastTry) && !ok && wait > time.Second {
			t.Fatalf("a hint at %s after a try at %s waits %s", hint, lastTry, wait)
		}
		if !ok && wait > time.Second {
			return
		}
		at := hint.Add(wait)
		if _, again := due(tried(at), at.Add(time.Minute), time.Time{}, hintedAt(order)); again {
			t.Fatalf("a hint at %s hurries the order a second time after the try at %s", hint, at)
		}
	})
}

func TestExhausted(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	failed := func(class operators.Class) *v1alpha1.OrderProvisioning {
		return &v1alpha1.OrderProvisioning{StartTime: metav1.NewTime(start), LastError: &v1alpha1.ProvisioningError{Class: string(class)}}
	}
	for _, tc := range []struct {
		name  string
		p     *v1alpha1.OrderProvisioning
		after time.Duration
		want  bool
	}{
		{"before giveUpAfter", failed(operators.Transient), time.Hour - 1, false},
		{"after giveUpAfter", failed(operators.Transient), time.Hour, true},
		{"never while the outcome is unknown", failed(operators.OutcomeUnknown), 1000 * time.Hour, false},
		{"never without an error", &v1alpha1.OrderProvisioning{StartTime: metav1.NewTime(start)}, 1000 * time.Hour, false},
	} {
		if got := exhausted(tc.p, time.Hour, start.Add(tc.after)); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

func TestChoosePlan(t *testing.T) {
	product := &v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: "japan"},
		Spec: v1alpha1.EsimProductSpec{DisplayName: "Japan", CountryCode: "JPN", Currency: "USD", Variants: []v1alpha1.EsimVariant{
			{Name: "off", Amount: "4.50", Inactive: true, Sources: []v1alpha1.VariantSource{planAt("a", "off")}},
			{Name: "small", DisplayName: "1 GB", Amount: "4.5", Sources: []v1alpha1.VariantSource{planAt("a", "small"), planAt("b", "small")}},
			{Name: "twin", Amount: "4.50", Sources: []v1alpha1.VariantSource{planAt("a", "twin")}},
			{Name: "empty", Amount: "9"},
		}},
	}
	type answer struct {
		Variant string
		Source  v1alpha1.VariantSource
		Code    v1alpha1.FailureCode
	}
	for _, tc := range []struct {
		name    string
		order   v1alpha1.EsimOrder
		product *v1alpha1.EsimProduct
		want    answer
	}{
		{"by name", v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Variant: "twin"}}, product, answer{Variant: "twin", Source: planAt("a", "twin")}},
		{"by price: the first that can be sold", v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Amount: "4.500"}}, product, answer{Variant: "small", Source: planAt("a", "small")}},
		{"not on sale", v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Variant: "off"}}, product, answer{Code: v1alpha1.FailurePlanUnavailable}},
		{"without a source", v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Variant: "empty"}}, product, answer{Code: v1alpha1.FailurePlanUnavailable}},
		{"no such name", v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Variant: "huge"}}, product, answer{Code: v1alpha1.FailureInvalidPlan}},
		{"no such price", v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Amount: "4.51"}}, product, answer{Code: v1alpha1.FailureInvalidPlan}},
		{"no product", v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Variant: "small"}}, nil, answer{Code: v1alpha1.FailurePlanUnavailable}},
		{
			"an accepted order keeps its variant, whatever its price is now",
			v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{Amount: "1"}, Status: v1alpha1.EsimOrderStatus{Plan: &v1alpha1.OrderPlan{Variant: "small"}}},
			product, answer{Variant: "small", Source: planAt("a", "small")},
		},
	} {
		plan, failure := choosePlan(&tc.order, tc.product)
		var got answer
		if plan != nil {
			got.Variant, got.Source = plan.Variant, plan.Sources[0]
		}
		if failure != nil {
			got.Code = failure.Code
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestJudge(t *testing.T) {
	healthy := connections.State{Health: connections.Healthy}
	for _, tc := range []struct {
		name   string
		probe  error
		state  connections.State
		reason string
	}{
		{"all is well", nil, healthy, v1alpha1.OperatorReasonReachable},
		{"nobody is there", &operators.Error{Class: operators.Transient}, healthy, v1alpha1.OperatorReasonUnreachable},
		{"something unforeseen", errors.New("x"), healthy, v1alpha1.OperatorReasonUnreachable},
		{"a certificate is refused", &operators.Error{Class: operators.Misconfigured}, healthy, v1alpha1.OperatorReasonAuthFailed},
		{"connections yes, but our requests are refused", nil, connections.State{Health: connections.Suspended}, v1alpha1.OperatorReasonOutOfService},
		{"connections yes, answers no", nil, connections.State{Health: connections.CircuitOpen}, v1alpha1.OperatorReasonCircuitOpen},
	} {
		got := judge(tc.probe, tc.state)
		if got.reason != tc.reason || got.ok != (tc.reason == v1alpha1.OperatorReasonReachable) {
			t.Errorf("%s: %+v", tc.name, got)
		}
	}
}
