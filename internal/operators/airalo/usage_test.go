package airalo

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
	"github.com/telcodev/esim-operator/internal/operators/faults"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

func TestWhatAnAnswerAboutASIMMeans(t *testing.T) {
	expiry := time.Date(2026, 12, 1, 10, 20, 30, 0, time.UTC)
	installed := operators.Life{Installed: true, ExpiryTime: expiry.Add(-time.Hour)}
	for name, c := range map[string]struct {
		body  string
		known operators.Life
		want  operators.Life
	}{
		"not used":                  {`{"status":"NOT_ACTIVE","remaining":1000,"total":1000,"expired_at":null}`, operators.Life{}, operators.Life{}},
		"in use":                    {`{"status":"ACTIVE","remaining":900,"total":1000,"expired_at":"2026-12-01 10:20:30"}`, operators.Life{}, operators.Life{Installed: true, ExpiryTime: expiry}},
		"used up, without an end":   {`{"status":"FINISHED","remaining":"0","total":"1000","expired_at":""}`, operators.Life{}, operators.Life{Installed: true}},
		"expired after use":         {`{"status":"EXPIRED","remaining":999,"total":1000,"expired_at":"2026-12-01T11:20:30+01:00"}`, operators.Life{}, operators.Life{Installed: true, ExpiryTime: expiry}},
		"expired, never used":       {`{"status":"EXPIRED","remaining":1000,"total":1000,"expired_at":"2026-12-01 10:20:30"}`, operators.Life{}, operators.Life{ExpiryTime: expiry}},
		"expired, known as in use":  {`{"status":"EXPIRED","remaining":1000,"total":1000,"expired_at":"2026-12-01 10:20:30"}`, installed, operators.Life{Installed: true, ExpiryTime: expiry}},
		"expired, says nothing":     {`{"status":"EXPIRED"}`, operators.Life{}, operators.Life{}},
		"unknown":                   {`{"status":"UNKNOWN","remaining":0,"total":1000}`, installed, installed},
		"a word that is not known":  {`{"status":"RESTING"}`, installed, installed},
		"an end that makes no time": {`{"status":"ACTIVE","expired_at":"soon"}`, operators.Life{}, operators.Life{Installed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var u usage
			if err := webapi.Decode([]byte(c.body), &u); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, u.life(c.known)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestASIMIsAskedForNoMoreOftenThanAiraloAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.driver(t)
		profile, _ := provision(t, d, true)
		tracked := operators.Tracked{RequestID: testRequest, ICCID: profile.ICCID}
		track := func() operators.Life {
			life, err := d.Track(t.Context(), tracked)
			if err != nil {
				t.Fatal(err)
			}
			return life
		}
		if life := track(); life.Installed {
			t.Errorf("a new profile is %+v", life)
		}
		w.Install(t, profile.ICCID)
		for range 11 {
			if track().Installed {
				t.Fatal("the last answer is not kept")
			}
			time.Sleep(10 * time.Second)
		}
		if n := w.executed(airalofake.GetUsage); n != 1 {
			t.Errorf("%d questions in %v", n, usageKept)
		}
		time.Sleep(10 * time.Second)
		if life := track(); !life.Installed || life.ExpiryTime.Location() != time.UTC {
			t.Errorf("after a while the profile is %+v", life)
		}
		if err := w.airalo.SetUsage(profile.ICCID, airalofake.UsageUnknown, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(usageKept)
		if life := track(); !life.Installed {
			t.Errorf("where Airalo does not know, what was known is lost: %+v", life)
		}
	})
}

func TestTrackingSaysWhatWentWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.driver(t)
		_, err := d.Track(t.Context(), operators.Tracked{ICCID: "8944421000000000017"})
		if failure := failureOf(t, err); failure.Class != operators.Transient || !failure.OneOrder || failure.Function != getUsage {
			t.Errorf("of a SIM that Airalo does not know: %+v", failure)
		}
		inject(t, w, faults.Fault{Kind: faults.HTML, Function: airalofake.GetUsage, Times: 1})
		_, err = d.Track(t.Context(), operators.Tracked{ICCID: "8944421000000000017"})
		if failure := failureOf(t, err); failure.Class != operators.Transient || failure.Code != "HTTP 502" {
			t.Errorf("of a broken gateway: %+v", failure)
		}
	})
}

func TestFewAnswersAreKept(t *testing.T) {
	now := time.Unix(0, 0)
	u := newUsages(func() time.Time { return now })
	for i := range maxUsages + 5 {
		u.put(activation.ICCID(fmt.Sprint(i)), operators.Life{Installed: true})
	}
	if len(u.heard) > maxUsages {
		t.Errorf("%d answers are kept, %d at most", len(u.heard), maxUsages)
	}
	if life, fresh := u.of(activation.ICCID(fmt.Sprint(maxUsages + 4))); !fresh || !life.Installed {
		t.Error("the newest is not kept")
	}
}
