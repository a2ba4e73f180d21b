package catalogue_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/money"
)

// japan is a product as the controllers leave it; each case changes it.
func japan(changes ...func(*v1alpha1.EsimProduct)) *v1alpha1.EsimProduct {
	product := &v1alpha1.EsimProduct{}
	product.Name = "japan"
	product.Spec = v1alpha1.EsimProductSpec{
		DisplayName: "Japan", CountryCode: "JPN", Currency: "USD",
		Variants: []v1alpha1.EsimVariant{
			{Name: "old", Amount: "4.50", Inactive: true, Sources: []v1alpha1.VariantSource{{PlanID: "old"}}},
			{Name: "unsourced", Amount: "4.50"},
			{Name: "1gb-7d", Amount: "4.5", Sources: []v1alpha1.VariantSource{{PlanID: "1"}}},
			{Name: "again", Amount: "4.500", Sources: []v1alpha1.VariantSource{{PlanID: "2"}}},
			{Name: "soon", Amount: "7", Sources: []v1alpha1.VariantSource{{PlanID: "3"}}},
			{Name: "dear", Amount: "99999999999.9999"},
		},
	}
	product.Status.ID = 712
	for i, name := range []string{"gone", "old", "unsourced", "1gb-7d", "again", "dear"} {
		product.Status.Variants = append(product.Status.Variants, v1alpha1.VariantStatus{Name: name, ID: int64(3300 + i)})
	}
	for _, change := range changes {
		change(product)
	}
	return product
}

func TestVariantsAreThoseOnSale(t *testing.T) {
	c := catalogue.New()
	c.OnAdd(japan(), true)
	offer := c.Visible(nil)
	product, ok := offer.Product(712)
	if !ok {
		t.Fatal("no product 712")
	}
	var got []string
	for _, v := range product.Variants {
		got = append(got, fmt.Sprint(v.ID, " ", v.Object.Name))
		if found, ok := offer.Variant(v.ID); !ok || found.Object != v.Object || found.Product != product {
			t.Errorf("variant %d: %v", v.ID, found)
		}
	}
	// Neither an inactive one nor one without a number yet.
	if diff := gocmp.Diff([]string{"3302 unsourced", "3303 1gb-7d", "3304 again", "3305 dear"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, id := range []int64{3301, 3300, 712, 0, -1} {
		if v, ok := offer.Variant(id); ok {
			t.Errorf("variant %d: %s", id, v.Object.Name)
		}
	}
	// An order shows the number of its variant, on sale or not.
	for name, want := range map[string]int64{"1gb-7d": 3303, "old": 3301, "gone": 3300, "soon": 0, "never": 0} {
		if got := product.VariantID(name); got != want {
			t.Errorf("the number of %s is %d, want %d", name, got, want)
		}
	}
}

func TestAnAmountMeansTheFirstVariantThatCanBeSold(t *testing.T) {
	c := catalogue.New()
	c.OnAdd(japan(), true)
	product, _ := c.ByName("japan")
	for amount, want := range map[string]string{
		"4.5": "1gb-7d", "4.50000": "1gb-7d", "99999999999.9999": "dear",
		"4.51": "", "7": "", "4.5000000000000000000000000001": "", "0": "", "-4.5": "", "99999999999.99990000001": "",
	} {
		number, err := money.Parse(amount)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := product.Match(number)
		if ok != (want != "") || ok && got.Object.Name != want {
			t.Errorf("%s: %v, want %q", amount, got, want)
		}
	}
}

func TestWhatHasNoNumberOrGoesAwayIsNotOnOffer(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.EsimProduct){
		"not numbered yet": func(p *v1alpha1.EsimProduct) { p.Status.ID = 0 },
		"being deleted":    func(p *v1alpha1.EsimProduct) { p.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time} },
	} {
		t.Run(name, func(t *testing.T) {
			c := catalogue.New()
			c.OnAdd(japan(), true)
			c.OnUpdate(nil, japan(change))
			if page := c.Visible(nil).List(catalogue.Filter{}, 1, 50); page.Total != 0 {
				t.Errorf("%d products on offer", page.Total)
			}
			if _, ok := c.Visible(nil).Variant(3303); ok {
				t.Error("a variant of it is on offer")
			}
			if p, ok := c.ByName("japan"); !ok || p.VariantID("1gb-7d") != 3303 {
				t.Error("its orders do not find it any more")
			}
		})
	}
}

