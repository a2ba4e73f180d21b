package shard

import (
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// lives are the leases of other leaders as this process has seen them. As in leader election, the
// times in a lease are another machine's and prove nothing: a lease has run out once it was seen
// unchanged for as long as it lasts.
type lives struct {
	clock clock.PassiveClock
	// missing is how long a lease that is not there may stay away: somebody may have deleted it
	// while its holder is at work, and that one makes it anew.
	missing time.Duration

	mu   sync.Mutex
	seen map[string]sight
}

type sight struct {
	record string
	since  time.Time
}

// over tells whether a lease was let go or has run out. lease is nil where there is none.
func (l *lives) over(name string, lease *coordinationv1.Lease) bool {
	lasts, record := l.missing, ""
	if lease != nil {
		spec := &lease.Spec
		holder := ptr.Deref(spec.HolderIdentity, "")
		if holder == "" {
			l.forget(name)
			return true
		}
		lasts = time.Duration(ptr.Deref(spec.LeaseDurationSeconds, 0)) * time.Second
		record = fmt.Sprintf("%s %s %s", lease.UID, lease.ResourceVersion, holder)
	}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.seen[name]
	if !known || last.record != record {
		if l.seen == nil {
			l.seen = map[string]sight{}
		}
		l.seen[name] = sight{record: record, since: now}
		return false
	}
	return now.Sub(last.since) >= lasts+grace
}

func (l *lives) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, name)
}
