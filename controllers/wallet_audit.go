package controllers

import (
	"context"
	"slices"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/telcodev/esim-operator/internal/instruments"
	"github.com/telcodev/esim-operator/internal/ledger"
)

var (
	walletsDiffering = instruments.SingleGauge("esim_ledger_differing_wallets",
		"Wallets whose balance, summed up anew from all orders, was another than the ledger's in the last audit. Anything but 0 is a defect.")

	walletDiffering = instruments.GaugeVec("esim_ledger_differing_wallet",
		"1 for each of the first ten wallets that differed in the last audit, by client (its namespace) and wallet.",
		"client", "wallet")

	namespacesUnaudited = instruments.SingleGauge("esim_ledger_unaudited_namespaces",
		"Namespaces that the last audit could say nothing about, as their orders changed meanwhile.")
)

// DefaultAuditInterval is how often all wallets are summed up anew.
const DefaultAuditInterval = 10 * time.Minute

// auditTries is how often an audit looks at a namespace in which orders change all the time.
const auditTries = 3

// LedgerAudit sums up all wallets anew from time to time, and compares that with the ledger.
type LedgerAudit struct {
	// Ledger that is audited.
	Ledger *ledger.Ledger
	// Clock tells when an audit is due.
	Clock clock.WithTicker
	// Interval between audits; 0 for DefaultAuditInterval.
	Interval time.Duration
}

// NeedLeaderElection keeps a standby, which has no ledger, from auditing.
func (*LedgerAudit) NeedLeaderElection() bool { return true }

// Start audits until ctx ends.
func (a *LedgerAudit) Start(ctx context.Context) error {
	interval := a.Interval
	if interval == 0 {
		interval = DefaultAuditInterval
	}
	ticker := a.Clock.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			a.Audit(ctx)
		}
	}
}

// Audit looks at every wallet once, and shows in metrics and logs what differs. A client's book
// that is wrong is opened anew from its orders, which are right.
func (a *LedgerAudit) Audit(ctx context.Context) {
	log := ctrl.LoggerFrom(ctx).WithName("ledger-audit")
	namespaces := a.Ledger.Namespaces()
	slices.Sort(namespaces)
	differing, unaudited := 0, 0
	walletDiffering.Reset()
	for _, namespace := range namespaces {
		wallets, sure, err := a.audit(ctx, namespace)
		switch {
		case err != nil:
			log.Error(err, "Auditing the ledger", "namespace", namespace)
			unaudited++
		case !sure:
			unaudited++
		case len(wallets) > 0:
			log.Error(nil, "The ledger differs from what the orders say; it is opened anew", "namespace", namespace, "wallets", wallets)
			a.Ledger.Distrust(namespace)
			for _, wallet := range wallets {
				if differing++; differing <= namedAtMost {
					walletDiffering.WithLabelValues(namespace, wallet).Set(1)
				}
			}
		}
	}
	walletsDiffering.Set(float64(differing))
	namespacesUnaudited.Set(float64(unaudited))
}

func (a *LedgerAudit) audit(ctx context.Context, namespace string) (wallets []string, sure bool, err error) {
	for range auditTries {
		if wallets, sure, err = a.Ledger.Audit(ctx, namespace); sure || err != nil {
			return wallets, sure, err
		}
	}
	return nil, false, nil
}
