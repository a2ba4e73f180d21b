package money

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// process is one manager: its reconcilers, its cache, its lease and what it hangs by.
type process struct {
	*testdesk.Desk
	cache *lag
	line  *lifeline.Line
	fence *leader.Fence
}

// lease is a lock that everybody gets: who leads is the world's to decide.
type lease struct{ name string }

func (l lease) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: l.name}, nil, nil
}
func (lease) Create(context.Context, resourcelock.LeaderElectionRecord) error { return nil }
func (lease) Update(context.Context, resourcelock.LeaderElectionRecord) error { return nil }
func (lease) RecordEvent(string)                                              {}
func (l lease) Identity() string                                              { return l.name }
func (l lease) Describe() string                                              { return l.name }

var _ resourcelock.Interface = lease{}

// employ starts a manager that leads, with the cache that it has been warming.
func (w *world) employ(cache *lag) (*process, error) {
	p := &process{cache: cache, line: lifeline.New()}
	p.fence = leader.NewFence(lease{"this process"}, 24*time.Hour, 0)
	if err := p.fence.Create(w.ctx, resourcelock.LeaderElectionRecord{HolderIdentity: "this process"}); err != nil {
		return nil, fmt.Errorf("taking the lease: %w", err)
	}
	p.Desk = testdesk.Open(testdesk.Options{
		Cache: cache, Live: p.line.Reader(w.machine), Writer: p.line.Writer(w.told), Clock: w.clock, Fence: p.fence,
		WrapTransport: p.line.Transport, AfterPass: w.passed,
	})
	cache.books = p.Orders.Ledger
	var operator v1alpha1.EsimOperator
	if err := w.api.Get(w.ctx, types.NamespacedName{Name: w.shop.Name}, &operator); err != nil {
		return nil, fmt.Errorf("reading the operator: %w", err)
	}
	if err := p.Connect(&operator, w.shop.Credentials()); err != nil {
		return nil, err
	}
	return p, nil
}

// dismiss ends a process' connections.
func (w *world) dismiss(p *process) {
	if p != nil {
		p.Pool.Remove(w.shop.Name)
	}
}

// unseat closes a process' fence: its lease has run out. It goes on with what needs none.
func (p *process) unseat(ctx context.Context) error {
	return p.fence.Update(ctx, resourcelock.LeaderElectionRecord{})
}
