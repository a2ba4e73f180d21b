package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Condition types and reasons of an EsimProduct.
const (
	// ConditionAmountsDistinct is False when two active variants have one amount,
	// so that an order by amount gets the first of them.
	ConditionAmountsDistinct = "AmountsDistinct"

	// ConditionSourcesTooDear is True while sources take more than a variant's
	// price: they are skipped. It is known of operators whose list is read
	// (spec.catalogue), in the product's currency.
	ConditionSourcesTooDear = "SourcesTooDear"

	// ProductReasonSellable: at least one variant can be sold now.
	ProductReasonSellable = "Sellable"
	// ProductReasonNothingActive: every variant is inactive.
	ProductReasonNothingActive = "NothingActive"
	// ProductReasonNoSource: no active variant names a source.
	ProductReasonNoSource = "NoSource"
	// ProductReasonOperatorMissing: the sources name EsimOperators that do not
	// exist.
	ProductReasonOperatorMissing = "OperatorMissing"
	// ProductReasonOperatorNotReady: no EsimOperator among the sources is Ready.
	ProductReasonOperatorNotReady = "OperatorNotReady"
	// ProductReasonIDTaken: an id in the spec belongs to another product or
	// variant.
	ProductReasonIDTaken = "IDTaken"
)

// EsimProductSpec describes a country or region and its data plans.
//
// +kubebuilder:validation:XValidation:rule="!(self.countryCode in ['GLO','XEU','XAS','XAF','XNA','XSA','XCB','XME','XOC']) || (has(self.coverage) && self.coverage.size() > 0)",message="coverage must list the countries that GLO or a region includes",fieldPath=".coverage",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="(self.countryCode in ['GLO','XEU','XAS','XAF','XNA','XSA','XCB','XME','XOC']) || !has(self.coverage) || self.coverage.size() == 0",message="coverage belongs to GLO and regions only; a single country covers itself: leave it out",fieldPath=".coverage",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.variants) || self.variants.filter(v, has(v.id)).map(v, v.id).distinct().size() == self.variants.filter(v, has(v.id)).size()",message="two variants have the same id: give each its own, or leave id out",fieldPath=".variants"
type EsimProductSpec struct {
	// displayName is what customers read, such as Japan.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="must be one line of text: no control characters, no line breaks"
	DisplayName string `json:"displayName"`

	// countryCode is an ISO 3166-1 alpha-3 code, GLO for worldwide, or a region:
	// XEU Europe, XAS Asia, XAF Africa, XNA North America, XSA South America, XCB
	// Caribbean, XME Middle East, XOC Oceania.
	CountryCode CountryCode `json:"countryCode"`

	// coverage lists the countries (ISO 3166-1 alpha-3) that GLO or a region
	// includes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=260
	// +kubebuilder:validation:XValidation:rule="self.all(c, !(c in ['GLO','XEU','XAS','XAF','XNA','XSA','XCB','XME','XOC']))",message="must list countries such as FRA: GLO and regions cannot be nested"
	Coverage []CountryCode `json:"coverage,omitempty"`

	// currency of the amounts, ISO 4217.
	Currency Currency `json:"currency"`

	// imageURL of a picture for shops.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^ ]+$')",message="must be an http or https URL"
	ImageURL string `json:"imageURL,omitempty"`

	// id is the number that REST clients know the product by. Where it is absent,
	// one is derived from the name, and kept.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	ID *int64 `json:"id,omitempty"`

	// variants are the data plans.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	Variants []EsimVariant `json:"variants,omitempty"`

	// merge makes variants of what operators' lists hold for the countryCode.
	// Variants of your own may stand beside them, and what you change of theirs
	// stays as you changed it.
	// +optional
	Merge *ProductMerge `json:"merge,omitempty"`
}

// EsimVariant is a data plan within a product.
type EsimVariant struct {
	// name of the variant within its product, such as 1gb-7d.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="must be lower-case letters, digits and dashes, such as 1gb-7d"
	Name string `json:"name"`

	// displayName is what customers read, such as 1 GB / 7 days.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="must be one line of text: no control characters, no line breaks"
	DisplayName string `json:"displayName"`

	// description in a sentence or two.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// amount is the price before discounts, in the product's currency.
	Amount Decimal `json:"amount"`

	// dataAmountGB is how much data the plan holds, in gigabytes; "0" is
	// unlimited.
	DataAmountGB Decimal `json:"dataAmountGB"`

	// validityDays is how long the plan lasts from its first use.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3650
	ValidityDays int32 `json:"validityDays"`

	// inactive takes the variant out of sale.
	// +optional
	Inactive bool `json:"inactive,omitempty"`

	// sources that can fill the variant, in order of preference.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Sources []VariantSource `json:"sources,omitempty"`

	// id is the number that REST clients know the variant by. Where it is absent,
	// one is derived from the names of product and variant, and kept.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	ID *int64 `json:"id,omitempty"`
}

// VariantSource is a plan at a mobile operator that fills a variant.
type VariantSource struct {
	// operatorRef names the EsimOperator.
	OperatorRef OperatorReference `json:"operatorRef"`

	// planID is the operator's own name for the plan; over ES2+ the profile type.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]([ -~]*[!-~])?$')",message="must be printable ASCII that neither begins nor ends with a space: the operator's name for the plan, such as JP-1GB-7D"
	PlanID string `json:"planID"`
}

// EsimProductStatus is what the manager made of the spec.
type EsimProductStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// id is the number that REST clients know the product by.
	// +optional
	ID int64 `json:"id,omitempty"`

	// variants holds the numbers that REST clients know the variants by.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=400
	Variants []VariantStatus `json:"variants,omitempty"`

	// sellableVariants is how many variants can be sold now.
	// +optional
	SellableVariants int32 `json:"sellableVariants"`

	// sellers are the EsimOperators that can sell something of it now.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Sellers []string `json:"sellers,omitempty"`

	// conditions: Ready, AmountsDistinct; SourcesTooDear while it holds; Merged
	// where the spec has merge.
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
}

// VariantStatus holds the number that REST clients know a variant by.
type VariantStatus struct {
	// name of the variant. One that left the spec keeps its number, should it
	// come back.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// id of the variant.
	ID int64 `json:"id"`
}

// EsimProduct is a country or region and the data plans that are sold for it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name="ID",type=integer,JSONPath=`.status.id`
// +kubebuilder:printcolumn:name="Name",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Country",type=string,JSONPath=`.spec.countryCode`
// +kubebuilder:printcolumn:name="Currency",type=string,JSONPath=`.spec.currency`
// +kubebuilder:printcolumn:name="Sellable",type=integer,JSONPath=`.status.sellableVariants`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.status.sellers`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EsimProduct struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the country or region and its data plans.
	// +required
	Spec EsimProductSpec `json:"spec"`

	// status is what the manager made of the spec.
	// +optional
	Status EsimProductStatus `json:"status,omitzero"`
}

// EsimProductList is a list of EsimProducts.
//
// +kubebuilder:object:root=true
type EsimProductList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EsimProduct `json:"items"`
}
