package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of an EsimOperator's Ready condition.
const (
	// OperatorReasonReachable: the last probe or call was answered.
	OperatorReasonReachable = "Reachable"
	// OperatorReasonUnreachable: no connection can be made.
	OperatorReasonUnreachable = "Unreachable"
	// OperatorReasonAuthFailed: the operator refuses our identity, or we refuse
	// its certificate.
	OperatorReasonAuthFailed = "AuthFailed"
	// OperatorReasonCircuitOpen: too many calls failed in a row; calls pause for
	// a while.
	OperatorReasonCircuitOpen = "CircuitOpen"
	// OperatorReasonOutOfService: answers come, but they refuse every request or
	// cannot be used.
	OperatorReasonOutOfService = "OutOfService"
	// OperatorReasonCredentialsMissing: the Secret is not there or lacks a key.
	OperatorReasonCredentialsMissing = "CredentialsMissing"
)

// ConditionAnswersLost is True on an EsimOperator that left several DownloadOrder calls of
// one order unanswered: each may have stranded a profile there.
const ConditionAnswersLost = "AnswersLost"

// OperatorFinalizer holds an EsimOperator while unfinished orders name it.
const OperatorFinalizer = "esim.telco.dev/in-use"

// EsimOperatorSpec says how to reach a mobile operator and how hard it may be driven.
//
// +kubebuilder:validation:XValidation:rule="[has(self.es2plus), has(self.zendit), has(self.esimAccess), has(self.airalo)].exists_one(x, x)",message="set exactly one driver: es2plus, zendit, esimAccess or airalo"
// +kubebuilder:validation:XValidation:rule="!has(self.airalo) || !has(self.airalo.webhook)",message="webhooks are taken from zendit and esimAccess only: leave airalo.webhook out",fieldPath=".airalo"
// +kubebuilder:validation:XValidation:rule="has(self.es2plus) == has(oldSelf.es2plus) && has(self.zendit) == has(oldSelf.zendit) && has(self.esimAccess) == has(oldSelf.esimAccess) && has(self.airalo) == has(oldSelf.airalo)",message="cannot become another kind of operator: what orders hold there would be lost; make another EsimOperator"
type EsimOperatorSpec struct {
	// displayName is what people call the operator.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="must be one line of text: no control characters, no line breaks"
	DisplayName string `json:"displayName,omitempty"`

	// es2plus speaks GSMA SGP.22 ES2+ with the operator's SM-DP+.
	// +optional
	ES2Plus *ES2PlusDriver `json:"es2plus,omitempty"`

	// zendit buys from Zendit's API v1. Its Secret holds api-key, the API client
	// secret from Zendit's console, and, for a private gateway, ca.crt.
	// +optional
	Zendit *ResellerDriver `json:"zendit,omitempty"`

	// esimAccess buys from eSIM Access' open API. Its Secret holds access-code
	// and, where requests shall be signed, secret-key. The vendor takes 8
	// requests a second: set limits.requestsPerSecond to 8 or less.
	// +optional
	EsimAccess *ResellerDriver `json:"esimAccess,omitempty"`

	// airalo buys from Airalo's Partner API v2. Its Secret holds client-id and
	// client-secret and, for a private gateway, ca.crt. Airalo takes nothing
	// back: an order that is cancelled after the purchase is delivered.
	// +optional
	Airalo *ResellerDriver `json:"airalo,omitempty"`

	// limits bound how hard the operator is driven.
	// +optional
	// +kubebuilder:default={}
	Limits OperatorLimits `json:"limits,omitzero"`

	// timeout of one call to the operator, from 1s to 2m.
	// +optional
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('2m')",message="must be a duration between 1s and 2m, such as 30s or 1m30s"
	Timeout metav1.Duration `json:"timeout,omitzero"`

	// refreshInterval is how often, at most, the operator is asked on request
	// whether one profile is on a device. Operators that cannot be asked, such as
	// those of es2plus, are not.
	// +optional
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration between 1s and 24h, such as 10s or 5m"
	RefreshInterval metav1.Duration `json:"refreshInterval,omitzero"`

	// catalogue has the operator's list turned into EsimProducts. Where it is
	// absent, EsimProducts are written by hand.
	// +optional
	Catalogue *OperatorCatalogue `json:"catalogue,omitempty"`

	// recovery says how long an order is kept going when it cannot be filled.
	// +optional
	// +kubebuilder:default={}
	Recovery OperatorRecovery `json:"recovery,omitzero"`
}

