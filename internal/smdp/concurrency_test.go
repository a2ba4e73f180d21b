package smdp

import (
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

// together runs f n times at once and counts what it returns.
func together(n int, f func(i int) string) map[string]int {
	var (
		mu     sync.Mutex
		counts = make(map[string]int)
		start  = make(chan struct{})
		all    sync.WaitGroup
	)
	for i := range n {
		all.Go(func() {
			<-start
			got := f(i)
			mu.Lock()
			defer mu.Unlock()
			counts[got]++
		})
	}
	close(start)
	all.Wait()
	return counts
}

// codeOf a call that may run beside others.
func codeOf(p *peer, f es2plus.Function, with fields) string {
	answer, err := p.try(f, with)
	if err != nil {
		return err.Error()
	}
	return answer.code()
}

func TestParallelOrdersSellTheStockAndNotMore(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 50}})
	p := client(t, s, "OPERATOR-1")
	got := together(100, func(int) string { return codeOf(p, es2plus.DownloadOrder, fields{"profileType": plan}) })
	if diff := cmp.Diff(map[string]int{done: 50, "8.2.5/3.7": 50}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if got := len(s.Profiles()); got != 50 || s.Stock(plan) != 0 {
		t.Errorf("%d profiles, and a stock of %d", got, s.Stock(plan))
	}
	for i, e := range s.Ledger() {
		if e.Sequence != int64(i+1) {
			t.Fatalf("entry %d of the ledger has sequence %d", i, e.Sequence)
		}
	}
}

func TestOfParallelConfirmationsWithOneMatchingIDOneWins(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 50}})
	p := client(t, s, "OPERATOR-1")
	iccids := make([]string, 8)
	for i := range iccids {
		iccids[i] = p.order(plan)
	}
	got := together(len(iccids), func(i int) string {
		return codeOf(p, es2plus.ConfirmOrder, fields{"iccid": iccids[i], "matchingId": "SAME", "releaseFlag": true})
	})
	if diff := cmp.Diff(map[string]int{done: 1, "8.2.6/3.3": 7}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestOfParallelConfirmationsOfOneProfileOneWins(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 50}})
	p := client(t, s, "OPERATOR-1")
	iccid := p.order(plan)
	got := together(8, func(i int) string {
		return codeOf(p, es2plus.ConfirmOrder, fields{"iccid": iccid, "matchingId": "ID-" + strconv.Itoa(i), "releaseFlag": true})
	})
	if diff := cmp.Diff(map[string]int{done: 1, "8.2.1/3.5": 7}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestOfACancellationAndAnInstallationOneWins(t *testing.T) {
	s := startServer(t, Options{Stock: map[string]int{plan: 50}})
	p := client(t, s, "OPERATOR-1")
	for range 20 {
		iccid := p.order(plan)
		p.success(es2plus.ConfirmOrder, fields{"iccid": iccid, "releaseFlag": true})
		got := together(2, func(i int) string {
			if i == 0 {
				return codeOf(p, es2plus.CancelOrder, fields{"iccid": iccid, "finalProfileStatusIndicator": "Unavailable"})
			}
			if s.Install(activation.ICCID(iccid)) != nil {
				return "not installed"
			}
			return "installed"
		})
		cancelled := map[string]int{done: 1, "not installed": 1}
		installed := map[string]int{"8.2.1/3.3": 1, "installed": 1}
		if !cmp.Equal(got, cancelled) && !cmp.Equal(got, installed) {
			t.Fatalf("both or neither: %v", got)
		}
	}
}

// BenchmarkDownloadOrder shows that an order costs the same whatever the stock.
func BenchmarkDownloadOrder(b *testing.B) {
	for _, stock := range []int{1_000_000, 100_000_000} {
		b.Run(strconv.Itoa(stock), func(b *testing.B) {
			s, err := New(Options{Stock: map[string]int{plan: stock}})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			order := &downloadOrder{es2plus.DownloadOrderRequest{ProfileType: plan}}
			for b.Loop() {
				if _, _, err := s.registry.execute(call{function: es2plus.DownloadOrder, requester: "OPERATOR-1", order: order}, LedgerEntry{}, Behaviour{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
