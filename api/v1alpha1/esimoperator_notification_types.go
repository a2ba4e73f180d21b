package v1alpha1

// ES2PlusNotifications say who may send HandleDownloadProgressInfo (SGP.22 section 5.3.5) as
// this operator, and what it means. The sender is who its client certificate says: one that
// the CA has issued, and that is pinned. It may speak of its own ICCIDs only.
//
// +kubebuilder:validation:XValidation:rule="has(self.sans) || has(self.fingerprints)",message="pin the sender's certificate: set sans (a DNS name or URI in it), or fingerprints (its SHA-256)",fieldPath=".sans"
type ES2PlusNotifications struct {
	// caSecretRef names a Secret in the manager's own namespace with ca.crt, by
	// which senders are checked. A change takes effect without a restart.
	CASecretRef SecretReference `json:"caSecretRef"`

	// sans are DNS names or URIs; the certificate must carry one of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	SANs []SubjectAlternativeName `json:"sans,omitempty"`

	// fingerprints are SHA-256 over certificates, in hexadecimal digits; the
	// certificate must be one of them. Where sans are set too, either counts.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Fingerprints []CertificateFingerprint `json:"fingerprints,omitempty"`

	// points are what the operator's notification points mean beyond the
	// standard's 3 and 4 (BPP download and installation). Vendors contradict each
	// other here. Points that are not named mean nothing.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=32
	Points []NotificationPoint `json:"points,omitempty"`
}

// SubjectAlternativeName is a DNS name or a URI in a certificate.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
type SubjectAlternativeName string

// CertificateFingerprint is the SHA-256 of a certificate.
//
// +kubebuilder:validation:MaxLength=95
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$')",message="must be a SHA-256 in hexadecimal digits, with or without colons, as openssl x509 -fingerprint -sha256 prints it"
type CertificateFingerprint string

// NotificationPoint is what a notificationPointId means.
type NotificationPoint struct {
	// id is the notificationPointId.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	ID int32 `json:"id"`
	// means what happened where the point was reached with success: Installed,
	// Used, Deleted, or Nothing.
	Means PointMeaning `json:"means"`
}

// PointMeaning is what happened where a notification point was reached with success.
//
// +kubebuilder:validation:Enum=Installed;Used;Deleted;Nothing
type PointMeaning string

// What a notification point may mean.
const (
	PointInstalled PointMeaning = "Installed"
	PointUsed      PointMeaning = "Used"
	PointDeleted   PointMeaning = "Deleted"
	PointNothing   PointMeaning = "Nothing"
)
