//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

const localOperator = `
kind: EsimOperator
metadata: {name: telco-one}
spec:
  es2plus:
    url: https://127.0.0.1:18443
    functionRequesterIdentifier: OPERATOR-1
    tlsSecretRef: {name: telco-one-tls}
`

func TestOnlyOperatorsOnThisMachineAreTheSimulators(t *testing.T) {
	tests := map[string]struct {
		manifest string
		want     bool
	}{
		"the simulator":        {localOperator, true},
		"by its name":          {strings.Replace(localOperator, "127.0.0.1", "localhost", 1), true},
		"a real SM-DP+":        {strings.Replace(localOperator, "127.0.0.1", "es2plus.example.com", 1), false},
		"another driver":       {"kind: EsimOperator\nmetadata: {name: a}\nspec: {zendit: {credentialsSecretRef: {name: z}}}", false},
		"not an EsimOperator":  {"kind: EsimProduct\nmetadata: {name: japan}", false},
		"a name that has both": {strings.Replace(localOperator, "127.0.0.1", "127.0.0.1.example.com", 1), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := simulatedOperator(object(t, test.manifest))
			if err != nil {
				t.Fatal(err)
			}
			if (got != nil) != test.want {
				t.Errorf("got %v, want one: %t", got, test.want)
			}
		})
	}
}

func TestASampleFollowsThePortOfTheSimulator(t *testing.T) {
	operator := object(t, localOperator)
	connection, err := simulatedOperator(operator)
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.setPort("28443"); err != nil {
		t.Fatal(err)
	}
	url, _, err := unstructured.NestedString(operator.Object, "spec", "es2plus", "url")
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://127.0.0.1:28443"; url != want {
		t.Errorf("the sample goes to %s, want %s", url, want)
	}
}

func TestCredentialsAreTheFilesThatTheSimulatorMadeForTheRequester(t *testing.T) {
	c := &cluster{s: usualSettings(t)}
	folder := c.s.file("smdp", "pki", "clients", "OPERATOR-1")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"tls.crt": []byte("cert"), "tls.key": []byte("key"), "ca.crt": []byte("ca")}
	for name, content := range want {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	connection, err := simulatedOperator(object(t, localOperator))
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.credentials(connection)
	if err != nil {
		t.Fatal(err)
	}
	var secret corev1.Secret
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(made.Object, &secret); err != nil {
		t.Fatal(err)
	}
	if secret.Namespace != "esim-system" || secret.Name != "telco-one-tls" || secret.Type != corev1.SecretTypeTLS {
		t.Errorf("made %s/%s of type %s", secret.Namespace, secret.Name, secret.Type)
	}
	if diff := cmp.Diff(want, secret.Data); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	connection.requester = "OPERATOR-2"
	if _, err := c.credentials(connection); err == nil || !strings.Contains(err.Error(), "OPERATOR-2") {
		t.Errorf("got %v, want an error that names OPERATOR-2", err)
	}
}

func TestEveryPlanOfTheSamplesIsInStock(t *testing.T) {
	stocked := regexp.MustCompile(stockedPlans)
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "products_*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	plans := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(content), "\n") {
			_, plan, found := strings.Cut(line, "planID: ")
			if !found {
				continue
			}
			plans++
			if !stocked.MatchString(plan) {
				t.Errorf("%s: the simulator has no %s in stock", filepath.Base(file), plan)
			}
		}
	}
	if plans == 0 {
		t.Error("no plan was found in config/samples")
	}
	if stocked.MatchString("NO-SUCH-PLAN") {
		t.Error("every profile type is in stock: none can be seen to be unknown")
	}
}
