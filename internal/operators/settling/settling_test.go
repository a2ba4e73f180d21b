package settling

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

func TestOneLookUpMoreOrLessWouldSendTwiceOrNever(t *testing.T) {
	const settleAfter = 10 * time.Minute
	for _, tc := range []struct {
		name  string
		known Evidence
		asked time.Duration
		want  Evidence
		wait  time.Duration
	}{
		{"right after it was sent", Evidence{Sent: at(0)}, time.Second, Evidence{Sent: at(0)}, settleAfter - time.Second},
		{"a moment too early", Evidence{Sent: at(0)}, settleAfter - 1, Evidence{Sent: at(0)}, 1},
		{"the first that counts", Evidence{Sent: at(0)}, settleAfter, Evidence{Sent: at(0), Missed: at(settleAfter)}, 30 * time.Second},
		{
			"the second, right after the first", Evidence{Sent: at(0), Missed: at(settleAfter)}, settleAfter + time.Second,
			Evidence{Sent: at(0), Missed: at(settleAfter)}, 29 * time.Second,
		},
		{
			"the second that counts", Evidence{Sent: at(0), Missed: at(settleAfter)}, settleAfter + 30*time.Second,
			Evidence{Sent: at(0), Missed: at(settleAfter)}, 0,
		},
		{
			"begun before the first, ended after it", Evidence{Sent: at(0), Missed: at(settleAfter + time.Minute)}, settleAfter,
			Evidence{Sent: at(0), Missed: at(settleAfter + time.Minute)}, 30 * time.Second,
		},
		{
			"while it is being sent again", Evidence{Sent: at(0), Underway: true, Missed: at(settleAfter)}, 2 * settleAfter,
			Evidence{Sent: at(0), Underway: true}, 30 * time.Second,
		},
		{
			"begun before it was sent again", Evidence{Sent: at(settleAfter), Missed: at(settleAfter)}, settleAfter - time.Second,
			Evidence{Sent: at(settleAfter)}, settleAfter + time.Second,
		},
	} {
		got, wait := tc.known.Weigh(at(tc.asked), settleAfter)
		if diff := cmp.Diff(tc.want, got); diff != "" || wait != tc.wait {
			t.Errorf("%s: wait %v, want %v; evidence -want +got:\n%s", tc.name, wait, tc.wait, diff)
		}
	}
}

func TestLookUpsAreNeitherHurriedNorDrawnOut(t *testing.T) {
	for settleAfter, want := range map[time.Duration]time.Duration{
		time.Second: time.Second, time.Minute: 3 * time.Second, 10 * time.Minute: 30 * time.Second, 24 * time.Hour: 30 * time.Second,
	} {
		if got := Gap(settleAfter); got != want {
			t.Errorf("%v: got %v, want %v", settleAfter, got, want)
		}
	}
}

// desk is a Memory with a clock that tests move.
type desk struct {
	*Memory
	now time.Time
}

func newDesk(limit int) *desk {
	d := &desk{now: start}
	d.Memory = NewMemory(10*time.Minute, time.Minute, limit, func() time.Time { return d.now })
	return d
}

func TestAFreshOrderIsSentAtOnceAndOnlyOnce(t *testing.T) {
	d := newDesk(0)
	end, ok := d.Begin("R", true)
	if !ok {
		t.Fatal("a fresh order must be looked for first")
	}
	if _, ok := d.Begin("R", true); ok {
		t.Error("it may be sent while it is being sent")
	}
	end(true)
	if _, ok := d.Begin("R", true); ok {
		t.Error("it may be sent again, as if it were fresh")
	}
}

func TestWhatNeverLeftIsFreshStill(t *testing.T) {
	d := newDesk(0)
	end, _ := d.Begin("R", true)
	end(false)
	if _, ok := d.Begin("R", false); ok {
		t.Error("an order that is not fresh may be sent without a look-up")
	}
	if _, ok := d.Begin("R", true); !ok {
		t.Error("an order of which nothing left must be looked for")
	}
}

