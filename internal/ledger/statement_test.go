package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/money"
)

// line is a transaction as it is compared.
type line struct {
	ID                    int64
	Direction             ledger.Direction
	Amount, Order, Source string
	Remarks               string
	Minute                int
}

func lines(s ledger.Statement, since time.Time) []line {
	var all []line
	for _, t := range s.Transactions {
		l := line{ID: t.ID, Direction: t.Direction, Amount: t.Amount.String(), Remarks: t.Remarks, Minute: int(t.Time.Sub(since).Minutes())}
		if t.Order != "" {
			l.Order = fmt.Sprintf("%s %d", t.Order, t.OrderID)
		}
		if t.SourceCurrency != "" {
			l.Source = fmt.Sprintf("%s at %s", t.SourceCurrency, t.Rate)
		}
		all = append(all, l)
	}
	return all
}

func TestAStatementTellsNewestFirstWhatBecameOfTheMoney(t *testing.T) {
	a := newAcme(t)
	began := a.clock.Now()
	wallet := a.wallet("main", "1000", func(w *v1alpha1.EsimWallet) {
		w.Spec.Currency = "JPY"
		w.Spec.ExchangeRates = []v1alpha1.ExchangeRate{{From: "USD", Rate: "150"}}
		w.Spec.Deposits = append(w.Spec.Deposits,
			v1alpha1.WalletDeposit{Reference: "second", Amount: "500"}, v1alpha1.WalletDeposit{Reference: "taken back", Amount: "-500"})
	})
	a.wallet("other", "50", func(w *v1alpha1.EsimWallet) { w.Spec.Currency = "EUR" })
	a.client(v1alpha1.EsimClientSpec{DefaultCurrency: "JPY"})
	books := a.ledger()
	minute := func() { a.clock.SetTime(a.clock.Now().Add(time.Minute)) }
	minute()
	first := a.charged(books, "first", "2")
	minute()
	second := a.charged(books, "second", "1")
	minute()
	a.end(second, v1alpha1.PhaseCancelled)
	minute()
	gone := a.end(a.charged(books, "gone", "0.5"), v1alpha1.PhaseDelivered)
	a.settle(gone) // its finalizer is there still
	minute()
	a.order("uncharged", "1")

	statement, err := ledger.StatementOf(a.walletNow("main"), a.orders())
	a.must(err)
	plan := "Japan 1 GB, 7 days"
	want := []line{
		{ids.Refund(second.Status.ID), ledger.Credit, "150", fmt.Sprintf("second %d", second.Status.ID), "USD at 150", "Refund: the order was cancelled", 3},
		{ids.Debit(second.Status.ID), ledger.Debit, "150", fmt.Sprintf("second %d", second.Status.ID), "USD at 150", plan, 2},
		{ids.Debit(first.Status.ID), ledger.Debit, "300", fmt.Sprintf("first %d", first.Status.ID), "USD at 150", plan, 1},
	}
	deposits := []line{
		{ids.Deposit(wallet.UID, "first"), ledger.Credit, "1000", "", "", "Deposit first", 0},
		{ids.Deposit(wallet.UID, "second"), ledger.Credit, "500", "", "", "Deposit second", 0},
		{ids.Deposit(wallet.UID, "taken back"), ledger.Debit, "500", "", "", "Deposit taken back", 0},
		{0, ledger.Debit, "75", "", "", "Carried forward from orders that are gone: 1", 0},
	}
	slices.SortFunc(deposits, func(x, y line) int { return int(y.ID - x.ID) })
	if diff := cmp.Diff(append(want, deposits...), lines(statement, began)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got := statement.Balance.String(); got != "625" {
		t.Errorf("the balance is %s, want 625", got)
	}
	empty, err := ledger.StatementOf(a.walletNow("other"), a.orders())
	a.must(err)
	if got := lines(empty, began); len(got) != 1 || empty.Balance.String() != "50" {
		t.Errorf("the other wallet has %v, and a balance of %s", got, empty.Balance)
	}
}

// Whatever became of its orders, a statement sums to the balance that the ledger has; newest
// first, and with each id once.
func TestAStatementSumsToTheBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAcme(t)
		wallets := []*v1alpha1.EsimWallet{a.wallet("main", "1000.01"), a.wallet("other", "1000")}
		books := a.ledger()
		for i := range rapid.IntRange(0, 6).Draw(t, "orders") {
			a.clock.SetTime(a.clock.Now().Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second))
			price := v1alpha1.Decimal(rapid.SampledFrom([]string{"0", "0.0001", "4.275", "99.99"}).Draw(t, "price"))
			payer := rapid.SampledFrom(wallets).Draw(t, "wallet").Name
			order := a.order(fmt.Sprintf("o%d", i), price, func(o *v1alpha1.EsimOrder) { o.Spec.WalletRef = &v1alpha1.WalletReference{Name: payer} })
			become := rapid.SampledFrom([]string{"uncharged", "open", "delivered", "refunded"}).Draw(t, "becomes")
			if become == "uncharged" {
				continue
			}
			a.must(a.charge(books, order))
			switch become {
			case "open":
				continue
			case "delivered":
				order = a.end(order, v1alpha1.PhaseDelivered)
			default:
				order = a.end(order, v1alpha1.PhaseFailed)
			}
			books.Observe(order)
			switch rapid.SampledFrom([]string{"stays", "is settled", "goes"}).Draw(t, "and") {
			case "is settled":
				a.must(books.Settled(a.settle(order)))
			case "goes":
				a.must(books.Settled(a.settle(order)))
				books.Gone(a.letGo(order))
			}
		}
		for _, wallet := range wallets {
			a.checkStatement(books, a.walletNow(wallet.Name))
		}
	})
}

