package manager

import (
	"context"

	"github.com/telcodev/esim-operator/internal/instruments"
)

var leading = instruments.SingleGauge("esim_leader",
	"1 on the replica that leads: it alone buys, charges and sends. 0 on those that stand by.")

// showLeading shows that this process leads, for as long as it does.
func showLeading(ctx context.Context) error {
	leading.Set(1)
	<-ctx.Done()
	leading.Set(0)
	return nil
}
