package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OrderProvisioning is how the profile is being bought. It is written before the first call to
// the operator leaves, so that a process that starts anew knows what the one before it may have done.
type OrderProvisioning struct {
	// operatorRef names the EsimOperator of the current attempt.
	OperatorRef OperatorReference `json:"operatorRef"`

	// planID is the operator's name for the plan.
	PlanID string `json:"planID"`

	// attempt counts from 1; one attempt buys at most one profile.
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt"`

	// requestID names the attempt at the operator. It never changes and is never
	// used again.
	RequestID string `json:"requestID"`

	// books tells, as a hash, where the attempt was sent: the kind of wholesaler,
	// its url, and our account there. While the EsimOperator is connected
	// elsewhere, the order waits. Absent over ES2+.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Books string `json:"books,omitempty"`

	// startTime is when the first attempt began.
	StartTime metav1.Time `json:"startTime"`

	// iccid of the profile that the attempt holds, where the attempt is not
	// finished.
	// +optional
	ICCID string `json:"iccid,omitempty"`

	// closing is the ICCID of the profile that is being given back. It is written
	// before CancelOrder leaves.
	// +optional
	Closing string `json:"closing,omitempty"`

	// tries counts this attempt's tries that ended without a profile.
	// +optional
	Tries int32 `json:"tries,omitempty"`

	// lostAnswers counts DownloadOrder calls of this order that were never
	// answered: each may have stranded a profile at the operator.
	// +optional
	LostAnswers int32 `json:"lostAnswers,omitempty"`

	// nextAttemptTime is when the next try is due.
	// +optional
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`

	// lastError is why the last try ended without a profile.
	// +optional
	LastError *ProvisioningError `json:"lastError,omitempty"`

	// attempts that ended, newest last; at most ten are kept.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Attempts []ProvisioningAttempt `json:"attempts,omitempty"`
}

// ProvisioningError is why a try ended without a profile.
type ProvisioningError struct {
	// class decides what happens next: Rejected, OutOfStock, Busy, Transient,
	// OutcomeUnknown, Restart, Misconfigured.
	Class string `json:"class"`
	// message in plain words, without anything that is different each time.
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message"`
	// time of the try.
	Time metav1.Time `json:"time"`
}

// ProvisioningAttempt is an attempt that ended without a profile.
type ProvisioningAttempt struct {
	// attempt counts from 1.
	Attempt int32 `json:"attempt"`
	// operatorRef names the EsimOperator that was asked.
	OperatorRef OperatorReference `json:"operatorRef"`
	// planID is the operator's name for the plan.
	PlanID string `json:"planID"`
	// class of the error that ended it.
	Class string `json:"class"`
	// message in plain words.
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message"`
	// endTime of the attempt.
	EndTime metav1.Time `json:"endTime"`
}
