package webhook

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func TestEventIDNeverChanges(t *testing.T) {
	// Clients keep these: another way to make them would deliver everything again.
	got := EventID("6f1c8c1e-3c55-4a8c-9d5a-0d1f4f3d2b11", "esim.order.delivered")
	if want := "evt_m7undld4phh5bbzlj6hhbiawla"; got != want {
		t.Errorf("EventID: %s, want %s", got, want)
	}
}

func TestEventIDsTellEventsApart(t *testing.T) {
	form := regexp.MustCompile(`^evt_[a-z2-7]{26}$`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-c:.0-2]{0,4}`)
		uid1, uid2 := types.UID(text.Draw(t, "uid1")), types.UID(text.Draw(t, "uid2"))
		event1, event2 := text.Draw(t, "event1"), text.Draw(t, "event2")
		id1, id2 := EventID(uid1, event1), EventID(uid2, event2)
		if same := uid1 == uid2 && event1 == event2; same != (id1 == id2) {
			t.Fatalf("%q %q is %s, %q %q is %s", uid1, event1, id1, uid2, event2, id2)
		}
		if !form.MatchString(id1) || !validID(id1) {
			t.Fatalf("%s is no event ID", id1)
		}
	})
}

func TestBodyKeepsDigitsAndTellsTimesInUTC(t *testing.T) {
	body, err := delivery.body()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"evt_1","type":"esim.order.delivered","created_at":"2026-03-01T04:30:00Z","data":{"id":930248119,"amount":4.50}}`
	if string(body) != want {
		t.Errorf("body %s, want %s", body, want)
	}
}

func TestEventsThatCannotBeSignedOrWrittenAreRefused(t *testing.T) {
	for name, event := range map[string]Event{
		"no ID":             {Type: "x"},
		"ID with full stop": {ID: "evt_1.2", Type: "x"},
		"ID with newline":   {ID: "evt_1\r\nX: y", Type: "x"},
		"data is no JSON":   {ID: "evt_1", Type: "x", Data: json.RawMessage(`{`)},
	} {
		if body, err := event.body(); err == nil {
			t.Errorf("%s: body %s", name, body)
		}
	}
}

func TestWaitIsTheScheduleOfTheContract(t *testing.T) {
	want := []time.Duration{
		0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	for tries, wait := range want {
		if got, more := Wait(tries, 0); got != wait || !more {
			t.Errorf("after %d tries: %s, %t, want %s", tries, got, more, wait)
		}
	}
	for _, tries := range []int{len(want), len(want) + 1, 1 << 30} {
		if got, more := Wait(tries, 0); more || got != 0 {
			t.Errorf("after %d tries: %s, %t, want no more", tries, got, more)
		}
	}
}

func TestJitterOnlyLengthensAndKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tries := rapid.IntRange(1, len(schedule)-1).Draw(t, "tries")
		base, _ := Wait(tries, 0)
		wait, _ := Wait(tries, rapid.Float64().Draw(t, "jitter"))
		next, _ := Wait(tries+1, 0)
		if wait < base || wait > base+base/10 || wait >= next {
			t.Fatalf("after %d tries: %s, where %s is usual and %s comes next", tries, wait, base, next)
		}
		if most, _ := Wait(tries, 1); most == base {
			t.Fatalf("after %d tries all wait %s", tries, base)
		}
	})
}
