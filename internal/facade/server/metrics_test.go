package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/server"
)

// measured is a shop that counts, and what it has counted: name{label,…} → value.
func measured(t *testing.T, change ...func(*server.Server)) (*shop, func(prefix string) map[string]float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	counts := server.NewMetrics(func() bool { return true })
	registry.MustRegister(counts)
	s := newShop(t, append(change, func(s *server.Server) { s.Metrics = counts })...)
	return s, func(prefix string) map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, family := range families {
			for _, one := range family.GetMetric() {
				if name := seriesOf(family, one); strings.HasPrefix(name, prefix) {
					values[name] = one.GetCounter().GetValue() + one.GetGauge().GetValue() + float64(one.GetHistogram().GetSampleCount())
				}
			}
		}
		return values
	}
}

func seriesOf(family *dto.MetricFamily, one *dto.Metric) string {
	var labels []string
	for _, label := range one.GetLabel() {
		labels = append(labels, label.GetValue())
	}
	return family.GetName() + "{" + strings.Join(labels, ",") + "}"
}

func TestRequestsAreCountedByOperationAndNeverByWhatAClientWrites(t *testing.T) {
	s, counted := measured(t)
	for _, r := range []struct{ method, path, body string }{
		{http.MethodGet, "/api/v1/esim/products", ""},
		{http.MethodGet, "/api/v1/esim/orders/1", ""},
		{http.MethodGet, "/api/v1/esim/orders/2", ""},
		{http.MethodHead, "/healthz", ""},
		{http.MethodPost, "/api/v1/esim/orders", `{"product_id":712}`},
		{http.MethodPost, "/api/v1/esim/orders", `{"product_id":712,"amount":4.50}`},
		{http.MethodGet, "/secret/path?token=secret", ""},
		{"BREW", "/healthz", ""},
	} {
		ask(s.http, r.method, r.path, r.body)
	}
	want := map[string]float64{
		"esim_rest_requests_total{GET,listProducts,2xx}": 1, "esim_rest_requests_total{GET,getOrder,4xx}": 2,
		"esim_rest_requests_total{HEAD,getHealth,2xx}": 1, "esim_rest_requests_total{POST,createOrder,4xx}": 1,
		"esim_rest_requests_total{POST,createOrder,2xx}": 1, "esim_rest_requests_total{GET,none,4xx}": 1,
		"esim_rest_requests_total{other,none,4xx}": 1,
	}
	if diff := cmp.Diff(want, counted("esim_rest_requests_total")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want = map[string]float64{
		"esim_rest_request_seconds{createOrder}": 2, "esim_rest_request_seconds{getHealth}": 1, "esim_rest_request_seconds{getOrder}": 2,
		"esim_rest_request_seconds{listProducts}": 1, "esim_rest_request_seconds{none}": 2,
	}
	if diff := cmp.Diff(want, counted("esim_rest_request_seconds")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// refusing is a guard that lets nobody in.
type refusing struct {
	everybody
	err error
}

func (g refusing) Admit(*http.Request, string) (access.Caller, error) { return access.Caller{}, g.err }

func TestCredentialsAreCountedByWhatCameOfThem(t *testing.T) {
	for want, err := range map[string]error{
		"refused": access.ErrInvalidToken, "undecided": errors.New("a fault of ours"),
		"throttled": &access.Refusal{Reason: access.TooManyRequests, Message: "Too many requests", RetryAfter: 1},
	} {
		s, counted := measured(t, func(s *server.Server) { s.Guard = refusing{err: err} })
		ask(s.http, http.MethodGet, "/api/v1/esim/products", "")
		if diff := cmp.Diff(map[string]float64{"esim_rest_authentications_total{token," + want + "}": 1}, counted("esim_rest_authentications")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		throttled := map[string]float64{}
		if want == "throttled" {
			throttled["esim_rest_throttled_requests_total{listProducts}"] = 1
		}
		if diff := cmp.Diff(throttled, counted("esim_rest_throttled")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	s, counted := measured(t)
	ask(s.http, http.MethodGet, "/api/v1/esim/products", "")
	ask(s.http, http.MethodPost, "/auth/login", `{"username":"acme.x","password":"y"}`)
	ask(s.http, http.MethodPost, "/auth/refresh", `{"refresh_token":"x"}`)
	got := counted("esim_rest_authentications")
	for _, series := range []string{"{key,refused}", "{refresh_token,refused}", "{token,accepted}"} {
		if got["esim_rest_authentications_total"+series] == 0 {
			t.Errorf("%s is not counted: %v", series, got)
		}
	}
}

func TestWhoWaitsIsCountedAsLongAsTheyWait(t *testing.T) {
	s, counted := measured(t)
	waiting := func() float64 { return counted("esim_rest_waiting")["esim_rest_waiting_requests{}"] }
	order := pending(t, s)
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/esim/orders/"+order, http.NoBody)
		request.Header.Set("Prefer", "wait=60")
		s.http.ServeHTTP(httptest.NewRecorder(), request)
	}()
	for waiting() != 1 {
		select {
		case <-answered:
			t.Fatal("the request was answered and nobody has waited")
		default:
			runtime.Gosched()
		}
	}
	hangUp()
	<-answered
	if got := waiting(); got != 0 {
		t.Errorf("%v requests wait after the answer", got)
	}
}

// pending makes an order that nobody delivers, and returns its id.
func pending(t *testing.T, s *shop) string {
	t.Helper()
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "o-78"},
		Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"},
	}
	if err := s.api.Create(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	s.server.Desk.Index.OnAdd(order, false)
	return "78"
}

func TestARequestThatIsCutOffIsCountedAndLogged(t *testing.T) {
	s, counted := measured(t)
	func() {
		defer func() {
			if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("it ends with %v", err)
			}
		}()
		s.http.ServeHTTP(broken{header: http.Header{}}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/esim/products", http.NoBody))
	}()
	if diff := cmp.Diff(map[string]float64{"esim_rest_requests_total{GET,listProducts,2xx}": 1}, counted("esim_rest_requests_total")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// broken panics in the middle of an answer.
type broken struct{ header http.Header }

func (b broken) Header() http.Header       { return b.header }
func (b broken) WriteHeader(int)           {}
func (b broken) Write([]byte) (int, error) { panic("in the middle of an answer") }
