package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/money"
)

// lives are what can become of an order, as its status says it one after the other.
var lives = [][]func(*v1alpha1.EsimOrder){
	{uncharged},
	{uncharged, charged},
	{uncharged, charged, delivered},
	{uncharged, charged, failed},
	{uncharged, charged, delivered, failed},
}

func uncharged(o *v1alpha1.EsimOrder) { o.Status.Charge = nil }

func charged(o *v1alpha1.EsimOrder) {
	o.Status.Charge = &v1alpha1.OrderCharge{WalletRef: v1alpha1.WalletReference{Name: "main"}, WalletUID: "wallet", Amount: v1alpha1.Amount(o.Spec.Amount), Currency: "USD"}
}

func delivered(o *v1alpha1.EsimOrder) { o.Status.Phase = v1alpha1.PhaseDelivered }

func failed(o *v1alpha1.EsimOrder) {
	o.Status.Phase = v1alpha1.PhaseFailed
	o.Status.Charge.Refund = &v1alpha1.OrderRefund{Reason: "the operator refused"}
}

// The cache may show what was written late, again, and in another order than other readers.
func TestWhatWasEverWrittenCountsInWhateverOrderItIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAcme(t)
		books := a.ledger()
		wallet := a.wallet("main", "1000")
		a.sums(books, wallet)
		want := sums{}
		balance := 1000
		var seen []*v1alpha1.EsimOrder
		for i := range rapid.IntRange(1, 5).Draw(t, "orders") {
			price := rapid.IntRange(0, 9).Draw(t, "price")
			order := a.named(fmt.Sprintf("o%d", i))
			order.UID, order.Spec.Amount = types.UID(order.Name), v1alpha1.Decimal(strconv.Itoa(price))
			order.Finalizers = []string{v1alpha1.SettlementFinalizer}
			order.Status.Phase = v1alpha1.PhasePending
			for _, step := range rapid.SampledFrom(lives).Draw(t, "life") {
				step(order)
				if order.Status.Charge != nil {
					order.Status.Charge.WalletUID = wallet.UID
				}
				seen = append(seen, order.DeepCopy())
			}
			if order.Status.Charge != nil && order.Status.Charge.Refund == nil {
				balance -= price
				if !order.Terminal() {
					want.Open++
				}
			}
		}
		again := rapid.SliceOfN(rapid.SampledFrom(seen), 0, len(seen)).Draw(t, "seen again")
		for _, order := range rapid.Permutation(append(slices.Clone(seen), again...)).Draw(t, "seen") {
			books.Observe(order)
		}
		want.Balance, want.Available = strconv.Itoa(balance), strconv.Itoa(balance)
		if diff := cmp.Diff(want, a.sums(books, wallet)); diff != "" {
			t.Fatalf("totals (-want +got):\n%s", diff)
		}
	})
}

// settle writes an order into its wallet's settled totals, as the settler does.
func (a *acme) settle(order *v1alpha1.EsimOrder) (*v1alpha1.EsimWallet, []v1alpha1.SettlingOrder) {
	a.t.Helper()
	charge := order.Status.Charge
	wallet := a.walletNow(charge.WalletRef.Name)
	entry := v1alpha1.SettlingOrder{Name: order.Name, UID: order.UID, Debited: charge.Amount, Refunded: "0"}
	if charge.Refund != nil {
		entry.Refunded = charge.Amount
	}
	settled := &wallet.Status.Settled
	settled.Debited, settled.Refunded = a.plus(settled.Debited, entry.Debited), a.plus(settled.Refunded, entry.Refunded)
	settled.Orders++
	wallet.Status.Settling = append(wallet.Status.Settling, entry)
	a.must(a.api.Status().Update(a.t.Context(), wallet))
	return wallet, []v1alpha1.SettlingOrder{entry}
}

func (a *acme) plus(x, y v1alpha1.Amount) v1alpha1.Amount {
	a.t.Helper()
	var sum money.Amount
	for _, text := range []v1alpha1.Amount{x, y} {
		if text != "" {
			amount, err := money.Parse(string(text))
			a.must(err)
			sum = sum.Add(amount)
		}
	}
	return v1alpha1.Amount(sum.String())
}

// letGo deletes an order and takes its finalizer, and returns it as it was at last.
func (a *acme) letGo(order *v1alpha1.EsimOrder) *v1alpha1.EsimOrder {
	a.t.Helper()
	a.must(a.api.Delete(a.t.Context(), order))
	last := a.look(order)
	controllerutil.RemoveFinalizer(last, v1alpha1.SettlementFinalizer)
	a.must(a.api.Update(a.t.Context(), last))
	return last
}

