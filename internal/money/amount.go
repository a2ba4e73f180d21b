// Package money holds exact decimal amounts and the currencies of ISO 4217. Nothing here
// passes through a binary float, and nothing is rounded but by RoundTo.
package money

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// What is more than any sum of money has, and little enough to compute with.
const (
	maxText     = 64
	maxDecimals = 64
	maxDigits   = 512
)

var (
	// ErrNotDecimal says that a text is not a decimal number such as 4.50 or -4.50.
	ErrNotDecimal = errors.New("not a decimal number such as 4.50")
	// ErrTooLong says that a number has more digits than are computed with.
	ErrTooLong = errors.New("more digits than an amount can have")
	// ErrUnknownCurrency says that ISO 4217 has no such code among the currencies in use.
	ErrUnknownCurrency = errors.New("not the ISO 4217 code of a currency in use, such as USD")
)

// exact computes without rounding: of every condition that apd knows it makes an error.
var exact = apd.Context{
	Precision:   0,
	MaxExponent: apd.MaxExponent,
	MinExponent: apd.MinExponent,
	Traps:       ^apd.Condition(0),
	Rounding:    apd.RoundHalfEven,
}

// Amount is a decimal number: a sum of money, a percent or a rate. It is exact, has no
// currency of its own and never changes; the zero value is 0. Amounts are compared with Cmp
// or Equal, not with ==: 4.5 and 4.50 are one number written in two ways.
type Amount struct {
	// number is finite. It has between 0 and maxDecimals decimals.
	number apd.Decimal
}

// Parse reads a decimal number: digits, perhaps with a minus before them and with a point
// and more digits after them, 64 characters at most. Neither a plus, an exponent nor spaces
// are taken. The errors are ErrNotDecimal and ErrTooLong.
func Parse(text string) (Amount, error) {
	if len(text) > maxText {
		return Amount{}, fmt.Errorf("reading an amount of %d characters: %w", len(text), ErrTooLong)
	}
	whole, fraction, pointed := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if !digits(whole) || pointed && !digits(fraction) {
		return Amount{}, fmt.Errorf("reading the amount %q: %w", text, ErrNotDecimal)
	}
	var a Amount
	if _, _, err := exact.SetString(&a.number, text); err != nil {
		return Amount{}, fmt.Errorf("reading the amount %q: %w", text, err)
	}
	return a.unsignedZero(), nil
}

// digits tells whether a text is digits, at least one.
func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// Add returns a + b, exactly.
func (a Amount) Add(b Amount) Amount {
	var sum Amount
	mustBeExact(exact.Add(&sum.number, &a.number, &b.number))
	return sum.unsignedZero()
}

// Sub returns a - b, exactly.
func (a Amount) Sub(b Amount) Amount {
	var difference Amount
	mustBeExact(exact.Sub(&difference.number, &a.number, &b.number))
	return difference.unsignedZero()
}

// Neg returns -a.
func (a Amount) Neg() Amount {
	var negative Amount
	negative.number.Neg(&a.number)
	return negative.unsignedZero()
}

// Mul returns a × b, exactly. Where that has more digits than any sum of money, it is
// ErrTooLong: products of products of products only.
func (a Amount) Mul(b Amount) (Amount, error) {
	return a.mul(b, 0)
}

// Percent returns a × percent / 100, exactly; with Mul's error.
func (a Amount) Percent(percent Amount) (Amount, error) {
	return a.mul(percent, 2)
}

// mul returns a × b with the point moved to the left.
func (a Amount) mul(b Amount, left int32) (Amount, error) {
	decimals := left - a.number.Exponent - b.number.Exponent
	length := a.number.NumDigits() + b.number.NumDigits()
	if decimals > maxDecimals || length > maxDigits {
		return Amount{}, fmt.Errorf("multiplying %d digits with %d decimals: %w", length, decimals, ErrTooLong)
	}
	var product Amount
	mustBeExact(exact.Mul(&product.number, &a.number, &b.number))
	product.number.Exponent -= left
	return product.unsignedZero(), nil
}

// RoundTo returns the amount in whole minor units of a currency (JPY 0 decimals, USD 2, KWD
// 3): the nearest, and of two the even one. The error is ErrUnknownCurrency.
func (a Amount) RoundTo(code string) (Amount, error) {
	currency, known := Lookup(code)
	if !known {
		return Amount{}, fmt.Errorf("rounding to %q: %w", code, ErrUnknownCurrency)
	}
	half := exact
	half.Precision = uint32(a.number.NumDigits()) + uint32(currency.MinorUnits) + 1
	half.Traps = exact.Traps &^ (apd.Inexact | apd.Rounded)
	var rounded Amount
	if _, err := half.Quantize(&rounded.number, &a.number, -currency.MinorUnits); err != nil {
		return Amount{}, fmt.Errorf("rounding to %s: %w", code, err)
	}
	return rounded.unsignedZero(), nil
}

// Cmp returns -1 where a < b, 0 where they are the same number, 1 where a > b.
func (a Amount) Cmp(b Amount) int { return a.number.Cmp(&b.number) }

// Equal tells whether a and b are the same number.
func (a Amount) Equal(b Amount) bool { return a.Cmp(b) == 0 }

// Sign returns -1 for a negative amount, 0 for zero, 1 for a positive one.
func (a Amount) Sign() int { return a.number.Sign() }

// String writes the amount in digits, without an exponent and without zeros at its end:
// 4.50 is 4.5, 650.00 is 650. One number has one text.
func (a Amount) String() string {
	text := a.number.Text('f')
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// unsignedZero takes the minus from zero.
func (a Amount) unsignedZero() Amount {
	if a.number.IsZero() {
		a.number.Negative = false
	}
	return a
}

// mustBeExact holds the package's promise. Between numbers of at most maxDecimals decimals
// apd finds nothing that it could not add or multiply exactly, so err is always nil; were it
// not, going on with a wrong sum would be the worst that could be done.
func mustBeExact(_ apd.Condition, err error) {
	if err != nil {
		panic("money: computing exactly: " + err.Error())
	}
}
