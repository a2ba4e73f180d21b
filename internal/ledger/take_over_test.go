package ledger_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// broken says which of the three guards of a leader change is missing.
type broken struct {
	// staleList: the list that the new leader's book is opened from is older than its election.
	staleList bool
	// noTouch: the new leader's writes to uncharged orders are answered, and not made.
	noTouch bool
	// noFence: the old leader goes on starting charges after its lease has run out.
	noFence bool
}

// sentCharge is a charge that has left its process and that lands at any later time.
type sentCharge struct {
	order       *v1alpha1.EsimOrder
	reservation *ledger.Reservation
	// answered: the leader that sent it has heard an answer, or waits for none any more. Until
	// then it does nothing else about the order.
	answered bool
	// charged is where what it charges is counted; nil for before the change.
	charged *int
}

// change is a change of leaders over one wallet. Both leaders have ledgers of their own, and
// all that they share is the API server.
type change struct {
	*acme
	t       *rapid.T
	deposit int
	prices  map[string]int
	// first leads until the change, second after it.
	first, second *ledger.Ledger
	fence         *leader.Fence
	elected       bool
	// stale is the list of orders that a new leader with a stale list is given.
	stale []v1alpha1.EsimOrder
	// before are orders whose charge lands just before the new leader's write to them.
	before map[string]bool

	mu   sync.Mutex
	wire []*sentCharge
	// charges counts those of each order.
	charges map[string]int
	// byFirst and bySecond are what was charged by charges that began after the change.
	byFirst, bySecond int
}

// lease is held by the old leader, whoever asks.
type lease struct{ resourcelock.Interface }

func (lease) Identity() string                                                { return "old" }
func (lease) Update(context.Context, resourcelock.LeaderElectionRecord) error { return nil }

func newChange(t *rapid.T, without broken) *change {
	c := &change{
		acme: newAcme(t), t: t, deposit: rapid.IntRange(5, 15).Draw(t, "deposit"),
		prices: map[string]int{}, before: map[string]bool{}, charges: map[string]int{},
	}
	c.wallet("main", v1alpha1.SignedDecimal(strconv.Itoa(c.deposit)))
	c.first, c.second = c.ledger(), c.ledger()
	c.second.Live = onList(c.api, func(_ context.Context, send func() error, list client.ObjectList) error {
		orders, ok := list.(*v1alpha1.EsimOrderList)
		if ok && without.staleList {
			orders.Items = c.stale
			return nil
		}
		return send()
	})
	c.second.Writer = onStatusWrite(c.api, func(_ context.Context, send func() error, order *v1alpha1.EsimOrder) error {
		if c.before[order.Name] {
			c.landOf(order.Name)
		}
		if without.noTouch {
			return nil
		}
		return send()
	})
	if !without.noFence {
		c.fence = leader.NewFence(lease{}, 15*time.Second, 3*time.Second)
		c.must(c.fence.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "old"}))
	}
	return c
}

func (c *change) place(t *rapid.T) {
	if len(c.prices) == 9 {
		t.Skip("there are enough")
	}
	name := fmt.Sprintf("o%d", len(c.prices))
	c.prices[name] = rapid.IntRange(2, 8).Draw(t, "price")
	c.order(name, v1alpha1.Decimal(strconv.Itoa(c.prices[name])))
}

// someOrder draws an order, as a pass of a leader reads it.
func (c *change) someOrder(t *rapid.T) *v1alpha1.EsimOrder {
	if len(c.prices) == 0 {
		t.Skip("there is no order")
	}
	name := fmt.Sprintf("o%d", rapid.IntRange(0, len(c.prices)-1).Draw(t, "order"))
	order := c.look(&v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}})
	if order.Status.Charge != nil {
		t.Skip("it is charged")
	}
	return c.accept(order)
}

