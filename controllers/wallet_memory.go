package controllers

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// maxSettling is how many orders a wallet settles at one time: EsimWalletStatus has room for
// no more.
const maxSettling = 500

// walletMemories are what this process remembers of wallets between passes. A process that
// starts has none, and needs none.
type walletMemories struct {
	mu     sync.Mutex
	byName map[types.NamespacedName]*walletMemory
}

func (m *walletMemories) of(wallet types.NamespacedName) *walletMemory {
	m.mu.Lock()
	defer m.mu.Unlock()
	memory, ok := m.byName[wallet]
	if !ok {
		if m.byName == nil {
			m.byName = map[types.NamespacedName]*walletMemory{}
		}
		memory = &walletMemory{handed: map[types.UID]string{}}
		m.byName[wallet] = memory
	}
	return memory
}

func (m *walletMemories) forget(wallet types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byName, wallet)
}

// walletMemory is what this process remembers of one wallet. All but handed belongs to the
// pass over the wallet, of which there is one at a time.
type walletMemory struct {
	uid types.UID
	// latest is the answer to the last write or live read.
	latest *v1alpha1.EsimWallet
	// settled are the totals that were last seen or written.
	settled *v1alpha1.WalletSettled
	// answered are the orders being settled whose finalizer is gone, by an answer of the API
	// server to this process.
	answered map[types.UID]struct{}
	// writtenAt is when the status was last written.
	writtenAt time.Time

	mu sync.Mutex
	// handed are the names of the orders that wait to be settled.
	handed map[types.UID]string
}

// handover is an order that waits to be settled.
type handover struct {
	uid  types.UID
	name string
}

// begin starts anew with a wallet that was not known.
func (m *walletMemory) begin(uid types.UID) {
	m.uid, m.latest, m.settled, m.writtenAt = uid, nil, nil, time.Time{}
	m.answered = map[types.UID]struct{}{}
}

func (m *walletMemory) hand(order types.UID, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handed[order] = name
}

func (m *walletMemory) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.handed)
}

// some are at most n of the orders that wait, in the order of their names.
func (m *walletMemory) some(n int) []handover {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]handover, 0, len(m.handed))
	for uid, name := range m.handed {
		all = append(all, handover{uid, name})
	}
	slices.SortFunc(all, func(a, b handover) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(string(a.uid), string(b.uid)))
	})
	return all[:min(n, len(all))]
}

// done drops orders from those that wait.
func (m *walletMemory) done(orders ...types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, order := range orders {
		delete(m.handed, order)
	}
}

// wait is how long the status may not be written yet. A full batch need not wait: what many
// writes cost is shared by many orders.
func (m *walletMemory) wait(now time.Time) time.Duration {
	if m.writtenAt.IsZero() || m.waiting() >= maxSettling {
		return 0
	}
	since := now.Sub(m.writtenAt)
	if since < 0 {
		return 0 // the clock was set back: nobody waits until it has caught up
	}
	return max(0, walletWriteInterval-since)
}

// after is how long the next pass is due after the status was written.
func (m *walletMemory) after(written *v1alpha1.EsimWallet) time.Duration {
	switch unanswered := m.unanswered(written); {
	case m.waiting() >= maxSettling && len(unanswered) < maxSettling:
		return time.Millisecond
	case len(unanswered) > 0:
		return conflictDelay
	case m.waiting() > 0, len(written.Status.Settling) > 0, !written.DeletionTimestamp.IsZero():
		return walletWriteInterval
	default:
		return 0
	}
}

// unanswered are the orders that the wallet says it settles, and whose finalizer may be there.
func (m *walletMemory) unanswered(wallet *v1alpha1.EsimWallet) []v1alpha1.SettlingOrder {
	return slices.DeleteFunc(slices.Clone(wallet.Status.Settling), func(o v1alpha1.SettlingOrder) bool {
		_, answered := m.answered[o.UID]
		return answered
	})
}

// prune forgets the answers about orders that the wallet does not settle any more.
func (m *walletMemory) prune(settling []v1alpha1.SettlingOrder) {
	maps.DeleteFunc(m.answered, func(uid types.UID, _ struct{}) bool {
		return !slices.ContainsFunc(settling, func(o v1alpha1.SettlingOrder) bool { return o.UID == uid })
	})
}
