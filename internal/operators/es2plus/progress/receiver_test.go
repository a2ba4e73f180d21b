package progress

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// scene is a receiver with one sender, who speaks for telco-one.
type scene struct {
	*running
	ca     *authority
	store  *books
	log    *journal
	sender *http.Client
}

func newScene(t *testing.T, points ...v1alpha1.NotificationPoint) *scene {
	t.Helper()
	s := &scene{ca: newAuthority(t, "the operator's CA"), log: &journal{}}
	s.store = &books{owners: map[string]string{ourICCID: "telco-one", theirICCID: "telco-two"}}
	terms := sans(senderName)
	terms.Points = points
	s.running = serve(t, fixed(Sender{Operator: "telco-one", CA: s.ca.pem(), Terms: terms}), s.store, clock.RealClock{}, s.log.logger())
	s.sender = s.client(s.ca.issue().tls)
	return s
}

// since is how much a counter grows from now on.
func since(t *testing.T, counter prometheus.Counter) func() float64 {
	t.Helper()
	read := func() float64 {
		var metric dto.Metric
		if err := counter.Write(&metric); err != nil {
			t.Fatal(err)
		}
		return metric.GetCounter().GetValue()
	}
	before := read()
	return func() float64 { return read() - before }
}

// counted is how many notifications of telco-one are counted from now on.
func counted(t *testing.T, meaning string, o outcome) func() float64 {
	t.Helper()
	return since(t, notificationsTotal.WithLabelValues("telco-one", meaning, string(o)))
}

func TestAnInstallationIsStoredBeforeItIsAnswered(t *testing.T) {
	s := newScene(t)
	stored := counted(t, "Installed", outcomeStored)
	body := strings.Replace(installed, `"profileType"`, `"timestamp":"2026-01-02T03:04:05Z","profileType"`, 1)
	got, err := s.send(s.sender, http.MethodPost, "/gsma/rsp2/es2plus/handleDownloadProgressInfo", body)
	if err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusNoContent || got.text != "" || got.header.Get("X-Admin-Protocol") != "gsma/rsp/v2.2.0" {
		t.Errorf("answered %+v", got)
	}
	if diff := cmp.Diff([]v1alpha1.DeviceEvent{v1alpha1.DeviceInstalled}, s.store.events()); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if stored() != 1 {
		t.Errorf("%v were counted as stored", stored())
	}
	if !strings.Contains(s.log.String(), ourICCID) {
		t.Error("the log does not tell what was reported")
	}
}

func TestTheRouteOfVersion3IsServedToo(t *testing.T) {
	s := newScene(t)
	got, err := s.send(s.sender, http.MethodPost, "/gsma/rsp2/es2plus/handleNotification", installed)
	if err != nil || got.status != http.StatusNoContent || len(s.store.events()) != 1 {
		t.Errorf("answered %+v, %v; stored %v", got, err, s.store.events())
	}
}

func TestWhatMeansNothingIsAnsweredAndOnlyCounted(t *testing.T) {
	s := newScene(t)
	ignored := counted(t, "Nothing", outcomeIgnored)
	for _, body := range []string{notification(ourICCID, "3", "Executed-Success"), notification(ourICCID, "101", "Executed-Success")} {
		if got := s.post(s.sender, body); got != http.StatusNoContent {
			t.Errorf("answered %d", got)
		}
	}
	if ignored() != 2 || len(s.store.events()) != 0 {
		t.Errorf("%v were counted, and %v stored", ignored(), s.store.events())
	}
}

func TestASenderCannotSpeakOfAnotherOperatorsProfile(t *testing.T) {
	s := newScene(t)
	unknown := counted(t, "Installed", outcomeUnknownICCID)
	for _, iccid := range []string{theirICCID, "8947010000000000000"} {
		if got := s.post(s.sender, notification(iccid, "4", "Executed-Success")); got != http.StatusNoContent {
			t.Errorf("answered %d", got)
		}
	}
	if unknown() != 2 || len(s.store.events()) != 0 {
		t.Errorf("%v were counted, and %v stored", unknown(), s.store.events())
	}
}

