package server_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestAnAnswerIsHeldBackForAsLongAsTheContractHasIt(t *testing.T) {
	const create, body = "/api/v1/esim/orders", `{"product_id":712,"amount":4.50}`
	const get, cancel = "/api/v1/esim/orders/77", "/api/v1/esim/orders/77/cancel"
	for name, tc := range map[string]struct {
		method, path, body string
		prefer             []string
		want               time.Duration
	}{
		"an order":                               {http.MethodPost, create, body, nil, 60 * time.Second},
		"an order, as preferred":                 {http.MethodPost, create, body, []string{"wait=7"}, 7 * time.Second},
		"an order, not at all":                   {http.MethodPost, create, body, []string{"wait=0"}, 0},
		"an order, longer than there is":         {http.MethodPost, create, body, []string{"wait=61"}, 60 * time.Second},
		"an order, for less than nothing":        {http.MethodPost, create, body, []string{"wait=-1"}, 60 * time.Second},
		"an order, for ever":                     {http.MethodPost, create, body, []string{"wait=99999999999999999999"}, 60 * time.Second},
		"an order, in other words":               {http.MethodPost, create, body, []string{`respond-async, Wait = "5"`}, 5 * time.Second},
		"an order, by the first of two":          {http.MethodPost, create, body, []string{"wait=3", "wait=4"}, 3 * time.Second},
		"reading an order":                       {http.MethodGet, get, "", nil, 0},
		"reading an order, as preferred":         {http.MethodGet, get, "", []string{"wait=9"}, 9 * time.Second},
		"reading an order, longer than there is": {http.MethodGet, get, "", []string{"wait=600"}, 0},
		"cancelling":                             {http.MethodPost, cancel, "", nil, 60 * time.Second},
		"cancelling, as preferred":               {http.MethodPost, cancel, "", []string{"wait=1"}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				pending := &v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"}}
				pending.Namespace, pending.Name = "acme", "o-77"
				if err := s.api.Create(t.Context(), pending); err != nil {
					t.Fatal(err)
				}
				header := http.Header{}
				for _, preference := range tc.prefer {
					header.Add("Prefer", preference)
				}
				begun := time.Now()
				answer := send(s.checked(t), tc.method, tc.path, tc.body, header)
				if took := time.Since(begun); took != tc.want {
					t.Errorf("answered after %s, want %s", took, tc.want)
				}
				if answer.Code >= http.StatusBadRequest || !strings.Contains(answer.Body.String(), `"status":"PENDING"`) {
					t.Errorf("answered %d %s", answer.Code, answer.Body)
				}
			})
		})
	}
}

func TestCancellingTellsWhatBecameOfIt(t *testing.T) {
	const path = "/api/v1/esim/orders/77/cancel"
	refused := metav1.Condition{Type: v1alpha1.ConditionCancelRefused, Status: metav1.ConditionTrue}
	for name, tc := range map[string]struct {
		stands v1alpha1.EsimOrderStatus
		status int
		want   string
		asks   bool
	}{
		"nothing yet": {v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhasePending}, http.StatusAccepted, `"status_text":"Being cancelled"`, true},
		"nothing yet, of an order that is delivered": {v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhaseDelivered},
			http.StatusAccepted, `"status_text":"Delivered; being cancelled"`, true},
		"it was cancelled before": {v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhaseCancelled}, http.StatusOK, `"status":"CANCELLED"`, false},
		"it has failed":           {v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhaseFailed}, http.StatusConflict, "CONFLICT", false},
		"it is installed": {v1alpha1.EsimOrderStatus{
			Phase: v1alpha1.PhaseDelivered, Activation: &v1alpha1.OrderActivation{Status: v1alpha1.ActivationActive, Installed: true},
		}, http.StatusConflict, "CONFLICT", false},
		"the operator refuses": {v1alpha1.EsimOrderStatus{Phase: v1alpha1.PhaseDelivered, Conditions: v1alpha1.Conditions{refused}},
			http.StatusConflict, "CONFLICT", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			order := &v1alpha1.EsimOrder{Spec: v1alpha1.EsimOrderSpec{ProductRef: v1alpha1.ProductReference{Name: "japan"}, Variant: "1gb"}}
			order.Namespace, order.Name = "acme", "o-77"
			if err := s.api.Create(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			order.Status = tc.stands
			if err := s.api.Status().Update(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			s.server.Desk.Index.OnAdd(order.DeepCopy(), false)
			answer := ask(s.checked(t), http.MethodPost, path, "")
			if answer.Code != tc.status || !strings.Contains(answer.Body.String(), tc.want) {
				t.Errorf("answered %d %s, want %d with %s", answer.Code, answer.Body, tc.status, tc.want)
			}
			standing, err := s.server.Desk.Get(t.Context(), "acme", "o-77")
			if err != nil {
				t.Fatal(err)
			}
			if standing.Spec.Cancel != tc.asks {
				t.Errorf("spec.cancel is %t", standing.Spec.Cancel)
			}
		})
	}
}
