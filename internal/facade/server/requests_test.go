package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/conformance"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// everybody lets everybody in as the client acme.
type everybody struct{}

func (everybody) Admit(*http.Request, string) (access.Caller, error) {
	return access.Caller{Identity: &access.Identity{Namespace: "acme", ServiceAccount: "esim-api", User: &user.DefaultInfo{Name: "ann"}}}, nil
}

func (everybody) Authorize(context.Context, *access.Identity, ...access.Right) error { return nil }

func (everybody) Login(context.Context, netip.Addr, string, activation.Credential) (*access.Session, error) {
	return nil, access.ErrInvalidCredentials
}

func (everybody) Refresh(context.Context, netip.Addr, activation.Credential) (*access.Session, error) {
	return nil, access.ErrInvalidCredentials
}

func (everybody) Logout(context.Context, *access.Identity) error { return nil }

const japanID, japanVariantID = 712, 3301

// shop is a facade of one client and one product, on an API server in memory.
type shop struct {
	api    client.WithWatch
	server *server.Server
	http   http.Handler
}

func newShop(t testing.TB, change ...func(*server.Server)) *shop {
	t.Helper()
	now := clocktesting.NewFakePassiveClock(time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC))
	api, err := testdesk.NewAPI(now)
	if err != nil {
		t.Fatal(err)
	}
	products := catalogue.New()
	products.OnAdd(&v1alpha1.EsimProduct{
		ObjectMeta: metav1.ObjectMeta{Name: "japan"},
		Spec: v1alpha1.EsimProductSpec{
			DisplayName: "Japan", CountryCode: "JPN", Currency: "USD",
			Variants: []v1alpha1.EsimVariant{{Name: "1gb", DisplayName: "1 GB", Amount: "4.50", DataAmountGB: "1", ValidityDays: 7,
				Sources: []v1alpha1.VariantSource{{PlanID: "JP-1GB"}}}},
		},
		Status: v1alpha1.EsimProductStatus{ID: japanID, Variants: []v1alpha1.VariantStatus{{Name: "1gb", ID: japanVariantID}}},
	}, true)
	s := &server.Server{
		Guard: everybody{}, Catalogue: products,
		Desk:  &orders.Desk{Index: &orders.Index{}, API: api, Random: rand.NewChaCha8([32]byte{})},
		Cache: api, Live: api, Writer: api,
		Synced: func() bool { return true }, Ready: func(context.Context) error { return nil },
		Clock: clock.RealClock{}, Stopping: t.Context(), Log: logr.Discard(),
	}
	for _, c := range change {
		c(s)
	}
	handler, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return &shop{api: api, server: s, http: handler}
}

// checked is the shop's handler, with every exchange held against the document.
func (s *shop) checked(t testing.TB) http.Handler {
	t.Helper()
	checker, err := conformance.New()
	if err != nil {
		t.Fatal(err)
	}
	return checker.Handler(t, s.http)
}

func ask(handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Prefer", "wait=0")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestAPanicIsA500AndTheServerGoesOn(t *testing.T) {
	var log strings.Builder
	s := newShop(t, func(s *server.Server) {
		s.Live = nil // a fault of ours: what reads a Secret panics
		s.Log = funcr.New(func(_, line string) { log.WriteString(line) }, funcr.Options{})
	})
	order := deliver(t, s)
	answer := ask(s.checked(t), http.MethodGet, "/api/v1/esim/orders/"+order, "")
	if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "nil pointer") {
		t.Errorf("a panic is answered %d %s", answer.Code, answer.Body)
	}
	if id := answer.Header().Get("X-Request-Id"); id == "" || !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "goroutine") {
		t.Errorf("the log does not tell of request %q with its stack", id)
	}
	if answer := ask(s.checked(t), http.MethodGet, "/api/v1/esim/products", ""); answer.Code != http.StatusOK {
		t.Errorf("the next request is answered %d", answer.Code)
	}
}

// deliver makes an order that is delivered, with its Secret, and returns its id.
func deliver(t *testing.T, s *shop) string {
	t.Helper()
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "o-77"},
		Spec:       v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"},
	}
	if err := s.api.Create(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	order.Status.Phase = v1alpha1.PhaseDelivered
	order.Status.Esim = &v1alpha1.OrderEsim{ICCID: "8944110068123456789", ActivationCode: "LPA:1$rsp.example.com$********"}
	if err := s.api.Status().Update(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "acme", Name: v1alpha1.ActivationSecretName("o-77"),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "EsimOrder", Name: "o-77", UID: order.UID}},
		},
		Type: v1alpha1.ActivationSecretType,
		Data: map[string][]byte{v1alpha1.SecretKeyActivationCode: []byte("LPA:1$rsp.example.com$MATCHING")},
	}
	if err := s.api.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.server.Desk.Index.OnAdd(order, false)
	return "77"
}