func (a *acme) checkStatement(books *ledger.Ledger, wallet *v1alpha1.EsimWallet) {
	a.t.Helper()
	statement, err := ledger.StatementOf(wallet, a.orders())
	a.must(err)
	fresh := a.sums(a.ledger(), wallet).Balance
	if got := statement.Balance.String(); got != fresh || got != a.sums(books, wallet).Balance {
		a.t.Fatalf("the statement has %s, the ledger %s, one that was opened now %s", got, a.sums(books, wallet).Balance, fresh)
	}
	var sum money.Amount
	ids := map[int64]bool{}
	for i, t := range statement.Transactions {
		switch {
		case t.Amount.Sign() < 0:
			a.t.Fatalf("the amount of %+v is negative", t)
		case i > 0 && t.Time.After(statement.Transactions[i-1].Time):
			a.t.Fatalf("%+v is newer than what comes before it", t)
		case ids[t.ID]:
			a.t.Fatalf("%d is the id of two transactions", t.ID)
		}
		ids[t.ID] = true
		if t.Direction == ledger.Credit {
			sum = sum.Add(t.Amount)
		} else {
			sum = sum.Sub(t.Amount)
		}
	}
	if !sum.Equal(statement.Balance) {
		a.t.Fatalf("the lines sum to %s, and the balance is %s", sum, statement.Balance)
	}
}

func TestAStatementNamesWhatIsNoAmount(t *testing.T) {
	order := v1alpha1.EsimOrder{ObjectMeta: metav1.ObjectMeta{Name: "order", Finalizers: []string{v1alpha1.SettlementFinalizer}}}
	order.Status.Charge = &v1alpha1.OrderCharge{WalletUID: "uid", Amount: "lots"}
	for name, tc := range map[string]struct {
		change func(*v1alpha1.EsimWallet)
		orders []v1alpha1.EsimOrder
		want   string
	}{
		"a deposit": {
			change: func(w *v1alpha1.EsimWallet) {
				w.Spec.Deposits = []v1alpha1.WalletDeposit{{Reference: "first", Amount: "lots"}}
			},
			want: `the deposit "first" of wallet main`,
		},
		"settled debits": {
			change: func(w *v1alpha1.EsimWallet) { w.Status.Settled.Debited = "lots" }, want: "the settled debits of EsimWallet acme/main",
		},
		"settled refunds": {
			change: func(w *v1alpha1.EsimWallet) { w.Status.Settled.Refunded = "lots" }, want: "the settled refunds of EsimWallet acme/main",
		},
		"a charge": {
			change: func(*v1alpha1.EsimWallet) {}, orders: []v1alpha1.EsimOrder{order}, want: "the charge of EsimOrder order",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wallet := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "main", UID: "uid"}}
			tc.change(wallet)
			_, err := ledger.StatementOf(wallet, tc.orders)
			if !errors.Is(err, money.ErrNotDecimal) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want+`: reading the amount "lots": not a decimal number such as 4.50`, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
