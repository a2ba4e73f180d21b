package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/server"
	"github.com/telcodev/esim-operator/internal/ids"
)

const few, many = 1_000, 100_000

// measureLists compares a page of a client with 100,000 orders with one of a client with 1,000,
// in the index and through the whole of HTTP. To create so many on an API server would take an
// hour: they are put into the index as its informer would put them; all else is real.
func measureLists(ctx context.Context, s *stand) (figures []figure, err error) {
	index := &orders.Index{}
	address, stop, err := s.serveIndex(ctx, index)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	tokens := map[int]string{}
	for _, count := range []int{few, many} {
		if tokens[count], err = s.fill(ctx, index, count); err != nil {
			return nil, err
		}
	}
	for _, list := range []struct{ name, what, path string }{
		{"orders", "GET /orders", "/api/v1/esim/orders"},
		{"orders_by_status", "GET /orders?status=", "/api/v1/esim/orders?status=DELIVERED"},
		{"orders_by_reference", "GET /orders?client_reference=", "/api/v1/esim/orders?client_reference=TRIP_7"},
		{"transactions", "GET /transactions", "/api/v1/transactions"},
	} {
		made, err := compare(ctx, longRounds, target{address, get(list.path, tokens[many], "")}, target{address, get(list.path, tokens[few], "")})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list.what, err)
		}
		ofLarge, ofSmall := time.Duration(float64(time.Second)/made.a.rate), time.Duration(float64(time.Second)/made.b.rate)
		ratios := make([]float64, len(made.rates))
		for i, rate := range made.rates {
			ratios[i] = 1 / rate
		}
		ratio := median(ratios)
		figures = append(figures, against(list.what+", a page at 100,000 orders, over HTTP", short(ofLarge), short(ofSmall), ratio, "≤ 1.50 of one at 1,000", ratio <= 1.5).
			as("facade_list_"+list.name+"_ratio", "", ratios...))
	}
	return append(figures, pageOfIndex(index)), nil
}

// pageOfIndex compares the pages themselves, without HTTP and JSON around them.
func pageOfIndex(index *orders.Index) figure {
	const pages, looks = 20_000, 5
	took := map[int]time.Duration{few: time.Hour, many: time.Hour}
	for range looks {
		for count := range took {
			began := time.Now()
			for i := range pages {
				index.List(clientOf(count), orders.Query{}, 1+i%9, 50)
			}
			took[count] = min(took[count], time.Since(began)/pages)
		}
	}
	ratio := float64(took[many]) / float64(took[few])
	return against("a page at 100,000 orders, in the index", short(took[many]), short(took[few]), ratio, "≤ 1.50 of one at 1,000", ratio <= 1.5).
		as("facade_index_page_ratio", "", ratio)
}

// serveIndex serves the REST API over an index of its own, behind the real guard.
func (s *stand) serveIndex(ctx context.Context, index *orders.Index) (address string, stop func() error, err error) {
	known, err := cache.New(s.identity, cache.Options{Scheme: s.env.Scheme})
	if err != nil {
		return "", nil, fmt.Errorf("making the cache: %w", err)
	}
	for _, kind := range []client.Object{&v1alpha1.EsimClient{}, &v1alpha1.EsimWallet{}} {
		if _, err := known.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return "", nil, fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- known.Start(running) }()
	stopCache := func() error { cancel(); return <-ended }
	guard, err := access.New(access.Config{
		REST: s.identity, Cache: known, Limits: unlimited(), Clock: clock.RealClock{}, Random: rand.Reader,
	})
	if err != nil {
		return "", nil, errors.Join(err, stopCache())
	}
	handler, err := (&server.Server{
		Guard: guard, Catalogue: catalogue.New(), Desk: &orders.Desk{Index: index, API: s.env.Client, Random: rand.Reader},
		Cache: known, Live: s.env.Client, Writer: s.env.Client,
		Synced: func() bool { return true }, Ready: func(context.Context) error { return nil },
		Clock: clock.RealClock{}, Stopping: running, Log: s.log,
	}).Handler()
	if err != nil {
		return "", nil, errors.Join(err, stopCache())
	}
	known.WaitForCacheSync(ctx)
	address, stopServer, err := serve(ctx, handler)
	if err != nil {
		return "", nil, errors.Join(err, stopCache())
	}
	return address, func() error { return errors.Join(stopServer(), stopCache()) }, nil
}

func clientOf(count int) string { return "orders-" + strconv.Itoa(count) }

// fill makes a client with a wallet, and so many delivered orders that it paid for.
func (s *stand) fill(ctx context.Context, index *orders.Index, count int) (token string, err error) {
	if token, err = s.admit(ctx, clientOf(count)); err != nil {
		return "", err
	}
	wallet := &v1alpha1.EsimWallet{
		ObjectMeta: metav1.ObjectMeta{Namespace: clientOf(count), Name: "main"},
		Spec: v1alpha1.EsimWalletSpec{
			Currency: "USD", Type: v1alpha1.WalletPrepaid, Deposits: []v1alpha1.WalletDeposit{{Reference: "first", Amount: "1000000"}},
		},
	}
	if err := s.env.Client.Create(ctx, wallet); err != nil {
		return "", fmt.Errorf("creating EsimWallet %s: %w", wallet.Name, err)
	}
	first := wallet.CreationTimestamp.Add(time.Minute)
	const odd = 2654435761
	for i := range count {
		made := first.Add(time.Duration(i/10) * time.Second)
		order := &v1alpha1.EsimOrder{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: clientOf(count), Name: ids.OrderName(int64(i+1) * odd & ids.MaxNamed), UID: types.UID(fmt.Sprintf("%s-%d", clientOf(count), i)),
				CreationTimestamp: metav1.NewTime(made), ResourceVersion: strconv.Itoa(i + 1),
			},
			Spec: v1alpha1.EsimOrderSpec{
				ProductRef: v1alpha1.ProductReference{Name: "country-00"}, Amount: price, ClientReference: fmt.Sprintf("TRIP_%d", i),
			},
		}
		delivered(order, wallet.UID, made)
		index.OnAdd(order, true)
	}
	return token, nil
}
