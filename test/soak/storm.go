package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/test/stand"
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

// control is where the control API has an operator's part.
func control(operator string) string {
	if operator == stand.Telco {
		return ""
	}
	return "/" + operator
}

// upset has the share of an operator's calls go wrong.
func (s *soak) upset(ctx context.Context, operator string) error {
	if s.faults == 0 {
		return nil
	}
	all := wholesaleFaults()
	if operator == stand.Telco {
		all = es2plusFaults()
	}
	for i, f := range all {
		f["fraction"] = fraction(s.faults, i, len(all))
		if err := s.inject(ctx, operator, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *soak) inject(ctx context.Context, operator string, f fault) error {
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("writing a fault: %w", err)
	}
	return s.simulator.Tell(ctx, http.MethodPost, control(operator)+"/faults", string(body), nil)
}

// soothe ends all faults of an operator. Those of the SM-DP+ tell last how often they hit.
func (s *soak) soothe(ctx context.Context, operator string) error {
	if operator == stand.Telco {
		var ended []struct{ Hits int }
		if err := s.simulator.Tell(ctx, http.MethodGet, "/faults", "", &ended); err != nil {
			return err
		}
		for _, f := range ended {
			s.spoilt += f.Hits
		}
	}
	return s.simulator.Tell(ctx, http.MethodDelete, control(operator)+"/faults", "", nil)
}

// fraction that the i-th of n faults is drawn with, so that each hits as many calls as any other
// and all together the share: it is drawn from what those before it left.
func fraction(share float64, i, n int) float64 {
	each := share / float64(n)
	return each / (1 - each*float64(i))
}

// tempest has all orders come, evenly, with the faults on, the manager being killed, and one
// operator after the other gone for a while.
func (s *soak) tempest(ctx context.Context) (*tally, error) {
	for _, operator := range stand.Operators() {
		if err := s.upset(ctx, operator); err != nil {
			return nil, err
		}
		if operator == stand.Telco {
			continue
		}
		if err := s.simulator.Tell(ctx, http.MethodPut, control(operator)+"/delays", `{"list": "2s"}`, nil); err != nil {
			return nil, err
		}
	}
	t := &tally{orders: map[types.UID]ordered{}, retired: map[types.UID]*v1alpha1.EsimOrder{}}
	raging, stop := context.WithCancel(ctx)
	killed, stopped := make(chan error, 1), make(chan error, 1)
	go func() { killed <- s.keepKilling(raging) }()
	go func() { stopped <- s.keepStopping(raging) }()
	placing := s.placeAll
	if s.steady > 0 {
		placing = s.placeSteadily
	}
	err := placing(ctx, t)
	stop()
	if err := errors.Join(err, <-killed, <-stopped); err != nil {
		return nil, err
	}
	t.kills, t.outages = s.kills, s.outages
	s.sayf("the storm is over: %d orders placed, the manager killed %d times, operators gone %d times", len(t.orders), s.kills, s.outages)
	for _, operator := range stand.Operators() {
		if err := s.soothe(ctx, operator); err != nil {
			return nil, err
		}
	}
	return t, s.countFaults(ctx, t)
}

// countFaults notes how many calls went wrong in the storm.
func (s *soak) countFaults(ctx context.Context, t *tally) error {
	t.add("calls to "+stand.Telco+" that went wrong", "%d", s.spoilt)
	for _, name := range stand.Operators()[1:] {
		found := map[string]struct{ Arrived, Faults int }{}
		if err := s.simulator.Tell(ctx, http.MethodGet, control(name)+"/calls", "", &found); err != nil {
			return err
		}
		arrived, wrong := 0, 0
		for _, calls := range found {
			arrived, wrong = arrived+calls.Arrived, wrong+calls.Faults
		}
		t.add("calls to "+name+" that went wrong, of all", "%d, %d", wrong, arrived)
	}
	return nil
}

// sleep waits; false where ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// keepStopping has one operator after the other refuse connections for so long that orders
// fail over, twice a minute about. Without faults it only waits.
func (s *soak) keepStopping(ctx context.Context) error {
	chance := rand.New(rand.NewPCG(s.seed, 3)) //nolint:gosec // it shall be drawn again.
	for s.faults > 0 && sleep(ctx, 10*time.Second+time.Duration(chance.Int64N(int64(20*time.Second)))) {
		operator := stand.Operators()[chance.IntN(4)]
		if err := s.inject(ctx, operator, fault{"kind": "refuse-connection"}); err != nil {
			return err
		}
		s.outages++
		sleep(ctx, failoverAfter+time.Duration(chance.Int64N(int64(10*time.Second))))
		lasting := context.WithoutCancel(ctx) // it is to be there again also at the end
		if err := errors.Join(s.soothe(lasting, operator), s.upset(lasting, operator)); err != nil {
			return err
		}
	}
	return nil
}

func (s *soak) placeAll(ctx context.Context, t *tally) error {
	tick := time.NewTicker(max(s.storm/time.Duration(s.orders), time.Millisecond))
	defer tick.Stop()
	for n := range s.orders {
		if _, err := s.create(ctx, t, n, s.newOrder(n, s.draw())); err != nil {
			return err
		}
		if n >= secondThoughts && s.chance.IntN(100) < cancelled {
			before := s.name(n - secondThoughts)
			if err := s.patch(ctx, ordered{key: types.NamespacedName{Namespace: before.Namespace, Name: before.Name}}, `{"spec": {"cancel": true}}`); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

const (
	// cancelled is how many of 100 orders are, secondThoughts orders later.
	cancelled      = 5
	secondThoughts = 5
)

// patch changes an order as a client does, wherever it stands.
func (s *soak) patch(ctx context.Context, of ordered, merge string) error {
	order := &v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: of.key.Namespace, Name: of.key.Name}}
	if err := s.env.Client.Patch(ctx, order, client.RawPatch(types.MergePatchType, []byte(merge))); err != nil {
		return fmt.Errorf("changing %s: %w", of.key, err)
	}
	return nil
}

func (s *soak) name(n int) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: s.clients[n%len(s.clients)], Name: fmt.Sprintf("order-%d", n)}
}

