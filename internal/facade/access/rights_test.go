package access

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/telcodev/esim-operator/api/rest"
)

// TestTheTableKnowsTheDocumentsOperations fails where an operation could be reached without a
// decision on who may.
func TestTheTableKnowsTheDocumentsOperations(t *testing.T) {
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := yaml.Unmarshal(rest.Document(), &document); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]bool{}, map[string]bool{}
	for _, methods := range document.Paths {
		for _, method := range methods {
			described, ok := method.(map[string]any)
			if !ok {
				continue
			}
			id, ok := described["operationId"].(string)
			if !ok {
				continue
			}
			security, own := described["security"].([]any)
			want[id] = own && len(security) == 0
		}
	}
	for id, operation := range operations {
		got[id] = operation.Public
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations, and whether they need no token: -document +table:\n%s", diff)
	}
}

func TestWhatNeedsATokenNeedsARightAndHasALimit(t *testing.T) {
	for id, operation := range operations {
		if operation.Public {
			continue
		}
		if operation.Class == Unlimited {
			t.Errorf("%s has no limit", id)
		}
		if len(operation.Rights) == 0 && id != "logout" {
			t.Errorf("%s needs no right", id)
		}
	}
}

func TestOperationsAreFoundByTheServersNamesToo(t *testing.T) {
	for id, found := range map[string]bool{
		"getOrderQRPNG": true, "GetOrderQRPNG": true, "": false, "getorder": false, "deleteOrder": false,
	} {
		if _, got := OperationOf(id); got != found {
			t.Errorf("%q is found: %t", id, got)
		}
	}
}

func TestARefusalSaysToWhat(t *testing.T) {
	for right, want := range map[Right]string{
		{Verb: "create", Resource: "esimorders"}: "This client may not create orders",
		{Verb: "patch", Resource: "esimorders"}:  "This client may not change orders",
		{Verb: "list", Resource: "esimwallets"}:  "This client may not list wallets",
		{Verb: "get", Resource: "esimproducts"}:  "This client may not see products",
		SeeActivationCodes:                       "This client may not see activation codes",
	} {
		refusal, ok := forbidden(right).(*Refusal) //nolint:errorlint // it is made here.
		if !ok || refusal.Message != want {
			t.Errorf("%v: %v, want %s", right, refusal, want)
		}
	}
}
