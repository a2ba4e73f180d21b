package testenv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// AuditLevel is how much the API server's audit log says of each request.
type AuditLevel string

const (
	// AuditNone keeps no audit log.
	AuditNone AuditLevel = ""
	// AuditMetadata logs who did what to which object, and the answer's code.
	AuditMetadata AuditLevel = "Metadata"
	// AuditRequestResponse logs the objects too.
	AuditRequestResponse AuditLevel = "RequestResponse"
)

// ErrNoAudit says: the environment was started without an audit log.
var ErrNoAudit = errors.New("the control plane keeps no audit log: set testenv.Options.Audit")

// AuditEvent is one request that the API server has answered.
type AuditEvent struct {
	// Received is when the request came in.
	Received time.Time
	// User is the name that the request was authenticated as.
	User string
	// UserAgent is what the client calls itself; client-go's begins with the program's name.
	UserAgent string
	// Verb as RBAC knows it, such as create, update, patch or watch.
	Verb string
	// Group, Resource, Subresource, Namespace and Name say what the request was about;
	// Name is empty where a list or a collection was.
	Group, Resource, Subresource, Namespace, Name string
	// URI of the request, with its query.
	URI string
	// Code is the HTTP status of the answer.
	Code int
	// Request and Response are the objects as JSON, at level RequestResponse.
	Request, Response json.RawMessage
}

// DryRun tells that nothing was to be stored.
func (e AuditEvent) DryRun() bool { return strings.Contains(e.URI, "dryRun=All") }

// Write tells that the request changed, or would have changed, what is stored.
func (e AuditEvent) Write() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return !e.DryRun()
	default:
		return false
	}
}

// AuditEvents are the requests that were answered since the start, in the order in which
// the answers were complete. The log may be a moment behind an answer that a client has
// just read: a test that counts uses Eventually, and Consistently after it.
func (e *Environment) AuditEvents() ([]AuditEvent, error) {
	if e.audit == "" {
		return nil, ErrNoAudit
	}
	log, err := os.ReadFile(e.audit)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return parseAudit(log)
}

func parseAudit(log []byte) ([]AuditEvent, error) {
	var events []AuditEvent
	for {
		line, rest, complete := bytes.Cut(log, []byte("\n"))
		if !complete {
			// The API server is still writing it.
			return events, nil
		}
		log = rest
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("reading event %d of the audit log: %w", len(events)+1, err)
		}
		if event.Stage == auditv1.StageResponseComplete {
			events = append(events, auditEvent(&event))
		}
	}
}

func auditEvent(event *auditv1.Event) AuditEvent {
	short := AuditEvent{
		Received: event.RequestReceivedTimestamp.Time,
		User:     event.User.Username,

		UserAgent: event.UserAgent,
		Verb:      event.Verb,
		URI:       event.RequestURI,
	}
	if event.ResponseStatus != nil {
		short.Code = int(event.ResponseStatus.Code)
	}
	if object := event.ObjectRef; object != nil {
		short.Group, short.Resource, short.Subresource = object.APIGroup, object.Resource, object.Subresource
		short.Namespace, short.Name = object.Namespace, object.Name
	}
	if event.RequestObject != nil {
		short.Request = event.RequestObject.Raw
	}
	if event.ResponseObject != nil {
		short.Response = event.ResponseObject.Raw
	}
	return short
}

// configureAudit makes the API server keep an audit log in dir, and returns its path.
func configureAudit(apiServer *envtest.APIServer, dir string, level AuditLevel) (string, error) {
	if level == AuditNone {
		return "", nil
	}
	policy := fmt.Sprintf(`apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: %s
`, level)
	policyFile := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policyFile, []byte(policy), 0o600); err != nil {
		return "", fmt.Errorf("writing the audit policy: %w", err)
	}
	log := filepath.Join(dir, "audit.log")
	apiServer.Configure().
		Set("audit-policy-file", policyFile).
		Set("audit-log-path", log).
		Set("audit-log-mode", "blocking")
	return log, nil
}
