// Package v1alpha1 holds the kinds of the group esim.telco.dev: what a platform
// team declares (EsimOperator, EsimProduct; EsimClient and EsimWallet for each of its
// clients) and what its clients buy (EsimOrder).
//
// Upper-case values such as PENDING go against Kubernetes' API conventions on
// purpose: they are the words of the REST contract that clients already speak.
//
// +kubebuilder:object:generate=true
// +groupName=esim.telco.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of every kind in this package.
	GroupVersion = schema.GroupVersion{Group: "esim.telco.dev", Version: "v1alpha1"}

	// SchemeBuilder collects the functions that add this package's kinds to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds this package's kinds to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&EsimOperator{}, &EsimOperatorList{},
		&EsimProduct{}, &EsimProductList{},
		&EsimClient{}, &EsimClientList{},
		&EsimWallet{}, &EsimWalletList{},
		&EsimOrder{}, &EsimOrderList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