// draw is what somebody wants to buy.
func (s *soak) draw() offer {
	drawn := s.chance.IntN(100)
	for _, offered := range offers {
		if drawn -= offered.weight; drawn < 0 {
			return offered
		}
	}
	return offers[0]
}

func (s *soak) newOrder(n int, of offer) *v1alpha1.EsimOrder {
	return &v1alpha1.EsimOrder{
		ObjectMeta: s.name(n),
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef: v1alpha1.ProductReference{Name: product}, Variant: of.name, WalletRef: &v1alpha1.WalletReference{Name: wallet},
		},
	}
}

// create makes an order as kubectl does.
func (s *soak) create(ctx context.Context, t *tally, n int, order *v1alpha1.EsimOrder) (ordered, error) {
	if err := s.env.Client.Create(ctx, order); err != nil {
		return ordered{}, fmt.Errorf("placing order %d: %w", n, err)
	}
	made := ordered{key: client.ObjectKeyFromObject(order), uid: order.UID, offer: offerOf(order)}
	t.orders[order.UID] = made
	return made, nil
}

// offerOf is what an order is for.
func offerOf(order *v1alpha1.EsimOrder) offer {
	for _, offered := range offers {
		if offered.name == order.Spec.Variant {
			return offered
		}
	}
	return offer{}
}

// keepKilling kills the manager again and again, once it has led for a while, and starts another.
// With 0 between two kills it only waits.
func (s *soak) keepKilling(ctx context.Context) error {
	if s.kill == 0 {
		<-ctx.Done()
		return nil
	}
	chance := rand.New(rand.NewPCG(s.seed, 2)) //nolint:gosec // it shall be drawn again.
	for {
		// From half to one and a half of the time, after the lease of the one before has run out.
		lives := leaseRunsOut + s.kill/2 + time.Duration(chance.Int64N(int64(s.kill)))
		if !sleep(ctx, lives) {
			return nil
		}
		if err := s.manager.Kill(); err != nil {
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
