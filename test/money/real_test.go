package money

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/testenv"
)

// realRuns is how many histories are tried on a real API server.
const realRuns = "50"

func TestNoHistoryMakesMoneyWrongOnARealAPIServer(t *testing.T) {
	if os.Getenv("CRASH_EVERYWHERE") == "" {
		t.Skip("make test-crash runs this")
	}
	if err := flag.Set("rapid.checks", realRuns); err != nil {
		t.Fatal(err)
	}
	env, err := testenv.Start(t.Context(), testenv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	}()
	api, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	rights, err := env.ManagerConfig()
	if err != nil {
		t.Fatal(err)
	}
	rights.QPS = -1
	machine, err := client.NewWithWatch(rights, client.Options{Scheme: env.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	collector, err := env.UserClient("system:serviceaccount:kube-system:generic-garbage-collector", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	server, lives := newSMDP(t), 0
	rapid.Check(t, func(t *rapid.T) {
		lives++
		now := testingclock.NewFakePassiveClock(time.Now())
		live(t, api, machine, collector, now, fmt.Sprintf("client-%d", lives), server)
	})
}
