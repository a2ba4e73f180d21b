package server

import (
	"cmp"
	"context"
	"sort"

	"github.com/telcodev/esim-operator/api/rest/decimal"
	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/present"
	"github.com/telcodev/esim-operator/internal/facade/wire"
	"github.com/telcodev/esim-operator/internal/ids"
	"github.com/telcodev/esim-operator/internal/ledger"
)

// ListTransactions lists what became of the caller's money, newest first.
func (s *Server) ListTransactions(ctx context.Context, r wire.ListTransactionsRequestObject) (wire.ListTransactionsResponseObject, error) {
	who, err := identity(ctx)
	if err != nil {
		return nil, err
	}
	wallets, err := s.wallets(ctx, who.Namespace)
	if err != nil {
		return nil, err
	}
	var of statement
	for i := range wallets {
		if r.Params.WalletID != nil && ids.Wallet(wallets[i].FirstUID()) != *r.Params.WalletID {
			continue
		}
		if err := of.add(&wallets[i], s.Desk.Index.Entries(&wallets[i])); err != nil {
			return nil, err
		}
	}
	number, size := paging(r.Params.Page, r.Params.PerPage, r.Params.Limit)
	shown, err := of.page(number, size)
	if err != nil {
		return nil, err
	}
	return wire.ListTransactions200JSONResponse{
		Body: shown, Headers: wire.ListTransactions200ResponseHeaders(pageHeaders(number, size, len(shown), of.len())),
	}, nil
}

// place is where a line is in a statement: by time, then by id, newest first; lines of
// different wallets that have both in common, by wallet.
type place struct{ time, id, wallet int64 }

func (p place) before(other place) bool {
	return cmp.Or(cmp.Compare(other.time, p.time), cmp.Compare(other.id, p.id), cmp.Compare(p.wallet, other.wallet)) < 0
}

// lines are a part of a statement, in its order.
type lines struct {
	len  int
	at   func(i int) place
	line func(i int) (wire.Transaction, error)
}

// statement is what became of the money of some wallets: of each, what its orders did, and
// what is its own. A page of it takes O(log n) and what is on it, however many lines there are.
type statement []lines

// add adds a wallet.
func (s *statement) add(wallet *v1alpha1.EsimWallet, entries *orders.Entries) error {
	own, err := ledger.WalletLines(wallet)
	if err != nil {
		return err
	}
	id := ids.Wallet(wallet.FirstUID())
	*s = append(*s, lines{
		len: len(own),
		at:  func(i int) place { return place{own[i].Time.Unix(), own[i].ID, id} },
		line: func(i int) (wire.Transaction, error) {
			return transaction(wallet, &own[i]), nil
		},
	}, lines{
		len: entries.Len(),
		at: func(i int) place {
			e := entries.At(i)
			return place{e.Time, e.ID, id}
		},
		line: func(i int) (wire.Transaction, error) {
			e := entries.At(i)
			of, err := ledger.OrderLines(e.Order)
			if err != nil {
				return wire.Transaction{}, err
			}
			if e.Refund {
				return transaction(wallet, &of[1]), nil
			}
			return transaction(wallet, &of[0]), nil
		},
	})
	return nil
}

func (s statement) len() (total int) {
	for _, part := range s {
		total += part.len
	}
	return total
}

// page is a part of the statement; empty, not nil, where it is beyond the last.
func (s statement) page(number, size int) ([]wire.Transaction, error) {
	total := s.len()
	// Without multiplying: a page's number may be as large as its caller likes.
	if number-1 > total/size {
		return []wire.Transaction{}, nil
	}
	start := min((number-1)*size, total)
	count := min(size, total-start)
	next := s.skip(start)
	shown := make([]wire.Transaction, 0, count)
	for range count {
		of := s.newest(next)
		line, err := s[of].line(next[of])
		if err != nil {
			return nil, err
		}
		shown = append(shown, line)
		next[of]++
	}
	return shown, nil
}

// skip is how many of the newest lines, so many in all, are of each part.
func (s statement) skip(count int) []int {
	skipped := make([]int, len(s))
	for i, part := range s {
		skipped[i] = sort.Search(part.len, func(n int) bool { return n+s.before(i, part.at(n)) >= count })
	}
	return skipped
}

// before is how many lines of the other parts come before one of a part's. Of lines in one
// place, those of earlier parts do.
func (s statement) before(of int, here place) (count int) {
	for i, part := range s {
		if i == of {
			continue
		}
		count += sort.Search(part.len, func(n int) bool {
			there := part.at(n)
			return here.before(there) || !there.before(here) && i > of
		})
	}
	return count
}

// newest is the part whose next line is the newest; there is one.
func (s statement) newest(next []int) int {
	newest := -1
	for i, part := range s {
		if next[i] < part.len && (newest < 0 || part.at(next[i]).before(s[newest].at(next[newest]))) {
			newest = i
		}
	}
	return newest
}

// transaction is a line as REST clients see it.
func transaction(wallet *v1alpha1.EsimWallet, t *ledger.Transaction) wire.Transaction {
	line := wire.Transaction{
		ID: t.ID, WalletID: ids.Wallet(wallet.FirstUID()), Amount: number(t.Amount),
		TransactionType: wire.TransactionTransactionType(t.Direction), Status: wire.TransactionStatusCOMPLETED,
		OrderID: present.OrAbsent(t.OrderID), Remarks: t.Remarks, CreatedAt: t.Time.UTC(),
	}
	if t.SourceCurrency != "" {
		line.SourceCurrency = present.OrAbsent(string(t.SourceCurrency))
		line.DestinationCurrency = present.OrAbsent(string(wallet.Spec.Currency))
		line.ForexRate = present.OrAbsent(decimal.Number(t.Rate))
	}
	return line
}
