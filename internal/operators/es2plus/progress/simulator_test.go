package progress

import (
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
	"github.com/telcodev/esim-operator/internal/smdp"
)

// exchange is an SM-DP+ that notifies a receiver.
type exchange struct {
	smdp  *smdp.Server
	clock *clocktesting.FakeClock
	store *books
	iccid activation.ICCID
}

func newExchange(t *testing.T, n smdp.Notifications, points ...v1alpha1.NotificationPoint) *exchange {
	t.Helper()
	x := &exchange{clock: clocktesting.NewFakeClock(time.Now()), store: &books{owners: map[string]string{}}}
	var err error
	x.smdp, err = smdp.New(smdp.Options{Stock: map[string]int{"JP-1GB-7D": 1}, Clock: x.clock, Behaviour: smdp.Behaviour{TrailingF: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.smdp.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := x.smdp.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	terms := sans("localhost")
	terms.Points = points
	r := serve(t, fixed(Sender{Operator: "telco-one", CA: x.smdp.PKI().CA, Terms: terms}), x.store, clock.RealClock{}, logr.Discard())
	n.URL, n.CA = r.url, r.root.pem()
	if err := x.smdp.SetNotifications(n); err != nil {
		t.Fatal(err)
	}
	x.iccid = x.released(t)
	x.store.owners[string(x.iccid)] = "telco-one"
	return x
}

// released is a profile that a device can install.
func (x *exchange) released(t *testing.T) activation.ICCID {
	t.Helper()
	client := newBuyer(t, x.smdp)
	var ordered es2plus.DownloadOrderResponse
	client.call(es2plus.DownloadOrder, es2plus.DownloadOrderRequest{Header: client.header, ProfileType: "JP-1GB-7D"}, &ordered)
	release := true
	client.call(es2plus.ConfirmOrder, es2plus.ConfirmOrderRequest{Header: client.header, ICCID: ordered.ICCID, ReleaseFlag: &release}, &es2plus.ConfirmOrderResponse{})
	iccid, err := activation.ParseICCID(ordered.ICCID)
	if err != nil {
		t.Fatal(err)
	}
	return iccid
}

// sent waits until so many notifications were tried, and returns what they were answered.
func (x *exchange) sent(t *testing.T, n int) []int {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() int { return len(x.smdp.SentNotifications()) }, timeout, 5*time.Millisecond).Should(gomega.Equal(n))
	var out []int
	for _, try := range x.smdp.SentNotifications() {
		out = append(out, try.HTTPStatus)
	}
	return out
}

func TestTheSMDPPlusTellsOfProfiles(t *testing.T) {
	vendor := []v1alpha1.NotificationPoint{
		{ID: 101, Means: v1alpha1.PointInstalled}, {ID: 102, Means: v1alpha1.PointUsed}, {ID: 5, Means: v1alpha1.PointDeleted},
	}
	for name, test := range map[string]struct {
		n      smdp.Notifications
		points []v1alpha1.NotificationPoint
		steps  func(*smdp.Server) []func(activation.ICCID) error
		sends  int
		want   []v1alpha1.DeviceEvent
	}{
		"installed": {
			steps: func(s *smdp.Server) []func(activation.ICCID) error { return []func(activation.ICCID) error{s.Install} },
			sends: 2, want: []v1alpha1.DeviceEvent{v1alpha1.DeviceInstalled},
		},
		"failed": {
			steps: func(s *smdp.Server) []func(activation.ICCID) error {
				return []func(activation.ICCID) error{s.FailInstall}
			},
			sends: 2, want: []v1alpha1.DeviceEvent{v1alpha1.DeviceDownloadFailed},
		},
		"repeated and out of order": {
			n:     smdp.Notifications{Repeat: 2, OutOfOrder: true},
			steps: func(s *smdp.Server) []func(activation.ICCID) error { return []func(activation.ICCID) error{s.Install} },
			sends: 6, want: []v1alpha1.DeviceEvent{v1alpha1.DeviceInstalled, v1alpha1.DeviceInstalled, v1alpha1.DeviceInstalled},
		},
		"in a vendor's own numbers": {
			n: smdp.Notifications{Points: smdp.Points{Installed: 101, Enabled: 102, Deleted: 5}}, points: vendor,
			steps: func(s *smdp.Server) []func(activation.ICCID) error {
				return []func(activation.ICCID) error{s.Install, s.Enable, s.Delete}
			},
			sends: 4, want: []v1alpha1.DeviceEvent{v1alpha1.DeviceInstalled, v1alpha1.DeviceUsed, v1alpha1.DeviceDeleted},
		},
		"in numbers that nobody explained": {
			n:     smdp.Notifications{Points: smdp.Points{Installed: 101}},
			steps: func(s *smdp.Server) []func(activation.ICCID) error { return []func(activation.ICCID) error{s.Install} },
			sends: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t, test.n, test.points...)
			for _, step := range test.steps(x.smdp) {
				if err := step(x.iccid); err != nil {
					t.Fatal(err)
				}
			}
			for _, status := range x.sent(t, test.sends) {
				if status != 204 {
					t.Errorf("one was answered %d", status)
				}
			}
			if diff := cmp.Diff(test.want, x.store.events()); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatTheStoreCouldNotTakeComesAgain(t *testing.T) {
	x := newExchange(t, smdp.Notifications{})
	x.store.fail(errors.New("etcd is away"))
	if err := x.smdp.Install(x.iccid); err != nil {
		t.Fatal(err)
	}
	x.sent(t, 2)
	gomega.NewWithT(t).Eventually(x.clock.HasWaiters, timeout, 5*time.Millisecond).Should(gomega.BeTrue())
	x.store.fail(nil)
	x.clock.Step(time.Second)
	if diff := cmp.Diff([]int{204, 503, 204}, x.sent(t, 3)); diff != "" {
		t.Errorf("answers to download, installation and its repetition (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]v1alpha1.DeviceEvent{v1alpha1.DeviceInstalled}, x.store.events()); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestACertificateThatTheSMDPPlusGaveAClientSpeaksForNobody(t *testing.T) {
	x := newExchange(t, smdp.Notifications{})
	buyer := newBuyer(t, x.smdp)
	terms := sans("localhost")
	r := serve(t, fixed(Sender{Operator: "telco-one", CA: x.smdp.PKI().CA, Terms: terms}), x.store, clock.RealClock{}, logr.Discard())
	if got := r.post(r.client(buyer.certificate), installed); got != 403 {
		t.Errorf("answered %d", got)
	}
}
