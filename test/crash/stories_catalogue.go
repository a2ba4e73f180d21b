package crash

import (
	"cmp"
	"context"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/lifeline"
	"github.com/telcodev/esim-operator/internal/manager"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
	"github.com/telcodev/esim-operator/internal/testenv"
)

// catalogueStories are those in which an operator's list becomes products.
func catalogueStories() []Story {
	return []Story{{
		Name: "a list imported, and changed",
		Open: func(ctx context.Context, w *World) error {
			l := &list{name: w.Name + "-zendit", ids: map[string]int64{}}
			w.Own = l
			w.Also("list", func(ctx context.Context) (any, error) { return l.imported(ctx, w) })
			return l.open(ctx, w)
		},
		// The operator's balance is asked for at each probe: seldom enough for the world to be at rest,
		// and often enough for an operator that failed once to come back.
		Config: func(_ *World, config *manager.Config) {
			config.ProbeInterval = metav1.Duration{Duration: 5 * time.Second}
		},
		Options: func(_ *World, _ *lifeline.Line, options *manager.Options) {
			options.CatalogueRetry = 200 * time.Millisecond
		},
		Tell: func(ctx context.Context, w *World) error {
			l, ok := w.Own.(*list)
			if !ok {
				return fmt.Errorf("the world holds %T, not a list", w.Own)
			}
			return inTurn(ctx, w, l.amounts("ESIM-JP-1", "9"), l.numbered(5), l.change, l.amounts("ESIM-JP-1", "7.5"), l.inactive("ESIM-JP-2"))
		},
	}}
}

// list of a wholesaler, and what became of it.
type list struct {
	// name of the operator.
	name string
	fake *zenditfake.Server
	// ids of products and variants as they were given first.
	ids map[string]int64
}

const zenditKey = "zk-live-crash"

func offer(id, country, gigabytes string, cents int64) zenditfake.Offer {
	return zenditfake.Offer{ID: id, Country: country, DataGB: gigabytes, Days: 7, Cost: cents, Stock: -1}
}

// open has the operator list what it sells, before any manager looks.
func (l *list) open(ctx context.Context, w *World) error {
	l.fake = zenditfake.New(zenditfake.Options{APIKey: zenditKey, Balance: 100_000, Offers: []zenditfake.Offer{
		offer("ESIM-JP-1", "JP", "1", 450), offer("ESIM-JP-2", "JP", "5", 900), offer("ESIM-FR-1", "FR", "1", 300),
	}})
	server := httptest.NewTLSServer(l.fake)
	w.Closing(func() error { server.Close(); return nil })
	w.Secret(l.fake.Secrets)
	for _, object := range []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: testenv.SystemNamespace, Name: l.name},
			Data: map[string][]byte{
				zendit.KeyAPIKey: []byte(zenditKey),
				zendit.KeyCA:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
		},
		&v1alpha1.EsimOperator{
			ObjectMeta: metav1.ObjectMeta{Name: l.name},
			Spec: v1alpha1.EsimOperatorSpec{
				Zendit:    &v1alpha1.ResellerDriver{URL: server.URL + "/v1", CredentialsSecretRef: v1alpha1.SecretReference{Name: l.name}},
				Catalogue: &v1alpha1.OperatorCatalogue{Currency: "USD", MarkupPercent: "100"},
			},
		},
	} {
		if err := w.API.Create(ctx, object); err != nil {
			return fmt.Errorf("connecting a wholesaler: %w", err)
		}
	}
	return nil
}

