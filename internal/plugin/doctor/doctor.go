// Package doctor looks an installation over: what has to be there, what has to be allowed, what
// is about to expire, and who waits for a person. It only reads. Each finding says what to do.
package doctor

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/plugin/refusal"
)

// Level of a finding.
type Level string

// The levels of findings.
const (
	// OK is as it should be.
	OK Level = "ok"
	// Warn works, and somebody should look; or could not be checked.
	Warn Level = "warn"
	// Fail does not work.
	Fail Level = "fail"
)

// Finding is what a check found out about one thing.
type Finding struct {
	// Check that found it, such as certificates.
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Object that it is about.
	Object string `json:"object"`
	// Message is what was found, in a sentence without a full stop.
	Message string `json:"message"`
	// Remedy is what to do; empty where all is well.
	Remedy string `json:"remedy,omitempty"`
}

// Server is what an API server says of itself.
type Server struct {
	// Major and Minor version, such as 1 and 37.
	Major, Minor string
	// Time by its own clock, in whole seconds.
	Time time.Time
}

// Installation is what is looked over.
type Installation struct {
	// Client reads, with the rights of whoever asks, and makes SubjectAccessReviews.
	Client client.Client
	// Server asks the API server for its version and the time.
	Server func(ctx context.Context) (Server, error)
	// Mail tries a mail server out.
	Mail MailTrial
	// Namespace of the manager.
	Namespace string
	// Now is the time here.
	Now func() time.Time
}

// check is one of those that Examine makes.
type check struct {
	name string
	run  func(ctx context.Context, i *Installation) []Finding
}

var checks = []check{
	{"server", checkServer},
	{"crds", checkCRDs},
	{"policies", checkPolicies},
	{"rights", checkRights},
	{"manager", checkManager},
	{"certificates", checkCertificates},
	{"operators", checkOperators},
	{"catalogue", checkCatalogue},
	{"mail", checkMail},
	{"wallets", checkWallets},
	{"orders", checkOrders},
}

// Examine makes all checks, one after another. It goes on where something cannot be read, and
// says so. seen, where set, is told of each check's findings at once.
func Examine(ctx context.Context, i *Installation, seen func([]Finding)) []Finding {
	var all []Finding
	for _, c := range checks {
		findings := c.run(ctx, i)
		for at := range findings {
			findings[at].Check = c.name
		}
		if seen != nil {
			seen(findings)
		}
		all = append(all, findings...)
	}
	return all
}

// Count is how many findings have a level.
func Count(findings []Finding, level Level) int {
	n := 0
	for _, finding := range findings {
		if finding.Level == level {
			n++
		}
	}
	return n
}

func ok(object, message string) Finding { return Finding{Level: OK, Object: object, Message: message} }

func warn(object, message, remedy string) Finding {
	return Finding{Level: Warn, Object: object, Message: message, Remedy: remedy}
}

func fail(object, message, remedy string) Finding {
	return Finding{Level: Fail, Object: object, Message: message, Remedy: remedy}
}

// unread is for what could not be looked at.
func unread(err error, object string, call refusal.Call) Finding {
	call.Did = "look at " + object
	remedy := "try again; if it lasts, see that the API server is well"
	if apierrors.IsForbidden(err) {
		remedy = "have an administrator run this, or give you the right"
	}
	return warn(object, refusal.Explain(context.Background(), err, call, nil).Error(), remedy)
}

// listing is a call that lists one of our own kinds.
func listing(resource string) refusal.Call {
	return refusal.Call{Verb: "list", Group: v1alpha1.GroupVersion.Group, Resource: resource, Role: "esim-platform"}
}

// absent tells whether an error says that something, or its whole kind, is not there.
func absent(err error) bool { return apierrors.IsNotFound(err) }
