package controllers

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// installedReported tells whether the operator reported the profile on a device that the order
// holds or gives back, and that is not worked in yet.
func installedReported(order *v1alpha1.EsimOrder) bool {
	holds := map[string]bool{}
	if order.Status.Esim != nil {
		holds[order.Status.Esim.ICCID] = true
	}
	if p := order.Status.Provisioning; p != nil {
		holds[p.ICCID], holds[p.Closing] = true, true
	}
	return slices.ContainsFunc(order.Status.Reports, func(report v1alpha1.DeviceReport) bool {
		return report.Event != v1alpha1.DeviceDownloadFailed && report.ICCID != "" && holds[report.ICCID]
	})
}

// toldByPerson is what a platform role, or meanwhile the operator, found out about an order that
// waits for it; empty where nothing was told, or nothing is waited for.
func toldByPerson(order *v1alpha1.EsimOrder) string {
	if !waitsForPerson(order) {
		return ""
	}
	if installedReported(order) {
		return v1alpha1.ResolveDelivered // the operator itself has told
	}
	switch told := order.Annotations[v1alpha1.ResolveAnnotation]; told {
	case v1alpha1.ResolveNotBought, v1alpha1.ResolveDelivered:
		return told
	default:
		return ""
	}
}

// needsPerson tells whether nobody but a platform role can tell what became of the order.
func needsPerson(order *v1alpha1.EsimOrder) bool { return unknownBecause(order, reasonNeedsPerson) }

// waitsForPerson tells whether a platform role can tell what became of the order.
func waitsForPerson(order *v1alpha1.EsimOrder) bool {
	return needsPerson(order) || unknownBecause(order, reasonConnectedElsewhere)
}

func unknownBecause(order *v1alpha1.EsimOrder, reason string) bool {
	condition := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ConditionOutcomeUnknown)
	return condition != nil && condition.Status == metav1.ConditionTrue && condition.Reason == reason
}
