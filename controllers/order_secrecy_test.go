package controllers_test

import (
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

// After all specs, with all their faults: no activation code may have come anywhere but into
// its Secret.
var _ = AfterSuite(func(ctx SpecContext) {
	if k8s == nil || CurrentSpecReport().Failed() {
		return
	}
	var secrets corev1.SecretList
	Expect(k8s.List(ctx, &secrets)).To(Succeed())
	places := map[string]string{"the logs": logs.String()}
	for name, list := range map[string]client.ObjectList{
		"the orders": &v1alpha1.EsimOrderList{}, "the operators": &v1alpha1.EsimOperatorList{},
		"the products": &v1alpha1.EsimProductList{}, "the events": &eventsv1.EventList{},
	} {
		Expect(k8s.List(ctx, list)).To(Succeed())
		text, err := json.Marshal(list)
		Expect(err).NotTo(HaveOccurred())
		places[name] = string(text)
	}
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	places["the metrics"] = fmt.Sprint(families)

	codes := 0
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if secret.Type != v1alpha1.ActivationSecretType {
			continue
		}
		matchingID, kept := secret.Data[v1alpha1.SecretKeyMatchingID]
		if !kept {
			continue // the profile is on its device
		}
		codes++
		Expect(len(matchingID)).To(BeNumerically(">=", 20), "a matching ID of 100 bits in base 36 has 20 characters")
		for place, text := range places {
			// The text is not printed, and neither is the code.
			Expect(strings.Contains(text, string(matchingID))).To(BeFalse(), "%s hold the matching ID of Secret %s/%s", place, secret.Namespace, secret.Name)
		}
	}
	if codes > 0 {
		Expect(places["the orders"]).To(ContainSubstring(`"iccid":"89`), "the search must be able to find something")
	}
})
