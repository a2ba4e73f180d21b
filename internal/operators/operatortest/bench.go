package operatortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

const (
	// callTimeout of one call to the operator.
	callTimeout = 5 * time.Second
	// passTimeout of one call to a driver.
	passTimeout = 20 * time.Second
	// maxPasses is how often a driver is asked for one profile before that counts as for ever.
	maxPasses = 60
)

// bench is one case: an operator, the process that is alive now, and one order.
type bench struct {
	subject Subject
	vendor  Vendor
	driver  operators.Driver
	journal *Journal
	// requestID of the order's attempt, and how often it was sent to a driver.
	requestID string
	passes    int
	// unsent is the request of which the driver said that nothing was sent, by the first pass and
	// all after it. The pipeline then takes the attempt for one that holds nothing.
	unsent string
	// wrong is what drivers said that was not so.
	wrong []error

	mu sync.Mutex
	// calls that the driver told of; entered and left count the guard's.
	calls         []operators.Call
	entered, left int
	// fenced, where set, is why the guard lets nothing through.
	fenced error
	// failed are the errors that passes ended with, and callsBefore how many calls had arrived
	// by the end of each.
	failed      []*operators.Error
	callsBefore []int
}

func newBench(t *testing.T, s Subject) *bench {
	t.Helper()
	b := &bench{subject: s, vendor: s.Start(t), journal: &Journal{}, requestID: "req-5f0c3a-1"}
	b.restart(t)
	t.Cleanup(func() {
		if err := errors.Join(b.wrong...); err != nil {
			t.Error(err)
		}
	})
	return b
}

// restart is the end of the process and the begin of another.
func (b *bench) restart(t testing.TB) {
	t.Helper()
	b.driver, b.unsent = b.connect(t), ""
}

// connect makes a driver of its own.
func (b *bench) connect(t testing.TB) operators.Driver {
	t.Helper()
	driver := b.vendor.Connect(t, Connection{Guard: b.enter, OnCall: b.heard, Timeout: callTimeout})
	t.Cleanup(driver.Close)
	return driver
}

func (b *bench) enter() (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fenced != nil {
		return nil, b.fenced
	}
	b.entered++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.left++
	}, nil
}

func (b *bench) heard(call operators.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
}

// purchase is what the pipeline gives to a driver. A process that did not just write the
// intent itself does not know whether anything was sent.
func (b *bench) purchase() operators.Purchase {
	return operators.Purchase{
		RequestID: b.requestID, PlanID: b.subject.Plan,
		ConfiguredAddress: "rsp.example.com", Fresh: b.passes == 0 || b.unsent == b.requestID,
	}
}

// provision asks the driver once.
func (b *bench) provision(ctx context.Context) (operators.Profile, error) {
	p := b.purchase()
	b.passes++
	b.unsent = ""
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	profile, err := b.driver.Provision(ctx, p, b.journal)
	var failure *operators.Error
	if errors.As(err, &failure) && failure.Unsent && p.Fresh {
		b.unsent = p.RequestID
		if held := b.vendor.Bought() - b.vendor.GivenBack(); held > 0 {
			b.wrong = append(b.wrong, fmt.Errorf("%w: it says that nothing was sent, and the operator holds %d", failure, held))
		}
	}
	return profile, err
}

// deliver asks the driver, as the pipeline would, until the profile is there.
func (b *bench) deliver(t testing.TB) operators.Profile {
	t.Helper()
	for range maxPasses {
		profile, err := b.provision(t.Context())
		if err == nil {
			b.checkProfile(t, profile)
			return profile
		}
		b.endure(t, b.failureOf(t, err))
	}
	t.Fatalf("after %d passes there is no profile; the last error is %v", maxPasses, b.failed[len(b.failed)-1])
	return operators.Profile{}
}

// endure does what the pipeline does about an error that is no end.
func (b *bench) endure(t testing.TB, failure *operators.Error) {
	t.Helper()
	b.note(failure)
	switch failure.Class {
	case operators.Restart:
		b.checkReturn(t, b.giveBack(t), nil, operators.ErrUnknownProfile)
		b.requestID, b.journal, b.passes = b.requestID+"-again", &Journal{}, 0
	case operators.Rejected, operators.OutOfStock:
		t.Fatalf("a disturbance counts as %s: %v", failure.Class, failure)
	default:
		b.wait(failure.RetryAfter)
	}
}

