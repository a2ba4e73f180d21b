// Package leader fences what only a leader may do. A lease alone is no fence: a leader
// that is cut off, paused or slow goes on for a while after another took over. Nothing
// that buys or moves money may leave in that while.
package leader

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ErrNotLeading is why Enter refuses: the lease may have run out.
var ErrNotLeading = errors.New("this process may not be the leader any more")

// errHeldByAnother is why a release is refused.
var errHeldByAnother = errors.New("the lease is held by another process: not released")

// Fence lets purchases, charges and refunds through only while no other process can have
// become the leader. It wraps the lease's lock, notes the time before each renewal leaves,
// and closes early enough for what entered last to arrive.
type Fence struct {
	resourcelock.Interface
	// lasts is how long the lease lasts after a renewal has left; hold, how long the fence is open.
	lasts, hold time.Duration

	mu     sync.Mutex
	ends   time.Time
	until  time.Time
	holder string
	closed bool
	// deposed is closed once another holds the lease that was ours, or may have held it.
	deposed chan struct{}
	depose  sync.Once
	// inside is closed once nobody is inside any more; nil while nobody is.
	inside  chan struct{}
	entered int
}

// margin is for clocks that run at different speeds and for a process that is paused
// between Enter and the write.
const margin = 2 * time.Second

// NewFence wraps lock. leaseDuration is the lease's; longestWrite is how long after Enter
// a write may still arrive, the writing client's timeout.
func NewFence(lock resourcelock.Interface, leaseDuration, longestWrite time.Duration) *Fence {
	return &Fence{Interface: lock, lasts: leaseDuration, hold: leaseDuration - longestWrite - margin, deposed: make(chan struct{})}
}

// Open is a fence for a process that is the only one there can be: it never closes.
func Open() *Fence { return nil }

// Deposed is closed once another process was seen to hold the lease that this one had, or once a
// renewal was answered after the lease had run out, when others may have taken what this process
// held by it: after a pause that was longer than the lease. The elector goes on trying for its
// renew deadline, and the controllers with it, though there is nothing left to hope for. It is
// never closed where the fence is open.
func (f *Fence) Deposed() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.deposed
}

// Enter asks whether something that only a leader may do may begin now. leave must be
// called when it has ended. The error is ErrNotLeading.
func (f *Fence) Enter() (leave func(), err error) {
	if f == nil {
		return func() {}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !time.Now().Before(f.until) {
		return nil, ErrNotLeading
	}
	if f.entered == 0 {
		f.inside = make(chan struct{})
	}
	f.entered++
	return sync.OnceFunc(f.leave), nil
}

func (f *Fence) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entered--
	if f.entered == 0 {
		close(f.inside)
	}
}

// Get reads the lease and notes who holds it.
func (f *Fence) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := f.Interface.Get(ctx)
	if err == nil {
		f.see(record.HolderIdentity)
	}
	return record, raw, err
}

// see who holds the lease now.
func (f *Fence) see(holder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holder == f.Identity() && holder != "" && holder != f.holder {
		f.closed = true
		f.depose.Do(func() { close(f.deposed) })
	}
	f.holder = holder
}

// Create takes a lease that nobody had yet.
func (f *Fence) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return f.renew(func() error { return f.Interface.Create(ctx, record) })
}

// Update renews the lease, takes it over, or releases it where the record names no holder.
// A release waits for what is inside, and is refused where another process holds the lease:
// the elector would blank that one's lease.
func (f *Fence) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity != "" {
		return f.renew(func() error { return f.Interface.Update(ctx, record) })
	}
	if err := f.drain(ctx); err != nil {
		return err
	}
	return f.Interface.Update(ctx, record)
}

// renew notes the time before the renewal leaves, on the monotonic clock: the lease lasts at
// least from then. A renewal that is answered once the lease has run out renews nothing.
func (f *Fence) renew(write func() error) error {
	before := time.Now()
	if err := write(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holder == f.Identity() && !f.ends.IsZero() && !time.Now().Before(f.ends) {
		f.closed = true
		f.depose.Do(func() { close(f.deposed) })
		return nil
	}
	f.holder = f.Identity()
	f.ends, f.until = before.Add(f.lasts), before.Add(f.hold)
	f.closed = false
	return nil
}

func (f *Fence) drain(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	other := f.holder != "" && f.holder != f.Identity()
	inside, entered := f.inside, f.entered
	f.mu.Unlock()
	if other {
		return errHeldByAnother
	}
	if entered == 0 {
		return nil
	}
	select {
	case <-inside:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
