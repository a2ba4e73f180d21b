package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// terms are what a client buys on: its wallets, and its EsimClient, nil where it has none. They
// may be shared, and are not changed.
type terms struct {
	wallets []v1alpha1.EsimWallet
	client  *v1alpha1.EsimClient
}

func readTerms(ctx context.Context, reader client.Reader, namespace string) (terms, error) {
	var wallets v1alpha1.EsimWalletList
	if err := reader.List(ctx, &wallets, client.InNamespace(namespace)); err != nil {
		return terms{}, fmt.Errorf("listing the wallets of namespace %s: %w", namespace, err)
	}
	var of v1alpha1.EsimClient
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: v1alpha1.ClientName}, &of)
	switch {
	case err == nil:
		return terms{wallets.Items, &of}, nil
	case client.IgnoreNotFound(err) == nil:
		return terms{wallets.Items, nil}, nil
	default:
		return terms{}, fmt.Errorf("reading the EsimClient of namespace %s: %w", namespace, err)
	}
}

// newest replaces each wallet by the newest copy of it that anybody showed this book, so that
// what was taken back once known is not spent from an older cache.
func (b *book) newest(wallets []v1alpha1.EsimWallet) []v1alpha1.EsimWallet {
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := slices.Clone(wallets)
	for i := range wallets {
		known, ok := b.shown[wallets[i].FirstUID()]
		if ok && later(known, &wallets[i]) {
			newest[i] = *known
			continue
		}
		b.shown[wallets[i].FirstUID()] = &wallets[i]
	}
	return newest
}

// later tells whether a wallet's copy is later than another; not where that cannot be told.
func later(known, other *v1alpha1.EsimWallet) bool {
	order, err := resourceversion.CompareResourceVersion(known.ResourceVersion, other.ResourceVersion)
	return err == nil && order > 0
}

// lookInterval is how far apart the API server is asked for one client's terms, however many
// orders its wallets do not cover: whoever may place orders could have it asked at will.
const lookInterval = time.Second

// errLookedJustNow is the cause of a Later.
var errLookedJustNow = errors.New("by the cache the order cannot be charged, and the API server was asked a moment before; it is asked again soon")

// looks are the second looks at a client's terms, at the API server's. A refusal rests on one
// that was begun after its order was placed. So a pass makes do with any that was begun after
// the pass was, and one that has to wait, with any that was begun after its first try.
type looks struct {
	mu sync.Mutex
	// begun is how many were; the last at beganAt.
	begun   uint64
	beganAt time.Time
	last    *look
	// waiting are the orders that wait, and how many looks had begun when they first asked.
	waiting map[types.UID]uint64
}

// look is one of them. terms and err are set once done is closed.
type look struct {
	number uint64
	done   chan struct{}
	terms  terms
	err    error
}

// asked is how many looks had begun when an order first asked.
func (s *looks) asked(order types.UID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, waits := s.waiting[order]; waits {
		return before
	}
	return s.begun
}

// take returns a look that was begun after so many others, and whether the caller is to make
// it; or a *Later.
func (s *looks) take(order types.UID, after uint64, clock clock.PassiveClock) (taken *look, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clock.Now()
	wait := s.beganAt.Add(lookInterval).Sub(now)
	switch {
	case s.begun == 0 || wait <= 0:
		s.begun++
		s.beganAt = now
		s.last = &look{number: s.begun, done: make(chan struct{})}
		return s.last, true, nil
	case s.last.number > after:
		return s.last, false, nil
	}
	if s.waiting == nil {
		s.waiting = map[types.UID]uint64{}
	}
	s.waiting[order] = after
	return nil, false, &Later{After: min(wait, lookInterval), Cause: errLookedJustNow}
}

// forget drops an order that waits no more.
func (s *looks) forget(order types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, order)
}

// secondLook returns a client's terms as the API server showed them after so many other looks
// had begun; or a *Later.
func (l *Ledger) secondLook(ctx context.Context, b *book, order types.UID, after uint64) (terms, error) {
	look, mine, err := b.looks.take(order, after, l.Clock)
	if err != nil {
		return terms{}, err
	}
	if mine {
		look.read(ctx, l.Live, b.namespace)
	}
	select {
	case <-look.done:
		return look.terms, look.err
	case <-ctx.Done():
		return terms{}, fmt.Errorf("waiting for the wallets of namespace %s: %w", b.namespace, ctx.Err())
	}
}

// read is called once, by whoever began the look.
func (k *look) read(ctx context.Context, live client.Reader, namespace string) {
	defer close(k.done)
	k.terms, k.err = readTerms(ctx, live, namespace)
}
