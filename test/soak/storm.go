package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// fault as both forms of the control API take it.
type fault map[string]any

// es2plusFaults are what goes wrong at the SM-DP+, each as often as any other.
func es2plusFaults() []fault {
	return []fault{
		{"kind": "drop-answer"},
		{"kind": "drop-answer", "execution": "never"},
		{"kind": "http-status", "httpStatus": 503},
		{"kind": "http-status", "httpStatus": 429, "retryAfter": "2s"},
		{"kind": "malformed-json"},
		{"kind": "wrong-content-type"},
		{"kind": "huge-body"},
		{"kind": "hang"},
		{"kind": "delay", "delay": "1s"},
		{"kind": "omit-smdp-address"},
		{"kind": "refuse-connection"},
		{"kind": "status-code", "subjectCode": "8.2.5", "reasonCode": "3.7", "function": "DownloadOrder"},
	}
}

// wholesaleFaults are what goes wrong at wholesalers.
func wholesaleFaults() []fault {
	return []fault{
		{"kind": "drop"},
		{"kind": "drop", "execution": "never"},
		{"kind": "status", "status": 500, "execution": "first"},
		{"kind": "status", "status": 503},
		{"kind": "status", "status": 429},
		{"kind": "status", "status": 429, "retryAfter": "2"},
		{"kind": "html"},
		{"kind": "html", "execution": "first"},
		{"kind": "empty"},
		{"kind": "truncated"},
		{"kind": "malformed"},
		{"kind": "huge"},
		{"kind": "deep"},
		{"kind": "wrong-types"},
		{"kind": "redirect"},
		{"kind": "numbers-as-strings"},
		{"kind": "objects-for-lists"},
		{"kind": "booleans-as-strings"},
		{"kind": "slow", "delay": "1s"},
		{"kind": "hang"},
	}
}

// upset has the share of all calls go wrong at all operators, of which orders show late in lists.
func (s *soak) upset(ctx context.Context) error {
	if s.faults == 0 {
		return nil
	}
	inject := func(path string, faults []fault) error {
		s.chance.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		for i, f := range faults {
			f["fraction"] = fraction(s.faults, i, len(faults))
			body, err := json.Marshal(f)
			if err != nil {
				return fmt.Errorf("writing a fault: %w", err)
			}
			if err := s.tell(ctx, http.MethodPost, path, string(body), nil); err != nil {
				return err
			}
		}
		return nil
	}
	if err := inject("/faults", es2plusFaults()); err != nil {
		return err
	}
	for _, name := range []string{zendit, esimAccess, airalo} {
		if err := inject("/"+name+"/faults", wholesaleFaults()); err != nil {
			return err
		}
		if err := s.tell(ctx, http.MethodPut, "/"+name+"/delays", `{"list": "2s"}`, nil); err != nil {
			return err
		}
	}
	return nil
}

// fraction that the i-th of n faults is drawn with, so that each hits as many calls as any other
// and all together the share: it is drawn from what those before it left.
func fraction(share float64, i, n int) float64 {
	each := share / float64(n)
	return each / (1 - each*float64(i))
}

// soothe ends all faults. Those of the SM-DP+ tell last how often they hit.
func (s *soak) soothe(ctx context.Context, t *tally) error {
	var hit []struct{ Hits int }
	if err := s.tell(ctx, http.MethodGet, "/faults", "", &hit); err != nil {
		return err
	}
	for _, f := range hit {
		t.spoilt += f.Hits
	}
	for _, path := range []string{"/faults", "/" + zendit + "/faults", "/" + esimAccess + "/faults", "/" + airalo + "/faults"} {
		if err := s.tell(ctx, http.MethodDelete, path, "", nil); err != nil {
			return err
		}
	}
	return nil
}

// tempest has all orders come, evenly, with the faults on and the manager being killed.
func (s *soak) tempest(ctx context.Context) (*tally, error) {
	if err := s.upset(ctx); err != nil {
		return nil, err
	}
	t := &tally{orders: map[types.UID]ordered{}}
	killing, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.keepKilling(killing, s.seed) }()
	err := s.placeAll(ctx, t)
	stop()
	if killed := <-ended; err == nil {
		err = killed
	}
	t.kills = s.kills
	s.sayf("the storm is over: %d orders placed, the manager killed %d times", len(t.orders), s.kills)
	return t, err
}

func (s *soak) placeAll(ctx context.Context, t *tally) error {
	tick := time.NewTicker(max(s.storm/time.Duration(s.orders), time.Millisecond))
	defer tick.Stop()
	for n := range s.orders {
		if err := s.place(ctx, t, n); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (s *soak) place(ctx context.Context, t *tally, n int) error {
	offered, drawn := offers[0], s.chance.IntN(100)
	for _, offered = range offers {
		if drawn -= offered.weight; drawn < 0 {
			break
		}
	}
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.clients[n%len(s.clients)], Name: fmt.Sprintf("order-%d", n)},
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef: v1alpha1.ProductReference{Name: product}, Variant: offered.name, WalletRef: &v1alpha1.WalletReference{Name: wallet},
		},
	}
	if err := s.env.Client.Create(ctx, order); err != nil {
		return fmt.Errorf("placing order %d: %w", n, err)
	}
	t.orders[order.UID] = ordered{key: client.ObjectKeyFromObject(order), offer: offered}
	return nil
}

// keepKilling kills the manager again and again, once it has led for a while, and starts another.
// With 0 between two kills it only waits.
func (s *soak) keepKilling(ctx context.Context, seed uint64) error {
	if s.kill == 0 {
		<-ctx.Done()
		return nil
	}
	chance := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // it shall be drawn again.
	for {
		// From half to one and a half of the time, after the lease of the one before has run out.
		lives := leaseRunsOut + s.kill/2 + time.Duration(chance.Int64N(int64(s.kill)))
		timer := time.NewTimer(lives)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := s.manager.kill(); err != nil {
			return err
		}
		s.kills++
		if err := s.startManager(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// leaseRunsOut is how long a new manager waits until it leads: managerConfig's lease.
const leaseRunsOut = 7 * time.Second