func TestSettlingAnOrderChangesNoBalance(t *testing.T) {
	for _, phase := range []v1alpha1.OrderPhase{v1alpha1.PhaseDelivered, v1alpha1.PhaseCancelled} {
		t.Run(string(phase), func(t *testing.T) {
			a := newAcme(t)
			wallet := a.wallet("main", "10")
			books := a.ledger()
			order := a.end(a.charged(books, "order", "4"), phase)
			a.charged(books, "another", "1")
			books.Observe(order)
			before, err := books.Totals(t.Context(), wallet)
			a.must(err)
			a.counting(books, wallet, 2)
			a.must(books.Settled(a.settle(order)))
			a.counting(books, wallet, 1)
			books.Observe(order) // the cache shows it still
			after, err := books.Totals(t.Context(), wallet)
			a.must(err)
			if diff := cmp.Diff(before, after, cmp.Comparer(money.Amount.Equal)); diff != "" {
				t.Errorf("totals (-before +after):\n%s", diff)
			}
			books.Gone(a.letGo(order))
			if got := a.sums(books, wallet).Balance; got != a.balance("main") {
				t.Errorf("once it is gone the balance is %s, want %s", got, a.balance("main"))
			}
		})
	}
}

// counting checks how many orders count against a wallet.
func (a *acme) counting(books *ledger.Ledger, wallet *v1alpha1.EsimWallet, want int) {
	a.t.Helper()
	got, err := books.Charges(a.t.Context(), wallet)
	a.must(err)
	if got != want {
		a.t.Errorf("%d orders count against the wallet, want %d", got, want)
	}
}

