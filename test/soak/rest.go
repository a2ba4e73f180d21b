package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	rest "github.com/telcodev/esim-operator/api/rest/client"
	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/test/stand"
)

const (
	apiAccount = "esim-api"
	// sessionLength is that of the token that the whole soak is done with.
	sessionLength = 24 * time.Hour
	// restLimit bounds a request until it is answered with more than a 503.
	restLimit = 30 * time.Second
)

// admit gives each client a token for the REST API.
func (s *soak) admit(ctx context.Context) error {
	s.rest = map[string]*rest.ClientWithResponses{}
	for _, name := range s.clients {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: apiAccount}}
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			Audiences: []string{"esim-api"}, ExpirationSeconds: ptr.To(int64(sessionLength / time.Second)),
		}}
		if err := s.env.Client.SubResource("token").Create(ctx, account, request); err != nil {
			return fmt.Errorf("getting a token for the REST API: %w", err)
		}
		made, err := rest.NewClientWithResponses("http://"+s.api,
			rest.WithHTTPClient(&http.Client{Timeout: restLimit}),
			rest.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
				r.Header.Set("Authorization", "Bearer "+request.Status.Token)
				return nil
			}))
		if err != nil {
			return fmt.Errorf("connecting to the REST API: %w", err)
		}
		s.rest[name] = made
	}
	return nil
}

// answer is what every answer of the REST API tells of itself.
type answer interface{ StatusCode() int }

// ask repeats a request for as long as it is answered 503, which means just that, and counts the
// answers. Any other answer than 200 and those that are right too is an error.
func (s *soak) ask(ctx context.Context, what string, request func() (answer, error), rightToo ...int) error {
	return stand.Until(ctx, restLimit, what+" over REST", func() (bool, error) {
		came, err := request()
		if err != nil {
			return false, fmt.Errorf("%s over REST: %w", what, err)
		}
		status := came.StatusCode()
		s.answers[status]++
		switch {
		case status == http.StatusOK, slices.Contains(rightToo, status):
			return true, nil
		case status == http.StatusServiceUnavailable:
			return false, nil
		default:
			return false, fmt.Errorf("%s over REST is answered %d", what, status)
		}
	})
}

// orderOverREST makes an order, by its price, and returns its number. Whoever repeats it is
// answered with the same order.
func (s *soak) orderOverREST(ctx context.Context, namespace, reference, email string, of offer) (int64, error) {
	request := rest.OrderRequest{ProductID: productID, Amount: decimal.Number(of.amount), ClientReference: &reference}
	if email != "" {
		request.NotificationEmail = &email
	}
	var made *rest.Order
	err := s.ask(ctx, "ordering "+reference, func() (answer, error) {
		came, err := s.rest[namespace].CreateOrderWithResponse(ctx, &rest.CreateOrderParams{Prefer: ptr.To("wait=0"), IdempotencyKey: &reference}, request)
		if err == nil {
			made = came.JSON200
		}
		return came, err
	})
	if err == nil && (made == nil || made.ClientReference == nil || *made.ClientReference != reference) {
		err = errors.New("ordering " + reference + " over REST is answered with another order")
	}
	if err != nil {
		return 0, err
	}
	return made.ID, nil
}

// cancelOverREST wants an order no more. It may be too late for that, or take its time.
func (s *soak) cancelOverREST(ctx context.Context, of ordered) error {
	return s.ask(ctx, "cancelling", func() (answer, error) {
		return s.rest[of.key.Namespace].CancelOrderWithResponse(ctx, of.number, &rest.CancelOrderParams{Prefer: ptr.To("wait=0")})
	}, http.StatusAccepted, http.StatusConflict)
}

// look has a client look at one of its orders, which asks its operator for news of it where that
// can be asked, and at a page of all.
func (s *soak) look(ctx context.Context, at ordered) error {
	api := s.rest[at.key.Namespace]
	var found *rest.Order
	err := s.ask(ctx, "reading an order", func() (answer, error) {
		came, err := api.GetOrderWithResponse(ctx, at.number, &rest.GetOrderParams{Prefer: ptr.To("wait=0")})
		if err == nil {
			found = came.JSON200
		}
		return came, err
	})
	if err != nil {
		return err
	}
	if found == nil || found.ID != at.number {
		return fmt.Errorf("reading order %d over REST is answered with another", at.number)
	}
	err = s.ask(ctx, "listing orders", func() (answer, error) {
		return api.ListOrdersWithResponse(ctx, &rest.ListOrdersParams{PerPage: ptr.To(int64(20))})
	})
	if err != nil {
		return err
	}
	return s.ask(ctx, "listing transactions", func() (answer, error) {
		return api.ListTransactionsWithResponse(ctx, &rest.ListTransactionsParams{PerPage: ptr.To(int64(20))})
	})
}
