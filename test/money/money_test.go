package money

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/smdp"
	"github.com/telcodev/esim-operator/internal/testdesk"
	"github.com/telcodev/esim-operator/internal/testshop"
)

// runs is how many random histories are tried on the API server in memory; manyRuns, where there
// is time.
const runs, manyRuns = "250", "1000"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		tried := runs
		if os.Getenv("CRASH_EVERYWHERE") != "" {
			tried = manyRuns
		}
		if err := flag.Set("rapid.checks", tried); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

func newSMDP(t *testing.T) *smdp.Server {
	t.Helper()
	server, err := smdp.New(smdp.Options{SMDPAddress: testshop.SMDPAddress, Stock: map[string]int{testshop.Plan: 100}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestNoHistoryMakesMoneyWrong(t *testing.T) {
	server := newSMDP(t)
	rapid.Check(t, func(t *rapid.T) {
		now := testingclock.NewFakePassiveClock(time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC))
		api, err := testdesk.NewAPI(now)
		if err != nil {
			t.Fatal(err)
		}
		live(t, api, api, api, now, "client", server)
	})
}

// live lets a world live through a random history, and come to rest.
func live(t *rapid.T, api, machine client.WithWatch, collector client.Client, now *testingclock.FakePassiveClock, name string, server *smdp.Server) {
	w, err := open(context.Background(), api, machine, collector, now, name, server)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	t.Repeat(w.history())
	if err := w.rest(); err != nil {
		t.Fatal(err)
	}
}

// history is what may happen, each in its turn.
func (w *world) history() map[string]func(*rapid.T) {
	must := func(t *rapid.T, err error) {
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
	}
	some := func(t *rapid.T) (found bool, at int) {
		if len(w.orders) == 0 {
			t.Skip("no orders yet")
		}
		return true, rapid.IntRange(0, len(w.orders)-1).Draw(t, "order")
	}
	work := func(t *rapid.T) {
		_, at := some(t)
		p := w.leader
		if w.former != nil && rapid.IntRange(0, 3).Draw(t, "by the former leader") == 0 {
			p = w.former
		}
		if rapid.IntRange(0, 3).Draw(t, "synced") > 0 {
			must(t, p.cache.syncOrder(w.ctx, w.orders[at]))
		}
		after := w.work(p, w.orders[at])
		if rapid.Bool().Draw(t, "waits") {
			w.clock.SetTime(w.clock.Now().Add(after))
		}
	}
	workWallet := func(t *rapid.T) {
		p := w.leader
		if w.former != nil && rapid.IntRange(0, 3).Draw(t, "by the former leader") == 0 {
			p = w.former
		}
		key := rapid.SampledFrom(w.wallets()).Draw(t, "wallet")
		if rapid.Bool().Draw(t, "synced") {
			must(t, p.cache.syncWallet(w.ctx, key))
		}
		if _, err := p.WorkWallet(w.ctx, key); err != nil && !p.line.Dead() && !errors.Is(err, lifeline.ErrDead) && !errors.Is(err, lifeline.ErrLost) {
			t.Fatal(err)
		}
		w.clock.SetTime(w.clock.Now().Add(time.Second))
	}
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			if err := w.mourn(); err != nil {
				t.Fatal(err)
			}
			if err := w.check(); err != nil {
				t.Fatal(err)
			}
		},
		"an order is placed": func(t *rapid.T) {
			if len(w.orders) >= 12 {
				t.Skip("enough orders")
			}
			name := fmt.Sprintf("order-%d", rapid.IntRange(0, 7).Draw(t, "name"))
			err := w.place(name,
				rapid.SampledFrom([]string{"small", "middle", "large", "large"}).Draw(t, "variant"),
				rapid.SampledFrom([]string{"", "", "", mainWallet, travelWallet, "nowhere"}).Draw(t, "wallet"),
				rapid.SampledFrom([]string{"", "", "", "ref-1", "ref-2"}).Draw(t, "reference"))
			if apierrors.IsAlreadyExists(err) {
				t.Skip("the name is taken")
			}
			must(t, err)
			w.know(w.key(name))
		},
		"an order is worked on":               work,
		"an order is worked on, another time": work,
		"an order is worked on, a third time": work,
		"a wallet is worked on":               workWallet,
		"an order is cancelled": func(t *rapid.T) {
			_, at := some(t)
			must(t, w.edit(w.orders[at], func(o *v1alpha1.EsimOrder) { o.Spec.Cancel = true }))
		},
		"an order is deleted": func(t *rapid.T) {
			_, at := some(t)
			must(t, w.remove(w.orders[at]))
		},
		"an order is deleted in the foreground": func(t *rapid.T) {
			_, at := some(t)
			must(t, w.remove(w.orders[at]))
			must(t, w.collect(w.orders[at]))
		},
		"a deposit is made": func(t *rapid.T) {
			amount := rapid.SampledFrom([]v1alpha1.SignedDecimal{"0.35", "5", "12.1234"}).Draw(t, "amount")
			must(t, w.deposit(rapid.SampledFrom(w.wallets()).Draw(t, "wallet"), amount))
		},
		"a profile is installed": func(t *rapid.T) {
			_, at := some(t)
			installed, err := w.install(w.orders[at])
			must(t, err)
			if !installed {
				t.Skip("nothing to install")
			}
		},
		"the operator goes wrong": func(t *rapid.T) {
			fault := rapid.SampledFrom(faults).Draw(t, "fault")
			fault.Times = rapid.IntRange(1, 3).Draw(t, "times")
			must(t, w.shop.SMDP.Inject(fault))
		},
		"the operator is well again": func(t *rapid.T) {
			must(t, w.shop.SMDP.ClearFaults())
			must(t, w.shop.SMDP.SetStock(testshop.Plan, rapid.SampledFrom([]int{0, 100, 100}).Draw(t, "stock")))
		},
		"time passes": func(t *rapid.T) {
			hours := rapid.SampledFrom([]int{1, 1, 24, 80}).Draw(t, "hours")
			w.clock.SetTime(w.clock.Now().Add(time.Duration(hours) * time.Hour))
		},
		"another process leads": func(t *rapid.T) {
			must(t, w.succeed(w.leader, rapid.Bool().Draw(t, "the former lives on")))
		},
		"an answer will be lost": func(t *rapid.T) {
			w.leader.line.Arm(rapid.IntRange(1, 4).Draw(t, "at"), lifeline.Lost)
		},
		"the leader will die": func(t *rapid.T) {
			w.leader.line.Arm(rapid.IntRange(1, 8).Draw(t, "at"), rapid.SampledFrom([]lifeline.Moment{lifeline.Before, lifeline.After}).Draw(t, "moment"))
		},
	}
}

// faults are what an operator does wrong.
var faults = []smdp.Fault{
	{Kind: smdp.FaultDropAnswer, Function: es2plus.DownloadOrder},
	{Kind: smdp.FaultDropAnswer, Function: es2plus.ConfirmOrder},
	{Kind: smdp.FaultDropAnswer, Function: es2plus.ReleaseProfile},
	{Kind: smdp.FaultDropAnswer, Function: es2plus.CancelOrder},
	{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503},
	{Kind: smdp.FaultHTTPStatus, HTTPStatus: 503, Function: es2plus.CancelOrder},
	{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.5", ReasonCode: "3.9", Function: es2plus.DownloadOrder},
	{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: "3.9", Function: es2plus.ConfirmOrder},
	{Kind: smdp.FaultStatusCode, SubjectCode: "8.9", ReasonCode: "5.1", Function: es2plus.ConfirmOrder},
	{Kind: smdp.FaultStatusCode, SubjectCode: "8.2.1", ReasonCode: "3.10", Function: es2plus.CancelOrder},
}
