package operators

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/telcodev/esim-operator/internal/money"
)

// Bookkeeper is a Driver whose operator keeps each purchase in its books under our request ID, as
// wholesalers do. What an attempt bought is found there, whatever was lost on our side; and an
// attempt that may have been sent holds something until the books say otherwise.
//
// Provision is called again and again with one request ID until it returns a profile: while the
// operator is still at it, the error is Busy. GiveBack is called with a Held without an ICCID
// where no profile is known; ErrUnknownProfile is then the final answer that nothing was bought
// under the request ID, and that nothing will be.
type Bookkeeper interface {
	Driver

	// Books names the books that purchases are in: the kind of operator, where it is, and our name
	// for the account. What was bought through one Bookkeeper is found by another one with the same
	// Books, and by no other. They stay the same when credentials are rotated.
	Books() string
}

// ErrNotReturnable says that the operator takes nothing back.
var ErrNotReturnable = errors.New("the operator takes no profile back")

// Cataloguer is a Driver whose operator lists what it sells.
type Cataloguer interface {
	Driver

	// Plans are all plans that the operator sells, in no particular order, in pages as they are
	// asked for. An error, of type *Error, ends them: what came before it is not all.
	Plans(ctx context.Context) iter.Seq2[Plan, error]
}

// Plan is a data plan as an operator sells it, in our units.
type Plan struct {
	// ID is the operator's own name for it: what a source's planID says.
	ID string
	// Name is what the operator calls it.
	Name string
	// Countries where it works: ISO 3166-1 alpha-3 codes, sorted, each once.
	Countries []string
	// Region is our code for the region that it is sold for, such as XEU; GLO for all the world,
	// empty for a single country.
	Region string
	// DataGB in gigabytes; zero where it is unlimited.
	DataGB money.Amount
	// Days for which it is valid.
	Days int32
	// Cost is what the operator takes from our account, in Currency (ISO 4217).
	Cost     money.Amount
	Currency string
	// Inactive tells that the operator lists it and does not sell it now.
	Inactive bool
}

// Accountant is a Driver whose operator tells how much money is in our account.
type Accountant interface {
	Driver

	// Balance of our account. Its errors are of type *Error.
	Balance(ctx context.Context) (Balance, error)
}

// Balance is money in our account at an operator.
type Balance struct {
	Amount   money.Amount
	Currency string
	Time     time.Time
}
