package v1alpha1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Decimal is a number without a sign, written in decimal digits and never passed
// through a binary float: at most eleven digits before the point and four after it,
// so that all of it survives a client's double.
//
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:XValidation:rule="self.matches('^(0|[1-9][0-9]{0,10})([.][0-9]{1,4})?$')",message="must be a decimal number in quotes, not negative, with at most 11 digits before the point and 4 after it, such as \"4.50\""
type Decimal string

// SignedDecimal is a Decimal that may have a minus: for what can be taken back.
//
// +kubebuilder:validation:MaxLength=17
// +kubebuilder:validation:XValidation:rule="self.matches('^-?(0|[1-9][0-9]{0,10})([.][0-9]{1,4})?$') && !self.matches('^-[0.]+$')",message="must be a decimal number in quotes with at most 11 digits before the point and 4 after it, such as \"4.50\" or \"-4.50\""
type SignedDecimal string

// Amount is a sum that the manager computed, in decimal digits: up to eight after the
// point, which a discount on a Decimal needs to be exact, and no end of zeros.
//
// +kubebuilder:validation:MaxLength=40
// +kubebuilder:validation:XValidation:rule="self.matches('^-?(0|[1-9][0-9]{0,29})([.][0-9]{1,8})?$') && !self.matches('^-[0.]+$')",message="must be a decimal number with at most 30 digits before the point and 8 after it"
type Amount string

// Percent is a part of a hundred, in decimal digits.
//
// +kubebuilder:validation:MaxLength=6
// +kubebuilder:validation:XValidation:rule="self.matches('^(100([.]0{1,2})?|[1-9]?[0-9]([.][0-9]{1,2})?)$')",message="must be a number in quotes from 0 to 100 with at most 2 decimals, such as \"5\" or \"12.5\""
type Percent string

// Rate is what a unit of one currency costs in another, in decimal digits.
//
// +kubebuilder:validation:MaxLength=18
// +kubebuilder:validation:XValidation:rule="self.matches('^(0|[1-9][0-9]{0,8})([.][0-9]{1,8})?$')",message="must be a decimal number in quotes, not negative, with at most 9 digits before the point and 8 after it, such as \"1.17\""
// +kubebuilder:validation:XValidation:rule="!self.matches('^0([.]0*)?$')",message="must be greater than 0: at a rate of 0 everything would be free"
type Rate string

// Currency is an ISO 4217 code, such as USD, of a currency that is in use now. The codes
// without minor units (gold, test codes and the like) are not among them: nothing can be
// rounded to those. The list is that of the package internal/money.
//
// +kubebuilder:validation:MaxLength=3
// +kubebuilder:validation:XValidation:rule="self in ['AED','AFN','ALL','AMD','AOA','ARS','AUD','AWG','AZN','BAM','BBD','BDT','BHD','BIF','BMD','BND','BOB','BOV','BRL','BSD','BTN','BWP','BYN','BZD','CAD','CDF','CHE','CHF','CHW','CLF','CLP','CNY','COP','COU','CRC','CUP','CVE','CZK','DJF','DKK','DOP','DZD','EGP','ERN','ETB','EUR','FJD','FKP','GBP','GEL','GHS','GIP','GMD','GNF','GTQ','GYD','HKD','HNL','HTG','HUF','IDR','ILS','INR','IQD','IRR','ISK','JMD','JOD','JPY','KES','KGS','KHR','KMF','KPW','KRW','KWD','KYD','KZT','LAK','LBP','LKR','LRD','LSL','LYD','MAD','MDL','MGA','MKD','MMK','MNT','MOP','MRU','MUR','MVR','MWK','MXN','MXV','MYR','MZN','NAD','NGN','NIO','NOK','NPR','NZD','OMR','PAB','PEN','PGK','PHP','PKR','PLN','PYG','QAR','RON','RSD','RUB','RWF','SAR','SBD','SCR','SDG','SEK','SGD','SHP','SLE','SOS','SRD','SSP','STN','SVC','SYP','SZL','THB','TJS','TMT','TND','TOP','TRY','TTD','TWD','TZS','UAH','UGX','USD','USN','UYI','UYU','UYW','UZS','VED','VES','VND','VUV','WST','XAD','XAF','XCD','XCG','XOF','XPF','YER','ZAR','ZMW','ZWG']",message="must be the ISO 4217 code of a currency in use, three capital letters, such as USD"
type Currency string

// CountryCode is an ISO 3166-1 alpha-3 code, GLO for worldwide, or a region by one of
// ISO's user-assigned codes: XEU Europe, XAS Asia, XAF Africa, XNA North America,
// XSA South America, XCB Caribbean, XME Middle East, XOC Oceania. Kosovo, which ISO gave
// no code, is XKX, as everywhere.
//
// +kubebuilder:validation:MaxLength=3
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-WYZ][A-Z]{2}$') || self in ['XEU','XAS','XAF','XNA','XSA','XCB','XME','XOC','XKX']",message="must be an ISO 3166-1 alpha-3 code of three capital letters such as JPN, GLO for worldwide, or a region: XEU, XAS, XAF, XNA, XSA, XCB, XME, XOC"
type CountryCode string

// ProductReference names an EsimProduct.
type ProductReference struct {
	// name of the EsimProduct.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of an EsimProduct: lower-case letters, digits, dashes and dots, such as japan"
	Name string `json:"name"`
}

// OperatorReference names an EsimOperator.
type OperatorReference struct {
	// name of the EsimOperator.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of an EsimOperator: lower-case letters, digits, dashes and dots, such as telco-one"
	Name string `json:"name"`
}

// WalletReference names an EsimWallet in the order's own namespace.
type WalletReference struct {
	// name of the EsimWallet.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of an EsimWallet: lower-case letters, digits, dashes and dots, such as default"
	Name string `json:"name"`
}

// SecretReference names a Secret. The field that holds it says in which namespace.
type SecretReference struct {
	// name of the Secret.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="must be the name of a Secret: lower-case letters, digits, dashes and dots, such as telco-one-tls"
	Name string `json:"name"`
}

// Conditions is the list that kubectl wait, Flux and Argo CD read.
//
// +listType=map
// +listMapKey=type
// +kubebuilder:validation:MaxItems=16
type Conditions []metav1.Condition

// Condition types that more than one kind uses.
const (
	// ConditionReady is True when the object does what it is there for: an order
	// is delivered, a product can be sold, an operator can be reached.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the manager still works on the object.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the manager has given up on the object for
	// good.
	ConditionStalled = "Stalled"
)

// Equal tells whether two decimals are the same number: 4.5 and 4.50 are.
func (d Decimal) Equal(other Decimal) bool { return d.canonical() == other.canonical() }

func (d Decimal) canonical() string {
	text := string(d)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
