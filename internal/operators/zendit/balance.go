package zendit

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/telcodev/esim-operator/internal/money"
	"github.com/telcodev/esim-operator/internal/operators"
	"github.com/telcodev/esim-operator/internal/operators/webapi"
)

// maxDecimals bounds the decimals of a currency.
const maxDecimals = 8

// Balance of our wallet at Zendit.
func (d *Driver) Balance(ctx context.Context) (operators.Balance, error) {
	ours, failure := d.balance(ctx)
	if failure != nil {
		return operators.Balance{}, failure
	}
	return ours, nil
}

func (d *Driver) balance(ctx context.Context) (operators.Balance, *operators.Error) {
	ours := operators.Balance{Time: d.now().UTC()}
	found, failure := d.get(ctx, functionBalance, "/balance", func(body []byte) (err error) {
		var answer struct {
			Available webapi.Number `json:"availableBalance"`
			Currency  webapi.Text   `json:"currency"`
			Divisor   webapi.Int    `json:"currencyDivisor"`
		}
		if err := webapi.Decode(body, &answer); err != nil {
			return err
		}
		if !answer.Available.Given {
			return errors.New("the answer has no availableBalance")
		}
		ours.Amount, ours.Currency, err = inMajor(answer.Available.Amount, string(answer.Currency), int64(answer.Divisor))
		return err
	})
	if failure != nil {
		return operators.Balance{}, failure
	}
	if !found {
		refused := d.client.Refusal(http.StatusNotFound)
		refused.Function = functionBalance
		return operators.Balance{}, refused
	}
	return ours, nil
}

// inMajor is an amount that Zendit gives in minor units, with the divisor that it gives too, or
// with the currency's own where it gives none. The divisor must be a power of ten.
func inMajor(minor money.Amount, code string, divisor int64) (money.Amount, string, error) {
	code = strings.ToUpper(strings.TrimSpace(code))
	currency, known := money.Lookup(code)
	if !known {
		return money.Amount{}, "", errors.New("the currency is not one of ISO 4217")
	}
	decimals := 0
	switch {
	case divisor == 0:
		decimals = int(currency.MinorUnits)
	case divisor < 0:
		return money.Amount{}, "", errors.New("the currency's divisor is negative")
	default:
		for ; divisor > 1 && decimals <= maxDecimals; decimals++ {
			if divisor%10 != 0 {
				return money.Amount{}, "", errors.New("the currency's divisor is not a power of ten")
			}
			divisor /= 10
		}
	}
	if decimals == 0 {
		return minor, code, nil
	}
	if decimals > maxDecimals {
		return money.Amount{}, "", errors.New("the currency's divisor is too large")
	}
	unit, err := money.Parse("0." + strings.Repeat("0", decimals-1) + "1")
	if err != nil {
		return money.Amount{}, "", err
	}
	major, err := minor.Mul(unit)
	return major, code, err
}
