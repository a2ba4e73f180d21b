package controllers

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/esimaccess"
)

// esimAccess makes a driver for eSIM Access' open API.
func (d drivers) esimAccess(operator *v1alpha1.EsimOperator, secret *corev1.Secret, onCall func(operators.Call)) (operators.Driver, error) {
	driver, err := esimaccess.New(esimaccess.Config{
		BaseURL:           operator.Spec.EsimAccess.URL,
		Account:           operator.Spec.EsimAccess.Account,
		AccessCode:        activation.NewCredential(string(secret.Data[esimaccess.AccessCodeKey])),
		SecretKey:         activation.NewCredential(string(secret.Data[esimaccess.SecretKeyKey])),
		CAPEM:             secret.Data[corev1.ServiceAccountRootCAKey],
		Timeout:           operator.Spec.Timeout.Duration,
		RequestsPerSecond: int(operator.Spec.Limits.RequestsPerSecond),
		InFlight:          int(operator.Spec.Limits.InFlight),
		SettleAfter:       operator.SettleAfter(),
		Guard:             d.fence.Enter,
		OnCall:            onCall,
		WrapTransport:     d.wrap,
		Dial:              d.dial,
	})
	if err != nil {
		return nil, unusable(secret, err)
	}
	return driver, nil
}