// A reader's assortment is of one moment, whatever happens meanwhile.
func TestAnAssortmentDoesNotChange(t *testing.T) {
	c := catalogue.New()
	c.OnAdd(japan(), true)
	before := c.Visible(nil)
	c.OnDelete(japan())
	if _, ok := before.Product(712); !ok || before.List(catalogue.Filter{}, 1, 50).Total != 1 {
		t.Error("the product left an assortment that was handed out before")
	}
	if _, ok := c.Visible(nil).Product(712); ok {
		t.Error("a product that was deleted is on offer")
	}
}

func TestSelectorsThatCannotBeUsedSelectNothing(t *testing.T) {
	c := catalogue.New()
	c.OnAdd(japan(), true)
	everything, nothing := &v1alpha1.EsimClient{}, &v1alpha1.EsimClient{}
	everything.Spec.ProductSelector = &metav1.LabelSelector{}
	nothing.Spec.ProductSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Resembles"}}}
	for range 2 {
		if page := c.Visible(nothing).List(catalogue.Filter{}, 1, 50); page.Total != 0 {
			t.Errorf("%d products", page.Total)
		}
		if page := c.Visible(everything).List(catalogue.Filter{}, 1, 50); page.Total != 1 {
			t.Errorf("%d products", page.Total)
		}
	}
	if _, ok := c.Visible(nothing).Product(712); ok {
		t.Error("a product is on offer")
	}
}

func TestWhatIsMadeFromOperatorsListsCanBeLeftOut(t *testing.T) {
	c := catalogue.New()
	c.OnAdd(japan(), true)
	c.OnAdd(japan(func(p *v1alpha1.EsimProduct) {
		p.Name, p.Status.ID, p.Labels = "zendit-jpn", 713, map[string]string{v1alpha1.CatalogueOperatorLabel: "zendit"}
	}), true)
	terms := &v1alpha1.EsimClient{}
	terms.Spec.ProductSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: v1alpha1.CatalogueOperatorLabel, Operator: metav1.LabelSelectorOpDoesNotExist},
	}}
	if all, ours := c.Visible(nil).List(catalogue.Filter{}, 1, 50), c.Visible(terms).List(catalogue.Filter{}, 1, 50); all.Total != 2 || ours.Total != 1 {
		t.Errorf("%d products, of which %d are ours", all.Total, ours.Total)
	}
	if _, ok := c.Visible(terms).Product(713); ok {
		t.Error("a product made from a list is on offer")
	}
}

func TestASearchTakesNoNoticeOfCaseInAnyLanguage(t *testing.T) {
	for _, c := range []struct {
		name, search string
		found        bool
	}{
		{"Japan", "japan", true}, {"Japan", "APA", true}, {"Japan", "jp", false}, {"Japan", " ", false},
		{"Österreich", "öster", true}, {"Österreich", "ÖSTERREICH", true}, {"Große Reise", "GROSSE", true},
		{"ΕΛΛΆΣ", "ελλάς", true}, {"Côte d'Ivoire", "CÔTE", true}, {"日本", "本", true}, {"50% more", "%", true},
	} {
		catalog := catalogue.New()
		catalog.OnAdd(japan(func(p *v1alpha1.EsimProduct) { p.Spec.DisplayName = c.name }), true)
		if page := catalog.Visible(nil).List(catalogue.Filter{Search: c.search}, 1, 50); (page.Total == 1) != c.found {
			t.Errorf("%q in %q: %d found", c.search, c.name, page.Total)
		}
	}
}

