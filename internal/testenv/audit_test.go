package testenv

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	createdLine = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a","stage":"ResponseComplete","requestURI":"/apis/esim.telco.dev/v1alpha1/namespaces/acme/esimorders/trip/status","verb":"update","user":{"username":"system:serviceaccount:esim-system:esim-operator-controllers"},"userAgent":"manager/v0.0.0","objectRef":{"resource":"esimorders","namespace":"acme","name":"trip","apiGroup":"esim.telco.dev","apiVersion":"v1alpha1","subresource":"status"},"responseStatus":{"metadata":{},"code":409},"requestObject":{"a":1},"requestReceivedTimestamp":"2026-01-02T03:04:05.000000Z","stageTimestamp":"2026-01-02T03:04:05.000000Z"}` + "\n"
	startedLine = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseStarted","verb":"watch"}` + "\n"
)

func TestParseAudit(t *testing.T) {
	created := AuditEvent{
		Received:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		User:        "system:serviceaccount:esim-system:esim-operator-controllers",
		UserAgent:   "manager/v0.0.0",
		Verb:        "update",
		Group:       "esim.telco.dev",
		Resource:    "esimorders",
		Subresource: "status",
		Namespace:   "acme",
		Name:        "trip",
		URI:         "/apis/esim.telco.dev/v1alpha1/namespaces/acme/esimorders/trip/status",
		Code:        409,
		Request:     []byte(`{"a":1}`),
	}
	tests := map[string]struct {
		log  string
		want []AuditEvent
	}{
		"nothing was logged":                {"", nil},
		"a request that was answered":       {createdLine, []AuditEvent{created}},
		"a request that is under way":       {startedLine, nil},
		"the last line is not complete yet": {createdLine + `{"kind":"Ev`, []AuditEvent{created}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseAudit([]byte(test.log))
			if err != nil {
				t.Fatal(err)
			}
			equalTimes := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
			if diff := cmp.Diff(test.want, got, equalTimes); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseAuditRefusesWhatIsNoEvent(t *testing.T) {
	if _, err := parseAudit([]byte("no JSON\n")); err == nil {
		t.Error("a line that is no event was passed over in silence")
	}
}

func TestAuditEventWrite(t *testing.T) {
	tests := map[string]struct {
		event AuditEvent
		want  bool
	}{
		"create":           {AuditEvent{Verb: "create"}, true},
		"status update":    {AuditEvent{Verb: "update", Subresource: "status"}, true},
		"apply":            {AuditEvent{Verb: "patch"}, true},
		"deletion of all":  {AuditEvent{Verb: "deletecollection"}, true},
		"reading":          {AuditEvent{Verb: "get"}, false},
		"a dry run create": {AuditEvent{Verb: "create", URI: "/api/v1/namespaces/a/secrets?dryRun=All"}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.event.Write(); got != test.want {
				t.Errorf("Write() = %t, want %t", got, test.want)
			}
		})
	}
}

func TestAuditEventsNeedAnAuditLog(t *testing.T) {
	if _, err := new(Environment).AuditEvents(); !errors.Is(err, ErrNoAudit) {
		t.Errorf("got %v, want ErrNoAudit", err)
	}
}
