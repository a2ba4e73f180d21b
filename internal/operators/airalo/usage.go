package airalo

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

const (
	// usageKept is how long an answer about a SIM counts. Airalo's own answers are up to 20
	// minutes old, and it allows ten questions a minute about one SIM.
	usageKept = 2 * time.Minute
	// maxUsages bounds how many answers are kept.
	maxUsages = 10_000
)

// What Airalo says of a SIM, in the field status.
const (
	usageNotActive = "NOT_ACTIVE"
	usageActive    = "ACTIVE"
	usageFinished  = "FINISHED"
	usageExpired   = "EXPIRED"
)

// usage is an answer about a SIM.
type usage struct {
	Status    webapi.Text   `json:"status"`
	Remaining webapi.Number `json:"remaining"`
	Total     webapi.Number `json:"total"`
	ExpiredAt webapi.Text   `json:"expired_at"`
}

// Track asks for a SIM's usage: a plan that is used is on a device. Where Airalo says that it
// does not know, what this process heard last still counts.
func (d *Driver) Track(ctx context.Context, t operators.Tracked) (operators.Life, error) {
	known, fresh := d.usages.of(t.ICCID)
	if fresh {
		return known, nil
	}
	var heard struct {
		Data *usage `json:"data"`
	}
	failure := d.get(ctx, getUsage, "/sims/"+url.PathEscape(string(t.ICCID))+"/usage", nil, webapi.DefaultLimit, func(body []byte) error {
		if err := webapi.Decode(body, &heard); err != nil {
			return err
		}
		if heard.Data == nil || heard.Data.Status == "" {
			return errNoUsage
		}
		return nil
	})
	if failure != nil {
		return operators.Life{}, failure
	}
	life := heard.Data.life(known)
	d.usages.put(t.ICCID, life)
	return life, nil
}

// life is what an answer says of a profile. known is what was heard before.
func (u *usage) life(known operators.Life) operators.Life {
	var life operators.Life
	switch u.Status {
	case usageNotActive:
		return life
	case usageActive, usageFinished:
		life.Installed = true
	case usageExpired:
		// A plan may also expire that nobody ever used.
		life.Installed = known.Installed || u.Total.Given && u.Remaining.Given && u.Remaining.Cmp(u.Total.Amount) < 0
	default:
		return known
	}
	life.ExpiryTime = readTime(string(u.ExpiredAt))
	return life
}

// readTime reads a time as Airalo writes them, in UTC; zero where there is none that can be
// read: what an operator does not know is absent.
func readTime(text string) time.Time {
	for _, layout := range []string{time.DateTime, time.RFC3339Nano} {
		if at, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// usages are the last answers about SIMs. It is safe for concurrent use.
type usages struct {
	now func() time.Time

	mu    sync.Mutex
	heard map[activation.ICCID]heardUsage
}

type heardUsage struct {
	life operators.Life
	at   time.Time
}

func newUsages(now func() time.Time) *usages {
	return &usages{now: now, heard: make(map[activation.ICCID]heardUsage)}
}

// of a SIM, what was heard last, and whether that still counts.
func (u *usages) of(iccid activation.ICCID) (life operators.Life, fresh bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	last, ok := u.heard[iccid]
	return last.life, ok && u.now().Sub(last.at) < usageKept
}

// put what was just heard. Where there is no room all others are forgotten: they are asked for
// again when they are wanted.
func (u *usages) put(iccid activation.ICCID, life operators.Life) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.heard[iccid]; !known && len(u.heard) >= maxUsages {
		clear(u.heard)
	}
	u.heard[iccid] = heardUsage{life: life, at: u.now()}
}