// shop is the truth that the catalogue is held against: a map, looked through each time.
type shop struct {
	catalogue *catalogue.Catalogue
	products  map[string]*v1alpha1.EsimProduct
}

var (
	productNames = rapid.SampledFrom([]string{"p1", "p2", "p3", "p4", "p5", "p6"})
	shown        = rapid.SampledFrom([]string{"Japan", "Tokyo, JAPAN", "France"})
	searches     = rapid.SampledFrom([]string{"", "jap", "JAPAN", "ranc", "x"})
	countries    = rapid.SampledFrom([]v1alpha1.CountryCode{"JPN", "FRA", "XEU", "GLO"})
	coverages    = rapid.SliceOfNDistinct(rapid.SampledFrom([]v1alpha1.CountryCode{"JPN", "FRA", "ITA"}), 0, 3, rapid.ID[v1alpha1.CountryCode])
	tiers        = rapid.SampledFrom([]string{"", "gold", "tin"})
)

func (s *shop) Put(t *rapid.T) {
	name := productNames.Draw(t, "name")
	p := japan(func(p *v1alpha1.EsimProduct) {
		p.Name = name
		p.Labels = map[string]string{"tier": tiers.Draw(t, "tier")}
		p.Spec.DisplayName = shown.Draw(t, "shown")
		p.Spec.CountryCode, p.Spec.Coverage = countries.Draw(t, "country"), coverages.Draw(t, "coverage")
		// Numbers move between products; and for a moment two may have one.
		p.Status.ID = rapid.Int64Range(0, 6).Draw(t, "id")
		for i := range p.Status.Variants {
			p.Status.Variants[i].ID = rapid.Int64Range(0, 20).Draw(t, "variant")
		}
	})
	s.catalogue.OnUpdate(s.products[name], p)
	s.products[name] = p
}

func (s *shop) Delete(t *rapid.T) {
	name := productNames.Draw(t, "name")
	p := s.products[name]
	if p == nil || rapid.Bool().Draw(t, "missed") {
		s.catalogue.OnDelete(toolscache.DeletedFinalStateUnknown{Key: name})
	} else {
		s.catalogue.OnDelete(p)
	}
	delete(s.products, name)
}

func (s *shop) Look(t *rapid.T) {
	var terms *v1alpha1.EsimClient
	tier := tiers.Draw(t, "selected tier")
	if tier != "" {
		terms = &v1alpha1.EsimClient{}
		terms.Spec.ProductSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": tier}}
	}
	f := catalogue.Filter{Search: searches.Draw(t, "search")}
	if rapid.Bool().Draw(t, "by country") {
		f.CountryCode = countries.Draw(t, "country")
	}
	if rapid.Bool().Draw(t, "by coverage") {
		f.Covers = rapid.SampledFrom([]v1alpha1.CountryCode{"JPN", "FRA", "ITA", "XEU"}).Draw(t, "covers")
	}
	sold := func(p *v1alpha1.EsimProduct) bool {
		return p.Status.ID > 0 && (tier == "" || labels.Set(p.Labels).Get("tier") == tier)
	}
	all := []string{}
	for _, p := range s.sorted() {
		covers := slices.Contains(p.Spec.Coverage, f.Covers) || len(p.Spec.Coverage) == 0 && p.Spec.CountryCode == f.Covers
		if sold(p) && (f.CountryCode == "" || p.Spec.CountryCode == f.CountryCode) && (f.Covers == "" || covers) &&
			strings.Contains(strings.ToLower(p.Spec.DisplayName), strings.ToLower(f.Search)) {
			all = append(all, p.Name)
		}
	}
	offer := s.catalogue.Visible(terms)
	number, size := rapid.IntRange(1, 4).Draw(t, "page"), rapid.IntRange(1, 3).Draw(t, "size")
	page := offer.List(f, number, size)
	got := []string{}
	for _, p := range page.Products {
		got = append(got, p.Object.Name)
	}
	start := min((number-1)*size, len(all))
	if diff := gocmp.Diff(all[start:min(start+size, len(all))], got); diff != "" || page.Total != len(all) {
		t.Fatalf("%+v in tier %q, page %d by %d: total %d, want %d (-want +got):\n%s", f, tier, number, size, page.Total, len(all), diff)
	}
	for _, id := range []int64{1, 3, 6, 20} {
		got, ok := offer.Product(id)
		if ok && (got.ID != id || !sold(got.Object) || s.products[got.Object.Name] != got.Object) {
			t.Fatalf("product %d: %v", id, got.Object)
		}
		v, ok := offer.Variant(id)
		if ok && (v.ID != id || !sold(v.Product.Object) || s.products[v.Product.Object.Name] != v.Product.Object) {
			t.Fatalf("variant %d: %v", id, v.Object)
		}
	}
}

