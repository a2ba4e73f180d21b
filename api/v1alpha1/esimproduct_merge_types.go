package v1alpha1

// MergeHashAnnotation is on each EsimProduct with spec.merge: a hash of what the rule made last,
// so that operators' lists that did not change cost no write.
const MergeHashAnnotation = "esim.telco.dev/merge-hash"

// MergeFieldOwner is the field owner of the variants that a rule makes. What somebody else owns,
// because they edited it, stays as it is.
const MergeFieldOwner = "esim-operator-merge"

// ConditionMerged is True on an EsimProduct with spec.merge while its variants are what the rule
// makes of the operators' lists; False where an operator of the rule, or the rule, has to be
// mended; Unknown until the lists were read.
const ConditionMerged = "Merged"

// Reasons of Merged.
const (
	// MergeReasonMerged: the rule was followed.
	MergeReasonMerged = "Merged"
	// MergeReasonNothingListed: no operator of the rule lists a plan that fits.
	MergeReasonNothingListed = "NothingListed"
	// MergeReasonOperatorMissing: the rule names an EsimOperator that does not exist.
	MergeReasonOperatorMissing = "OperatorMissing"
	// MergeReasonNoCatalogue: the rule names an EsimOperator without spec.catalogue.
	MergeReasonNoCatalogue = "NoCatalogue"
	// MergeReasonListNotRead: the list of an operator was not read.
	MergeReasonListNotRead = "ListNotRead"
	// MergeReasonCurrencyMismatch: an operator's products have another currency.
	MergeReasonCurrencyMismatch = "CurrencyMismatch"
	// MergeReasonVariantTaken: a variant of the name that a plan would get is
	// there, with other data or days.
	MergeReasonVariantTaken = "VariantTaken"
	// MergeReasonRefused: the API server did not take the variants.
	MergeReasonRefused = "Refused"
	// MergeReasonImportedProduct: the product is itself made from an operator's
	// list.
	MergeReasonImportedProduct = "ImportedProduct"
)

// ProductMerge has the product sell what operators' lists hold for its countryCode: plans of as
// much data for as many days become one variant, with a source at each operator, cheapest
// first. It reads the EsimProducts that are made from those lists (EsimOperator
// spec.catalogue).
type ProductMerge struct {
	// operators whose plans are merged. Where two take as much for a plan, the one
	// that is named first comes first. Each has one source in a variant: its
	// cheapest plan of that size.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.map(o, o.name).distinct().size() == self.size()",message="an operator is named twice: name each one once"
	Operators []OperatorReference `json:"operators"`

	// price of a variant: what the product of its cheapest source sells it for,
	// or what that of its dearest source does. A source that takes more than the
	// price is skipped.
	// +optional
	// +kubebuilder:default=Cheapest
	Price MergePrice `json:"price,omitempty"`

	// includeUnlimited merges unlimited plans too. Lists do not tell how much of
	// them is at full speed, so that two of them are rarely the same.
	// +optional
	IncludeUnlimited bool `json:"includeUnlimited,omitempty"`
}

// MergePrice says which source's price a merged variant has.
//
// +kubebuilder:validation:Enum=Cheapest;Dearest
type MergePrice string

// Values of MergePrice.
const (
	// MergePriceCheapest is the price of the source that takes least.
	MergePriceCheapest MergePrice = "Cheapest"
	// MergePriceDearest is the highest price among the sources: it pays for all of them.
	MergePriceDearest MergePrice = "Dearest"
)
