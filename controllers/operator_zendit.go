package controllers

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
)

// zendit makes a driver for Zendit.
func (d drivers) zendit(operator *v1alpha1.EsimOperator, secret *corev1.Secret, onCall func(operators.Call)) (operators.Driver, error) {
	driver, err := zendit.New(zendit.Config{
		BaseURL:           operator.Spec.Zendit.URL,
		Account:           operator.Spec.Zendit.Account,
		APIKey:            activation.NewCredential(string(secret.Data[zendit.KeyAPIKey])),
		CAPEM:             secret.Data[zendit.KeyCA],
		Timeout:           operator.Spec.Timeout.Duration,
		RequestsPerSecond: int(operator.Spec.Limits.RequestsPerSecond),
		InFlight:          int(operator.Spec.Limits.InFlight),
		OnCall:            onCall,
		Guard:             d.fence.Enter,
		WrapTransport:     d.wrap,
		Dial:              d.dial,
	})
	if err != nil {
		return nil, unusable(secret, err)
	}
	return driver, nil
}
