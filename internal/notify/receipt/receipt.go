// Package receipt writes the e-mails that customers get of their orders: delivered, failed,
// cancelled. It makes subject, text and HTML from templates; the package mail sends them.
package receipt

import (
	"time"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
)

// Kind is what a receipt tells of.
type Kind string

// The kinds of receipts.
const (
	// Delivered tells how to install the eSIM.
	Delivered Kind = v1alpha1.ReceiptDelivered
	// Failed tells why there is none, and what became of the money.
	Failed Kind = v1alpha1.ReceiptFailed
	// Cancelled tells what became of the money.
	Cancelled Kind = v1alpha1.ReceiptCancelled
)

// QRContentID is what the HTML part names the QR code by, as cid:qr@esim.
const QRContentID = "qr@esim"

// Receipt is all that a mail may tell of an order. Texts are shown on one line, without
// control characters, and cut where they are far too long. Activation code, matching ID and
// confirmation code are shown in a Delivered receipt only.
type Receipt struct {
	Kind Kind
	// OrderID is the number that REST clients know the order by; 0 is not shown.
	OrderID int64
	// Reference is the client's own name for the order; it may be empty.
	Reference string
	// ProductName is what was ordered, as customers read it: product and variant.
	ProductName string
	// CountryCode is ISO 3166-1 alpha-3, GLO or a region such as XEU.
	CountryCode string
	// DataAmountGB is in gigabytes, "0" is unlimited, empty is not shown.
	DataAmountGB string
	// ValidityDays from the first use; 0 is not shown.
	ValidityDays int32

	// Amount and Currency are what was charged. Where Amount is empty, nothing was.
	Amount, Currency string
	// RefundAmount and RefundCurrency are what was paid back. Where RefundAmount is empty,
	// nothing was so far.
	RefundAmount, RefundCurrency string

	// ICCID of the profile.
	ICCID string
	// Code is the whole activation code, LPA:1$…, which the QR code carries to the letter.
	// Where it is empty the eSIM is on a device already.
	Code activation.Credential
	// SMDPAddress and MatchingID are for typing in. Where they are empty they are taken from
	// Code.
	SMDPAddress string
	MatchingID  activation.Credential
	// ConfirmationCode that the device asks for; mostly empty.
	ConfirmationCode activation.Credential

	// FailureReason is a sentence for the customer.
	FailureReason string
	// UserFixable tells that another order can succeed where the customer changes something.
	UserFixable bool

	// Time of what the receipt tells; zero is not shown.
	Time time.Time
}

// Message is a mail without its envelope. It carries the activation code in the clear, so it
// is not for logs: it prints itself as its size.
type Message struct {
	// Subject is one line.
	Subject string
	// Text and HTML are the two forms of the body.
	Text, HTML string
	// QR is a PNG for the HTML part, named by QRContentID; nil where there is no code to show.
	QR []byte
}
