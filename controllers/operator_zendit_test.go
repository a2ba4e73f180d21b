package controllers

import (
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/zendit"
	"github.com/telcodev/esim-operator/internal/operators/zendit/zenditfake"
)

func TestAnEsimOperatorIsConnectedToZendit(t *testing.T) {
	server := httptest.NewTLSServer(zenditfake.New(zenditfake.Options{APIKey: "key", Balance: 12_345}))
	t.Cleanup(server.Close)
	operator := &v1alpha1.EsimOperator{Spec: v1alpha1.EsimOperatorSpec{Zendit: &v1alpha1.ResellerDriver{URL: server.URL + "/v1"}}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "zendit"}, Data: map[string][]byte{
		zendit.KeyAPIKey: []byte("key\n"),
		zendit.KeyCA:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}}
	var calls []operators.Call
	factory := NewDrivers(leader.Open(), nil)
	driver, err := factory(operator, secret, func(c operators.Call) { calls = append(calls, c) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	balance, err := driver.(operators.Accountant).Balance(t.Context())
	if err != nil || balance.Amount.String() != "123.45" || balance.Currency != "USD" || len(calls) != 1 {
		t.Errorf("got %s %s, %v, after %d calls", balance.Amount, balance.Currency, err, len(calls))
	}
	delete(secret.Data, zendit.KeyAPIKey)
	if _, err := factory(operator, secret, nil); err == nil || !strings.Contains(err.Error(), zendit.KeyAPIKey) || !strings.Contains(err.Error(), "Secret zendit") {
		t.Errorf("without a key: %v", err)
	}
}