// note keeps the error that a pass ended with.
func (b *bench) note(failure *operators.Error) {
	b.failed = append(b.failed, failure)
	b.callsBefore = append(b.callsBefore, len(b.vendor.Calls()))
}

// wait lets time pass: as long as the operator asked for, and a while where it did not.
func (b *bench) wait(asked time.Duration) {
	if b.subject.RealNetwork {
		return
	}
	if asked <= 0 {
		asked = 10 * time.Second
	}
	time.Sleep(asked) // in a bubble: no time passes outside of it
}

// held is what the attempt holds as far as the pipeline knows.
func (b *bench) held() operators.Held {
	h := operators.Held{RequestID: b.requestID}
	if profile, ok := b.journal.Profile(); ok {
		h.ICCID, h.MatchingID = profile.ICCID, profile.MatchingID
	}
	return h
}

// giveBack asks the driver to give back what the attempt holds, until it has a final answer,
// and returns that.
func (b *bench) giveBack(t testing.TB) error {
	t.Helper()
	var failure *operators.Error
	for range maxPasses {
		ctx, cancel := context.WithTimeout(t.Context(), passTimeout)
		err := b.driver.GiveBack(ctx, b.held())
		cancel()
		b.checkSilent(t, err)
		if !errors.As(err, &failure) {
			b.checkVerdict(t, err)
			return err
		}
		b.note(failure)
		b.wait(failure.RetryAfter)
	}
	t.Fatalf("after %d passes nothing is given back; the last error is %v", maxPasses, failure)
	return nil
}

// checkVerdict fails the case where the final answer to GiveBack is none that callers know.
func (b *bench) checkVerdict(t testing.TB, err error) {
	t.Helper()
	for _, known := range []error{nil, operators.ErrInstalled, operators.ErrUnknownProfile, operators.ErrNotOurs, operators.ErrNotReturnable} {
		if errors.Is(err, known) {
			return
		}
	}
	t.Fatalf("GiveBack answers %v (%T), which callers do not know", err, err)
}

// checkProfile fails the case where a profile cannot be delivered.
func (b *bench) checkProfile(t testing.TB, profile operators.Profile) {
	t.Helper()
	if len(profile.ICCID) < 19 || profile.MatchingID.Empty() || profile.SMDPAddress == "" {
		t.Errorf("the profile lacks something: ICCID %s, matching ID %v, address %q", profile.ICCID, profile.MatchingID, profile.SMDPAddress)
	}
}

// checkBooks fails the case where the operator's books show another number of profiles than
// were delivered, or where a wholesaler's show that more was ever bought.
func (b *bench) checkBooks(t testing.TB, delivered int) {
	t.Helper()
	bought, givenBack := b.vendor.Bought(), b.vendor.GivenBack()
	if bought-givenBack != delivered {
		t.Errorf("%d profiles were bought and %d given back, for %d delivered; calls: %v", bought, givenBack, delivered, b.vendor.Calls())
	}
	if b.keepsBooks() && bought > 1 {
		t.Errorf("%d profiles were bought under one request ID; calls: %v", bought, b.vendor.Calls())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entered != b.left {
		t.Errorf("the guard was entered %d times and left %d times", b.entered, b.left)
	}
	guarded := 0
	for _, function := range functions(b.vendor.Calls()) {
		if b.subject.buys(function) || slices.Contains(b.subject.Returns, function) {
			guarded++
		}
	}
	if b.entered < guarded {
		t.Errorf("%d calls that buy or give back arrived, and the guard was asked %d times", guarded, b.entered)
	}
}

func (b *bench) keepsBooks() bool {
	_, ok := b.driver.(operators.Bookkeeper)
	return ok
}

// inject makes one call go wrong.
func (b *bench) inject(t testing.TB, f faults.Fault) int {
	t.Helper()
	id, err := b.vendor.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// functions are the operator's names of the calls that arrived.
func functions(calls []faults.Call) []string {
	names := make([]string, len(calls))
	for i, call := range calls {
		names[i] = call.Function
	}
	return names
}
