// Package refusal says what an API server's error means to the person at the keyboard: which
// right is missing and who gives it, which field is wrong and what it may be, what is not there
// and how to see what is.
package refusal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Call is what was tried.
type Call struct {
	// Did completes "could not …", such as "read the order trip".
	Did string
	// Verb, Group and Resource are what RBAC knows it by.
	Verb, Group, Resource string
	// Namespace that it was in; empty where it is cluster-wide.
	Namespace string
	// Name of the object; empty for lists.
	Name string
	// Role that would give the right, such as esimorders-edit; empty where none of ours does.
	Role string
	// List is a command that shows what there is; empty for none.
	List string
}

// Allowed asks the API server whether RBAC lets the caller do a call. An error means that it
// could not be asked.
type Allowed func(ctx context.Context, call Call) (bool, error)

// Explain is err in words, or nil. A refusal by RBAC and one by an admission policy look alike:
// allowed tells them apart, and may be nil.
func Explain(ctx context.Context, err error, call Call, allowed Allowed) error {
	if err == nil {
		return nil
	}
	return &explained{text: "could not " + call.Did + ": " + words(ctx, err, call, allowed), err: err}
}

// explained keeps the error that it explains, for errors.Is and errors.As.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }

func (e *explained) Unwrap() error { return e.err }

func words(ctx context.Context, err error, call Call, allowed Allowed) string {
	switch {
	case apierrors.IsUnauthorized(err):
		return "the API server does not know you; log in again, or choose another --context"
	case apierrors.IsForbidden(err):
		return forbidden(ctx, err, call, allowed)
	case apierrors.IsInvalid(err):
		return fields(err)
	case apierrors.IsNotFound(err):
		return notFound(err, call)
	case apierrors.IsAlreadyExists(err):
		return fmt.Sprintf("%s exists already, and was left as it is", call.object())
	case apierrors.IsConflict(err):
		return "somebody else changed it at the same moment; try again"
	}
	if text := unreachable(err); text != "" {
		return text
	}
	return message(err)
}

// forbidden tells a missing right from a policy's refusal.
func forbidden(ctx context.Context, err error, call Call, allowed Allowed) string {
	if allowed != nil {
		if may, asked := allowed(ctx, call); asked == nil && may {
			return "refused by a policy: " + message(err)
		}
	}
	return Missing(call)
}

// Missing says which right a call needs, and how it is given.
func Missing(call Call) string {
	where, scope := "in all namespaces", "with a ClusterRoleBinding"
	if call.Namespace != "" {
		where, scope = "in namespace "+call.Namespace, "there"
	}
	resource := call.Resource
	if call.Group != "" {
		resource += "." + call.Group
	}
	text := fmt.Sprintf("you lack the right to %s %s %s", call.Verb, resource, where)
	if call.Role == "" {
		return text + "; have an administrator give it to you"
	}
	return fmt.Sprintf("%s; have an administrator bind you the ClusterRole %s %s", text, call.Role, scope)
}

// fields are the causes of an Invalid error: field by field, each with its remedy, as the schema
// gives it.
func fields(err error) string {
	causes := status(err).causes()
	if len(causes) == 0 {
		return message(err)
	}
	var lines []string
	for _, cause := range causes {
		if cause.Field == "" || cause.Field == "<nil>" {
			continue // rules that could not be checked, as others were broken
		}
		lines = append(lines, fmt.Sprintf("\n  %s: %s", cause.Field, plain(cause.Message)))
	}
	if len(lines) == 0 {
		return message(err)
	}
	return "the API server refuses what it says" + strings.Join(lines, "")
}

// refusedValue is how the API server begins a message: with the value or, where a rule is about
// more than one field, with its type.
var refusedValue = regexp.MustCompile(`^Invalid value: ("(?:[^"\\]|\\.)*"|[^:"]*): `)

// plain takes the API server's own wording off a message. A type in place of a value says nothing.
func plain(message string) string {
	found := refusedValue.FindStringSubmatch(message)
	if found == nil {
		return message
	}
	rest := strings.TrimPrefix(message, found[0])
	switch found[1] {
	case `"object"`, `"array"`, `"string"`, `"integer"`, `"boolean"`:
		return rest
	}
	return found[1] + " is refused: " + rest
}

func notFound(err error, call Call) string {
	if details := status(err).details(); details == nil || details.Name == "" {
		return "the API server does not know esim-operator's kinds; is it installed here, and is this the right --context? kubectl esim doctor tells more"
	}
	text := "there is no " + call.object()
	if call.List != "" {
		text += "; see what there is: " + call.List
	}
	return text
}

// object is what a call is about, as people name it.
func (c Call) object() string {
	text := strings.TrimSuffix(c.Resource, "s") + " " + c.Name
	if c.Namespace != "" {
		text += " in namespace " + c.Namespace
	}
	return text
}

// unreachable is for an API server that does not answer; empty where it did.
func unreachable(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the API server did not answer in time; try again"
	}
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	failed := (*url.Error)(nil)
	if !errors.As(err, &failed) {
		return ""
	}
	host := failed.URL
	if parsed, bad := url.Parse(failed.URL); bad == nil {
		host = parsed.Host
	}
	why := failed.Err.Error()
	if operation := (*net.OpError)(nil); errors.As(failed.Err, &operation) {
		why = operation.Err.Error()
	}
	return fmt.Sprintf("the API server at %s cannot be reached (%s); see that it runs, and that this is the right --context", host, why)
}

// apiStatus is what an API server says of its refusal; nil where it says nothing.
type apiStatus struct{ *metav1.Status }

func status(err error) apiStatus {
	if refused := apierrors.APIStatus(nil); errors.As(err, &refused) {
		s := refused.Status()
		return apiStatus{&s}
	}
	return apiStatus{}
}

func (s apiStatus) details() *metav1.StatusDetails {
	if s.Status == nil {
		return nil
	}
	return s.Details
}

func (s apiStatus) causes() []metav1.StatusCause {
	if details := s.details(); details != nil {
		return details.Causes
	}
	return nil
}

// message is what the API server says, else the error.
func message(err error) string {
	if s := status(err); s.Status != nil && s.Message != "" {
		return s.Message
	}
	return err.Error()
}
