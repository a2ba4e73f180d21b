package esimaccess

import (
	"context"
	"errors"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// currency of the vendor's accounts and prices.
const currency = "USD"

var (
	// perUnit is how the vendor writes money: × 10,000.
	perUnit = mustParse("10000")
	// unit is what one of its numbers is worth.
	unit = mustParse("0.0001")
)

// mustParse is for constants.
func mustParse(text string) money.Amount {
	amount, err := money.Parse(text)
	if err != nil {
		panic("esimaccess: " + err.Error())
	}
	return amount
}

// Balance asks how much is in our account.
func (d *Driver) Balance(ctx context.Context) (operators.Balance, error) {
	var got struct {
		Balance webapi.Number `json:"balance"`
	}
	balance := operators.Balance{Currency: currency}
	failure := d.call(ctx, askBalance, struct{}{}, false, func(obj []byte) error {
		if err := decodeObject(obj, &got); err != nil {
			return err
		}
		if !got.Balance.Given {
			return errors.New("the answer has no balance")
		}
		amount, err := got.Balance.Mul(unit)
		balance.Amount, balance.Time = amount, d.now().UTC()
		return err
	})
	if failure != nil {
		return operators.Balance{}, reading(failure)
	}
	return balance, nil
}
