package controllers

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/airalo"
)

// airalo makes a driver for Airalo.
func (d drivers) airalo(operator *v1alpha1.EsimOperator, secret *corev1.Secret, onCall func(operators.Call)) (operators.Driver, error) {
	currency := ""
	if operator.Spec.Catalogue != nil {
		currency = string(operator.Spec.Catalogue.Currency)
	}
	driver, err := airalo.New(airalo.Config{
		Currency:          currency,
		BaseURL:           operator.Spec.Airalo.URL,
		Account:           operator.Spec.Airalo.Account,
		ClientID:          string(secret.Data[airalo.KeyClientID]),
		ClientSecret:      activation.NewCredential(string(secret.Data[airalo.KeyClientSecret])),
		CAPEM:             secret.Data[airalo.KeyCA],
		Timeout:           operator.Spec.Timeout.Duration,
		SettleAfter:       operator.SettleAfter(),
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
