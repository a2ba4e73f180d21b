package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Condition types of a delivered EsimOrder whose profile did not stay, or did not get, where it
// should be. They only advise: nothing is bought again by itself.
const (
	// ConditionDownloadFailed is True where a device could not download or
	// install the profile: its activation code may be burnt.
	ConditionDownloadFailed = "DownloadFailed"
	// ConditionDeletedFromDevice is True where the profile was deleted from the
	// device that it was on.
	ConditionDeletedFromDevice = "DeletedFromDevice"
)

// OrderActivation is the delivered profile's life on the device.
type OrderActivation struct {
	// status is NOT_INSTALLED, ACTIVE or EXPIRED.
	Status ActivationStatus `json:"status"`
	// installed is true once the profile is on a device, and never false again.
	Installed bool `json:"installed"`
	// installedTime is when it came onto the device or, where the operator does
	// not tell, when it was found there.
	// +optional
	InstalledTime *metav1.Time `json:"installedTime,omitempty"`
	// activatedTime is the first use where the operator reports it, else the
	// install time.
	// +optional
	ActivatedTime *metav1.Time `json:"activatedTime,omitempty"`
	// used is true once the operator has reported the first use.
	// +optional
	Used bool `json:"used,omitempty"`
	// expiryTime is when the plan ends: the operator's own where given, else
	// activatedTime and the plan's validityDays.
	// +optional
	ExpiryTime *metav1.Time `json:"expiryTime,omitempty"`
	// codeRemoved is true once the activation code is removed from the Secret,
	// because the profile is on its device.
	// +optional
	CodeRemoved bool `json:"codeRemoved,omitempty"`

	// refreshInterval is how often the operator may be asked whether the profile
	// is on a device. It is absent where the operator cannot be asked.
	// +optional
	RefreshInterval *metav1.Duration `json:"refreshInterval,omitempty"`
	// refreshedTime is when the operator was last asked on request.
	// +optional
	RefreshedTime *metav1.Time `json:"refreshedTime,omitempty"`
	// refreshed is the value of the annotation esim.telco.dev/refresh that was
	// acted on last.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Refreshed string `json:"refreshed,omitempty"`
}

// DeviceEvent is what happened to a profile on its way onto a device, or there.
//
// +kubebuilder:validation:Enum=Installed;Used;Deleted;DownloadFailed
type DeviceEvent string

// What an operator can report.
const (
	// DeviceInstalled: the profile is on a device.
	DeviceInstalled DeviceEvent = "Installed"
	// DeviceUsed: the profile was used for the first time.
	DeviceUsed DeviceEvent = "Used"
	// DeviceDeleted: the profile was deleted from its device.
	DeviceDeleted DeviceEvent = "Deleted"
	// DeviceDownloadFailed: a device could not download or install the profile.
	DeviceDownloadFailed DeviceEvent = "DownloadFailed"
)

// DeviceReport is what an operator told of a profile. It is stored before the operator is
// answered.
type DeviceReport struct {
	// event that is reported.
	Event DeviceEvent `json:"event"`
	// iccid that it is about.
	// +kubebuilder:validation:MaxLength=20
	ICCID string `json:"iccid"`
	// time of the event, as the operator tells it.
	Time metav1.Time `json:"time"`
	// message tells why, where the event is a failure.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Message string `json:"message,omitempty"`
}

// OrderNotification is a receipt or a webhook event that is not sent to everybody yet. It is
// recorded in the same write as the change that it tells of.
type OrderNotification struct {
	// type is that of a webhook event, such as esim.order.delivered, or
	// receipt.delivered, receipt.failed, receipt.cancelled for an e-mail.
	// +kubebuilder:validation:MaxLength=64
	Type string `json:"type"`
	// time of the change that it tells of.
	Time metav1.Time `json:"time"`
	// pending are the recipients that it is not sent to yet. Where there are
	// none named, all are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Pending []PendingDelivery `json:"pending,omitempty"`
}

// PendingDelivery is a recipient that a notification could not be sent to yet.
type PendingDelivery struct {
	// to is the name of the webhook endpoint, or email.
	// +kubebuilder:validation:MaxLength=63
	To string `json:"to"`
	// tries that failed.
	Tries int32 `json:"tries"`
	// nextTime is when the next try is due.
	NextTime metav1.Time `json:"nextTime"`
}

// SentReceipt is a receipt that needs not be sent again.
type SentReceipt struct {
	// type of the receipt, such as receipt.delivered.
	// +kubebuilder:validation:MaxLength=64
	Type string `json:"type"`
	// recipient is a hash of the address, so that an address that was replaced
	// is not kept.
	// +kubebuilder:validation:MaxLength=64
	Recipient string `json:"recipient"`
	// time when it was sent, or refused.
	Time metav1.Time `json:"time"`
	// refused tells that it could not be sent, and why.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Refused string `json:"refused,omitempty"`
}

// ConditionReceiptSent is False on an order whose receipt was refused, or could not be sent
// for long.
const ConditionReceiptSent = "ReceiptSent"