func TestAnOrderOfAnEarlierProcessWaitsForItsCalls(t *testing.T) {
	d := newDesk(0)
	d.now = at(5 * time.Minute)
	if wait := d.Missed("R", d.now); wait != 6*time.Minute {
		t.Errorf("wait %v: settleAfter and the minute that its call may have lasted begin when the process does", wait)
	}
	if _, ok := d.Begin("R", false); ok {
		t.Error("it may be sent")
	}
	d.now = at(11 * time.Minute)
	d.now = d.now.Add(d.Missed("R", d.now))
	if wait := d.Missed("R", d.now); wait != 0 {
		t.Errorf("wait %v after the second look-up that counts", wait)
	}
	end, ok := d.Begin("R", false)
	if !ok {
		t.Fatal("it may not be sent, though two look-ups count")
	}
	if _, ok := d.Begin("R", false); ok {
		t.Error("the same proof lets it be sent twice")
	}
	end(false)
	if _, ok := d.Begin("R", false); !ok {
		t.Error("the proof is gone, though nothing left")
	}
}

func TestWhatIsForgottenDoesNotLookUnsent(t *testing.T) {
	d := newDesk(2)
	for i, moment := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour} {
		d.now = at(moment)
		end, _ := d.Begin(fmt.Sprint(i), true)
		end(true)
	}
	d.now = at(time.Hour + 5*time.Minute)
	if wait := d.Missed("0", d.now); wait != 5*time.Minute {
		t.Errorf("wait %v: it was sent an hour after the start", wait)
	}
	if len(d.entries) > 2 || d.touched.Len() != len(d.entries) {
		t.Errorf("%d orders are remembered, %d in line", len(d.entries), d.touched.Len())
	}
}

// A wholesaler's list shows an order at the latest settleAfter after it was sent. Whatever
// else happens, no order may be sent that is, or comes to be, in the books.
func TestNoScheduleSendsAnOrderThatIsInTheBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const settleAfter = 10 * time.Minute
		now := start
		clock := func() time.Time { return now }
		memory := NewMemory(settleAfter, time.Minute, 2, clock)
		arrived := map[string]time.Time{} // when the one purchase of each order arrived
		for _, requestID := range []string{"A", "B", "C"} {
			if rapid.Bool().Draw(t, "an earlier process sent "+requestID) {
				arrived[requestID] = now.Add(time.Duration(rapid.IntRange(-3600, 60).Draw(t, "when")) * time.Second)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "pause")) * time.Second)
			requestID := rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "order")
			sent, bought := arrived[requestID]
			visible := bought && !now.Before(sent) && (rapid.Bool().Draw(t, "shown early") || !now.Before(sent.Add(settleAfter)))
			if visible {
				memory.Found(requestID)
				continue
			}
			memory.Missed(requestID, now)
			end, ok := memory.Begin(requestID, false)
			if !ok {
				continue
			}
			if bought {
				t.Fatalf("%s is sent at %v, though it arrived at %v", requestID, now, sent)
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "call")) * time.Second)
			left := rapid.Bool().Draw(t, "left")
			if left && rapid.Bool().Draw(t, "executed") {
				arrived[requestID] = now
			}
			end(left)
		}
	})
}

func TestAnOrderThatNeverArrivesIsSentInTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := start
		settleAfter := time.Duration(rapid.IntRange(1, 3600).Draw(t, "settleAfter")) * time.Second
		memory := NewMemory(settleAfter, time.Minute, 0, func() time.Time { return now })
		for range 4 {
			wait := memory.Missed("R", now)
			if wait == 0 {
				if now.Before(start.Add(time.Minute + settleAfter)) {
					t.Fatalf("sent after %v", now.Sub(start))
				}
				return
			}
			now = now.Add(wait)
		}
		t.Fatal("who waits as told is never let through")
	})
}