func TestAnActivationCodeIsShownOnlyFromTheOrdersOwnSecret(t *testing.T) {
	s := newShop(t)
	path := "/api/v1/esim/orders/" + deliver(t, s)
	code := func() string {
		t.Helper()
		var order struct {
			ActivationCode string `json:"activation_code"`
		}
		if err := json.Unmarshal(ask(s.checked(t), http.MethodGet, path, "").Body.Bytes(), &order); err != nil {
			t.Fatal(err)
		}
		return order.ActivationCode
	}
	if got := code(); got != "LPA:1$rsp.example.com$MATCHING" {
		t.Errorf("the code is %q", got)
	}

	order, _ := s.server.Desk.Index.Get("acme", "o-77")
	onDevice := order.DeepCopy()
	onDevice.Status.Activation = &v1alpha1.OrderActivation{Status: v1alpha1.ActivationActive, Installed: true}
	s.server.Desk.Index.OnUpdate(order, onDevice)
	if got := code(); got != "LPA:1$rsp.example.com$********" {
		t.Errorf("the code of an installed profile is %q", got)
	}
	if answer := ask(s.checked(t), http.MethodGet, path+"/qr.png", ""); answer.Code != http.StatusNotFound {
		t.Errorf("the QR code of an installed profile is answered %d", answer.Code)
	}

	another := order.DeepCopy()
	another.UID = "another"
	s.server.Desk.Index.OnUpdate(onDevice, another)
	if got := code(); got != "" {
		t.Errorf("an order is shown the code of another that had its name: %q", got)
	}
}

func TestACodeThatTheFacadeMayNotReadYetIsToBeAskedForAgain(t *testing.T) {
	s := newShop(t)
	path := "/api/v1/esim/orders/" + deliver(t, s)
	s.server.Live = interceptor.NewClient(s.api, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "o-77-activation", errors.New("RBAC is being loaded"))
		},
	})
	answer := ask(s.checked(t), http.MethodGet, path, "")
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("it is answered %d: %s", answer.Code, answer.Body)
	}
}

func TestWithoutTheAPIServerReadsGoOnAndWritesAreToBeTriedAgain(t *testing.T) {
	away := apierrors.NewServerTimeout(schema.GroupResource{Resource: "esimorders"}, "create", 1)
	s := newShop(t, func(s *server.Server) { s.Ready = func(context.Context) error { return away } })
	id := deliver(t, s)
	broken := interceptor.NewClient(s.api, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return away },
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return context.DeadlineExceeded
		},
	})
	s.server.Desk.API, s.server.Writer = broken, broken
	handler := s.checked(t)
	for _, tc := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, "/api/v1/esim/products", "", http.StatusOK},
		{http.MethodGet, "/api/v1/esim/orders", "", http.StatusOK},
		{http.MethodGet, "/healthz", "", http.StatusOK},
		{http.MethodGet, "/readyz", "", http.StatusServiceUnavailable},
		{http.MethodPost, "/api/v1/esim/orders", `{"product_id":712,"amount":4.50}`, http.StatusServiceUnavailable},
		{http.MethodPost, "/api/v1/esim/orders/" + id + "/cancel", "", http.StatusServiceUnavailable},
		{http.MethodPatch, "/api/v1/esim/orders/" + id + "/notification-email", `{"email":"a@b.de"}`, http.StatusServiceUnavailable},
	} {
		answer := ask(handler, tc.method, tc.path, tc.body)
		if answer.Code != tc.want {
			t.Errorf("%s %s is answered %d %s, want %d", tc.method, tc.path, answer.Code, answer.Body, tc.want)
		}
		if tc.want == http.StatusServiceUnavailable && answer.Header().Get("Retry-After") != "5" {
			t.Errorf("%s %s says to try again after %q", tc.method, tc.path, answer.Header().Get("Retry-After"))
		}
	}
}

