package money_test

import (
	"math/big"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/telcodev/esim-operator/internal/money"
)

// decimals are texts of numbers, more of them short and near to each other than by chance.
var decimals = rapid.OneOf(
	rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})([.][0-9]{1,20})?`),
	rapid.StringMatching(`-?[0-9]([.][0-9]{1,3})?`),
	rapid.StringMatching(`-?[0-9]{1,4}[.](0{0,6}5|49{0,8}|50{0,6}1)`),
)

// number is a decimal and what exact fractions make of it.
type number struct {
	money.Amount
	rat *big.Rat
}

func draw(t *rapid.T, label string) number {
	text := decimals.Draw(t, label)
	a, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	rat, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("big.Rat does not read %q", text)
	}
	return number{a, rat}
}

// same fails unless the amount is the fraction, to the last digit.
func same(t *rapid.T, what string, got money.Amount, want *big.Rat) {
	t.Helper()
	rat, ok := new(big.Rat).SetString(got.String())
	if !ok || rat.Cmp(want) != 0 {
		t.Fatalf("%s is %s, want %s", what, got, want.RatString())
	}
}

func TestArithmeticIsThatOfFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		same(t, "a + b", a.Add(b.Amount), new(big.Rat).Add(a.rat, b.rat))
		same(t, "a - b", a.Sub(b.Amount), new(big.Rat).Sub(a.rat, b.rat))
		same(t, "-a", a.Neg(), new(big.Rat).Neg(a.rat))

		product, err := a.Mul(b.Amount)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "a × b", product, new(big.Rat).Mul(a.rat, b.rat))

		part, err := a.Percent(b.Amount)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "b percent of a", part, new(big.Rat).Quo(new(big.Rat).Mul(a.rat, b.rat), big.NewRat(100, 1)))
	})
}

func TestComparisonIsThatOfFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if a.Cmp(b.Amount) != a.rat.Cmp(b.rat) || a.Equal(b.Amount) != (a.rat.Cmp(b.rat) == 0) || a.Sign() != a.rat.Sign() {
			t.Fatalf("%s and %s: Cmp %d, Equal %t, Sign %d", a, b, a.Cmp(b.Amount), a.Equal(b.Amount), a.Sign())
		}
	})
}

var canonical = regexp.MustCompile(`^(0|-?(0|[1-9][0-9]*)([.][0-9]*[1-9])?)$`)

func TestEqualAmountsHaveOneText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		// Twice the same number, with other decimals on the way.
		again := a.Add(b.Amount).Sub(b.Amount)
		if again.String() != a.String() || !canonical.MatchString(a.String()) || a.String() == "-0" {
			t.Fatalf("%s, %s", a, again)
		}
	})
}

func TestSumsDoNotDependOnTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(decimals, 0, 50).Draw(t, "amounts")
		sum := func(texts []string) (total money.Amount) {
			for _, text := range texts {
				a, err := money.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				total = total.Add(a)
			}
			return total
		}
		if one, other := sum(texts), sum(rapid.Permutation(texts).Draw(t, "in another order")); !one.Equal(other) {
			t.Fatalf("%s and %s", one, other)
		}
	})
}

func TestRoundingIsHalfEvenToMinorUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, currency := draw(t, "a"), rapid.SampledFrom(money.Currencies()).Draw(t, "currency")
		got, err := a.RoundTo(currency.Code)
		if err != nil {
			t.Fatal(err)
		}
		same(t, a.String()+" in "+currency.Code, got, halfEven(a.rat, currency.MinorUnits))
		again, err := got.RoundTo(currency.Code)
		if err != nil || !again.Equal(got) {
			t.Fatalf("%s is rounded again to %s, %v", got, again, err)
		}
	})
}

// halfEven rounds a fraction by the book: to whole units, the nearest, of two the even one.
func halfEven(rat *big.Rat, minorUnits int32) *big.Rat {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(minorUnits)), nil)
	scaled := new(big.Rat).Mul(rat, new(big.Rat).SetInt(unit))
	floor, rest := new(big.Int).DivMod(scaled.Num(), scaled.Denom(), new(big.Int))
	switch twice := new(big.Int).Lsh(rest, 1).Cmp(scaled.Denom()); {
	case twice > 0, twice == 0 && floor.Bit(0) == 1:
		floor.Add(floor, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(floor, unit)
}
