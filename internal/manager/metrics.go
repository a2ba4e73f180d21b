package manager

import (
	"context"

	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/telcodev/esim-operator/internal/instruments"
)

var leading = instruments.GaugeVec("esim_leader",
	"1 on the replica that holds a lease and leads: it alone buys, charges and sends. 0 on those that stand by for it.",
	"lease")

// showLeading shows that this process does not lead, and once it is started, with the
// controllers, that it does.
func showLeading(lease string) ctrlmanager.RunnableFunc {
	gauge := leading.WithLabelValues(lease)
	return func(ctx context.Context) error {
		gauge.Set(1)
		<-ctx.Done()
		gauge.Set(0)
		return nil
	}
}
