// Package operators is what the order pipeline knows of mobile operators: a narrow
// driver interface, the journal that a driver writes what it must not lose to, and the
// classes of error that decide what happens next. Each driver is a package below.
package operators

import (
	"context"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/money"
)

// Driver buys profiles at one mobile operator. It is safe for concurrent use.
//
// Every driver is built so that calling Provision again with the same request ID, and the
// journal that the first call wrote, finds what the first call made, whatever of it was lost.
type Driver interface {
	// Provision buys one profile and returns it once it is ready for download. Its errors
	// are of type *Error, or come from the journal.
	Provision(ctx context.Context, p Purchase, j Journal) (Profile, error)

	// GiveBack returns a profile that is not on a device yet. Nil is the operator's answer
	// that the profile can no longer be used. Errors: ErrInstalled where it is too late,
	// ErrUnknownProfile where the operator has nothing to give back, ErrNotOurs where it knows
	// another owner for it, else *Error.
	GiveBack(ctx context.Context, h Held) error

	// Probe connects without buying anything. Its errors are of type *Error.
	Probe(ctx context.Context) error

	// Close lets calls in flight end and gives up idle connections.
	Close()
}

// Trier is a Driver whose Probe shows that connections are accepted, and not that calls are
// answered: Try does, and neither buys nor changes anything. Its errors are of type *Error.
type Trier interface {
	Driver

	// Try asks for an answer, whatever it says.
	Try(ctx context.Context) error
}

// Purchase names one attempt to buy one profile.
type Purchase struct {
	// RequestID is in etcd before the first call, never changes and is never used again.
	RequestID string
	// PlanID is the operator's own name for the plan; over ES2+ the profile type.
	PlanID string
	// ConfiguredAddress is the host that activation codes name where the operator answers none;
	// empty where none is configured.
	ConfiguredAddress string
	// LearnedAddress is the host that the operator answered last; empty where it answered none
	// yet. It counts where an answer was lost, and with it the address.
	LearnedAddress string
	// Fresh tells that nothing was ever sent under this request ID, by nobody: there is nothing
	// to look up.
	Fresh bool
	// Since is when the attempt began, or earlier: nothing was sent under this request ID before.
	// It bounds how far back an operator's lists are searched; zero where it is not known.
	Since time.Time
	// MaxCost is the most that the profile may cost, in the operator's currency; zero for no
	// bound. Where an operator takes a price with the order, nothing is bought above it: the
	// source is Rejected.
	MaxCost money.Amount
}

// Profile is an eSIM that is ready for download, or on its way to be.
type Profile struct {
	ICCID activation.ICCID
	// MatchingID is the credential by which the profile is downloaded.
	MatchingID activation.Credential
	// SMDPAddress is the host that the activation code names; empty while it is not known.
	SMDPAddress string
	// Confirmed tells that the operator answered ConfirmOrder without an address that can be
	// used: what is missing is SMDPAddress, and only that.
	Confirmed bool
	// ConfirmationCode is what the customer must type, where there is one.
	ConfirmationCode activation.Credential
}

// Held is a profile that an attempt holds and that shall be given back.
type Held struct {
	RequestID string
	ICCID     activation.ICCID
	// MatchingID, where it is still known.
	MatchingID activation.Credential
	// Reusable tells that the profile was named in no journal and no other call, so that no
	// late call of ours can reach it: the operator may sell it again.
	Reusable bool
	// Since is when the attempt began, or earlier; zero where it is not known. See Purchase.
	Since time.Time
}

// Journal keeps what an attempt must not lose: it is the order's Secret.
type Journal interface {
	// Profile is what stands in the journal for this attempt; false where nothing does.
	Profile() (Profile, bool)

	// Write stores the profile and returns what stands in the journal then: the profile
	// itself or, where another worker on the same attempt came first, the other's. An error
	// that errors.Is ErrJournalRefused means that nothing was and nothing will be written;
	// any other leaves that open.
	Write(ctx context.Context, p Profile) (Profile, error)

	// Unwritten is a profile that an earlier pass of this process obtained for this attempt
	// and could not write, so that it is not obtained twice; false where there is none.
	Unwritten() (activation.ICCID, bool)

	// Obtained notes, in this process's memory, the profile that the operator just answered.
	Obtained(iccid activation.ICCID)

	// Dropped forgets what Obtained noted: it was given back.
	Dropped()
}

// Call is one call to an operator, for metrics and the breaker.
type Call struct {
	// Function is the operator's name for it, such as DownloadOrder.
	Function string
	// Outcome is "ok" or the class of the error.
	Outcome string
	// Answered tells that the operator answered the request, whatever it answered. A server
	// error, or an answer that cannot be read, speaks of the operator and is none.
	Answered bool
	// Duration of the call.
	Duration time.Duration
}
