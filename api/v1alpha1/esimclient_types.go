package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClientName is the one name that an EsimClient may have: a client is a namespace.
const ClientName = "default"

// Reasons of an EsimClient's Ready condition.
const (
	// ClientReasonInForce: the namespace buys on these terms.
	ClientReasonInForce = "InForce"
	// ClientReasonInvalidSelector: productSelector cannot be used, and nothing
	// can be bought.
	ClientReasonInvalidSelector = "InvalidSelector"
)

// EsimClientSpec holds the terms on which a client buys.
type EsimClientSpec struct {
	// discountPercent is taken off every price. Where productDiscounts has more
	// for a product, that counts.
	// +optional
	DiscountPercent Percent `json:"discountPercent,omitempty"`

	// productDiscounts are percents for single products. The better of this and
	// discountPercent counts.
	// +optional
	// +listType=map
	// +listMapKey=product
	// +kubebuilder:validation:MaxItems=500
	ProductDiscounts []ProductDiscount `json:"productDiscounts,omitempty"`

	// productSelector selects the EsimProducts that the client may buy, by their
	// labels. Where it is absent, the client may buy all of them.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, (e.operator in ['In', 'NotIn'] && has(e.values) && e.values.size() > 0) || (e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || e.values.size() == 0)))",message="each of matchExpressions must have the operator In or NotIn with values, or Exists or DoesNotExist without"
	ProductSelector *metav1.LabelSelector `json:"productSelector,omitempty"`

	// defaultCurrency, ISO 4217, is that of the wallet that pays where no wallet
	// has the plan's currency.
	// +optional
	DefaultCurrency Currency `json:"defaultCurrency,omitempty"`

	// rateLimits are how many requests a minute the REST API takes from the
	// client. What is absent has the default of the facade.
	// +optional
	RateLimits *RateLimits `json:"rateLimits,omitempty"`

	// allowedCIDRs are the networks from which the client may use the REST API.
	// Where there are none, it may from everywhere.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	AllowedCIDRs []CIDR `json:"allowedCIDRs,omitempty"`

	// webhooks are the client's endpoints that are told what becomes of its
	// orders.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Webhooks []WebhookEndpoint `json:"webhooks,omitempty"`
}

// CIDR is a network of IP addresses, such as 203.0.113.0/24 or 2001:db8::/32.
//
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="must be a network in CIDR notation with no bits set after the prefix, such as 203.0.113.0/24 or 2001:db8::/32; a single address is 203.0.113.7/32"
type CIDR string

// RequestsPerMinute is a limit, which each replica of the facade counts by itself. As many
// may come at once after a minute's rest.
//
// +kubebuilder:validation:Minimum=1
// +kubebuilder:validation:Maximum=100000
type RequestsPerMinute int32

// RateLimits are the limits of the REST API by kind of request.
type RateLimits struct {
	// read is for GET. Default: 300.
	// +optional
	Read RequestsPerMinute `json:"read,omitempty"`

	// order is for POST /orders. Default: 60.
	// +optional
	Order RequestsPerMinute `json:"order,omitempty"`

	// quote is for POST /charges. Default: 120.
	// +optional
	Quote RequestsPerMinute `json:"quote,omitempty"`

	// change is for PATCH, and for cancelling. Default: 60.
	// +optional
	Change RequestsPerMinute `json:"change,omitempty"`

	// login is for logging in. Default: 10.
	// +optional
	Login RequestsPerMinute `json:"login,omitempty"`

	// refresh is for exchanging refresh tokens, and for logging out. Default: 20.
	// +optional
	Refresh RequestsPerMinute `json:"refresh,omitempty"`
}

// ProductDiscount is a discount on one product.
type ProductDiscount struct {
	// product is the EsimProduct's name.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of an EsimProduct: lower-case letters, digits, dashes and dots, such as japan"
	Product string `json:"product"`

	// percent is taken off the product's prices.
	Percent Percent `json:"percent"`
}

// EsimClientStatus is what the manager made of the spec.
type EsimClientStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// id is the number that REST clients know the client by.
	// +optional
	ID int64 `json:"id,omitempty"`

	// webhooks are the endpoints that fail, and those that are disabled.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Webhooks []WebhookStatus `json:"webhooks,omitempty"`

	// conditions: Ready; and WebhooksReady where there are webhooks.
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
}

// EsimClient holds the terms on which a namespace buys. A namespace without
// one may buy all products, at full price.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=eclient
// +kubebuilder:printcolumn:name="ID",type=integer,JSONPath=`.status.id`
// +kubebuilder:printcolumn:name="Discount",type=string,JSONPath=`.spec.discountPercent`
// +kubebuilder:printcolumn:name="Currency",type=string,JSONPath=`.spec.defaultCurrency`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Webhooks",type=string,JSONPath=`.status.conditions[?(@.type=="WebhooksReady")].reason`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Webhooks-Message",type=string,JSONPath=`.status.conditions[?(@.type=="WebhooksReady")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="metadata.name must be default: a client is a namespace, and has one EsimClient",fieldPath=".metadata"
type EsimClient struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec holds the terms on which the client buys.
	// +required
	Spec EsimClientSpec `json:"spec"`

	// status is what the manager made of the spec.
	// +optional
	Status EsimClientStatus `json:"status,omitzero"`
}

// EsimClientList is a list of EsimClients.
//
// +kubebuilder:object:root=true
type EsimClientList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EsimClient `json:"items"`
}
