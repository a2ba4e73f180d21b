package smdp

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// operator is the operator's end of ES2+: it demands the SM-DP+'s certificate.
type operator struct {
	url      string
	received chan es2plus.HandleDownloadProgressInfoRequest
	// answers to give, then 204.
	answers chan int
	// sender is the common name of the last client certificate.
	sender chan string
}

func newOperator(t *testing.T, s *Server) *operator {
	t.Helper()
	cert, key, err := s.PKI().IssueWith("operator", CertificateOptions{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{
		received: make(chan es2plus.HandleDownloadProgressInfoRequest, 100),
		answers:  make(chan int, 100), sender: make(chan string, 100),
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m es2plus.HandleDownloadProgressInfoRequest
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&m); err != nil || r.URL.Path != es2plus.HandleDownloadProgressInfo.Path() ||
			r.Header.Get(es2plus.HeaderAdminProtocol) != "gsma/rsp/v2.2.0" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("not a notification: %s %s, %v, %v", r.Method, r.URL.Path, r.Header, err)
		}
		o.received <- m
		o.sender <- r.TLS.PeerCertificates[0].Subject.CommonName
		select {
		case status := <-o.answers:
			w.WriteHeader(status)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: s.PKI().pool(),
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// points of the next n notifications.
func (o *operator) points(n int) []int {
	var out []int
	for range n {
		out = append(out, int((<-o.received).NotificationPointID))
	}
	return out
}

// released is a profile that a device can install.
func released(t *testing.T, s *Server) activation.ICCID {
	t.Helper()
	p := client(t, s, "OPERATOR-1")
	iccid := p.success(es2plus.DownloadOrder, fields{"profileType": plan, "eid": someEID}).ICCID
	p.success(es2plus.ConfirmOrder, fields{"iccid": iccid, "releaseFlag": true})
	return bareICCID(iccid)
}

func TestADeviceIsToldOfByNotifications(t *testing.T) {
	now := time.Now().Truncate(time.Second).UTC()
	s := startServer(t, Options{Stock: map[string]int{plan: 5}, Clock: clocktesting.NewFakeClock(now), Behaviour: Behaviour{TrailingF: true}})
	o := newOperator(t, s)
	if err := s.SetNotifications(Notifications{URL: o.url}); err != nil {
		t.Fatal(err)
	}
	iccid := released(t, s)
	for _, step := range []func(activation.ICCID) error{s.Install, s.Enable, s.Disable, s.Enable, s.Delete} {
		if err := step(iccid); err != nil {
			t.Fatal(err)
		}
	}
	first := <-o.received
	if first.Header.FunctionCallIdentifier == "" {
		t.Error("the notification has no functionCallIdentifier")
	}
	want := es2plus.HandleDownloadProgressInfoRequest{
		Header: es2plus.RequestHeader{FunctionRequesterIdentifier: notificationRequester, FunctionCallIdentifier: first.Header.FunctionCallIdentifier},
		EID:    someEID, ICCID: string(iccid) + "F", ProfileType: plan, Timestamp: now.Format(time.RFC3339),
		NotificationPointID: 3, NotificationPointStatus: es2plus.FunctionExecutionStatus{Status: es2plus.ExecutedSuccess},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("notification (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{4, 6, 7, 6, 8}, o.points(5)); diff != "" {
		t.Errorf("points after the first (-want +got):\n%s", diff)
	}
	if got := <-o.sender; got != "SM-DP+ simulator" {
		t.Errorf("the sender's certificate is %q", got)
	}
	if p, _ := s.Profile(iccid); p.State != StateInstalled || p.Device != DeviceDeleted {
		t.Errorf("the profile is %+v", p)
	}
}

func TestAFailedInstallationSaysSo(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	o := newOperator(t, s)
	if err := s.SetNotifications(Notifications{URL: o.url}); err != nil {
		t.Fatal(err)
	}
	if err := s.FailInstall(released(t, s)); err != nil {
		t.Fatal(err)
	}
	download, install := <-o.received, <-o.received
	got := []es2plus.ExecutionStatus{download.NotificationPointStatus.Status, install.NotificationPointStatus.Status}
	if diff := cmp.Diff([]es2plus.ExecutionStatus{es2plus.ExecutedSuccess, es2plus.ExecutionFailed}, got); diff != "" {
		t.Errorf("download, installation (-want +got):\n%s", diff)
	}
	if data := install.NotificationPointStatus.StatusCodeData; data == nil || data.Code() != "8.1/4.8" {
		t.Errorf("the failure is %+v", data)
	}
}

func TestNotificationsRepeatAndComeOutOfOrderWhereTold(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	o := newOperator(t, s)
	if err := s.SetNotifications(Notifications{URL: o.url, Repeat: 1, OutOfOrder: true}); err != nil {
		t.Fatal(err)
	}
	iccid := released(t, s)
	if err := s.Install(iccid); err != nil {
		t.Fatal(err)
	}
	first, second := <-o.received, <-o.received
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("a repeat differs (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff([]int{4, 3, 3}, append([]int{int(first.NotificationPointID)}, o.points(2)...)); diff != "" {
		t.Errorf("points of first, third and fourth (-want +got):\n%s", diff)
	}
	if err := s.Notify(iccid, 101, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{101, 101}, o.points(2)); diff != "" {
		t.Errorf("points of a notification by hand (-want +got):\n%s", diff)
	}
}

func TestVendorsNumberTheirPointsAsTheyLike(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	o := newOperator(t, s)
	points := Points{Installed: 101, Enabled: 102, Disabled: 103, Deleted: 5}
	if err := s.SetNotifications(Notifications{URL: o.url, Points: points}); err != nil {
		t.Fatal(err)
	}
	iccid := released(t, s)
	for _, step := range []func(activation.ICCID) error{s.Install, s.Enable, s.Disable, s.Delete} {
		if err := step(iccid); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.FailInstall(released(t, s)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{3, 101, 102, 103, 5, 3, 101}, o.points(7)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

func TestANotificationIsTriedAgainAndThenGivenUp(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	s := startServer(t, Options{Stock: map[string]int{plan: 5}, Clock: clock})
	o := newOperator(t, s)
	if err := s.SetNotifications(Notifications{URL: o.url, Attempts: 3}); err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{503, 200, 500, 503} { // 200 is not 204
		o.answers <- status
	}
	if err := s.Install(released(t, s)); err != nil {
		t.Fatal(err)
	}
	// The waits are 1 and 2 seconds for the point 3, which is given up; 1 for the point 4.
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, time.Second} {
		eventually(t, "the notifier waits", clock.HasWaiters)
		clock.Step(wait - 1)
		if !clock.HasWaiters() {
			t.Fatalf("the notifier waited less than %v", wait)
		}
		clock.Step(1)
	}
	if diff := cmp.Diff([]int{3, 3, 3, 4, 4}, o.points(5)); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	eventually(t, "the last try is noted", func() bool { return len(s.SentNotifications()) == 5 })
	var got []int
	for _, try := range s.SentNotifications() {
		if (try.Error == "") != (try.HTTPStatus == http.StatusNoContent) {
			t.Errorf("noted: %+v", try)
		}
		got = append(got, try.HTTPStatus)
	}
	if diff := cmp.Diff([]int{503, 200, 500, 503, 204}, got); diff != "" {
		t.Errorf("answers noted (-want +got):\n%s", diff)
	}
}

func TestWithoutAURLOnlyTheStateChanges(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 5}})
	iccid := released(t, s)
	if err := s.Install(iccid); err != nil {
		t.Fatal(err)
	}
	if p, _ := s.Profile(iccid); p.Device != DeviceInstalled || len(s.SentNotifications()) != 0 {
		t.Errorf("the profile is %+v, notifications are %+v", p, s.SentNotifications())
	}
}

func TestADeviceDoesNotDoWhatCannotBe(t *testing.T) {
	sc := newScene(t, Options{})
	for _, tt := range []struct {
		name string
		from State
		step func(activation.ICCID) error
	}{
		{"install what is not released", StateConfirmed, sc.s.Install},
		{"install what is installed", StateInstalled, sc.s.Install},
		{"install what is cancelled", StateUnavailable, sc.s.Install},
		{"enable what is not installed", StateReleased, sc.s.Enable},
		{"disable what is not enabled", StateInstalled, sc.s.Disable},
		{"delete what is not installed", StateReleased, sc.s.Delete},
		{"fail what is installed", StateInstalled, sc.s.FailInstall},
	} {
		if err := sc.s.SetStock(plan, 1); err != nil {
			t.Fatal(err)
		}
		sc.reachAnew(tt.from)
		before, _ := sc.s.Profile(activation.ICCID(sc.iccid))
		if err := tt.step(activation.ICCID(sc.iccid)); err == nil || !strings.Contains(err.Error(), sc.iccid) {
			t.Errorf("%s: %v", tt.name, err)
		}
		after, _ := sc.s.Profile(activation.ICCID(sc.iccid))
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s changed the profile (-before +after):\n%s", tt.name, diff)
		}
	}
}

func TestNotificationsThatCannotBeSentAreRefused(t *testing.T) {
	for _, n := range []Notifications{
		{URL: "http://127.0.0.1:1"}, {URL: "https://"}, {URL: "https://user:word@127.0.0.1"}, {URL: ":"},
		{CA: []byte("no PEM")}, {Attempts: -1}, {Repeat: 101},
		{Points: Points{Installed: -1}}, {Points: Points{Deleted: maxPoint + 1}},
	} {
		if s, err := New(Options{Notifications: n}); err == nil {
			t.Errorf("%+v was taken; close: %v", n, s.Close())
		}
	}
}
