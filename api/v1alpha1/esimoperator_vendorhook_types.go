package v1alpha1

// ResellerWebhook says by what a webhook is known to be the wholesaler's. All that is set must
// hold. A webhook is a hint and no more: what it is about is asked at the wholesaler's API.
//
// +kubebuilder:validation:XValidation:rule="has(self.headerName) || has(self.hmac) || has(self.sourceCIDRs)",message="say by what the wholesaler is known: set headerName (a header of your choice), hmac (where it signs), or sourceCIDRs (its networks)",fieldPath=".headerName"
// +kubebuilder:validation:XValidation:rule="has(self.headerName) == has(self.headerSecretRef)",message="headerName and headerSecretRef belong together: set both or neither",fieldPath=".headerSecretRef"
type ResellerWebhook struct {
	// headerName of a header that each webhook carries, as it is set in the
	// wholesaler's console.
	// +optional
	HeaderName WebhookHeader `json:"headerName,omitempty"`

	// headerSecretRef names a Secret in the manager's own namespace whose
	// webhook-header is the header's value. A change takes effect without a
	// restart.
	// +optional
	HeaderSecretRef *SecretReference `json:"headerSecretRef,omitempty"`

	// hmac is how webhooks are signed, where they are.
	// +optional
	HMAC *WebhookHMAC `json:"hmac,omitempty"`

	// sourceCIDRs are the networks that webhooks come from. Behind a proxy the
	// manager must know it: vendorWebhooks.trustedProxies in its configuration.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	SourceCIDRs []CIDR `json:"sourceCIDRs,omitempty"`
}

// WebhookHMAC is a signature over a webhook's body, as hexadecimal digits in a header.
type WebhookHMAC struct {
	// headerName of the signature.
	HeaderName WebhookHeader `json:"headerName"`

	// secretRef names a Secret in the manager's own namespace whose
	// webhook-hmac-key is the key. A change takes effect without a restart.
	SecretRef SecretReference `json:"secretRef"`

	// algorithm is SHA256 or SHA512.
	// +optional
	// +kubebuilder:default=SHA256
	Algorithm HMACAlgorithm `json:"algorithm,omitempty"`
}

// HMACAlgorithm is the hash of an HMAC (RFC 2104).
//
// +kubebuilder:validation:Enum=SHA256;SHA512
type HMACAlgorithm string

// The hashes that webhooks are signed with.
const (
	HMACSHA256 HMACAlgorithm = "SHA256"
	HMACSHA512 HMACAlgorithm = "SHA512"
)

// WebhookHeader is the name of an HTTP header that nothing on the way sets or removes.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9-]+$') && !(self.lowerAscii() in ['host','connection','content-length','content-type','transfer-encoding','trailer','upgrade','te','keep-alive','forwarded','x-forwarded-for'])",message="must be the name of a header that the wholesaler sets, of letters, digits and dashes, such as X-Webhook-Secret"
type WebhookHeader string

// Keys of the Secrets by which webhooks are checked.
const (
	// SecretKeyWebhookHeader is the value of the header that each webhook carries.
	SecretKeyWebhookHeader = "webhook-header"
	// SecretKeyWebhookHMACKey is the key that webhooks are signed with.
	SecretKeyWebhookHMACKey = "webhook-hmac-key"
)
