package facade

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

const (
	// readyTTL is how long an answer of the API server's counts: probes come from many.
	readyTTL = time.Second
	// readyTimeout bounds how long it may take to answer.
	readyTimeout = 2 * time.Second
)

// errNotSynced says that the caches are not filled yet.
var errNotSynced = errors.New("the caches are not filled yet")

// readiness tells whether requests can be served: the caches are filled, and the API server
// answers.
type readiness struct {
	ask   func(context.Context) error
	clock clock.PassiveClock
	// needs must all be true.
	needs []func() bool

	mu    sync.Mutex
	asked time.Time
	last  error
}

func newReadiness(config *rest.Config, c clock.PassiveClock) (*readiness, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("setting up the readiness probe: %w", err)
	}
	ask := func(ctx context.Context) error {
		// Every ServiceAccount may ask this (ClusterRole system:public-info-viewer).
		return kube.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}
	return &readiness{ask: ask, clock: c}, nil
}

// require adds what must be true. It is called before anybody asks.
func (r *readiness) require(need func() bool) { r.needs = append(r.needs, need) }

// synced tells whether all caches are filled. They stay so when the API server goes away.
func (r *readiness) synced() bool {
	for _, met := range r.needs {
		if !met() {
			return false
		}
	}
	return true
}

// check is what keeps requests from being served; nil for nothing.
func (r *readiness) check(ctx context.Context) error {
	if !r.synced() {
		return errNotSynced
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.clock.Now(); r.asked.IsZero() || now.Sub(r.asked) >= readyTTL {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		r.last = r.ask(ctx)
		r.asked = r.clock.Now()
	}
	return r.last
}