func TestNothingIsAnsweredFromCachesThatAreNotFilled(t *testing.T) {
	s := newShop(t, func(s *server.Server) { s.Synced = func() bool { return false } })
	if answer := ask(s.checked(t), http.MethodGet, "/api/v1/esim/orders", ""); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("a list is answered %d", answer.Code)
	}
	if answer := ask(s.checked(t), http.MethodGet, "/healthz", ""); answer.Code != http.StatusOK {
		t.Errorf("/healthz is answered %d", answer.Code)
	}
}

func TestAPathThatOnlyCleaningMakesAnOperationIsNone(t *testing.T) {
	s := newShop(t)
	for _, path := range []string{
		"//api/v1/esim/orders", "/api/v1/esim/orders/", "/api/v1/esim/../esim/orders", "/api/v1/esim/./orders", "/api/v1/esim/orders/../../../../docs", "/docs/..%2fhealthz",
	} {
		answer := ask(s.http, http.MethodGet, path, "")
		if answer.Code != http.StatusNotFound || answer.Header().Get("Location") != "" {
			t.Errorf("%s is answered %d, to go to %q", path, answer.Code, answer.Header().Get("Location"))
		}
	}
}

func TestTheQRCodeHasItsMargin(t *testing.T) {
	s := newShop(t)
	answer := ask(s.checked(t), http.MethodGet, "/api/v1/esim/orders/"+deliver(t, s)+"/qr.png", "")
	picture, err := png.Decode(bytes.NewReader(answer.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	// ISO/IEC 18004: four modules of margin, then the finder pattern's dark corner.
	const module = 8
	if dark(picture, 4*module-1, 4*module-1) || !dark(picture, 4*module, 4*module) {
		t.Error("the finder pattern does not begin after a margin of four modules")
	}
	if answer.Header().Get("Cache-Control") != "no-store" {
		t.Error("the picture may be stored on the way")
	}
}

func dark(picture image.Image, x, y int) bool {
	red, _, _, _ := picture.At(x, y).RGBA()
	return red < 0x8000
}

func FuzzBodiesNeverBreakTheServer(f *testing.F) {
	for _, seed := range []string{
		`{"product_id":712,"amount":4.50,"client_reference":"A"}`, `{"product_id":712,"amount":1e400}`, `{"email":"a@b.de"}`,
		`{"username":"a.b","password":"c"}`, `{"refresh_token":"x"}`, `{"a":{"a":1,"a":2}}`, "\"\xff\"", `[[[[`, `{"product_id":null}`,
		`{"product_id":712,"amount":4.5,"variant_id":3301,"wallet_id":9,"quantity":2}`, `{"amount":-0,"product_id":712}`,
	} {
		f.Add(seed)
	}
	s := newShop(f)
	checker, err := conformance.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		handler := checker.Handler(t, s.http)
		for _, target := range []struct{ method, path string }{
			{http.MethodPost, "/api/v1/esim/orders"}, {http.MethodPost, "/api/v1/esim/charges"}, {http.MethodPost, "/auth/login"},
			{http.MethodPost, "/auth/refresh"}, {http.MethodPatch, "/api/v1/esim/orders/77/notification-email"},
		} {
			if body == "" {
				body = " "
			}
			if answer := ask(handler, target.method, target.path, body); answer.Code >= 500 {
				t.Errorf("%s %s with %q is answered %d %s", target.method, target.path, body, answer.Code, answer.Body)
			}
		}
	})
}

func FuzzQueriesNeverBreakTheServer(f *testing.F) {
	for _, seed := range []string{
		"page=1&per_page=500", "page=9223372036854775807", "status=DELIVERED&created_from=2026-05-01T00:00:00Z", "created_to=0000-01-01T00:00:00Z",
		"search=%ff", "iccid=8944110068123456789", "country_code=JPN&covers=JPN", "product_id=-1", "a;b", "page=%2B1", "limit=1e3",
	} {
		f.Add(seed)
	}
	s := newShop(f)
	checker, err := conformance.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/api/v1/esim/orders", "/api/v1/esim/products", "/api/v1/transactions"} {
			request := httptest.NewRequest(http.MethodGet, path, http.NoBody)
			request.URL.RawQuery = query
			answer := httptest.NewRecorder()
			s.http.ServeHTTP(answer, request)
			if answer.Code >= 500 {
				t.Errorf("%s?%q is answered %d %s", path, query, answer.Code, answer.Body)
			}
			err := checker.Check(conformance.Exchange{Request: request, Status: answer.Code, Header: answer.Header(), Body: answer.Body.Bytes()})
			if err != nil {
				t.Error(err)
			}
		}
	})
}