func (s *shop) sorted() []*v1alpha1.EsimProduct {
	var all []*v1alpha1.EsimProduct
	for _, p := range s.products {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *v1alpha1.EsimProduct) int {
		return cmp.Or(cmp.Compare(a.Status.ID, b.Status.ID), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Check holds that every product on offer is found by its number, where that is its own alone.
func (s *shop) Check(t *rapid.T) {
	count := map[int64]int{}
	for _, p := range s.products {
		count[p.Status.ID]++
	}
	for _, p := range s.products {
		if got, ok := s.catalogue.ByID(p.Status.ID); p.Status.ID > 0 && (!ok || count[p.Status.ID] == 1 && got.Object != p) {
			t.Fatalf("product %d: %v", p.Status.ID, got)
		}
		if got, ok := s.catalogue.ByName(p.Name); !ok || got.Object != p {
			t.Fatalf("product %s: %v", p.Name, got)
		}
	}
}

func TestTheCatalogueAnswersWhatALookThroughItWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &shop{catalogue: catalogue.New(), products: map[string]*v1alpha1.EsimProduct{}}
		t.Repeat(map[string]func(*rapid.T){"": s.Check, "put": s.Put, "delete": s.Delete, "look": s.Look})
	})
}

func TestPagesThatNoListHasAreEmpty(t *testing.T) {
	c := catalogue.New()
	c.OnAdd(japan(), true)
	for _, page := range [][2]int{{0, 50}, {-1, 50}, {1, 0}, {1, -1}, {2, 1}, {2, 500}, {1<<63 - 1, 500}, {2, 1<<63 - 1}} {
		if got := c.Visible(nil).List(catalogue.Filter{}, page[0], page[1]); len(got.Products) != 0 || got.Total != 1 {
			t.Errorf("page %d by %d: %d products, total %d", page[0], page[1], len(got.Products), got.Total)
		}
	}
}

// Readers look on while products come and go. Run with the race detector it also shows that a
// snapshot shares nothing that changes.
func TestReadersSeeAWholeCatalogueWhileItChanges(t *testing.T) {
	const steady, passing = 100, 50
	c := filled(steady)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				offer := c.Visible(nil)
				page := offer.List(catalogue.Filter{Covers: "JPN"}, 1, 500)
				if page.Total < steady || page.Total > steady+passing || len(page.Products) != page.Total {
					t.Errorf("%d products of %d", len(page.Products), page.Total)
					return
				}
				for _, p := range page.Products {
					if v, ok := offer.Variant(p.Variants[0].ID); !ok || v.Product != p {
						t.Errorf("product %d is there, and its variant is not", p.ID)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 10 {
		for i := steady; i < steady+passing; i++ {
			c.OnAdd(many(i), false)
		}
		for i := steady; i < steady+passing; i++ {
			c.OnDelete(many(i))
		}
	}
	close(done)
	readers.Wait()
}
