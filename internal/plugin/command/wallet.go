package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/ledger"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

func (p *plugin) wallet() *cobra.Command {
	var limit int
	var f *format
	cmd := &cobra.Command{
		Use: "wallet [WALLET]", Short: "Show balances, or one wallet's statement",
		Long: `Shows the balances of your namespace's wallets or, of the one that is named, every movement,
newest first. A statement always sums to its balance; orders that are gone are one line.`,
		Args: atMostOne, ValidArgsFunction: p.completeWallet,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.connect()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return p.runStatement(cmd.Context(), s, args[0], limit, f)
			}
			return p.runWallets(cmd.Context(), s, f)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "Print at most so many movements of a statement; 0 for all")
	f = addFormat(cmd, wide, asJSON, asYAML)
	return cmd
}

func (p *plugin) runWallets(ctx context.Context, s *session, f *format) error {
	wallets, err := s.wallets(ctx)
	if err != nil {
		return err
	}
	if f.machine() {
		list := v1alpha1.EsimWalletList{Items: wallets}
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(kindOf("EsimWallet"))
			list.Items[i].ManagedFields = nil
		}
		return printObject(p.Out, f, kindOf("EsimWalletList"), &list)
	}
	if len(wallets) == 0 {
		return flush(p.ErrOut, fmt.Sprintf("There are no wallets in namespace %s; the platform team sets them up.\n", s.namespace))
	}
	var t table
	for _, name := range []string{"NAME", "BALANCE", "TO SPEND", "CURRENCY", "OPEN ORDERS", "STATE"} {
		t.column(name, false)
	}
	for _, name := range []string{"TYPE", "DEPOSITED", "DEBITED", "REFUNDED"} {
		t.column(name, true)
	}
	for i := range wallets {
		w := &wallets[i]
		t.row(w.Name, dash(string(w.Status.Balance)), dash(string(w.Status.Available)), string(w.Spec.Currency),
			strconv.Itoa(int(w.Status.OpenOrders)), walletState(w), string(w.Spec.Type),
			dash(string(w.Status.Deposited)), dash(string(w.Status.Debited)), dash(string(w.Status.Refunded)))
	}
	return t.print(p.Out, f)
}

// walletState is what there is to know of a wallet beside its balance.
func walletState(w *v1alpha1.EsimWallet) string {
	ready := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionReady)
	low := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionLowFunds)
	switch {
	case ready == nil:
		return "not summed up yet"
	case ready.Reason != v1alpha1.WalletReasonOpen:
		return ready.Reason + ": " + ready.Message
	case low != nil && low.Reason != v1alpha1.WalletReasonEnough:
		return low.Reason
	}
	return "ok"
}

// statement is a wallet's statement, as -o json shows it. Amounts are decimal texts.
type statement struct {
	Wallet    string     `json:"wallet"`
	Namespace string     `json:"namespace"`
	Currency  string     `json:"currency"`
	Balance   string     `json:"balance"`
	Movements []movement `json:"movements"`
	// LeftOut counts older movements that --limit left out.
	LeftOut int `json:"leftOut,omitempty"`
}

type movement struct {
	// ID of the transaction, as the REST API has it; absent for the line that carries forward.
	ID        int64            `json:"id,omitempty"`
	Time      time.Time        `json:"time"`
	Direction ledger.Direction `json:"direction"`
	Amount    string           `json:"amount"`
	Order     string           `json:"order,omitempty"`
	Remarks   string           `json:"remarks"`
}

func (p *plugin) runStatement(ctx context.Context, s *session, name string, limit int, f *format) error {
	if limit < 0 {
		return errors.New("--limit is negative; it may be a number of movements, or 0 for all")
	}
	orders, wallet, err := s.account(ctx, name)
	if err != nil {
		return err
	}
	made, err := ledger.StatementOf(wallet, orders)
	if err != nil {
		return err
	}
	shown := statement{
		Wallet: name, Namespace: s.namespace, Currency: string(wallet.Spec.Currency), Balance: made.Balance.String(),
		Movements: []movement{},
	}
	for i, t := range made.Transactions {
		if limit > 0 && i == limit {
			shown.LeftOut = len(made.Transactions) - limit
			break
		}
		shown.Movements = append(shown.Movements, movement{
			ID: t.ID, Time: t.Time, Direction: t.Direction, Amount: t.Amount.String(), Order: t.Order, Remarks: t.Remarks,
		})
	}
	if f.machine() {
		return printValue(p.Out, f, shown)
	}
	return p.printStatement(&shown, f)
}

// accountTries is how often wallet and orders are read until they are of one moment.
const accountTries = 5

// account reads a wallet and its namespace's orders as they stood at one moment: the wallet is
// read before and after, and nothing was settled between if it settled nothing.
func (s *session) account(ctx context.Context, name string) ([]v1alpha1.EsimOrder, *v1alpha1.EsimWallet, error) {
	before, err := s.oneWallet(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	for range accountTries {
		orders, err := s.ordersIn(ctx, s.namespace)
		if err != nil {
			return nil, nil, err
		}
		after, err := s.oneWallet(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		if after.Status.Settled == before.Status.Settled && len(after.Status.Settling) == len(before.Status.Settling) {
			return orders, after, nil
		}
		before = after
	}
	return nil, nil, fmt.Errorf("orders of wallet %s are just being deleted, so that no statement holds; try again", name)
}

func (s *session) oneWallet(ctx context.Context, name string) (*v1alpha1.EsimWallet, error) {
	var wallet v1alpha1.EsimWallet
	if err := s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &wallet); err != nil {
		return nil, s.explain(ctx, err, refusal.Call{
			Did: "read the wallet " + name, Verb: "get", Group: v1alpha1.GroupVersion.Group, Resource: "esimwallets",
			Namespace: s.namespace, Name: name, Role: roleWalletsView, List: "kubectl esim wallet -n " + s.namespace,
		})
	}
	return &wallet, nil
}

func (p *plugin) printStatement(s *statement, f *format) error {
	if err := flush(p.Out, fmt.Sprintf("Wallet %s in %s: %s %s\n\n", s.Wallet, s.Namespace, s.Balance, s.Currency)); err != nil {
		return err
	}
	var t table
	for _, name := range []string{"TIME", "AMOUNT", "WHAT", "ORDER"} {
		t.column(name, false)
	}
	t.column("TRANSACTION", true)
	for _, m := range s.Movements {
		amount, id := "+"+m.Amount, "-"
		if m.Direction == ledger.Debit {
			amount = "-" + m.Amount
		}
		if m.ID != 0 {
			id = strconv.FormatInt(m.ID, 10)
		}
		t.row(m.Time.In(p.Clock.Now().Location()).Format("2006-01-02 15:04:05"), amount, m.Remarks, dash(m.Order), id)
	}
	if err := t.print(p.Out, f); err != nil || s.LeftOut == 0 {
		return err
	}
	return flush(p.Out, fmt.Sprintf("\n%d older movements are left out; --limit=0 prints them.\n", s.LeftOut))
}
