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
	"github.com/telcodev/esim-operator/internal/operators/airalo"
	"github.com/telcodev/esim-operator/internal/operators/airalo/airalofake"
)

func TestAnEsimOperatorIsConnectedToAiralo(t *testing.T) {
	fake, err := airalofake.New(airalofake.Options{ClientID: "partner", ClientSecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(fake.Handler())
	t.Cleanup(server.Close)
	operator := &v1alpha1.EsimOperator{Spec: v1alpha1.EsimOperatorSpec{Airalo: &v1alpha1.ResellerDriver{URL: server.URL + "/v2"}}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "airalo"}, Data: map[string][]byte{
		airalo.KeyClientID: []byte("partner"), airalo.KeyClientSecret: []byte("secret"),
		airalo.KeyCA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}}
	var calls []operators.Call
	factory := NewDrivers(leader.Open(), nil)
	driver, err := factory(operator, secret, func(c operators.Call) { calls = append(calls, c) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	if err := driver.Probe(t.Context()); err != nil || len(calls) != 2 {
		t.Errorf("Probe: %v, after %d calls", err, len(calls))
	}
	for _, key := range []string{airalo.KeyClientID, airalo.KeyClientSecret} {
		broken := secret.DeepCopy()
		delete(broken.Data, key)
		if _, err := factory(operator, broken, nil); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "Secret airalo") {
			t.Errorf("without %s: %v", key, err)
		}
	}
}
