package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/leader"
	"github.com/telcodev/esim-operator/internal/operators"
)

func TestAnEsimAccessDriverIsMadeFromItsSecret(t *testing.T) {
	operator := &v1alpha1.EsimOperator{Spec: v1alpha1.EsimOperatorSpec{EsimAccess: &v1alpha1.ResellerDriver{
		CredentialsSecretRef: v1alpha1.SecretReference{Name: "esim-access"},
	}}}
	for _, tc := range []struct {
		name string
		data map[string][]byte
		want string
	}{
		{"an access code alone", map[string][]byte{"access-code": []byte("c0ffee")}, ""},
		{"a secret key, too", map[string][]byte{"access-code": []byte("c0ffee"), "secret-key": []byte("f00d")}, ""},
		{"nothing", nil, "access-code is missing"},
		{"a line break at the end", map[string][]byte{"access-code": []byte("c0ffee\n")}, "access-code in the Secret"},
		{"no certificates", map[string][]byte{"access-code": []byte("c0ffee"), "ca.crt": []byte("c0ffee")}, "ca.crt"},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "esim-access"}, Data: tc.data}
		driver, err := NewDrivers(leader.Open(), nil)(operator, secret, func(operators.Call) {})
		if tc.want != "" {
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "Secret esim-access") || strings.Contains(err.Error(), "c0ffee") {
				t.Errorf("%s: got %v, want an error that tells %q", tc.name, err, tc.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		driver.Close()
		for what, ok := range map[string]bool{
			"keeps books": is[operators.Bookkeeper](driver), "tracks": is[operators.Tracker](driver),
			"lists plans": is[operators.Cataloguer](driver), "tells the balance": is[operators.Accountant](driver),
		} {
			if !ok {
				t.Errorf("%s: the driver no longer %s", tc.name, what)
			}
		}
	}
}

// is tells whether a driver can do more than buy.
func is[Kind any](driver operators.Driver) bool {
	_, ok := driver.(Kind)
	return ok
}