func TestOneSenderMaySpeakForSeveralOperators(t *testing.T) {
	ca := newAuthority(t, "the CA of an SM-DP+ that two share")
	means := func(m v1alpha1.PointMeaning) v1alpha1.ES2PlusNotifications {
		out := sans(senderName)
		out.Points = []v1alpha1.NotificationPoint{{ID: 5, Means: m}}
		return out
	}
	store := &books{owners: map[string]string{ourICCID: "telco-one", theirICCID: "telco-two"}}
	r := serve(t, fixed(
		Sender{Operator: "telco-one", CA: ca.pem(), Terms: means(v1alpha1.PointInstalled)},
		Sender{Operator: "telco-two", CA: ca.pem(), Terms: means(v1alpha1.PointDeleted)},
		Sender{Operator: "stranger", CA: newAuthority(t, "another CA").pem(), Terms: means(v1alpha1.PointUsed)},
	), store, clock.RealClock{}, logr.Discard())
	c := r.client(ca.issue().tls)
	for _, iccid := range []string{theirICCID, ourICCID} {
		if got := r.post(c, notification(iccid, "5", "Executed-Success")); got != http.StatusNoContent {
			t.Errorf("answered %d", got)
		}
	}
	want := []v1alpha1.DeviceEvent{v1alpha1.DeviceDeleted, v1alpha1.DeviceInstalled}
	if diff := cmp.Diff(want, store.events()); diff != "" {
		t.Errorf("each by its own operator's points (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeStoredIsToBeSentAgain(t *testing.T) {
	s := newScene(t)
	s.store.fail(errors.New("etcd is away"))
	got, err := s.send(s.sender, http.MethodPost, es2plus.HandleDownloadProgressInfo.Path(), installed)
	if err != nil || got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("answered %+v, %v", got, err)
	}
	s.store.fail(nil)
	if got := s.post(s.sender, installed); got != http.StatusNoContent || len(s.store.events()) != 1 {
		t.Errorf("again answered %d, stored %v", got, s.store.events())
	}
}

func TestWhileSendersCannotBeReadTheyAreToldToTryAgain(t *testing.T) {
	ca := newAuthority(t, "the operator's CA")
	away := func(context.Context) ([]Sender, error) { return nil, errors.New("the API server is away") }
	r := serve(t, away, &books{}, clock.RealClock{}, logr.Discard())
	got, err := r.send(r.client(ca.issue().tls), http.MethodPost, es2plus.HandleDownloadProgressInfo.Path(), installed)
	if err != nil || got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("answered %+v, %v", got, err)
	}
}

func TestWhatIsNoNotificationIsRefusedAndHarmsNobody(t *testing.T) {
	const path = "/gsma/rsp2/es2plus/handleDownloadProgressInfo"
	for name, test := range map[string]struct {
		method, path, body string
		want               int
	}{
		"no JSON":              {"POST", path, "K3TSECRET", 400},
		"no ICCID":             {"POST", path, `{"iccid":"K3TSECRET"}`, 400},
		"nothing":              {"POST", path, "", 400},
		"64 KiB and more":      {"POST", path, `{"resultData":"` + strings.Repeat("K3TSECRET", 8<<10) + `"}`, 413},
		"a body without end":   {"POST", path, strings.Repeat(" ", 10<<20), 413},
		"nested without end":   {"POST", path, strings.Repeat("[", 60<<10), 400},
		"another method":       {"GET", path, "", 405},
		"another function":     {"POST", "/gsma/rsp2/es2plus/downloadOrder", installed, 404},
		"the same, wrong case": {"POST", "/gsma/rsp2/es2plus/HandleDownloadProgressInfo", installed, 404},
		"the root":             {"GET", "/", "", 404},
		"huge headers":         {"POST", path + "?" + strings.Repeat("K3TSECRET", 4<<10), installed, 431},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			got, err := s.send(s.sender, test.method, test.path, test.body)
			if err != nil || got.status != test.want {
				t.Fatalf("answered %d, %v, want %d", got.status, err, test.want)
			}
			if strings.Contains(got.text, "K3TSECRET") || len(got.text) > 200 {
				t.Errorf("answered %q", got.text)
			}
			if strings.Contains(s.log.String(), "K3TSECRET") {
				t.Error("what was sent is in the log")
			}
			if got := s.post(s.sender, installed); got != http.StatusNoContent {
				t.Errorf("and the next one was answered %d", got)
			}
		})
	}
}

