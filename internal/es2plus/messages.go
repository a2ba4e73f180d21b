// Package es2plus holds the messages of GSMA ES2+, the interface between a mobile
// operator and its SM-DP+ (SGP.22 v2.x sections 5.3 and 6), as both sides of the wire
// use them: the driver that buys, the simulator that sells, and whoever receives
// notifications.
//
// Names are written exactly as the standard spells them. encoding/json reads them
// case-insensitively, which is what peers with other spellings need.
package es2plus

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// PathPrefix is what every function's path begins with (SGP.22 section 6.5.1).
const PathPrefix = "/gsma/rsp2/es2plus/"

// HeaderAdminProtocol is the HTTP header that carries the protocol version (SGP.22 section 6.2).
const HeaderAdminProtocol = "X-Admin-Protocol"

// AdminProtocol is the value of HeaderAdminProtocol for a version such as 2.2.0.
func AdminProtocol(version string) string { return "gsma/rsp/v" + version }

// Function is an ES2+ function, named as SGP.22 names it.
type Function string

// The ES2+ functions (SGP.22 sections 5.3.1 to 5.3.5).
const (
	DownloadOrder              Function = "DownloadOrder"
	ConfirmOrder               Function = "ConfirmOrder"
	CancelOrder                Function = "CancelOrder"
	ReleaseProfile             Function = "ReleaseProfile"
	HandleDownloadProgressInfo Function = "HandleDownloadProgressInfo"
	// HandleNotification is HandleDownloadProgressInfo's name in version 3.
	HandleNotification Function = "HandleNotification"
)

// Path is the function's path on the server, such as /gsma/rsp2/es2plus/downloadOrder.
func (f Function) Path() string {
	return PathPrefix + strings.ToLower(string(f[:1])) + string(f[1:])
}

// RequestHeader opens every request (SGP.22 section 6.5.1.3).
type RequestHeader struct {
	FunctionRequesterIdentifier string `json:"functionRequesterIdentifier"`
	FunctionCallIdentifier      string `json:"functionCallIdentifier"`
}

// ExecutionStatus is the word that tells whether a function was executed.
type ExecutionStatus string

// The execution statuses (SGP.22 section 6.5.1.4).
const (
	ExecutedSuccess     ExecutionStatus = "Executed-Success"
	ExecutedWithWarning ExecutionStatus = "Executed-WithWarning"
	ExecutionFailed     ExecutionStatus = "Failed"
	ExecutionExpired    ExecutionStatus = "Expired"
)

// ResponseHeader opens every answer.
type ResponseHeader struct {
	FunctionExecutionStatus FunctionExecutionStatus `json:"functionExecutionStatus"`
}

// FunctionExecutionStatus tells whether a function was executed, and why not.
type FunctionExecutionStatus struct {
	Status         ExecutionStatus `json:"status"`
	StatusCodeData *StatusCodeData `json:"statusCodeData,omitempty"`
}

// StatusCodeData is why a function was not executed.
type StatusCodeData struct {
	SubjectCode       string `json:"subjectCode"`
	ReasonCode        string `json:"reasonCode"`
	SubjectIdentifier string `json:"subjectIdentifier,omitempty"`
	// Message is the peer's free text. It may repeat what we sent, credentials included.
	Message string `json:"message,omitempty"`
}

// Code is subject and reason as the status code tables write them, such as 8.2.5/3.7.
func (d StatusCodeData) Code() string { return d.SubjectCode + "/" + d.ReasonCode }

// FinalProfileStatus says what becomes of a profile whose order is cancelled.
type FinalProfileStatus string

// The final profile statuses (SGP.22 section 5.3.4).
const (
	FinalAvailable   FinalProfileStatus = "Available"
	FinalUnavailable FinalProfileStatus = "Unavailable"
)

// DownloadOrderRequest reserves a profile (SGP.22 section 5.3.1). One at least of ICCID and
// ProfileType is there.
type DownloadOrderRequest struct {
	Header      RequestHeader `json:"header"`
	EID         string        `json:"eid,omitempty"`
	ICCID       string        `json:"iccid,omitempty"`
	ProfileType string        `json:"profileType,omitempty"`
}