// What another process did with the wallets' money is found by reading anew.
func TestABookIsOpenedAnewWhenSomebodyElseWrote(t *testing.T) {
	for name, learns := range map[string]func(a *acme, books *ledger.Ledger, order *v1alpha1.EsimOrder){
		"an order is gone that was settled by nobody here": func(a *acme, books *ledger.Ledger, order *v1alpha1.EsimOrder) {
			a.settle(order)
			books.Gone(a.letGo(order))
		},
		"an order is seen that lost its finalizer": func(a *acme, books *ledger.Ledger, order *v1alpha1.EsimOrder) {
			a.settle(order)
			last := a.look(order)
			a.letGo(order)
			last.DeletionTimestamp, last.Finalizers = &last.CreationTimestamp, []string{"another/finalizer"}
			books.Observe(last)
		},
		"a wallet says so": func(a *acme, books *ledger.Ledger, order *v1alpha1.EsimOrder) {
			a.settle(order)
			books.Distrust("acme")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcme(t)
			wallet := a.wallet("main", "10")
			books := a.ledger()
			order := a.end(a.charged(books, "order", "4"), v1alpha1.PhaseDelivered)
			a.written("by another", wallet, "3")
			learns(a, books, order)
			if diff := cmp.Diff(sums{"3", "3", 1}, a.sums(books, a.walletNow("main"))); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDistrustWhileTheBookIsOpenedIsNotForgotten(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	books := a.ledger()
	wrote := false
	books.Live = onList(a.api, func(_ context.Context, send func() error, _ client.ObjectList) error {
		err := send()
		if !wrote {
			wrote = true
			a.written("by another", wallet, "3")
			books.Distrust("acme")
		}
		return err
	})
	if diff := cmp.Diff(sums{"7", "7", 1}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestAWalletThatIsMadeLaterHasItsOwnMoney(t *testing.T) {
	a := newAcme(t)
	books := a.ledger()
	before := a.wallet("main", "10")
	a.charged(books, "order", "4")
	a.dropWallet(before)
	books.WalletGone("acme", before.UID)
	now := a.wallet("main", "20") // of the same name
	other := a.wallet("other", "5")
	if diff := cmp.Diff(sums{"20", "20", 0}, a.sums(books, now)); diff != "" {
		t.Errorf("totals of the wallet that took the name (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sums{"5", "5", 0}, a.sums(books, other)); diff != "" {
		t.Errorf("totals of the other (-want +got):\n%s", diff)
	}
	books.Distrust("acme")
	if diff := cmp.Diff(sums{"20", "20", 0}, a.sums(books, now)); diff != "" {
		t.Errorf("totals in a book that was opened anew (-want +got):\n%s", diff)
	}
}

// The list that a book is opened from comes in pages.
func TestABookIsOpenedFromAllPages(t *testing.T) {
	a := newAcme(t)
	wallet := a.wallet("main", "100")
	for i := range 5 {
		a.written(fmt.Sprintf("o%d", i), wallet, "3")
	}
	books := a.ledger()
	books.Live = interceptor.NewClient(a.api, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if err := c.List(ctx, list, opts...); err != nil {
				return err
			}
			orders, ok := list.(*v1alpha1.EsimOrderList)
			if !ok {
				return nil
			}
			asked := (&client.ListOptions{}).ApplyOptions(opts)
			from := 0
			if asked.Continue != "" {
				from, _ = strconv.Atoi(asked.Continue)
			}
			to := min(from+2, len(orders.Items))
			if to < len(orders.Items) {
				list.SetContinue(strconv.Itoa(to))
			}
			orders.Items = orders.Items[from:to]
			return nil
		},
	})
	if diff := cmp.Diff(sums{"85", "85", 5}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// A new leader has all clients' books to open. Who buys is not to wait for those that are opened
// to show what is in them.
func TestBooksThatNobodyBuysByAreOpenedOneAtATime(t *testing.T) {
	a := newAcme(t)
	mine := a.wallet("main", "100")
	other := &v1alpha1.EsimWallet{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "main"}, Spec: mine.Spec}
	a.must(a.api.Create(t.Context(), other))
	asked, let := make(chan struct{}), make(chan struct{})
	books := a.ledger()
	books.Live = onList(a.api, func(_ context.Context, list func() error, into client.ObjectList) error {
		if _, orders := into.(*v1alpha1.EsimOrderList); orders {
			asked <- struct{}{}
			<-let
		}
		return list()
	})
	shown := make(chan error, 1)
	go func() {
		_, err := books.Totals(t.Context(), mine)
		shown <- err
	}()
	<-asked // the list of the one is under way
	if _, err := books.Totals(t.Context(), other); !errors.Is(err, ledger.ErrOpening) {
		t.Errorf("the other's totals meanwhile: %v, want %v", err, ledger.ErrOpening)
	}
	bought := make(chan error, 1)
	go func() {
		_, err := books.Charges(t.Context(), other)
		bought <- err
	}()
	<-asked // that of the other is not held up for who needs it
	close(let)
	if err := errors.Join(<-shown, <-bought); err != nil {
		t.Fatal(err)
	}
	if _, err := books.Totals(t.Context(), other); err != nil {
		t.Errorf("the other's totals afterwards: %v", err)
	}
}

// What cannot be read or understood is an error that says what, and is tried again.
func TestABookThatCannotBeOpenedSaysWhy(t *testing.T) {
	unreachable := errors.New("unreachable")
	a := newAcme(t)
	wallet := a.wallet("main", "10")
	order := a.order("order", "4", func(o *v1alpha1.EsimOrder) { o.Spec.ClientReference = "r" })
	books := a.ledger()
	books.Live = onList(a.api, func(context.Context, func() error, client.ObjectList) error { return unreachable })
	if _, err := books.Totals(t.Context(), wallet); !errors.Is(err, unreachable) {
		t.Errorf("totals: %v", err)
	}
	if _, err := books.Reserve(t.Context(), order); !errors.Is(err, unreachable) {
		t.Errorf("a reservation: %v", err)
	}
	if _, err := books.Claim(t.Context(), order); !errors.Is(err, unreachable) {
		t.Errorf("a claim: %v", err)
	}
	if _, _, err := books.Audit(t.Context(), "acme"); !errors.Is(err, unreachable) {
		t.Errorf("an audit: %v", err)
	}
	books.Live = a.api
	bad := a.written("bad", wallet, "lots")
	_, err := books.Totals(t.Context(), wallet)
	if !errors.Is(err, money.ErrNotDecimal) {
		t.Fatalf("totals: %v", err)
	}
	want := `opening the ledger of namespace acme: the charge of EsimOrder acme/bad: reading the amount "lots": not a decimal number such as 4.50`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a.letGo(bad)
	if diff := cmp.Diff(sums{"10", "10", 0}, a.sums(books, wallet)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// Every wallet whose sums may have changed is told of, so that its status can be written.
func TestAChangeIsTold(t *testing.T) {
	a := newAcme(t)
	a.wallet("main", "10")
	other := a.wallet("other", "10")
	books := a.ledger()
	told := map[string]int{}
	books.OnChange(func(wallet types.NamespacedName) { told[wallet.String()]++ })
	a.sums(books, other)
	if diff := cmp.Diff(map[string]int{"acme/main": 1, "acme/other": 1}, told); diff != "" {
		t.Errorf("when the book is opened (-want +got):\n%s", diff)
	}
	clear(told)
	order := a.charged(books, "order", "4")
	books.Observe(a.end(order, v1alpha1.PhaseDelivered))
	if told["acme/main"] < 2 || told["acme/other"] > 0 {
		t.Errorf("told of a charge and a delivery: %v", told)
	}
}
