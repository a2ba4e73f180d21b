package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/server"
)

// BenchmarkReads is what the commonest reads cost the server itself: authentication, limits,
// rights, the answer and the log's line, without net/http's own part. Its allocations are the
// same on every machine.
func BenchmarkReads(b *testing.B) {
	const id = 930248119
	guarded := newShop(b, guardedBy(b), func(s *server.Server) {
		s.Log, s.Metrics = facade.NewLog(io.Discard, "info"), server.NewMetrics(s.Synced)
		for i := range 60 {
			s.Catalogue.OnAdd(&v1alpha1.EsimProduct{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("country-%02d", i)},
				Spec:       v1alpha1.EsimProductSpec{DisplayName: fmt.Sprintf("Country %d", i), CountryCode: "JPN", Currency: "USD"},
				Status:     v1alpha1.EsimProductStatus{ID: int64(800 + i)},
			}, true)
		}
		s.Desk.Index.OnAdd(onDevice(id), true)
	})
	for _, read := range []struct{ name, path string }{
		{"an order", fmt.Sprintf("/api/v1/esim/orders/%d", id)},
		{"products", "/api/v1/esim/products"},
	} {
		b.Run(read.name, func(b *testing.B) {
			request := httptest.NewRequest(http.MethodGet, read.path, http.NoBody)
			request.Header.Set("Authorization", "Bearer "+benchToken())
			answer := &unsent{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(answer.header)
				delete(request.Header, "X-Request-Id")
				guarded.http.ServeHTTP(answer, request)
				if answer.status != http.StatusOK {
					b.Fatalf("answered %d", answer.status)
				}
			}
		})
	}
}

// unsent is an answer that goes nowhere.
type unsent struct {
	header http.Header
	status int
}

func (u *unsent) Header() http.Header               { return u.header }
func (u *unsent) WriteHeader(status int)            { u.status = status }
func (u *unsent) Write(content []byte) (int, error) { return len(content), nil }

// benchToken has the form and the length of a ServiceAccount's token.
func benchToken() string {
	payload := fmt.Sprintf(`{"aud":["esim-api"],"jti":"%0600d"}`, 1)
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + fmt.Sprintf("%0342d", 1)
}

// guardedBy puts the real guard before a shop. The API server that it asks says yes to all.
func guardedBy(b *testing.B) func(*server.Server) {
	const account = "system:serviceaccount:acme:esim-api"
	yes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any = &authorizationv1.SubjectAccessReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"},
			Status:   authorizationv1.SubjectAccessReviewStatus{Allowed: true},
		}
		if r.URL.Path == "/apis/authentication.k8s.io/v1/tokenreviews" {
			answer = &authenticationv1.TokenReview{
				TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"},
				Status: authenticationv1.TokenReviewStatus{
					Authenticated: true, Audiences: []string{access.Audience},
					User: authenticationv1.UserInfo{
						Username: account, UID: "3a8c9c1e-0000-4000-8000-000000000001",
						Groups: []string{"system:serviceaccounts", "system:serviceaccounts:acme", "system:authenticated"},
						Extra:  map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/credential-id": {"JTI=3a8c9c1e-0000-4000-8000-000000000002"}},
					},
				},
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			b.Error(err)
		}
	}))
	b.Cleanup(yes.Close)
	const many = 1_000_000_000
	return func(s *server.Server) {
		s.Cache = noTerms{s.Cache}
		guard, err := access.New(access.Config{
			REST:  &rest.Config{Host: yes.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}},
			Cache: s.Cache, Limits: v1alpha1.RateLimits{Read: many}, Clock: clock.RealClock{}, Random: zeros{},
		})
		if err != nil {
			b.Fatal(err)
		}
		s.Guard = guard
	}
}

// noTerms are those of clients that have none, as the facade's memory tells.
type noTerms struct{ client.Reader }

var errNoTerms = apierrors.NewNotFound(schema.GroupResource{Resource: "esimclients"}, v1alpha1.ClientName)

func (r noTerms) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if _, ok := into.(*v1alpha1.EsimClient); ok {
		return errNoTerms
	}
	return r.Reader.Get(ctx, key, into, opts...)
}

// zeros is randomness that nothing depends on.
type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}

// onDevice is an order whose profile is on its device.
func onDevice(id int64) *v1alpha1.EsimOrder {
	when := metav1.NewTime(time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC))
	order := &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "acme", Name: fmt.Sprintf("o-%d", id), UID: types.UID("0f3d"), ResourceVersion: "7", CreationTimestamp: when,
		},
		Spec: v1alpha1.EsimOrderSpec{
			ProductRef: v1alpha1.ProductReference{Name: "japan"}, Amount: "4.50", ClientReference: "TRIP_TOKYO", NotificationEmail: "ann@example.com",
		},
		Status: v1alpha1.EsimOrderStatus{
			ID: id, Phase: v1alpha1.PhaseDelivered,
			Plan:   &v1alpha1.OrderPlan{Product: "japan", Variant: "1gb", DisplayName: "Japan 1 GB", CountryCode: "JPN", DataAmountGB: "1", ValidityDays: 7, Amount: "4.50", Currency: "USD"},
			Charge: &v1alpha1.OrderCharge{WalletUID: "w", Amount: "4.50", Currency: "USD", TransactionID: 5, Time: when},
			Esim:   &v1alpha1.OrderEsim{ICCID: "8944110000000000001", ActivationCode: "LPA:1$rsp.example.com$********"},
			Activation: &v1alpha1.OrderActivation{
				Status: v1alpha1.ActivationActive, Installed: true, InstalledTime: ptr.To(when),
			},
		},
	}
	return order
}
