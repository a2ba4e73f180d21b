package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

func standing(uid, phase, reason string) *v1alpha1.EsimOrder {
	return &v1alpha1.EsimOrder{
		ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid)},
		Status: v1alpha1.EsimOrderStatus{
			Phase:      v1alpha1.OrderPhase(phase),
			Conditions: v1alpha1.Conditions{{Type: v1alpha1.ConditionReady, Reason: reason}},
		},
	}
}

func TestTheGaugeCountsEachOrderWhereItStandsNow(t *testing.T) {
	g := &orderGauge{gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "orders"}, []string{"phase", "reason"})}
	g.seen(standing("a", "PENDING", "Provisioning"))
	g.seen(standing("b", "PENDING", "OutOfStock"))
	g.seen(standing("a", "DELIVERED", "Delivered"))
	g.seen(standing("a", "DELIVERED", "Delivered")) // a resync
	g.seen(standing("c", "FAILED", "ORDER_EXPIRED"))
	g.gone(orderIn(toolscache.DeletedFinalStateUnknown{Obj: standing("c", "FAILED", "ORDER_EXPIRED")})) // its deletion was missed
	g.gone(standing("never seen", "PENDING", ""))

	registry := prometheus.NewRegistry()
	registry.MustRegister(g.gauge)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, metric := range families[0].GetMetric() {
		if value := metric.GetGauge().GetValue(); value != 0 {
			got[label(metric, "phase")+" "+label(metric, "reason")] = value
		}
	}
	want := map[string]float64{"DELIVERED Delivered": 1, "PENDING OutOfStock": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func label(metric *dto.Metric, name string) string {
	for _, pair := range metric.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}