// DownloadOrderResponse carries the reserved profile's ICCID, with or without a trailing F.
type DownloadOrderResponse struct {
	Header ResponseHeader `json:"header"`
	ICCID  string         `json:"iccid,omitempty"`
}

// ConfirmOrderRequest fixes the matching ID and, with ReleaseFlag, releases the profile for
// download (SGP.22 section 5.3.2).
type ConfirmOrderRequest struct {
	Header RequestHeader `json:"header"`
	ICCID  string        `json:"iccid"`
	EID    string        `json:"eid,omitempty"`
	// MatchingID is a credential: ours, empty, or absent to have one made.
	MatchingID *string `json:"matchingId,omitempty"`
	// ConfirmationCode is a credential, in clear on this interface.
	ConfirmationCode string `json:"confirmationCode,omitempty"`
	SMDSAddress      string `json:"smdsAddress,omitempty"`
	// ReleaseFlag is mandatory: nil is how its absence is read.
	ReleaseFlag *bool `json:"releaseFlag"`
}

// ConfirmOrderResponse carries the matching ID that counts, and the SM-DP+ address that the
// activation code must carry, where the server gives one.
type ConfirmOrderResponse struct {
	Header      ResponseHeader `json:"header"`
	EID         string         `json:"eid,omitempty"`
	MatchingID  string         `json:"matchingId,omitempty"`
	SMDPAddress string         `json:"smdpAddress,omitempty"`
}

// MarshalJSON writes matchingId also where it is empty: an executed ConfirmOrder answers it
// in any case (SGP.22 section 5.3.2), a failed one never.
func (r ConfirmOrderResponse) MarshalJSON() ([]byte, error) {
	type plain ConfirmOrderResponse
	status := r.Header.FunctionExecutionStatus.Status
	if r.MatchingID != "" || (status != ExecutedSuccess && status != ExecutedWithWarning) {
		return json.Marshal(plain(r))
	}
	return json.Marshal(struct {
		plain
		MatchingID string `json:"matchingId"`
	}{plain: plain(r)})
}

// CancelOrderRequest gives a profile back before it is downloaded (SGP.22 section 5.3.4 in v2.2.2).
type CancelOrderRequest struct {
	Header                      RequestHeader      `json:"header"`
	ICCID                       string             `json:"iccid"`
	EID                         string             `json:"eid,omitempty"`
	MatchingID                  string             `json:"matchingId,omitempty"`
	FinalProfileStatusIndicator FinalProfileStatus `json:"finalProfileStatusIndicator"`
}

// CancelOrderResponse has no fields of its own.
type CancelOrderResponse struct {
	Header ResponseHeader `json:"header"`
}

// ReleaseProfileRequest releases a confirmed profile for download (SGP.22 section 5.3.5 in v2.2.2).
type ReleaseProfileRequest struct {
	Header RequestHeader `json:"header"`
	ICCID  string        `json:"iccid"`
}

// ReleaseProfileResponse has no fields of its own.
type ReleaseProfileResponse struct {
	Header ResponseHeader `json:"header"`
}

// HandleDownloadProgressInfoRequest tells the operator how a download goes. The server answers
// it with 204 and no body.
type HandleDownloadProgressInfoRequest struct {
	Header                  RequestHeader           `json:"header"`
	EID                     string                  `json:"eid,omitempty"`
	ICCID                   string                  `json:"iccid"`
	ProfileType             string                  `json:"profileType"`
	Timestamp               string                  `json:"timestamp"`
	NotificationPointID     PointID                 `json:"notificationPointId"`
	NotificationPointStatus FunctionExecutionStatus `json:"notificationPointStatus"`
	ResultData              string                  `json:"resultData,omitempty"`
}

// PointID is the number of a notification point: written as a number, read also from a string.
type PointID int

// UnmarshalJSON reads 4 and "4".
func (p *PointID) UnmarshalJSON(data []byte) error {
	text := string(data)
	var quoted string
	if err := json.Unmarshal(data, &quoted); err == nil {
		text = strings.TrimSpace(quoted)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("notificationPointId: %w", err)
	}
	*p = PointID(n)
	return nil
}
