package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	devtools "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

const (
	// deposits that the second wallet has: more than a page of the statement holds.
	deposits = 120
	// A spreadsheet would take the name of this product for a formula.
	formula = `=SUM(1,2) "Japan"`
)

// secondWallet has ten euros of each deposit, and a rate for products that are priced in yen.
func secondWallet() string {
	var text strings.Builder
	text.WriteString(`apiVersion: esim.telco.dev/v1alpha1
kind: EsimWallet
metadata: {name: euros, namespace: acme}
spec:
  currency: EUR
  exchangeRates: [{from: JPY, rate: "0.0061"}]
  deposits:
`)
	for n := range deposits {
		fmt.Fprintf(&text, "  - {reference: transfer-%04d, amount: \"10\"}\n", n)
	}
	return text.String() + `---
apiVersion: esim.telco.dev/v1alpha1
kind: EsimProduct
metadata: {name: formula}
spec:
  displayName: '` + formula + `'
  countryCode: JPN
  currency: JPY
  variants:
  - name: 1gb-7d
    displayName: 1 GB / 7 days
    amount: "650"
    dataAmountGB: "1"
    validityDays: 7
    sources: [{operatorRef: {name: telco-one}, planID: JP-1GB-7D}]
`
}

type wallet struct {
	ID       int64       `json:"id"`
	Currency string      `json:"currency"`
	Amount   json.Number `json:"amount"`
}

// exact is the number that is written: a binary fraction is another one.
func exact(amount string) (*big.Rat, error) {
	number, ok := new(big.Rat).SetString(amount)
	if !ok {
		return nil, fmt.Errorf("%q is no number", amount)
	}
	return number, nil
}

// purse is the wallet with a currency.
func (a api) purse(currency string) (found wallet, err error) {
	var all []wallet
	if err := a.do(http.MethodGet, a.base+"/api/v1/wallets", "", &all); err != nil {
		return wallet{}, err
	}
	for _, one := range all {
		if one.Currency == currency {
			found = one
		}
	}
	return found, nil
}

// wallets gives the client a second one, and pays from it.
func (s *story) wallets() error {
	apply := exec.CommandContext(s.ctx, "kubectl", "apply", "-f", "-")
	apply.Stdin = strings.NewReader(secondWallet())
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("paying in: %w: %s", err, out)
	}
	if err := within("the API does not know the second wallet", func() (bool, error) {
		found, err := s.api.purse("EUR")
		return found.Amount == "1200", err
	}); err != nil {
		return err
	}
	return all(
		func() error { return s.open("#/buy") },
		func() error { return s.run(script(`location.reload()`)) },
		func() error {
			return s.until("the catalogue", `document.activeElement.textContent === 'Buy an eSIM'`)
		},
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("[type=search]"), "SUM")) },
		func() error {
			return s.until("the product alone", `document.querySelectorAll('.products a').length === 1`)
		},
		func() error { return s.click(".products a", "") },
		func() error { return s.sees("Buy for ¥650") },
		func() error {
			return s.run(script(`(() => {
				const select = [...document.querySelectorAll('select')].find((e) => e.labels[0]?.innerText === 'Pay with');
				select.value = [...select.options].find((o) => o.text.startsWith('EUR')).value;
				select.dispatchEvent(new Event('change', {bubbles: true}));
			})()`))
		},
		func() error { return s.sees("Buy for €") },
		func() error { return s.sees("1 JPY = 0.0061 EUR") },
		func() error { return s.inspect("product-wallets") },
		func() error { return s.click("button.wide", "Buy for €") },
		func() error { return s.sees("Ready to install") },
		func() error {
			after, err := s.api.purse("EUR")
			if err == nil && after.Amount == "1200" {
				err = errors.New("the euros did not pay")
			}
			return err
		},
	)
}

// save has the browser save the statement of each wallet, and reads it.
func (s *story) save() error {
	folder, err := os.MkdirTemp("", "console-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	if err := s.run(command(devtools.SetDownloadBehavior, devtools.SetDownloadBehaviorParams{
		Behavior: devtools.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder,
	})); err != nil {
		return err
	}
	if err := s.inspectWallets(); err != nil {
		return err
	}
	for _, currency := range []string{"JPY", "EUR"} {
		if err := s.saveOne(folder, currency); err != nil {
			return fmt.Errorf("the statement in %s: %w", currency, err)
		}
	}
	return nil
}

func (s *story) inspectWallets() error {
	return all(
		func() error { return s.open("#/wallet") },
		func() error {
			return s.until("both wallets", `document.querySelectorAll('.purse').length === 2 && !!document.querySelector('tbody tr')`)
		},
		func() error { return s.inspect("wallets") },
	)
}

// saveOne goes from the other wallet to the one with the currency, and has its statement saved at
// once, while it is still read.
func (s *story) saveOne(folder, currency string) error {
	of, err := s.api.purse(currency)
	if err != nil {
		return err
	}
	other := map[string]string{"JPY": "EUR", "EUR": "JPY"}[currency]
	chosen := func(currency string) func() error {
		return func() error {
			return s.until("the wallet in "+currency, fmt.Sprintf(`!!document.querySelector('.purse[aria-current]')?.innerText.startsWith(%q)`, currency))
		}
	}
	file := filepath.Join(folder, "statement-"+currency+".csv")
	var text []byte
	return all(
		func() error { return s.click("a.purse", other) },
		chosen(other),
		func() error { return s.click("a.purse", currency) },
		chosen(currency),
		func() error { return s.click("button", "Save as CSV") },
		func() error {
			return within("nothing is saved", func() (bool, error) {
				text, err = os.ReadFile(file)
				if errors.Is(err, os.ErrNotExist) {
					return false, nil
				}
				return len(text) > 0, err
			})
		},
		func() error { return statementAddsUp(string(text), of) },
	)
}

// statementAddsUp holds a statement that was saved against the wallet: it has a line for all that
// was ever booked, and each says what was left after it.
func statementAddsUp(text string, of wallet) error {
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return fmt.Errorf("it is no CSV: %w", err)
	}
	if got, want := strings.Join(lines[0], " "), "time transaction remarks order amount balance currency"; got != want {
		return fmt.Errorf("its columns are %s", got)
	}
	left, err := exact(of.Amount.String())
	if err != nil {
		return err
	}
	for _, cells := range lines[1:] {
		change, err := exact(cells[4])
		if err != nil {
			return err
		}
		after, err := exact(cells[5])
		if err != nil {
			return err
		}
		if after.Cmp(left) != 0 || cells[6] != of.Currency {
			return fmt.Errorf("%s %s is left after %s, and the lines above leave %s %s", cells[5], cells[6], cells[2], left.FloatString(4), of.Currency)
		}
		left.Sub(left, change)
	}
	if left.Sign() != 0 {
		return fmt.Errorf("its %d lines leave %s of the balance", len(lines)-1, left.FloatString(4))
	}
	if of.Currency == "EUR" {
		return formulaIsText(lines[1:])
	}
	return nil
}

// formulaIsText looks for what a spreadsheet would compute.
func formulaIsText(lines [][]string) error {
	if len(lines) != deposits+1 {
		return fmt.Errorf("it has %d lines, and %d deposits and one order are in the wallet", len(lines), deposits)
	}
	if remarks := lines[0][2]; !strings.HasPrefix(remarks, "'"+formula) {
		return fmt.Errorf("a spreadsheet takes %q for a formula", remarks)
	}
	return nil
}
