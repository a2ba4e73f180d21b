package controllers

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/instruments"
)

// How a client's endpoint stands.
const (
	endpointTaking   = "taking"
	endpointFailing  = "failing"
	endpointDisabled = "disabled"
)

var (
	webhookEndpoints = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_webhook_endpoints",
		"Webhook endpoints of clients, by state: taking events as far as is known, failing, or disabled by an answer of 410. Every replica shows them all.",
		"state")

	endpointFailingAge = instruments.Define(instruments.Controllers, instruments.Gauge, "esim_webhook_endpoint_failing_age_seconds",
		"For how long no event has arrived at a webhook endpoint, in seconds, for the ten that fail or are disabled for the longest, "+
			"by client (its namespace), endpoint and state.",
		"client", "endpoint", "state")

	endpointsNow = instruments.Registered(instruments.NewLive(webhookEndpoints, endpointFailingAge))
)

// deadEndpoint is an endpoint that takes no events.
type deadEndpoint struct {
	client, name, state string
	since               time.Time
}

// endpointStands follows how the endpoints of clients stand, by what their EsimClients say.
type endpointStands struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	clients map[types.NamespacedName]clientEndpoints
}

type clientEndpoints struct {
	taking int
	dead   []deadEndpoint
}

// gaugeEndpoints has the metrics about endpoints follow a cache.
func gaugeEndpoints(ctx context.Context, informers cache.Informers, clock clock.PassiveClock) error {
	stands := &endpointStands{clock: clock}
	informer, err := informers.GetInformer(ctx, &v1alpha1.EsimClient{})
	if err != nil {
		return fmt.Errorf("watching clients: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    stands.seen,
		UpdateFunc: func(_, object any) { stands.seen(object) },
		DeleteFunc: stands.gone,
	})
	if err != nil {
		return fmt.Errorf("watching clients: %w", err)
	}
	endpointsNow.Attach(ctx, stands.tell)
	return nil
}

func (s *endpointStands) seen(object any) {
	terms, ok := object.(*v1alpha1.EsimClient)
	if !ok {
		return
	}
	var now clientEndpoints
	for i := range terms.Spec.Webhooks {
		endpoint := &terms.Spec.Webhooks[i]
		status := statusOf(terms, endpoint)
		if status == nil {
			now.taking++
			continue
		}
		dead := deadEndpoint{client: terms.Namespace, name: endpoint.Name, state: endpointFailing, since: status.FailingSince.Time}
		if status.Disabled {
			dead.state = endpointDisabled
		}
		now.dead = append(now.dead, dead)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients == nil {
		s.clients = map[types.NamespacedName]clientEndpoints{}
	}
	s.clients[client.ObjectKeyFromObject(terms)] = now
}

func (s *endpointStands) gone(object any) {
	name, err := toolscache.DeletionHandlingObjectToName(object)
	if err != nil {
		return // nothing that was ever seen
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, types.NamespacedName{Namespace: name.Namespace, Name: name.Name})
}

// tell counts the endpoints, and names those that are dead for the longest.
func (s *endpointStands) tell(tell instruments.Tell) {
	counts := map[string]int{endpointTaking: 0, endpointFailing: 0, endpointDisabled: 0}
	s.mu.Lock()
	worst := instruments.Worst(namedAtMost, func(yield func(deadEndpoint) bool) {
		for _, endpoints := range s.clients {
			counts[endpointTaking] += endpoints.taking
			for _, dead := range endpoints.dead {
				counts[dead.state]++
				if !yield(dead) {
					return
				}
			}
		}
	}, func(a, b deadEndpoint) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.client, b.client), cmp.Compare(a.name, b.name))
	})
	s.mu.Unlock()
	for state, count := range counts {
		tell(webhookEndpoints, float64(count), state)
	}
	for _, dead := range worst {
		tell(endpointFailingAge, max(s.clock.Now().Sub(dead.since), 0).Seconds(), dead.client, dead.name, dead.state)
	}
}
