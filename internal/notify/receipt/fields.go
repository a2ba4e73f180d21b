package receipt

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/telcodev/esim-operator/internal/activation"
)

const (
	// maxField bounds a text that a template shows, in characters.
	maxField = 300
	// The links open a phone's own installer: iOS 17.4 and Android 10, and later.
	appleLink   = "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata="
	androidLink = "https://esimsetup.android.com/esim_qrcode_provisioning?carddata="
	timeLayout  = "2 January 2006, 15:04 UTC"
)

// fields are what a template can name. They are texts and booleans without methods, so that
// a template shows them and can do nothing else with them.
type fields struct {
	Order, Reference, Product, Country, Data, Validity, Price, Refund, Time string

	ICCID, ActivationCode, SMDPAddress, MatchingID, ConfirmationCode string
	AppleLink, AndroidLink                                           string
	// ConfirmationCodeRequired is true where a device asks for one, known here or not.
	ConfirmationCodeRequired bool

	FailureReason string
	UserFixable   bool
}

// show makes a receipt's fields.
func show(r Receipt) (fields, error) {
	f := fields{
		Reference:     oneLine(r.Reference),
		Product:       oneLine(r.ProductName),
		Country:       country(r.CountryCode),
		Data:          data(oneLine(r.DataAmountGB)),
		Validity:      days(r.ValidityDays),
		Price:         price(r.Amount, r.Currency),
		Refund:        price(r.RefundAmount, r.RefundCurrency),
		ICCID:         oneLine(r.ICCID),
		FailureReason: oneLine(r.FailureReason),
		UserFixable:   r.UserFixable,
	}
	if r.OrderID != 0 {
		f.Order = strconv.FormatInt(r.OrderID, 10)
	}
	if !r.Time.IsZero() {
		f.Time = r.Time.UTC().Format(timeLayout)
	}
	if r.Kind != Delivered || r.Code.Empty() {
		return f, nil
	}
	if err := f.showCode(r); err != nil {
		return fields{}, err
	}
	return f, nil
}

// showCode fills in what the profile is installed by. A credential is shown to the letter or
// not at all: errors name the field without repeating it.
func (f *fields) showCode(r Receipt) error {
	// A code that is not of the standard's form is shown as a QR code all the same.
	code, err := activation.ParseCode(r.Code.Reveal())
	if err == nil {
		f.ConfirmationCodeRequired = code.ConfirmationCodeRequired
		if r.SMDPAddress == "" {
			r.SMDPAddress = code.SMDPAddress
		}
		if r.MatchingID.Empty() {
			r.MatchingID = code.MatchingID
		}
	}
	for _, shown := range []struct {
		name string
		text activation.Credential
		to   *string
	}{
		{"activation code", r.Code, &f.ActivationCode},
		{"matching ID", r.MatchingID, &f.MatchingID},
		{"confirmation code", r.ConfirmationCode, &f.ConfirmationCode},
	} {
		if *shown.to = shown.text.Reveal(); oneLine(*shown.to) != *shown.to {
			return errors.New("the " + shown.name + " holds control characters or is too long to be shown")
		}
	}
	f.SMDPAddress = oneLine(r.SMDPAddress)
	f.ConfirmationCodeRequired = f.ConfirmationCodeRequired || f.ConfirmationCode != ""
	f.AppleLink = appleLink + url.QueryEscape(f.ActivationCode)
	f.AndroidLink = androidLink + url.QueryEscape(f.ActivationCode)
	return nil
}

// oneLine makes a text fit for a header and for a reader: control characters and line breaks
// become spaces, runs of spaces one, and invisible characters, such as those that turn the
// direction of writing, go.
func oneLine(text string) string {
	visible := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return r
	}, text)
	line := strings.Join(strings.Fields(visible), " ")
	if letters := []rune(line); len(letters) > maxField {
		return string(letters[:maxField-1]) + "…"
	}
	return line
}

func price(amount, currency string) string {
	if amount == "" {
		return ""
	}
	return oneLine(amount + " " + currency)
}

func data(gigabytes string) string {
	switch gigabytes {
	case "":
		return ""
	case "0":
		return "Unlimited"
	}
	return gigabytes + " GB"
}

func days(count int32) string {
	switch {
	case count <= 0:
		return ""
	case count == 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", count)
}

// country is the English name of a product's country or region, or its code where it has
// none.
func country(code string) string {
	switch code {
	case "GLO":
		return "Worldwide"
	case "XEU":
		return "Europe"
	case "XAS":
		return "Asia"
	case "XAF":
		return "Africa"
	case "XNA":
		return "North America"
	case "XSA":
		return "South America"
	case "XCB":
		return "Caribbean"
	case "XME":
		return "Middle East"
	case "XOC":
		return "Oceania"
	case "XKX":
		return "Kosovo"
	}
	region, err := language.ParseRegion(code)
	if err != nil {
		return oneLine(code)
	}
	if name := display.English.Regions().Name(region); name != "" && name != "Unknown Region" {
		return name
	}
	return oneLine(code)
}

// sample is a receipt with all that can be shown, to try templates on.
func sample(kind Kind) Receipt {
	return Receipt{
		Kind: kind, OrderID: 930248119, Reference: "trip-2036-117", ProductName: "Japan 1 GB / 7 days",
		CountryCode: "JPN", DataAmountGB: "1", ValidityDays: 7, Amount: "4.50", Currency: "USD",
		RefundAmount: "4.50", RefundCurrency: "USD", ICCID: "8947010000123456784",
		Code:             activation.NewCredential("LPA:1$rsp.example.com$K3TQX9ZW7VJ2M4PBN8RD$$1"),
		ConfirmationCode: activation.NewCredential("4711"), FailureReason: "The plan is not sold any more.",
		UserFixable: true, Time: time.Date(2036, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}
