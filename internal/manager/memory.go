package manager

import (
	"context"
	"runtime/debug"

	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// settledMemory gives back to the system, once, what filling the caches has left behind: reading
// all orders takes more memory than holding them, and Go would keep it for long.
type settledMemory struct{ cache cache.Cache }

// Start implements manager.Runnable.
func (m settledMemory) Start(ctx context.Context) error {
	if m.cache.WaitForCacheSync(ctx) {
		debug.FreeOSMemory()
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: a standby holds the caches too.
func (settledMemory) NeedLeaderElection() bool { return false }
