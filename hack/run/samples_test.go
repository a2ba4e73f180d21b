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

const localZendit = `
kind: EsimOperator
metadata: {name: zendit}
spec:
  zendit: {url: "https://127.0.0.1:18446/v1", credentialsSecretRef: {name: zendit}}
`

func TestOnlyOperatorsOnThisMachineAreTheSimulators(t *testing.T) {
	tests := map[string]struct {
		manifest string
		want     bool
	}{
		"the simulator":        {localOperator, true},
		"by its name":          {strings.Replace(localOperator, "127.0.0.1", "localhost", 1), true},
		"a real SM-DP+":        {strings.Replace(localOperator, "127.0.0.1", "es2plus.example.com", 1), false},
		"a wholesaler":         {localZendit, true},
		"the vendor itself":    {"kind: EsimOperator\nmetadata: {name: a}\nspec: {zendit: {credentialsSecretRef: {name: z}}}", false},
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
	s := usualSettings(t)
	s.Ports[es2plusPort], s.Ports[zenditPort] = 28443, 28446
	for _, test := range []struct{ manifest, block, want string }{
		{localOperator, "es2plus", "https://127.0.0.1:28443"},
		{localZendit, "zendit", "https://127.0.0.1:28446/v1"},
	} {
		operator := object(t, test.manifest)
		connection, err := simulatedOperator(operator)
		if err != nil {
			t.Fatal(err)
		}
		if err := connection.setPort(s); err != nil {
			t.Fatal(err)
		}
		url, _, err := unstructured.NestedString(operator.Object, "spec", test.block, "url")
		if err != nil {
			t.Fatal(err)
		}
		if url != test.want {
			t.Errorf("the sample goes to %s, want %s", url, test.want)
		}
	}
}

func TestAWholesalersCredentialsAreTheFilesOfItsFolder(t *testing.T) {
	c := &cluster{s: usualSettings(t)}
	folder := c.s.file("smdp", "wholesalers", "zendit")
	want := map[string][]byte{"api-key": []byte("key"), "ca.crt": []byte("ca")}
	writeAll(t, folder, want)
	connection, err := simulatedOperator(object(t, localZendit))
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
	if diff := cmp.Diff(want, secret.Data); diff != "" || secret.Type != corev1.SecretTypeOpaque {
		t.Errorf("of type %s, -want +got:\n%s", secret.Type, diff)
	}
}

// writeAll makes a folder with these files.
func writeAll(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCredentialsAreTheFilesThatTheSimulatorMadeForTheRequester(t *testing.T) {
	c := &cluster{s: usualSettings(t)}
	folder := c.s.file("smdp", "pki", "clients", "OPERATOR-1")
	want := map[string][]byte{"tls.crt": []byte("cert"), "tls.key": []byte("key"), "ca.crt": []byte("ca")}
	writeAll(t, folder, want)
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
	wholesale := map[string]*regexp.Regexp{
		"zendit":      regexp.MustCompile(`^ESIM-JP-(7D-1|15D-3|30D-5|30D-10)GB-NOROAM$`),
		"esim-access": regexp.MustCompile(`^JP_(1_7|3_15|5_30|10_30)$`),
		"airalo":      regexp.MustCompile(`^jp-(7days-1|15days-3|30days-5|30days-10)gb$`),
		"telco-one":   stocked,
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "products_*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	plans, source := 0, regexp.MustCompile(`operatorRef: \{name: ([a-z-]+)}\n +planID: (\S+)\n`)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range source.FindAllStringSubmatch(string(content), -1) {
			plans++
			if sold := wholesale[found[1]]; sold == nil || !sold.MatchString(found[2]) {
				t.Errorf("%s: the simulator's %s has no %s in stock", filepath.Base(file), found[1], found[2])
			}
		}
		if all := strings.Count(string(content), "planID: "); all != len(source.FindAllString(string(content), -1)) {
			t.Errorf("%s: not every plan was found", filepath.Base(file))
		}
	}
	if plans == 0 {
		t.Error("no plan was found in config/samples")
	}
	if stocked.MatchString("NO-SUCH-PLAN") {
		t.Error("every profile type is in stock: none can be seen to be unknown")
	}
}
