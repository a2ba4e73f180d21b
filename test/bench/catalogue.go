package main

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/controllers"
	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	operatorconnections "github.com/telcodev/esim-operator/internal/operators/connections"
)

const (
	// manyPlans is what an operator lists, over as many countries.
	manyPlans, manyCountries = 30_000, 190
	longestImport            = 5 * time.Minute
	mostImportMemory         = 300 << 20
	lister                   = "lister"
)

// list is an operator that lists many plans.
type list struct {
	operators.Driver
	countries []string
}

func (list) Close() {}

// Plans implements operators.Cataloguer.
func (l list) Plans(context.Context) iter.Seq2[operators.Plan, error] {
	return func(yield func(operators.Plan, error) bool) {
		for i := range manyPlans {
			cost, err := money.Parse(fmt.Sprintf("%d.%02d", 1+i/manyCountries, i%100))
			data, dataErr := money.Parse(fmt.Sprint(1 + i%50))
			if err == nil {
				err = dataErr
			}
			plan := operators.Plan{
				ID: fmt.Sprintf("ESIM-%s-%05d", l.countries[i%len(l.countries)], i), Name: "A plan", Countries: l.countries[i%len(l.countries) : i%len(l.countries)+1],
				DataGB: data, Days: int32(1 + i%30), Cost: cost, Currency: "USD",
			}
			if !yield(plan, err) {
				return
			}
		}
	}
}

// countryCodes are as many codes as are wanted, of the form that the schema asks for.
func countryCodes(n int) []string {
	codes := make([]string, n)
	for i := range codes {
		codes[i] = "A" + string(rune('A'+i/26)) + string(rune('A'+i%26))
	}
	return codes
}

// measureCatalogue takes over a list of 30,000 plans, and then the same list again.
func measureCatalogue(ctx context.Context, s *stand) ([]figure, error) {
	writes, importer, err := s.importer(ctx)
	if err != nil {
		return nil, err
	}
	took, memory, err := imported(ctx, importer)
	if err != nil {
		return nil, err
	}
	first := writes.Load()
	var products v1alpha1.EsimProductList
	if err := until(ctx, func() bool {
		err := importer.Client.List(ctx, &products, client.MatchingLabels{v1alpha1.CatalogueOperatorLabel: lister})
		return err == nil && len(products.Items) == manyCountries
	}); err != nil {
		return nil, fmt.Errorf("waiting for the products: %w", err)
	}
	again, _, err := imported(ctx, importer)
	if err != nil {
		return nil, err
	}
	return []figure{
		alone(fmt.Sprintf("taking over a list of %d plans", manyPlans), took.Round(10*time.Millisecond).String(), "≤ 5m0s", took <= longestImport).as("catalogue_import", "s", took.Seconds()),
		alone("… memory at its peak, beyond what was in use", fmt.Sprintf("%d MiB", memory>>20), "≤ 300 MiB", memory <= mostImportMemory).as("catalogue_import_memory", "B", float64(memory)),
		told("… products written", fmt.Sprint(first)),
		alone("the same list again: products written", fmt.Sprint(writes.Load()-first), "0", writes.Load() == first).as("catalogue_again_writes", "", float64(writes.Load()-first)),
		told("… took", again.Round(10*time.Millisecond).String()),
	}, nil
}

// importer is a catalogue controller whose writes are counted, for an operator that lists much.
func (s *stand) importer(ctx context.Context) (*atomic.Int64, *controllers.CatalogueReconciler, error) {
	operator := &v1alpha1.EsimOperator{
		ObjectMeta: metav1.ObjectMeta{Name: lister},
		Spec: v1alpha1.EsimOperatorSpec{
			Zendit:    &v1alpha1.ResellerDriver{CredentialsSecretRef: v1alpha1.SecretReference{Name: lister}},
			Timeout:   metav1.Duration{Duration: time.Second},
			Catalogue: &v1alpha1.OperatorCatalogue{Currency: "USD", MarkupPercent: "30", Interval: metav1.Duration{Duration: time.Hour}},
		},
	}
	if err := s.env.Client.Create(ctx, operator); err != nil {
		return nil, nil, fmt.Errorf("making the operator: %w", err)
	}
	identity, err := s.env.ManagerConfig()
	if err != nil {
		return nil, nil, err
	}
	identity.QPS = -1
	reader, err := cache.New(identity, cache.Options{Scheme: s.env.Client.Scheme(), DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, nil, fmt.Errorf("setting up the cache: %w", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- reader.Start(running) }()
	s.onClose(func() error { stop(); return <-ended })
	cached, err := client.New(identity, client.Options{Scheme: s.env.Client.Scheme(), Cache: &client.CacheOptions{Reader: reader}})
	if err != nil {
		return nil, nil, fmt.Errorf("setting up the client: %w", err)
	}
	direct, err := client.NewWithWatch(identity, client.Options{Scheme: s.env.Client.Scheme()})
	if err != nil {
		return nil, nil, fmt.Errorf("setting up the client: %w", err)
	}
	writes := &atomic.Int64{}
	writer := interceptor.NewClient(direct, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, object apiruntime.ApplyConfiguration, opts ...client.ApplyOption) error {
			writes.Add(1)
			return c.Apply(ctx, object, opts...)
		},
	})
	pool := operatorconnections.NewPool(operatorconnections.DefaultConfig)
	pool.For(lister).Connect(list{countries: countryCodes(manyCountries)}, 1)
	return writes, &controllers.CatalogueReconciler{
		Client: cached, Live: direct, Writer: writer, Connections: pool, Clock: clock.RealClock{}, Jitter: func() float64 { return 0 },
	}, nil
}

// imported has the list taken over, and tells how long that took and how much memory it held
// beyond what was held before.
func imported(ctx context.Context, importer *controllers.CatalogueReconciler) (time.Duration, uint64, error) {
	runtime.GC()
	before, peak := heap(), uint64(0)
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			peak = max(peak, heap())
			select {
			case <-tick.C:
			case <-watching.Done():
				tick.Stop()
				return
			}
		}
	}()
	began := time.Now()
	_, err := importer.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Name: lister}})
	took := time.Since(began)
	stop()
	<-watched
	if err != nil {
		return 0, 0, fmt.Errorf("taking over the list: %w", err)
	}
	return took, peak - min(before, peak), nil
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}
