package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CatalogueOperatorLabel is on each EsimProduct that is made from an operator's list, with the
// EsimOperator's name.
const CatalogueOperatorLabel = "esim.telco.dev/catalogue"

// CatalogueHashAnnotation is on the same EsimProducts: a hash of what was written last, so that
// a list that did not change costs no write.
const CatalogueHashAnnotation = "esim.telco.dev/catalogue-hash"

// CatalogueFieldOwner is the field owner of what is made from an operator's list. What somebody
// else owns, because they edited it, stays as it is.
const CatalogueFieldOwner = "esim-operator-catalogue"

// ConditionCatalogueImported is True on an EsimOperator once its list was read whole and written
// to EsimProducts, and False while it could not be.
const ConditionCatalogueImported = "CatalogueImported"

// ConditionAccountEmpty is True on an EsimOperator whose account holds no money: it refuses
// every order until somebody tops it up.
const ConditionAccountEmpty = "AccountEmpty"

// OperatorCatalogue has the operator's list turned into EsimProducts: one for each country or
// region, with a variant for each plan. Plans that vanish from the list turn inactive.
type OperatorCatalogue struct {
	// countries, and regions, whose plans are taken; all where none is named.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=300
	Countries []CountryCode `json:"countries,omitempty"`

	// planFilter is a regular expression (RE2) that a plan's ID or name must
	// match.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	PlanFilter string `json:"planFilter,omitempty"`

	// markupPercent is added to what the operator takes.
	// +optional
	MarkupPercent MarkupPercent `json:"markupPercent,omitempty"`

	// currency of the products. Plans that the operator sells in another one are
	// left out.
	Currency Currency `json:"currency"`

	// interval between two looks at the list.
	// +optional
	// +kubebuilder:default="6h"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m')",message="must be a duration of at least 1m in hours, minutes and seconds, such as 6h"
	Interval metav1.Duration `json:"interval,omitzero"`
}

// MarkupPercent is added to a price; it may be more than a hundred.
//
// +kubebuilder:validation:MaxLength=7
// +kubebuilder:validation:XValidation:rule="self.matches('^(0|[1-9][0-9]{0,3})([.][0-9]{1,2})?$')",message="must be a number in quotes from 0 to 9999 with at most 2 decimals, such as \"30\" or \"12.5\""
type MarkupPercent string

// CatalogueStatus is what came of the last look at the operator's list that changed something.
type CatalogueStatus struct {
	// plans that are sold.
	Plans int32 `json:"plans"`
	// products that hold them.
	Products int32 `json:"products"`
	// leftOut are plans of the list that are not sold: of other countries or
	// currencies, filtered out, or more than a product can hold.
	LeftOut int32 `json:"leftOut"`
	// time of that look.
	Time metav1.Time `json:"time"`
}

// BalanceStatus is what is left in our account at the operator.
type BalanceStatus struct {
	// amount, rounded down to a whole number.
	Amount Amount `json:"amount"`
	// currency, ISO 4217.
	Currency Currency `json:"currency"`
}