// start has a leader start a charge. It returns nil where nothing is sent.
func (c *change) start(t *rapid.T, by *ledger.Ledger, fence *leader.Fence) *sentCharge {
	order := c.someOrder(t)
	for _, sent := range c.wire {
		if sent.order.Name == order.Name && !sent.answered {
			t.Skip("its charge is on its way")
		}
	}
	c.soon()
	reservation, err := by.Reserve(t.Context(), order)
	if refusal := (*ledger.Refusal)(nil); errors.As(err, &refusal) || errors.Is(err, ledger.ErrCharged) {
		return nil
	}
	c.must(err)
	leave, err := fence.Enter()
	if err != nil {
		reservation.Unused()
		return nil
	}
	leave()
	order.Status.Charge = reservation.Charge
	return &sentCharge{order: order, reservation: reservation}
}

// sendByFirst has the old leader send a charge.
func (c *change) sendByFirst(t *rapid.T) {
	sent := c.start(t, c.first, c.fence)
	if sent == nil {
		return
	}
	if c.elected {
		sent.charged = &c.byFirst
	}
	c.wire = append(c.wire, sent)
}

// sendBySecond has the new leader send a charge. Most land at once.
func (c *change) sendBySecond(t *rapid.T) {
	sent := c.start(t, c.second, leader.Open())
	if sent == nil {
		return
	}
	sent.charged = &c.bySecond
	switch rapid.SampledFrom([]string{"answered", "answered", "answer lost", "under way"}).Draw(t, "write") {
	case "answered":
		c.land(sent)
	case "answer lost":
		c.lose(sent)
		c.land(sent)
	default:
		c.lose(sent)
		c.wire = append(c.wire, sent)
	}
}

// land has a charge arrive, and its leader hear the answer if it still waits for it.
func (c *change) land(sent *sentCharge) {
	answer := c.api.Status().Update(context.Background(), sent.order)
	if answer == nil {
		if c.charges[sent.order.Name]++; c.charges[sent.order.Name] > 1 {
			c.t.Fatalf("%s was charged twice", sent.order.Name)
		}
		if sent.charged != nil {
			*sent.charged += c.prices[sent.order.Name]
		}
	}
	if !sent.answered {
		sent.answered = true
		sent.reservation.Written(context.Background(), sent.order, answer)
	}
}

// lose has a leader wait no longer for an answer.
func (c *change) lose(sent *sentCharge) {
	if !sent.answered {
		sent.answered = true
		sent.reservation.Written(context.Background(), sent.order, context.DeadlineExceeded)
	}
}

// some draws a charge that is on the wire.
func (c *change) some(t *rapid.T) int {
	if len(c.wire) == 0 {
		t.Skip("nothing is on the wire")
	}
	return rapid.IntRange(0, len(c.wire)-1).Draw(t, "charge")
}

func (c *change) landSome(t *rapid.T) {
	i := c.some(t)
	sent := c.wire[i]
	c.wire = slices.Delete(c.wire, i, i+1)
	c.land(sent)
}

// landOf has what is on the wire about an order arrive.
func (c *change) landOf(order string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wire = slices.DeleteFunc(c.wire, func(sent *sentCharge) bool {
		if sent.order.Name != order {
			return false
		}
		c.land(sent)
		return true
	})
}

// elect has the lease run out, and the new leader begin.
func (c *change) elect(t *rapid.T) {
	time.Sleep(15 * time.Second)
	c.elected = true
	for _, sent := range c.wire {
		if rapid.Bool().Draw(t, "lands before the touch") {
			c.before[sent.order.Name] = true
		}
	}
}

// overdraft is how much more was taken from the wallet than it had; 0 for none.
func (c *change) overdraft() int {
	taken := 0
	for _, order := range c.orders() {
		if order.Status.Charge != nil {
			taken += c.prices[order.Name]
		}
	}
	return max(0, taken-c.deposit)
}