// ES2PlusDriver connects to an SM-DP+ over ES2+ (SGP.22 section 5.3), with mutual TLS.
type ES2PlusDriver struct {
	// url of the SM-DP+ without the path, such as
	// https://es2plus.example.com:8443. The paths /gsma/rsp2/es2plus/… are added.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://([A-Za-z0-9.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?/?$')",message="must be https://host or https://host:port, without a path: the ES2+ paths are added"
	URL string `json:"url"`

	// functionRequesterIdentifier is the name that the SM-DP+ knows us by (SGP.22
	// section 5.2).
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="must be printable ASCII without spaces: the name that the SM-DP+ gave us, such as OPERATOR-1"
	FunctionRequesterIdentifier string `json:"functionRequesterIdentifier"`

	// tlsSecretRef names a Secret in the manager's own namespace with tls.crt and
	// tls.key, our client certificate, and ca.crt, by which the SM-DP+ is
	// checked. A change takes effect at once, without a restart.
	TLSSecretRef SecretReference `json:"tlsSecretRef"`

	// serverName to expect in the SM-DP+'s certificate, where it is not the host
	// of the url.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$')",message="must be a host name such as rsp.example.com"
	ServerName string `json:"serverName,omitempty"`

	// smdpAddress for activation codes, where the SM-DP+ does not answer one. An
	// answered address always counts more.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$')",message="must be a host name such as rsp.example.com"
	SMDPAddress string `json:"smdpAddress,omitempty"`

	// protocolVersion goes into the X-Admin-Protocol header (SGP.22 section 6.2).
	// +optional
	// +kubebuilder:default="2.2.0"
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+[.][0-9]+[.][0-9]+$')",message="must be major.minor.revision, such as 2.2.0"
	ProtocolVersion string `json:"protocolVersion,omitempty"`

	// notifications say from whom HandleDownloadProgressInfo is taken. Without
	// them none is.
	// +optional
	Notifications *ES2PlusNotifications `json:"notifications,omitempty"`
}

// ResellerDriver connects to a wholesaler's API.
type ResellerDriver struct {
	// url of the API, where it is not the vendor's usual one.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://([A-Za-z0-9.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?(/[^?#@ ]*)?$')",message="must be an https URL without user, query or fragment, such as https://api.example.com/v1"
	URL string `json:"url,omitempty"`

	// credentialsSecretRef names a Secret in the manager's own namespace.
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef"`

	// account is your own name for the account that the credentials are for. Give
	// another name when they become another account's: orders that may have been
	// bought from the first one then wait, and are not bought again from the
	// second. Leave it as it is when credentials are only rotated.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="must be printable ASCII without spaces, such as main or EU-2"
	Account string `json:"account,omitempty"`

	// webhook says whose webhooks are taken as hints to ask the wholesaler at
	// once. Without it none are, and orders are followed by asking now and then.
	// +optional
	Webhook *ResellerWebhook `json:"webhook,omitempty"`
}

// OperatorLimits bound how hard an operator is driven.
type OperatorLimits struct {
	// requestsPerSecond to the operator, over all orders.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond int32 `json:"requestsPerSecond,omitempty"`

	// inFlight is how many orders may be with the operator at one time.
	// +optional
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500
	InFlight int32 `json:"inFlight,omitempty"`
}

// OperatorRecovery says how long an order is kept going when it cannot be filled.
type OperatorRecovery struct {
	// giveUpAfter is how long after its start an order that cannot be filled
	// becomes FAILED. An order whose outcome is unknown is never given up.
	// +optional
	// +kubebuilder:default="72h"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration longer than 0s in hours, minutes and seconds, such as 72h or 1h30m"
	GiveUpAfter metav1.Duration `json:"giveUpAfter,omitzero"`

	// failoverAfter is how long an order that is known to have bought nothing
	// here waits for this operator before the next source is tried.
	// +optional
	// +kubebuilder:default="2m"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="must be a duration of at least 1s in hours, minutes and seconds, such as 2m"
	FailoverAfter metav1.Duration `json:"failoverAfter,omitzero"`

	// settleAfter is how long after an order was sent the operator's lists show
	// it for sure. Until then that they do not show it proves nothing. It counts
	// for wholesalers that cannot look an order up by our own ID.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="must be a duration of at least 1s in hours, minutes and seconds, such as 10m"
	SettleAfter metav1.Duration `json:"settleAfter,omitzero"`
}

