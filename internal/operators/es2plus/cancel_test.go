package es2plus

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/operators"
)

func TestACallerThatGivesUpAfterTheRequestLeftLosesTheAnswer(t *testing.T) {
	ca := newAuthority(t)
	arrived := make(chan struct{})
	server := ca.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	}), nil)
	driver := newTestDriver(t, ca.config(server.URL))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	failure := confirmAnything(ctx, driver)
	checkClass(t, "ConfirmOrder", failure, unknown, 0)
	if !errors.Is(failure, context.Canceled) {
		t.Errorf("the cause is %v", failure.Err)
	}
}

func TestACallerThatGivesUpWhileConnectingSentNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent := acceptAnd(t, func(conn net.Conn) {
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	config := newAuthority(t).config("https://" + silent)
	config.Timeout = time.Second // of the dial that net/http goes on with
	driver := newTestDriver(t, config)
	checkClass(t, "ConfirmOrder", confirmAnything(ctx, driver), transient, 0)
}

func TestACallerThatGaveUpBeforeSentNothing(t *testing.T) {
	ca := newAuthority(t)
	server := ca.serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a call arrived") }), nil)
	config := ca.config(server.URL)
	for _, perSecond := range []int{0, 1} {
		config.RequestsPerSecond = perSecond
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		checkClass(t, "ConfirmOrder", confirmAnything(ctx, newTestDriver(t, config)), transient, 0)
	}
}

// stopAt cancels its caller's context before or after a function's first execution.
type stopAt struct {
	*manager
	function es2plus.Function
	after    bool
	cancel   context.CancelFunc
}

func (s *stopAt) exchange(ctx context.Context, path string, request []byte) reply {
	if functionOf(path) != s.function || s.after {
		defer func() {
			if functionOf(path) == s.function {
				s.cancel()
			}
		}()
		if err := ctx.Err(); err != nil {
			return reply{fate: notSent, err: err}
		}
		return s.manager.exchange(ctx, path, request)
	}
	s.cancel()
	return reply{fate: notSent, err: ctx.Err()}
}

func TestAnOrderWhoseManagerStopsAnywhereIsDeliveredByTheNext(t *testing.T) {
	for _, function := range []es2plus.Function{es2plus.DownloadOrder, es2plus.ConfirmOrder} {
		for _, after := range []bool{false, true} {
			w := newWorld(configured, nil)
			m := w.manager(1)
			m.seen = orderStatus{attempt: 1}
			ctx, cancel := context.WithCancel(t.Context())
			driver := newDriver(Config{}, &stopAt{manager: m, function: function, after: after, cancel: cancel})
			_, err := driver.Provision(ctx, operators.Purchase{RequestID: "ORDER-1", PlanID: "P", ConfiguredAddress: "rsp.example.com"}, &memoryJournal{manager: m})
			if class, ok := operators.ClassOf(err); err != nil && (!ok || class != operators.Transient) {
				t.Errorf("stopped at %s (after it: %t): %v", function, after, err)
			}
			w.status.attempt = 1
			delivered(t, w)
		}
	}
}

func TestCallsKeepToTheOperatorsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver := newDriver(Config{RequestsPerSecond: 50}, replying(answer(nil, "")))
		began := time.Now()
		for range 105 {
			if failure := driver.releaseProfile(t.Context(), anyPurchase, operators.Profile{ICCID: heldICCID}); failure != nil {
				t.Fatal(failure)
			}
		}
		// The first five are the burst; the others come at 50 a second.
		if took := time.Since(began); took < 1990*time.Millisecond || took > 2010*time.Millisecond {
			t.Errorf("105 calls at 50 a second took %s", took)
		}
	})
}

func TestACallThatWouldWaitTooLongForItsTurnIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		driver := newDriver(Config{RequestsPerSecond: 1, OnCall: func(operators.Call) { calls++ }}, replying(answer(nil, "")))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for i, want := range []operators.Class{"", transient} {
			failure := driver.releaseProfile(ctx, anyPurchase, operators.Profile{ICCID: heldICCID})
			checkClass(t, []string{"the first call", "the second call"}[i], failure, want, 0)
		}
		if calls != 1 {
			t.Errorf("%d calls were reported", calls)
		}
	})
}
