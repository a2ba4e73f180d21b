package controllers

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/notify/webhook"
)

// EndpointHealth is what this process has seen of clients' endpoints. The client controller
// writes it into EsimClients, and from there the next process knows.
type EndpointHealth struct {
	mu       sync.Mutex
	byClient map[types.NamespacedName]map[string]endpointState
	changed  func(types.NamespacedName)
}

// endpointState is what was seen last of an endpoint; a status without a failure is one that
// takes events.
type endpointState struct {
	url    string
	status *v1alpha1.WebhookStatus
}

// onChange has changed called for clients whose endpoints began or ceased to fail.
func (h *EndpointHealth) onChange(changed func(types.NamespacedName)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = changed
}

// observe notes what became of one try to send to an endpoint: nil, *webhook.Failed or
// *webhook.Gone.
func (h *EndpointHealth) observe(terms *v1alpha1.EsimClient, endpoint *v1alpha1.WebhookEndpoint, err error, now time.Time) {
	key := client.ObjectKeyFromObject(terms)
	h.mu.Lock()
	before, known := h.byClient[key][endpoint.Name]
	if !known || before.url != endpoint.URL {
		before = endpointState{url: endpoint.URL, status: statusOf(terms, endpoint)}
	}
	after := endpointState{url: endpoint.URL}
	if before.status != nil && before.status.Disabled && !enabledSince(terms, before.status) {
		after = before // what was on its way when the endpoint said that it is gone enables it no more
	} else if err != nil {
		after.status = failing(terms, endpoint, before.status, err, now)
	}
	if h.byClient == nil {
		h.byClient = map[types.NamespacedName]map[string]endpointState{}
	}
	if h.byClient[key] == nil {
		h.byClient[key] = map[string]endpointState{}
	}
	h.byClient[key][endpoint.Name] = after
	changed := h.changed
	h.mu.Unlock()
	news := (before.status == nil) != (after.status == nil) ||
		before.status != nil && (before.status.LastError != after.status.LastError || before.status.Disabled != after.status.Disabled)
	if news && changed != nil {
		changed(key)
	}
}

func failing(terms *v1alpha1.EsimClient, endpoint *v1alpha1.WebhookEndpoint, before *v1alpha1.WebhookStatus, err error, now time.Time) *v1alpha1.WebhookStatus {
	status := &v1alpha1.WebhookStatus{
		Name: endpoint.Name, URL: endpoint.URL, FailingSince: metav1.NewTime(now), LastError: firstBytes(err.Error(), 256),
	}
	if before != nil {
		status.FailingSince = before.FailingSince
	}
	if gone := (*webhook.Gone)(nil); errors.As(err, &gone) {
		status.Disabled, status.Enabled = true, enableValue(terms)
	}
	return status
}

func enableValue(terms *v1alpha1.EsimClient) string {
	return firstCharacters(terms.Annotations[v1alpha1.EnableWebhooksAnnotation])
}

// statusOf is what an EsimClient's status says of an endpoint, where that is about its present
// url and nobody has enabled it since.
func statusOf(terms *v1alpha1.EsimClient, endpoint *v1alpha1.WebhookEndpoint) *v1alpha1.WebhookStatus {
	for i := range terms.Status.Webhooks {
		status := terms.Status.Webhooks[i]
		if status.Name == endpoint.Name && status.URL == endpoint.URL && !enabledSince(terms, &status) {
			return &status
		}
	}
	return nil
}

func enabledSince(terms *v1alpha1.EsimClient, status *v1alpha1.WebhookStatus) bool {
	return status.Disabled && status.Enabled != enableValue(terms)
}

// of is what is known of an endpoint's failure; nil where it takes events, or is not known not
// to.
func (h *EndpointHealth) of(terms *v1alpha1.EsimClient, endpoint *v1alpha1.WebhookEndpoint) *v1alpha1.WebhookStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	state, known := h.byClient[client.ObjectKeyFromObject(terms)][endpoint.Name]
	if !known || state.url != endpoint.URL {
		return statusOf(terms, endpoint)
	}
	if state.status != nil && enabledSince(terms, state.status) {
		return nil
	}
	return state.status
}

// disabled tells whether an endpoint wants no events any more.
func (h *EndpointHealth) disabled(terms *v1alpha1.EsimClient, endpoint *v1alpha1.WebhookEndpoint) bool {
	status := h.of(terms, endpoint)
	return status != nil && status.Disabled
}

// forget a client that is gone.
func (h *EndpointHealth) forget(terms types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byClient, terms)
}

// webhooksStatus is what an EsimClient's status says of its endpoints: those that fail, and the
// condition; false where it has no endpoints.
func (h *EndpointHealth) webhooksStatus(terms *v1alpha1.EsimClient) ([]v1alpha1.WebhookStatus, metav1.Condition, bool) {
	if len(terms.Spec.Webhooks) == 0 {
		return nil, metav1.Condition{}, false
	}
	var bad []v1alpha1.WebhookStatus
	var disabled, failing []string
	for i := range terms.Spec.Webhooks {
		status := h.of(terms, &terms.Spec.Webhooks[i])
		switch {
		case status == nil:
			continue
		case status.Disabled:
			disabled = append(disabled, status.Name)
		default:
			failing = append(failing, status.Name+" ("+status.LastError+")")
		}
		bad = append(bad, *status)
	}
	switch {
	case len(disabled) > 0:
		message := fmt.Sprintf("%s answered 410, so nothing is sent there; change its url, or annotate this EsimClient with %s=<anything new>",
			strings.Join(disabled, ", "), v1alpha1.EnableWebhooksAnnotation)
		if len(failing) > 0 {
			message += "; failing: " + strings.Join(failing, ", ")
		}
		return bad, condition(v1alpha1.ConditionWebhooksReady, false, v1alpha1.WebhooksReasonDisabled, cut(message)), true
	case len(failing) > 0:
		return bad, condition(v1alpha1.ConditionWebhooksReady, false, v1alpha1.WebhooksReasonFailing,
			cut("Events do not arrive and are sent again later: "+strings.Join(failing, ", "))), true
	default:
		return nil, condition(v1alpha1.ConditionWebhooksReady, true, v1alpha1.WebhooksReasonDelivering, "No endpoint is known to fail"), true
	}
}
