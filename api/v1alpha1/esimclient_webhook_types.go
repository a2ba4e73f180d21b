package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Events that webhooks tell of.
const (
	EventOrderDelivered = "esim.order.delivered"
	EventOrderFailed    = "esim.order.failed"
	EventOrderCancelled = "esim.order.cancelled"
	EventInstalled      = "esim.installed"
	EventActivated      = "esim.activated"
	EventExpired        = "esim.expired"
	EventDebited        = "wallet.debited"
	EventCredited       = "wallet.credited"
)

// Receipts that go out by e-mail.
const (
	ReceiptDelivered = "receipt.delivered"
	ReceiptFailed    = "receipt.failed"
	ReceiptCancelled = "receipt.cancelled"
)

// WebhookEvent is the type of an event.
//
// +kubebuilder:validation:Enum=esim.order.delivered;esim.order.failed;esim.order.cancelled;esim.installed;esim.activated;esim.expired;wallet.debited;wallet.credited
type WebhookEvent string

// WebhookEndpoint is told of events by HTTP POST, signed as Standard Webhooks says.
type WebhookEndpoint struct {
	// name of the endpoint within the client.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="must be lower-case letters, digits and dashes, such as shop"
	Name string `json:"name"`

	// url that events are sent to.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['https', 'http'] && url(self).getHostname() != '' && !self.contains('#') && !self.contains('@')",message="must be an https URL without user and fragment, such as https://shop.example.com/esim-events"
	URL string `json:"url"`

	// signingSecretRef names a Secret in the client's namespace. Each of its
	// values is a signing secret, whsec_ followed by 24 to 64 bytes in base64.
	// Events are signed with all of them, so that one can be replaced by another
	// while both are in use.
	SigningSecretRef SecretReference `json:"signingSecretRef"`

	// events that are sent; all of them where none is named.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Events []WebhookEvent `json:"events,omitempty"`
}

// Wants tells whether an event is sent to the endpoint.
func (e *WebhookEndpoint) Wants(event string) bool {
	for _, wanted := range e.Events {
		if string(wanted) == event {
			return true
		}
	}
	return len(e.Events) == 0
}

// ConditionWebhooksReady is False on an EsimClient while one of its endpoints fails or is
// disabled.
const ConditionWebhooksReady = "WebhooksReady"

// Reasons of the condition WebhooksReady.
const (
	// WebhooksReasonDelivering: events arrive.
	WebhooksReasonDelivering = "Delivering"
	// WebhooksReasonFailing: an endpoint does not take events. They are sent
	// again later.
	WebhooksReasonFailing = "Failing"
	// WebhooksReasonDisabled: an endpoint answered 410: nothing is sent to it
	// until its url is changed, or the EsimClient is annotated.
	WebhooksReasonDisabled = "Disabled"
)

// EnableWebhooksAnnotation has disabled endpoints tried again, once for each new value.
const EnableWebhooksAnnotation = "esim.telco.dev/enable-webhooks"

// WebhookStatus is an endpoint that does not take events.
type WebhookStatus struct {
	// name of the endpoint.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// url that this is about. Where the spec has another by now, this is of no
	// account.
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url"`
	// failingSince is when the first of the tries failed that failed since the
	// last success.
	FailingSince metav1.Time `json:"failingSince"`
	// lastError is why the last try failed.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastError string `json:"lastError,omitempty"`
	// disabled tells that the endpoint answered 410: nothing is sent to it.
	// +optional
	Disabled bool `json:"disabled,omitempty"`
	// enabled is the value of the annotation esim.telco.dev/enable-webhooks that
	// was there when the endpoint was disabled.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Enabled string `json:"enabled,omitempty"`
}
