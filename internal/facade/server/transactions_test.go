package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/testdesk"
)

// row is a transaction as it is compared.
type row struct {
	ID      int64       `json:"id"`
	Wallet  int64       `json:"wallet_id"`
	Order   int64       `json:"order_id"`
	Amount  json.Number `json:"amount"`
	Kind    string      `json:"transaction_type"`
	Remarks string      `json:"remarks"`
	Created time.Time   `json:"created_at"`
}

// rowsOf are all lines of some wallets, as the ledger makes them.
func rowsOf(t *rapid.T, wallets []v1alpha1.EsimWallet, charged []v1alpha1.EsimOrder) []row {
	rows := []row{}
	for i := range wallets {
		statement, err := ledger.StatementOf(&wallets[i], charged)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range statement.Transactions {
			rows = append(rows, row{
				ID: line.ID, Wallet: ids.Wallet(wallets[i].UID), Order: line.OrderID, Amount: json.Number(line.Amount.String()),
				Kind: string(line.Direction), Remarks: line.Remarks, Created: line.Time.UTC(),
			})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID), cmp.Compare(a.Wallet, b.Wallet))
	})
	return rows
}

// What the pages show, put together, is what the ledger makes of the orders: with none settled
// twice, whichever wallet is asked for and however large the pages are.
// checkBalances holds the wallets against the sums of their statements.
func checkBalances(t *rapid.T, s *shop, wallets []v1alpha1.EsimWallet, charged []v1alpha1.EsimOrder) {
	want, got := map[int64]string{}, map[int64]string{}
	for i := range wallets {
		statement, err := ledger.StatementOf(&wallets[i], charged)
		if err != nil {
			t.Fatal(err)
		}
		want[ids.Wallet(wallets[i].UID)] = statement.Balance.String()
	}
	answer := ask(s.http, http.MethodGet, "/api/v1/wallets", "")
	var shown []struct {
		ID     int64       `json:"id"`
		Amount json.Number `json:"amount"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &shown); err != nil {
		t.Fatalf("the wallets are answered %d %s: %v", answer.Code, answer.Body, err)
	}
	for _, wallet := range shown {
		got[wallet.ID] = wallet.Amount.String()
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("-sums +wallets:\n%s", diff)
	}
}

func TestPagesOfTransactionsAreTheLedgersStatement(t *testing.T) {
	began := metav1.NewTime(time.Date(2026, time.May, 15, 14, 30, 0, 0, time.UTC))
	after := func(seconds int) metav1.Time { return metav1.NewTime(began.Add(time.Duration(seconds) * time.Second)) }
	s := newShop(t)
	rapid.Check(t, func(rt *rapid.T) {
		api, err := testdesk.NewAPI(clocktesting.NewFakePassiveClock(began.Time))
		if err != nil {
			rt.Fatal(err)
		}
		s.api, s.server.Cache, s.server.Desk.Index = api, api, &orders.Index{}
		var made []v1alpha1.EsimOrder
		var wallets []v1alpha1.EsimWallet
		for i := range rapid.IntRange(1, 3).Draw(rt, "wallets") {
			wallet := s.open(t, fmt.Sprintf("wallet-%d", i), v1alpha1.EsimWalletSpec{Currency: "USD", Deposits: []v1alpha1.WalletDeposit{
				{Reference: "first", Amount: "100"}, {Reference: "back", Amount: "-20"},
			}})
			wallets = append(wallets, *wallet)
		}
		for i := range rapid.IntRange(0, 12).Draw(rt, "orders") {
			payer := &wallets[rapid.IntRange(0, len(wallets)-1).Draw(rt, "wallet")]
			order := v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{
				Namespace: "acme", Name: ids.OrderName(int64(i + 1)), UID: types.UID(fmt.Sprint(i)), ResourceVersion: "5",
				CreationTimestamp: began, Finalizers: []string{v1alpha1.SettlementFinalizer},
			}}
			order.Spec.ProductRef.Name = "japan"
			s.server.Desk.Index.OnAdd(order.DeepCopy(), false)
			if rapid.Bool().Draw(rt, "charged") {
				order.Status.ID = int64(i + 1)
				uid := payer.UID
				if rapid.IntRange(0, 9).Draw(rt, "gone") == 0 {
					uid = "a wallet that is gone"
				}
				order.Status.Charge = &v1alpha1.OrderCharge{
					WalletUID: uid, Amount: "4.5", Currency: "USD", TransactionID: ids.Debit(order.Status.ID),
					Time: after(rapid.IntRange(0, 3).Draw(rt, "charged after")),
				}
				s.server.Desk.Index.OnUpdate(nil, order.DeepCopy())
				if rapid.Bool().Draw(rt, "refunded") {
					order.Status.Charge.Refund = &v1alpha1.OrderRefund{
						TransactionID: ids.Refund(order.Status.ID), Reason: "because", Time: after(rapid.IntRange(3, 5).Draw(rt, "refunded after")),
					}
				}
				if rapid.IntRange(0, 4).Draw(rt, "settling") == 0 {
					payer.Status.Settling = append(payer.Status.Settling, v1alpha1.SettlingOrder{Name: order.Name, UID: order.UID})
					payer.Status.Settled.Orders++
				}
			}
			if rapid.IntRange(0, 5).Draw(rt, "deleted") == 0 {
				order.DeletionTimestamp, order.Finalizers = &began, nil
			}
			s.server.Desk.Index.OnUpdate(nil, order.DeepCopy())
			made = append(made, order)
		}
		for i := range wallets {
			if err := s.api.Status().Update(t.Context(), &wallets[i]); err != nil {
				rt.Fatal(err)
			}
		}
		asked, path := wallets, "/api/v1/transactions?"
		if rapid.Bool().Draw(rt, "of one wallet") {
			asked = wallets[:1]
			path += fmt.Sprintf("wallet_id=%d&", ids.Wallet(wallets[0].UID))
		}
		want, got := rowsOf(rt, asked, made), []row{}
		size := rapid.IntRange(1, 7).Draw(rt, "page size")
		for page := 1; page == 1 || len(got) < len(want); page++ {
			answer := ask(s.http, http.MethodGet, fmt.Sprintf("%spage=%d&limit=%d", path, page, size), "")
			var rows []row
			if err := json.Unmarshal(answer.Body.Bytes(), &rows); err != nil || answer.Header().Get("X-Total-Count") != fmt.Sprint(len(want)) {
				rt.Fatalf("page %d of %s lines and not %d: %s, %v", page, answer.Header().Get("X-Total-Count"), len(want), answer.Body, err)
			}
			if len(rows) != min(size, len(want)-len(got)) {
				rt.Fatalf("page %d has %d lines", page, len(rows))
			}
			got = append(got, rows...)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			rt.Fatalf("-ledger +pages:\n%s", diff)
		}
		checkBalances(rt, s, wallets, made)
	})
}