// EsimOperatorStatus is what probes and calls showed.
type EsimOperatorStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// smdpAddress that the SM-DP+ answered last. An order whose ConfirmOrder
	// answer was lost uses it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SMDPAddress string `json:"smdpAddress,omitempty"`

	// smdpAddressGeneration is the generation of the spec under which smdpAddress
	// was answered. Under another one, which may name another SM-DP+, it does not
	// count.
	// +optional
	SMDPAddressGeneration int64 `json:"smdpAddressGeneration,omitempty"`

	// catalogue is what came of the operator's list.
	// +optional
	Catalogue *CatalogueStatus `json:"catalogue,omitempty"`

	// balance is what is left in our account, where the operator tells. It is
	// rounded, and written where it changed.
	// +optional
	Balance *BalanceStatus `json:"balance,omitempty"`

	// conditions: Ready, with a reason that tells AuthFailed, Unreachable,
	// CircuitOpen and OutOfService apart; AnswersLost, AccountEmpty and
	// CatalogueImported.
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
}

// EsimOperator is a connection to one mobile operator.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="SM-DP+",type=string,JSONPath=`.status.smdpAddress`
// +kubebuilder:printcolumn:name="Plans",type=integer,JSONPath=`.status.catalogue.plans`
// +kubebuilder:printcolumn:name="Balance",type=string,JSONPath=`.status.balance.amount`
// +kubebuilder:printcolumn:name="In-Flight",type=integer,JSONPath=`.spec.limits.inFlight`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EsimOperator struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says how to reach the mobile operator.
	// +required
	Spec EsimOperatorSpec `json:"spec"`

	// status is what probes and calls showed.
	// +optional
	Status EsimOperatorStatus `json:"status,omitzero"`
}

// DefaultGiveUpAfter is how long an order is kept going where its operator says nothing.
const DefaultGiveUpAfter = 72 * time.Hour

// GiveUpAfter is how long an order at this operator is kept going.
func (o *EsimOperator) GiveUpAfter() time.Duration {
	if o.Spec.Recovery.GiveUpAfter.Duration <= 0 {
		return DefaultGiveUpAfter
	}
	return o.Spec.Recovery.GiveUpAfter.Duration
}

// DefaultCallTimeout is that of an EsimOperator that names none.
const DefaultCallTimeout = 30 * time.Second

// CallTimeout is how long a call to this operator may take.
func (o *EsimOperator) CallTimeout() time.Duration {
	if o.Spec.Timeout.Duration <= 0 {
		return DefaultCallTimeout
	}
	return o.Spec.Timeout.Duration
}

// Defaults of OperatorRecovery, where an EsimOperator was stored before it had them.
const (
	DefaultFailoverAfter = 2 * time.Minute
	DefaultSettleAfter   = 10 * time.Minute
)

// FailoverAfter is how long an order that has bought nothing here waits before it goes elsewhere.
func (o *EsimOperator) FailoverAfter() time.Duration {
	if o.Spec.Recovery.FailoverAfter.Duration <= 0 {
		return DefaultFailoverAfter
	}
	return o.Spec.Recovery.FailoverAfter.Duration
}

// SettleAfter is how long after an order was sent the operator's lists show it for sure.
func (o *EsimOperator) SettleAfter() time.Duration {
	if o.Spec.Recovery.SettleAfter.Duration <= 0 {
		return DefaultSettleAfter
	}
	return o.Spec.Recovery.SettleAfter.Duration
}

// DefaultRefreshInterval is how often an operator is asked on request where it says nothing.
const DefaultRefreshInterval = 10 * time.Second

// RefreshInterval is how often, at most, the operator is asked on request about one profile.
func (o *EsimOperator) RefreshInterval() time.Duration {
	if o.Spec.RefreshInterval.Duration <= 0 {
		return DefaultRefreshInterval
	}
	return o.Spec.RefreshInterval.Duration
}

// EsimOperatorList is a list of EsimOperators.
//
// +kubebuilder:object:root=true
type EsimOperatorList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EsimOperator `json:"items"`
}
