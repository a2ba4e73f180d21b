package smdp

import "github.com/telcodev/esim-operator/internal/es2plus"

// refusal is why a function is not executed: a subject and a reason code (SGP.22 section
// 5.2.6), and words for people. The words never repeat what the request carried: it may be a
// credential.
type refusal struct {
	subject, reason, message string
}

func (r refusal) code() string { return r.subject + "/" + r.reason }

// The subjects of status codes (SGP.22 section 5.2.6.1).
const (
	subjectRequester        = "1.1"
	subjectProtocolFormat   = "1.3.1"
	subjectProtocolVersion  = "1.3.2"
	subjectFunction         = "1.6"
	subjectEID              = "8.1.1"
	subjectICCID            = "8.2.1"
	subjectProfileType      = "8.2.5"
	subjectMatchingID       = "8.2.6"
	subjectConfirmationCode = "8.2.7"
)

// The reasons of status codes (SGP.22 section 5.2.6.2).
const (
	reasonUnknownIdentity    = "1.1"
	reasonNotAllowed         = "1.2"
	reasonInvalid            = "2.1"
	reasonMandatoryMissing   = "2.2"
	reasonConditionalMissing = "2.3"
	reasonUnsupported        = "3.1"
	reasonInUse              = "3.3"
	reasonInvalidTransition  = "3.5"
	reasonUnavailable        = "3.7"
	reasonRefused            = "3.8"
	reasonUnknown            = "3.9"
	reasonInvalidAssociation = "3.10"
)

// What the functions refuse (SGP.22 sections 5.3.1 to 5.3.5).
var (
	refuseUnknownRequester = refusal{subjectRequester, reasonUnknownIdentity, "the client certificate names no requester: its common name is empty"}
	refuseOtherRequester   = refusal{subjectRequester, reasonNotAllowed, "functionRequesterIdentifier is not the common name of the client certificate"}

	refuseNoProfile       = refusal{subjectICCID, reasonUnknown, "no profile has this ICCID"}
	refuseNotYours        = refusal{subjectICCID, reasonNotAllowed, "the profile is another operator's"}
	refuseTaken           = refusal{subjectICCID, reasonInUse, "the profile is not available"}
	refuseState           = refusal{subjectICCID, reasonInvalidTransition, "the profile is not in a state in which that can be done"}
	refuseTooLate         = refusal{subjectICCID, reasonInUse, "the profile has already been downloaded"}
	refuseNotHeld         = refusal{subjectICCID, reasonUnknown, "no order holds the profile any more"}
	refuseCancelOtherEID  = refusal{subjectICCID, reasonInvalidAssociation, "another EID is linked with this ICCID"}
	refuseTypeUnknown     = refusal{subjectProfileType, reasonUnknown, "the profile type is unknown"}
	refuseTypeMismatch    = refusal{subjectProfileType, reasonRefused, "the profile is of another type"}
	refuseTypeNotAllowed  = refusal{subjectProfileType, reasonNotAllowed, "the profile type is not sold to this operator"}
	refuseOutOfStock      = refusal{subjectProfileType, reasonUnavailable, "no profile of this type is left"}
	refuseMatchingIDInUse = refusal{subjectMatchingID, reasonInUse, "the matching ID is in use"}
	refuseOtherMatchingID = refusal{subjectMatchingID, reasonInvalidAssociation, "another matching ID belongs to this ICCID"}
	refuseNoMatchingID    = refusal{subjectMatchingID, reasonConditionalMissing, "matchingId is missing: the profile has one"}
	refuseNoEID           = refusal{subjectEID, reasonMandatoryMissing, "eid is missing: an empty matching ID and an SM-DS need it"}
	refuseOtherEID        = refusal{subjectEID, reasonInvalidAssociation, "another EID is linked with this ICCID"}
)

// failed is the answer that carries the refusal. It has no function fields.
func (r refusal) failed() failedAnswer {
	return failedAnswer{Header: es2plus.ResponseHeader{FunctionExecutionStatus: es2plus.FunctionExecutionStatus{
		Status: es2plus.ExecutionFailed,
		StatusCodeData: &es2plus.StatusCodeData{
			SubjectCode: r.subject, ReasonCode: r.reason, Message: r.message,
		},
	}}}
}

// failedAnswer is an answer without function fields.
type failedAnswer struct {
	Header es2plus.ResponseHeader `json:"header"`
}

// executed is the header of an answer to a function that was executed.
func executed() es2plus.ResponseHeader {
	return es2plus.ResponseHeader{FunctionExecutionStatus: es2plus.FunctionExecutionStatus{Status: es2plus.ExecutedSuccess}}
}