// check holds what is true with or without the guards: the statement and, once it heard of all
// orders, the new leader's ledger have the balance to the last cent.
func (c *change) check() {
	balance, orders := c.deposit, c.orders()
	for i := range orders {
		if orders[i].Status.Charge != nil {
			balance -= c.prices[orders[i].Name]
		}
		c.second.Observe(&orders[i])
	}
	want := strconv.Itoa(balance)
	if got := c.balance("main"); got != want {
		c.t.Fatalf("the statement's balance is %s, want %s", got, want)
	}
	if got := c.sums(c.second, c.walletNow("main")).Balance; got != want {
		c.t.Fatalf("the new leader's balance is %s, want %s", got, want)
	}
}

// run makes a whole change of leaders, and returns by how much the wallet is overdrawn at last.
func run(t *rapid.T, without broken) (int, *change) {
	c := newChange(t, without)
	both := map[string]func(*rapid.T){
		"an order comes":    c.place,
		"a charge lands":    c.landSome,
		"an answer is lost": func(t *rapid.T) { c.lose(c.wire[c.some(t)]) },
	}
	before := maps.Clone(both)
	before["the old leader charges"] = c.sendByFirst
	before["what is stale later is listed"] = func(*rapid.T) { c.stale = c.orders() }
	t.Repeat(before)
	c.elect(t)
	after := maps.Clone(both)
	after["the new leader charges"] = c.sendBySecond
	after["the new leader charges another"] = c.sendBySecond
	after["the old leader goes on"] = c.sendByFirst
	t.Repeat(after)
	for len(c.wire) > 0 {
		c.landSome(t)
	}
	c.check()
	return c.overdraft(), c
}

// checks has rapid make at least so many runs.
func checks(t *testing.T, runs int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	asked, err := strconv.Atoi(before)
	if err != nil {
		t.Fatal(err)
	}
	set := func(to string) {
		if err := checks.Value.Set(to); err != nil {
			t.Fatal(err)
		}
	}
	set(strconv.Itoa(max(asked, runs)))
	t.Cleanup(func() { set(before) })
}

func TestAChangeOfLeadersOverdrawsNothing(t *testing.T) {
	checks(t, 2000)
	synctest.Test(t, func(t *testing.T) {
		// Nothing but rapid.TB: rapid asks a test for its deadline, which a bubble has not.
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			overdrawn, c := run(t, broken{})
			if overdrawn > 0 {
				t.Fatalf("the wallet had %d, and %d more was taken", c.deposit, overdrawn)
			}
		})
	})
}

// Each guard is needed: without it, some of the same runs overdraw the wallet.
func TestWithoutOneOfTheGuardsAWalletIsOverdrawn(t *testing.T) {
	const runs = 300
	for name, without := range map[string]broken{
		"the list is stale":                   {staleList: true},
		"uncharged orders are not written to": {noTouch: true},
		"the old leader has no fence":         {noFence: true},
	} {
		t.Run(name, func(t *testing.T) {
			overdrawn, most := 0, 0
			synctest.Test(t, func(*testing.T) {
				overdrafts := rapid.Custom(func(t *rapid.T) int {
					overdraft, _ := run(t, without)
					return overdraft
				})
				for seed := range runs {
					if overdraft := overdrafts.Example(seed); overdraft > 0 {
						overdrawn, most = overdrawn+1, max(most, overdraft)
					}
				}
			})
			t.Logf("overdrawn in %d of %d changes of leaders, by %d at most", overdrawn, runs, most)
			if overdrawn == 0 {
				t.Error("nothing was overdrawn: the guard is not needed, or the runs do not show it")
			}
		})
	}
}

// Two leaders that overlap all the same, for want of the fence, overdraw by no more than either
// of them charged in the overlap. That no order is charged twice and that sums are exact is
// checked in each run.
func TestTwoLeadersOverdrawByNoMoreThanTheOverlap(t *testing.T) {
	checks(t, 500)
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			overdraft, c := run(t, broken{noFence: true})
			if most := min(c.byFirst, c.bySecond); overdraft > most {
				t.Fatalf("overdrawn by %d; in the overlap the first leader charged %d and the second %d", overdraft, c.byFirst, c.bySecond)
			}
		})
	})
}
