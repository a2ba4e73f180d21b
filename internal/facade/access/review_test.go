package access

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// refusedBy is what Authenticate says of a token where the API server gives these answers: a
// TokenReview's status or, instead, an HTTP status, and an HTTP status to who reads a Secret.
func refusedBy(t *testing.T, token string, review authenticationv1.TokenReviewStatus, reviewCode, secretCode int) error {
	t.Helper()
	apiServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		code, answer := secretCode, any(&metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(secretCode),
			Reason: map[int]metav1.StatusReason{http.StatusNotFound: metav1.StatusReasonNotFound}[secretCode],
		})
		if strings.HasSuffix(r.URL.Path, "/tokenreviews") {
			code, answer = reviewCode, &authenticationv1.TokenReview{
				TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}, Status: review,
			}
		}
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer apiServer.Close()
	guard, err := New(Config{
		REST:  &rest.Config{Host: apiServer.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json", AcceptContentTypes: "application/json"}},
		Clock: newClock(), Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+token)
	_, err = guard.Authenticate(request)
	return err
}

func TestATokenThatCouldNotBeCheckedIsNotABadOne(t *testing.T) {
	session := "a." + base64.RawURLEncoding.EncodeToString([]byte(
		`{"kubernetes.io":{"namespace":"acme","secret":{"name":"esim-session-x","uid":"u"}}}`)) + ".c"
	type review = authenticationv1.TokenReviewStatus
	tests := map[string]struct {
		token      string
		review     review
		reviewCode int
		secretCode int
		want       Reason
	}{
		"a bad token":                 {review: review{Error: "[invalid bearer token, token lookup failed]"}, want: Unauthorized},
		"an expired token":            {review: review{Error: "[invalid bearer token, service account token has expired]"}, want: Unauthorized},
		"a token of nobody any more":  {review: review{Error: `[invalid bearer token, serviceaccounts "x" not found]`}, want: Unauthorized},
		"one refused without a word":  {want: Unauthorized},
		"one for another audience":    {review: review{Authenticated: true, Audiences: []string{"vault"}}, want: Unauthorized},
		"one for no audience":         {review: review{Authenticated: true}, want: Unauthorized},
		"an audience of such words":   {review: review{Error: `token audiences ["\"etcdserver: "] is invalid for the target audiences ["esim-api"]`}, want: Unauthorized},
		"etcd is away":                {review: review{Error: "[invalid bearer token, etcdserver: request timed out]"}, want: Unavailable},
		"the authenticator was late":  {review: review{Error: "Post \"https://x/\": context deadline exceeded"}, want: Unavailable},
		"the authenticator is away":   {review: review{Error: "dial tcp 10.0.0.1:443: connect: connection refused"}, want: Unavailable},
		"the API server has a fault":  {reviewCode: http.StatusInternalServerError, want: Unavailable},
		"the API server is too busy":  {reviewCode: http.StatusServiceUnavailable, want: Unavailable},
		"the facade may not ask":      {reviewCode: http.StatusForbidden, want: Unavailable},
		"the facade is not known":     {reviewCode: http.StatusUnauthorized, want: Unavailable},
		"a session that has ended":    {token: session, review: review{Error: "service account token has been invalidated"}, secretCode: http.StatusNotFound, want: Unauthorized},
		"a session that none can see": {token: session, review: review{Error: "service account token has been invalidated"}, secretCode: http.StatusInternalServerError, want: Unavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.token == "" {
				test.token = "a.e30.c"
			}
			if test.reviewCode == 0 {
				test.reviewCode = http.StatusCreated
			}
			err := refusedBy(t, test.token, test.review, test.reviewCode, test.secretCode)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Reason != test.want {
				t.Fatalf("refused with %v, want reason %d", err, test.want)
			}
			if test.want == Unavailable && refusal.RetryAfter <= 0 {
				t.Error("it is not said when to come again")
			}
			if strings.Contains(fmt.Sprint(err), test.token) {
				t.Error("the error has the token in it")
			}
		})
	}
}
