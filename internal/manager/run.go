package manager

import (
	"context"
	"errors"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
)

// errNeverSynced is how a manager ends that was told to before it had seen what it watches.
var errNeverSynced = errors.New("told to stop before the caches were filled: may the manager read what it watches?")

// Run runs mgr until ctx ends, and what it has begun by then. A manager whose caches never
// filled has begun nothing, and would wait for them for ever: it ends at once.
func Run(ctx context.Context, mgr ctrl.Manager) error {
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	synced := make(chan bool, 1)
	go func() { synced <- mgr.GetCache().WaitForCacheSync(ctx) }()
	select {
	case err := <-ended:
		return started(err)
	case ok := <-synced:
		if !ok {
			return errNeverSynced
		}
	}
	return started(<-ended)
}

func started(err error) error {
	if err != nil {
		return fmt.Errorf("running the controllers: %w", err)
	}
	return nil
}