// change has a plan vanish from the list and another become dearer; a new markup has it read.
func (l *list) change(ctx context.Context, w *World) error {
	vanished := offer("ESIM-JP-2", "JP", "5", 900)
	vanished.Disabled = true
	l.fake.SetOffer(vanished)
	l.fake.SetOffer(offer("ESIM-JP-1", "JP", "1", 500))
	operator := &v1alpha1.EsimOperator{ObjectMeta: metav1.ObjectMeta{Name: l.name}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"catalogue":{"markupPercent":"50"}}}`))
	if err := w.API.Patch(ctx, operator, patch); err != nil {
		return fmt.Errorf("changing the markup: %w", err)
	}
	return nil
}

// products that were made of the list, by name.
func (l *list) products(ctx context.Context, w *World) ([]v1alpha1.EsimProduct, error) {
	var products v1alpha1.EsimProductList
	if err := w.API.List(ctx, &products, client.MatchingLabels{v1alpha1.CatalogueOperatorLabel: l.name}); err != nil {
		return nil, fmt.Errorf("listing products: %w", err)
	}
	return products.Items, nil
}

// shown waits until the variant of a plan is so.
func (l *list) shown(plan, what string, is func(v1alpha1.EsimVariant) bool) Step {
	return func(ctx context.Context, w *World) error {
		return w.Until(ctx, plan+" "+what, func(ctx context.Context) (bool, error) {
			products, err := l.products(ctx, w)
			for i := range products {
				for _, variant := range products[i].Spec.Variants {
					if variant.Sources[0].PlanID == plan && is(variant) {
						return true, nil
					}
				}
			}
			return false, err
		})
	}
}

func (l *list) amounts(plan, amount string) Step {
	return l.shown(plan, "costs "+amount, func(v v1alpha1.EsimVariant) bool { return string(v.Amount) == amount })
}

func (l *list) inactive(plan string) Step {
	return l.shown(plan, "is out of sale", func(v v1alpha1.EsimVariant) bool { return v.Inactive })
}

// numbered waits until so many products and variants have ids, and holds them against those
// that they had first.
func (l *list) numbered(n int) Step {
	return func(ctx context.Context, w *World) error {
		return w.Until(ctx, "all have ids", func(ctx context.Context) (bool, error) {
			ids, err := l.numbers(ctx, w)
			if err != nil || len(ids) < n {
				return false, err
			}
			if len(l.ids) == 0 {
				l.ids = ids
			}
			return true, nil
		})
	}
}

// numbers of products and variants, by name.
func (l *list) numbers(ctx context.Context, w *World) (map[string]int64, error) {
	products, err := l.products(ctx, w)
	if err != nil {
		return nil, err
	}
	ids := map[string]int64{}
	for i := range products {
		product := &products[i]
		if product.Status.ID != 0 {
			ids[product.Name] = product.Status.ID
		}
		for _, variant := range product.Status.Variants {
			if variant.ID != 0 {
				ids[product.Name+"/"+variant.Name] = variant.ID
			}
		}
	}
	return ids, nil
}

// listFacts are what became of a list.
type listFacts struct {
	Products []productFacts
	// Moved are those whose id is not what it was first.
	Moved    []string
	Imported string
	Plans    int32
}

// productFacts are a product as it is sold.
type productFacts struct {
	Name     string
	Spec     v1alpha1.EsimProductSpec
	Sellable int32
}

func (l *list) imported(ctx context.Context, w *World) (any, error) {
	products, err := l.products(ctx, w)
	if err != nil {
		return nil, err
	}
	var facts listFacts
	for i := range products {
		facts.Products = append(facts.Products, productFacts{products[i].Name, products[i].Spec, products[i].Status.SellableVariants})
	}
	slices.SortFunc(facts.Products, func(a, b productFacts) int { return cmp.Compare(a.Name, b.Name) })
	now, err := l.numbers(ctx, w)
	if err != nil {
		return nil, err
	}
	for name, id := range l.ids {
		if now[name] != id {
			facts.Moved = append(facts.Moved, name)
		}
	}
	slices.Sort(facts.Moved)
	var operator v1alpha1.EsimOperator
	if err := w.API.Get(ctx, types.NamespacedName{Name: l.name}, &operator); err != nil {
		return nil, fmt.Errorf("reading the operator: %w", err)
	}
	if c := meta.FindStatusCondition(operator.Status.Conditions, v1alpha1.ConditionCatalogueImported); c != nil {
		facts.Imported = string(c.Status) + " " + c.Reason
	}
	if operator.Status.Catalogue != nil {
		facts.Plans = operator.Status.Catalogue.Plans
	}
	return facts, nil
}
