package esimaccess

import (
	"errors"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// MaxWebhook bounds the body of a webhook in bytes.
const MaxWebhook = 64 << 10

// NotifyType is what a webhook is about.
type NotifyType string

// The vendor's types of webhook.
const (
	NotifyOrder    NotifyType = "ORDER_STATUS"
	NotifySMDP     NotifyType = "SMDP_EVENT"
	NotifyESIM     NotifyType = "ESIM_STATUS"
	NotifyUsage    NotifyType = "DATA_USAGE"
	NotifyValidity NotifyType = "VALIDITY_USAGE"
	// NotifyHealth is sent when the address is set; it is about no profile.
	NotifyHealth NotifyType = "CHECK_HEALTH"
)

// Hint is what a webhook says, as far as it is believed: that something happened to an order or
// a profile. Webhooks are not signed, so what happened is asked for.
type Hint struct {
	// ID is the same when a webhook is repeated; empty where it has none.
	ID   string
	Type NotifyType
	// RequestID, OrderNo and ICCID that it is about, as far as it names them.
	RequestID string
	OrderNo   string
	ICCID     activation.ICCID
}

// ParseWebhook reads the body of a webhook. The error repeats nothing of it.
func ParseWebhook(body []byte) (Hint, error) {
	if len(body) > MaxWebhook {
		return Hint{}, errors.New("the webhook is longer than any of the vendor's")
	}
	var said struct {
		Type    webapi.Text `json:"notifyType"`
		ID      webapi.Text `json:"notifyId"`
		Content struct {
			OrderNo       webapi.Text `json:"orderNo"`
			TransactionID webapi.Text `json:"transactionId"`
			ICCID         webapi.Text `json:"iccid"`
		} `json:"content"`
	}
	if err := webapi.Decode(body, &said); err != nil {
		return Hint{}, err
	}
	hint := Hint{
		ID: token(said.ID), Type: NotifyType(said.Type),
		RequestID: token(said.Content.TransactionID), OrderNo: token(said.Content.OrderNo), ICCID: known(said.Content.ICCID),
	}
	switch hint.Type {
	case NotifyHealth:
		return Hint{ID: hint.ID, Type: hint.Type}, nil // its order is an example
	case NotifyOrder, NotifySMDP, NotifyESIM, NotifyUsage, NotifyValidity:
	default:
		return Hint{}, errors.New("the webhook has none of the vendor's types")
	}
	if hint.RequestID == "" && hint.OrderNo == "" && hint.ICCID == "" {
		return Hint{}, errors.New("the webhook names neither an order nor a profile")
	}
	return hint, nil
}

// maxToken bounds an identifier of a webhook.
const maxToken = 128

// token is an identifier that can be looked for; empty for a text that is none.
func token(text webapi.Text) string {
	if len(text) > maxToken || !headerText(string(text)) {
		return ""
	}
	return string(text)
}