func TestNothingThatASenderWritesIsLoggedOrStored(t *testing.T) {
	const secret = "K3TSECRET"
	s := newScene(t)
	hostile := `{"status":"Failed","statusCodeData":{"subjectCode":"` + secret + `","reasonCode":"` + secret +
		`","subjectIdentifier":"` + secret + `","message":"` + secret + `"}}`
	for _, body := range []string{
		notification(ourICCID, "4", hostile),
		strings.NewReplacer("SMDP", secret, "JP-1GB-7D", secret, `"7"`, `"`+secret+`"`).Replace(installed),
		strings.Replace(installed, "{", `{"matchingId":"`+secret+`","eid":"`+secret+`","timestamp":"`+secret+`","resultData":"`+secret+`",`, 1),
		notification(ourICCID, "4", secret), // a status of nobody's
		notification(secret, "4", "Failed"),
		notification(ourICCID, `"`+secret+`"`, "Failed"),
	} {
		s.post(s.sender, body)
	}
	stranger := newAuthority(t, secret).issue(named(secret+".example.com"), under(t, "urn:"+secret))
	if got := s.post(s.client(stranger.tls), installed); got != http.StatusForbidden {
		t.Errorf("a stranger was answered %d", got)
	}
	if _, err := s.send(s.sender, http.MethodPost, "/"+secret, installed); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.log.String(), secret) {
		t.Errorf("what was sent is in the log:\n%s", s.log)
	}
	if !strings.Contains(s.log.String(), fingerprint(stranger.leaf)) {
		t.Error("the log does not tell who the stranger was")
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if len(s.store.stored) != 3 {
		t.Errorf("stored %+v", s.store.stored)
	}
	for _, r := range s.store.stored {
		if r.Message != "" || r.ICCID != ourICCID {
			t.Errorf("stored %+v", r)
		}
	}
}

func TestAFailureCarriesItsCodeAndTheTimeOfItsArrival(t *testing.T) {
	now := time.Now().Truncate(time.Second).UTC()
	ca := newAuthority(t, "the operator's CA")
	reports := make(chan v1alpha1.DeviceReport, 1)
	store := storeFunc(func(_ context.Context, operators []string, r v1alpha1.DeviceReport) error {
		if diff := cmp.Diff([]string{"telco-one"}, operators); diff != "" {
			t.Errorf("operators (-want +got):\n%s", diff)
		}
		reports <- r
		return nil
	})
	sender := ca.issue()
	r := serve(t, fixed(Sender{Operator: "telco-one", CA: ca.pem(), Terms: sans(senderName)}), store, clocktesting.NewFakePassiveClock(now), logr.Discard())
	if got := r.post(r.client(sender.tls), notification(ourICCID+"F", `"3"`, `{"status":"Failed","statusCodeData":{"subjectCode":"8.1","reasonCode":"4.8","message":"full"}}`)); got != http.StatusNoContent {
		t.Fatalf("answered %d", got)
	}
	want := v1alpha1.DeviceReport{Event: v1alpha1.DeviceDownloadFailed, ICCID: ourICCID, Time: metav1.NewTime(now), Message: "8.1/4.8"}
	if diff := cmp.Diff(want, <-reports); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestStrangersCannotFloodTheLog(t *testing.T) {
	s := newScene(t)
	stranger := s.client(newAuthority(t, "another CA").issue().tls)
	refused := since(t, refusedTotal.WithLabelValues("sender"))
	const many = 5 * complaintsAtOnce
	for range many {
		if got := s.post(stranger, installed); got != http.StatusForbidden {
			t.Fatalf("answered %d", got)
		}
	}
	if refused() != many {
		t.Errorf("%v refusals were counted, want %d", refused(), many)
	}
	if lines := strings.Count(s.log.String(), "its sender is nobody's"); lines < 1 || lines >= many {
		t.Errorf("%d lines in the log", lines)
	}
}
