package doctor

import (
	"context"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

// kinds are the resources of our group.
var kinds = []string{"esimclients", "esimoperators", "esimorders", "esimproducts", "esimwallets"}

const installCRDs = "install the CRDs of the manager's release: kubectl apply -k config/crd"

// checkCRDs looks whether each kind is there and served.
func checkCRDs(ctx context.Context, i *Installation) []Finding {
	var findings []Finding
	for _, kind := range kinds {
		name := kind + "." + v1alpha1.GroupVersion.Group
		var crd apiextensionsv1.CustomResourceDefinition
		err := i.Client.Get(ctx, client.ObjectKey{Name: name}, &crd)
		switch {
		case absent(err):
			findings = append(findings, fail(name, "it is not installed", installCRDs))
		case err != nil:
			findings = append(findings, unread(err, name, refusal.Call{
				Verb: "get", Group: apiextensionsv1.GroupName, Resource: "customresourcedefinitions", Name: name,
			}))
		default:
			findings = append(findings, ofCRD(&crd))
		}
	}
	return findings
}

func ofCRD(crd *apiextensionsv1.CustomResourceDefinition) Finding {
	version := v1alpha1.GroupVersion.Version
	at := slices.IndexFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == version })
	switch {
	case !crd.DeletionTimestamp.IsZero():
		return fail(crd.Name, "it is being deleted, and every object of it", "find out who deletes it; finalizers hold it while orders are open")
	case at < 0 || !crd.Spec.Versions[at].Served:
		return fail(crd.Name, "it does not serve "+version, installCRDs)
	case crd.Spec.Versions[at].Subresources == nil || crd.Spec.Versions[at].Subresources.Status == nil:
		return fail(crd.Name, "it has no status of its own, so that clients could write it", installCRDs)
	}
	for _, condition := range crd.Status.Conditions {
		if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
			return ok(crd.Name, "served as "+version)
		}
	}
	return fail(crd.Name, fmt.Sprintf("the API server does not serve it yet%s", notAccepted(crd)), "wait some seconds; if it lasts, look for another CRD with the same names")
}

func notAccepted(crd *apiextensionsv1.CustomResourceDefinition) string {
	for _, condition := range crd.Status.Conditions {
		if condition.Status == apiextensionsv1.ConditionFalse && condition.Message != "" {
			return ": " + condition.Message
		}
	}
	return ""
}
