package orders

import (
	"errors"
	"strconv"
	"testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func TestATextIsMadeOnceForEachVersionAndView(t *testing.T) {
	index := &Index{}
	order := numbered(1)
	changed := order.DeepCopy()
	japan, korea := View{Product: Product{ID: 712}}, View{Product: Product{ID: 713}}
	masked := View{Product: japan.Product, MaskedCode: true}
	made := 0
	render := func() ([]byte, error) { made++; return []byte(strconv.Itoa(made)), nil }
	for _, step := range []struct {
		name  string
		event func()
		of    *v1alpha1.EsimOrder
		view  View
		want  string
	}{
		{"an order that the index does not have", func() {}, order, japan, "1"},
		{"is not remembered", func() {}, order, japan, "2"},
		{"one that it has", func() { index.OnAdd(order, true) }, order, japan, "3"},
		{"is", func() {}, order, japan, "3"},
		{"but not where its product changed", func() {}, order, korea, "4"},
		{"nor for those who see its code", func() {}, order, masked, "5"},
		{"nor for those who do not", func() {}, order, japan, "6"},
		{"nor where the order changed", func() { index.OnUpdate(order, changed) }, changed, japan, "7"},
		{"and whoever still has the old one", func() {}, order, japan, "8"},
		{"leaves the new one alone", func() {}, changed, japan, "7"},
		{"once it is deleted", func() { index.OnDelete(changed) }, changed, japan, "9"},
		{"nothing is left", func() { index.OnAdd(changed, false) }, changed, japan, "10"},
	} {
		step.event()
		got, err := index.Text(step.of, step.view, render)
		if err != nil || string(got) != step.want {
			t.Errorf("%s: text %s, %v; want %s", step.name, got, err, step.want)
		}
	}
}

func TestATextThatCouldNotBeMadeIsMadeAgain(t *testing.T) {
	index, order := &Index{}, numbered(1)
	index.OnAdd(order, true)
	fault := errors.New("not a number")
	if _, err := index.Text(order, View{}, func() ([]byte, error) { return nil, fault }); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	got, err := index.Text(order, View{}, func() ([]byte, error) { return []byte("text"), nil })
	if err != nil || string(got) != "text" {
		t.Errorf("got %q, %v", got, err)
	}
}
