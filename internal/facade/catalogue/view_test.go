package catalogue_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
)

func TestAPageIsWrittenOnceUntilTheCatalogueChanges(t *testing.T) {
	c := filled(100)
	written := 0
	write := func(products []*catalogue.Product) ([]byte, error) {
		written++
		var text strings.Builder
		for _, p := range products {
			fmt.Fprint(&text, p.ID, " ", p.Object.Spec.DisplayName, "; ")
		}
		return []byte(text.String()), nil
	}
	fewer := &v1alpha1.EsimClient{}
	fewer.Spec.ProductSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "none"}}
	for _, step := range []struct {
		name         string
		event        func()
		terms        *v1alpha1.EsimClient
		filter       catalogue.Filter
		number, size int
		want         string
		writes       int
	}{
		{"a page", func() {}, nil, catalogue.Filter{}, 1, 2, "1 Japan; 2 Japan; ", 1},
		{"again", func() {}, nil, catalogue.Filter{}, 1, 2, "1 Japan; 2 Japan; ", 0},
		{"the next", func() {}, nil, catalogue.Filter{}, 2, 2, "3 Japan; 4 Japan; ", 1},
		{"a larger", func() {}, nil, catalogue.Filter{}, 1, 3, "1 Japan; 2 Japan; 3 Japan; ", 1},
		{"one of a client who may buy less", func() {}, fewer, catalogue.Filter{}, 1, 2, "", 1},
		{"what a filter finds", func() {}, nil, catalogue.Filter{Search: "japan"}, 1, 1, "1 Japan; ", 1},
		{"is not remembered", func() {}, nil, catalogue.Filter{Search: "japan"}, 1, 1, "1 Japan; ", 1},
		{"after a change", func() {
			changed := many(0)
			changed.Spec.DisplayName = "Nippon"
			c.OnUpdate(many(0), changed)
		}, nil, catalogue.Filter{}, 1, 2, "1 Nippon; 2 Japan; ", 1},
	} {
		step.event()
		before := written
		got, err := c.Visible(step.terms).List(step.filter, step.number, step.size).Text(write)
		if err != nil || string(got) != step.want || written-before != step.writes {
			t.Errorf("%s: %q, %v, written %d times; want %q, %d times", step.name, got, err, written-before, step.want, step.writes)
		}
	}
}

func TestPagesBeyondThoseRememberedAreAsGood(t *testing.T) {
	c := filled(100)
	for range 2 {
		for number := 1; number <= 100; number++ {
			got, err := c.Visible(nil).List(catalogue.Filter{}, number, 1).Text(func(products []*catalogue.Product) ([]byte, error) {
				return fmt.Append(nil, products[0].ID), nil
			})
			if err != nil || string(got) != fmt.Sprint(number) {
				t.Fatalf("page %d is %q, %v", number, got, err)
			}
		}
	}
}
