package leader

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lease is the stored lease, as an API server would keep it.
type lease struct {
	resourcelock.Interface
	me     string
	stored resourcelock.LeaderElectionRecord
	err    error
	delay  time.Duration
}

func (l *lease) Identity() string { return l.me }

func (l *lease) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &l.stored, nil, l.err
}

func (l *lease) Update(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	time.Sleep(l.delay)
	if l.err == nil {
		l.stored = record
	}
	return l.err
}

func held(by string) resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{HolderIdentity: by}
}

func renew(t *testing.T, f *Fence) {
	t.Helper()
	if err := f.Update(t.Context(), held("a")); err != nil {
		t.Fatalf("renewing: %v", err)
	}
}

func entered(f *Fence) bool {
	leave, err := f.Enter()
	if err != nil {
		return false
	}
	leave()
	return true
}

func TestNothingEntersBeforeTheFirstRenewal(t *testing.T) {
	if entered(NewFence(&lease{me: "a"}, 15*time.Second, 3*time.Second)) {
		t.Fatal("entered without a lease")
	}
}

func TestTheFenceClosesBeforeTheLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFence(&lease{me: "a"}, 15*time.Second, 3*time.Second)
		renew(t, f)
		time.Sleep(10*time.Second - time.Millisecond)
		if !entered(f) {
			t.Fatal("closed although a write could still arrive within the lease")
		}
		time.Sleep(time.Millisecond)
		if entered(f) {
			t.Fatal("open although a write could arrive after the lease")
		}
		renew(t, f)
		if !entered(f) {
			t.Fatal("closed after a renewal")
		}
	})
}

func TestTheLeaseCountsFromBeforeTheRenewalLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lease{me: "a", delay: 4 * time.Second}
		f := NewFence(l, 15*time.Second, 3*time.Second)
		renew(t, f)
		time.Sleep(6 * time.Second)
		if entered(f) {
			t.Fatal("the lease was counted from the renewal's answer, not from its departure")
		}
	})
}

func TestAFailedRenewalProlongsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lease{me: "a"}
		f := NewFence(l, 15*time.Second, 3*time.Second)
		renew(t, f)
		time.Sleep(9 * time.Second)
		l.err = errors.New("conflict")
		if err := f.Update(t.Context(), held("a")); err == nil {
			t.Fatal("the lock's error was swallowed")
		}
		time.Sleep(time.Second)
		if entered(f) {
			t.Fatal("open after a renewal that failed")
		}
	})
}

func TestAReleaseWaitsForWhatIsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lease{me: "a"}
		f := NewFence(l, 15*time.Second, 3*time.Second)
		renew(t, f)
		leave, err := f.Enter()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- f.Update(t.Context(), held("")) }()
		synctest.Wait()
		if l.stored.HolderIdentity != "a" {
			t.Fatal("released while a purchase was on its way")
		}
		if entered(f) {
			t.Fatal("entered during a release")
		}
		leave()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if l.stored.HolderIdentity != "" {
			t.Fatal("not released once everybody had left")
		}
	})
}

func TestAReleaseLeavesAnothersLeaseAlone(t *testing.T) {
	l := &lease{me: "a"}
	f := NewFence(l, 15*time.Second, 3*time.Second)
	renew(t, f)
	l.stored = held("b")
	if _, _, err := f.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Update(t.Context(), held("")); !errors.Is(err, errHeldByAnother) {
		t.Fatalf("release answered %v", err)
	}
	if l.stored.HolderIdentity != "b" {
		t.Fatal("the new leader's lease was blanked")
	}
}

func TestWhoSeesAnotherHoldItsLeaseIsDeposedAtOnce(t *testing.T) {
	deposed := func(f *Fence) bool {
		select {
		case <-f.Deposed():
			return true
		default:
			return false
		}
	}
	see := func(t *testing.T, f *Fence) {
		t.Helper()
		if _, _, err := f.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l := &lease{me: "a", stored: held("b")}
	f := NewFence(l, 15*time.Second, 3*time.Second)
	see(t, f)
	renew(t, f)
	see(t, f)
	l.stored = held("")
	see(t, f)
	if deposed(f) || deposed(Open()) {
		t.Fatal("deposed although nobody else has taken the lease since")
	}
	renew(t, f)
	l.stored = held("b")
	see(t, f)
	if !deposed(f) || entered(f) {
		t.Fatal("goes on although another leads")
	}
	renew(t, f)
	l.stored = held("b")
	see(t, f)
	if !deposed(f) {
		t.Fatal("a process that stands down is not told a second time, but stays deposed")
	}
}

func TestWhoseRenewalComesAfterTheLeaseIsDeposed(t *testing.T) {
	for name, late := range map[string]struct{ pause, delay time.Duration }{
		"sent late":     {15 * time.Second, 0},
		"answered late": {9 * time.Second, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lease{me: "a"}
				f := NewFence(l, 15*time.Second, 3*time.Second)
				renew(t, f)
				time.Sleep(9 * time.Second)
				renew(t, f)
				time.Sleep(late.pause)
				l.delay = late.delay
				select {
				case <-f.Deposed():
					t.Fatal("deposed by a renewal within the lease")
				default:
				}
				renew(t, f)
				select {
				case <-f.Deposed():
				default:
					t.Fatal("goes on although others may have seen the lease run out")
				}
				if entered(f) {
					t.Fatal("open although others may have seen the lease run out")
				}
			})
		})
	}
}
