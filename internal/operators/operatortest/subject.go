package operatortest

import (
	"testing"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/faults"
)

// Subject is a driver, its operator's fake and what both can do.
type Subject struct {
	// Start begins an operator with empty books that has plenty of Plan in stock and a full
	// account. It is called within the case's bubble and ends what it began by t.Cleanup.
	Start func(t *testing.T) Vendor
	// Plan is what is bought.
	Plan string
	// Buys names the functions whose execution buys. An answer of theirs that is lost leaves
	// open whether it was executed.
	Buys []string
	// Returns names the functions that give back.
	Returns []string
	// Refusals are the ways in which the operator can refuse an order: one at least for every
	// class that the driver knows.
	Refusals []Refusal
	// Tolerates are the kinds of fault that must not disturb the driver at all, such as
	// NumbersAsStrings.
	Tolerates []faults.Kind
	// Lacks are the kinds of fault which the operator's fake does not know.
	Lacks []faults.Kind
	// UniqueKey tells that the operator itself refuses a second order under our request ID,
	// so that not even two processes at once can buy twice.
	UniqueKey bool
	// NotReturnable tells that the operator takes nothing back.
	NotReturnable bool
	// RealNetwork tells that the fake listens on a port of this machine. Its cases run in real
	// time, and those that wait are left out.
	RealNetwork bool
}

// Vendor is an operator's fake as the suite needs it. Server has Inject and Calls.
type Vendor interface {
	// Connect makes a driver as a process that has just begun would. The suite closes it.
	Connect(t testing.TB, c Connection) operators.Driver
	// Inject makes calls to come go wrong. It returns the fault's number.
	Inject(f faults.Fault) (id int, err error)
	// Calls that arrived, oldest first, whatever became of them.
	Calls() []faults.Call
	// Bought counts the profiles that were ever bought, GivenBack those of them that were given
	// back. What is reserved and was not bought counts as neither.
	Bought() int
	GivenBack() int
	// Install puts a profile that was bought on a device.
	Install(t testing.TB, iccid activation.ICCID)
	// Secrets are all credentials there are: of our account, and of every profile that was
	// sold. No error may show one.
	Secrets() []string
}

// Connection is what the manager gives to a driver beside its configuration.
type Connection struct {
	// Guard is asked before each call that buys or gives back.
	Guard func() (leave func(), err error)
	// OnCall hears of each call.
	OnCall func(operators.Call)
	// Timeout of one call.
	Timeout time.Duration
}

// Refusal is one way in which an operator refuses an order.
type Refusal struct {
	// Name of the case.
	Name string
	// Arrange makes the operator refuse; may be nil where the plan does.
	Arrange func(t testing.TB, v Vendor)
	// Plan in place of Subject.Plan; may be empty.
	Plan string
	// Want is the class of the driver's error. Code is its code, where it is not empty.
	Want operators.Class
	Code string
	// RetryAfter of the error, where it is not 0.
	RetryAfter time.Duration
	// OneOrder of the error.
	OneOrder bool
}
