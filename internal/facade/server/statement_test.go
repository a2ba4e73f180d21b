package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
)

// In minor units would be wrong, and in binary too: every line is compared as it is written.
func TestAStatementHasEveryLineOfTheWalletAndOfNoOther(t *testing.T) {
	s := newShop(t)
	at := metav1.NewTime(time.Date(2026, time.June, 1, 8, 0, 0, 0, time.UTC))
	later := metav1.NewTime(at.Add(time.Hour))
	wallet := s.open(t, "main", v1alpha1.EsimWalletSpec{Currency: "USD", Deposits: []v1alpha1.WalletDeposit{{Reference: "bank-1", Amount: "1000"}}})
	// It is written a moment after the orders that change it.
	wallet.Status.Balance = "1000"
	wallet.Status.Settled = v1alpha1.WalletSettled{Debited: "10.0625", Refunded: "5.76", Orders: 3}
	if err := s.api.Status().Update(t.Context(), wallet); err != nil {
		t.Fatal(err)
	}
	other := s.open(t, "yen", v1alpha1.EsimWalletSpec{Currency: "JPY", Type: v1alpha1.WalletPostpaid})
	charged := func(name string, of *v1alpha1.EsimWallet, plan v1alpha1.Currency, amount v1alpha1.Amount, rate v1alpha1.Rate, refund *v1alpha1.OrderRefund) {
		order := &v1alpha1.EsimOrder{}
		order.Namespace, order.Name, order.UID = "acme", name, types.UID("uid of "+name)
		id := ids.Order(name, order.UID)
		order.Status = v1alpha1.EsimOrderStatus{
			ID: id, Phase: v1alpha1.PhaseDelivered, Plan: &v1alpha1.OrderPlan{DisplayName: "Plan of " + name, Currency: plan},
			Charge: &v1alpha1.OrderCharge{
				WalletUID: of.UID, Amount: amount, Currency: of.Spec.Currency, ExchangeRate: rate, TransactionID: ids.Debit(id), Time: at, Refund: refund,
			},
		}
		s.server.Desk.Index.OnAdd(order, false)
	}
	charged("o-7", wallet, "EUR", "282.26", "1.17", nil)
	charged("o-8", wallet, "USD", "4.275", "", &v1alpha1.OrderRefund{TransactionID: ids.Refund(8), Time: later, Reason: "cancelled"})
	charged("o-9", other, "JPY", "650", "", nil)
	handler := s.checked(t)

	id := ids.Wallet(wallet.UID)
	line := func(id int64, amount, direction, remarks string, time string, more map[string]any) map[string]any {
		fields := map[string]any{
			"id": json.Number(fmt.Sprint(id)), "wallet_id": json.Number(fmt.Sprint(ids.Wallet(wallet.UID))), "amount": json.Number(amount),
			"transaction_type": direction, "status": "COMPLETED", "remarks": remarks, "created_at": time,
		}
		for name, value := range more {
			fields[name] = value
		}
		return fields
	}
	const created, june = "2026-05-15T14:30:00Z", "2026-06-01T08:00:00Z"
	want := []map[string]any{
		line(33, "4.275", "CREDIT", "Refund: cancelled", "2026-06-01T09:00:00Z", map[string]any{"order_id": json.Number("8")}),
		line(32, "4.275", "DEBIT", "Plan of o-8", june, map[string]any{"order_id": json.Number("8")}),
		line(28, "282.26", "DEBIT", "Plan of o-7", june, map[string]any{
			"order_id": json.Number("7"), "source_currency": "EUR", "destination_currency": "USD", "forex_rate": json.Number("1.17"),
		}),
		line(ids.Deposit(wallet.UID, "bank-1"), "1000", "CREDIT", "Deposit bank-1", created, nil),
		line(0, "4.3025", "DEBIT", "Carried forward from orders that are gone: 3", created, nil),
	}
	if diff := cmp.Diff(want, list(t, handler, fmt.Sprintf("/api/v1/transactions?wallet_id=%d", id))); diff != "" {
		t.Errorf("the statement (-want +got):\n%s", diff)
	}
	if all := list(t, handler, "/api/v1/transactions"); len(all) != len(want)+1 {
		t.Errorf("all wallets together have %d lines: %v", len(all), all)
	}

	wallets := map[string]map[string]any{}
	for _, w := range list(t, handler, "/api/v1/wallets") {
		wallets[fmt.Sprint(w["id"])] = w
	}
	yen := fmt.Sprint(ids.Wallet(other.UID))
	if diff := cmp.Diff(map[string]map[string]any{
		fmt.Sprint(id): {"id": json.Number(fmt.Sprint(id)), "currency_id": json.Number("840"), "currency": "USD", "amount": json.Number("713.4375"), "type": "PREPAID"},
		yen:            {"id": json.Number(yen), "currency_id": json.Number("392"), "currency": "JPY", "amount": json.Number("-650"), "type": "POSTPAID"},
	}, wallets); diff != "" {
		t.Errorf("the wallets (-want +got):\n%s", diff)
	}
}

// list is the body of an answer that is a list, its numbers with all their digits.
func list(t *testing.T, handler http.Handler, path string) []map[string]any {
	t.Helper()
	answer := ask(handler, http.MethodGet, path, "")
	decoder := json.NewDecoder(answer.Body)
	decoder.UseNumber()
	var found []map[string]any
	if err := decoder.Decode(&found); err != nil {
		t.Fatalf("%s is answered %d: %v", path, answer.Code, err)
	}
	return found
}

func TestANotificationAddressIsOneAddressAndNothingElse(t *testing.T) {
	s := newShop(t)
	deliver(t, s)
	handler := s.checked(t)
	const path = "/api/v1/esim/orders/77/notification-email"
	long := "@example.com"
	for len(long) < 254 {
		long = "a" + long
	}
	for body, status := range map[string]int{
		`{"email":"ann@example.com"}`:                         http.StatusOK,
		`{"email":"ann+esim@mail.example.com","unknown":[1]}`: http.StatusOK,
		`{"email":"ann@example.com\r\nBcc: bob@example.com"}`: http.StatusBadRequest,
		`{"email":"ann@example.com\u0000"}`:                   http.StatusBadRequest,
		`{"email":"Ann <ann@example.com>"}`:                   http.StatusBadRequest,
		`{"email":"<ann@example.com>"}`:                       http.StatusBadRequest,
		`{"email":"ann@example.com, bob@example.com"}`:        http.StatusBadRequest,
		`{"email":"ann@example.com,bob@example.com"}`:         http.StatusBadRequest,
		`{"email":"ann@example.com (Ann)"}`:                   http.StatusBadRequest,
		`{"email":" ann@example.com"}`:                        http.StatusBadRequest,
		`{"email":"ann"}`:                                     http.StatusBadRequest,
		`{"email":""}`:                                        http.StatusBadRequest,
		`{"email":null}`:                                      http.StatusBadRequest,
		`{"email":["ann@example.com"]}`:                       http.StatusBadRequest,
		`{"email":"a` + long + `"}`:                           http.StatusBadRequest,
		`{}`:                                                  http.StatusBadRequest,
	} {
		answer := ask(handler, http.MethodPatch, path, body)
		if answer.Code != status {
			t.Errorf("%s is answered %d %s", body, answer.Code, answer.Body)
		}
	}
}
