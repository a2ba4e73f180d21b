package controllers

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/instruments"
)

var ordersNow = instruments.GaugeVec("esim_orders",
	"Orders that exist now, by phase and by the reason of their Ready condition. Every replica shows them all.",
	"phase", "reason")

// stand is where an order stands, as the gauge counts it.
type stand struct{ phase, reason string }

func standOf(order *v1alpha1.EsimOrder) stand {
	s := stand{phase: string(order.Status.Phase)}
	if ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		s.reason = ready.Reason
	}
	return s
}

// orderGauge follows the cache's events: a scrape costs nothing per order.
type orderGauge struct {
	gauge *prometheus.GaugeVec

	mu     sync.Mutex
	stands map[types.UID]stand
}

// gaugeOrders has the metrics follow a cache: how many orders stand where, and which have waited
// the longest.
func gaugeOrders(ctx context.Context, informers cache.Informers, clock clock.PassiveClock) error {
	gauge, waits := &orderGauge{gauge: ordersNow}, &orderWaits{clock: clock}
	longestWaits.Attach(ctx, waits.tell)
	return followOrders(ctx, informers, func(order *v1alpha1.EsimOrder) {
		gauge.seen(order)
		waits.seen(order)
	}, func(order *v1alpha1.EsimOrder) {
		gauge.gone(order)
		waits.gone(order)
	})
}

func (g *orderGauge) seen(order *v1alpha1.EsimOrder) { g.move(order.UID, standOf(order), true) }

func (g *orderGauge) gone(order *v1alpha1.EsimOrder) { g.move(order.UID, stand{}, false) }

func (g *orderGauge) move(uid types.UID, now stand, exists bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, known := g.stands[uid]
	if known && exists && before == now {
		return
	}
	if known {
		g.gauge.WithLabelValues(before.phase, before.reason).Dec()
		delete(g.stands, uid)
	}
	if exists {
		if g.stands == nil {
			g.stands = map[types.UID]stand{}
		}
		g.gauge.WithLabelValues(now.phase, now.reason).Inc()
		g.stands[uid] = now
	}
}
