package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/telcodev/esim-operator/internal/camera"
)

// story is one walk, of one user.
type story struct {
	*browser
	api api
	// bought is the order that is followed.
	bought order
}

// all does one thing after another, as long as they succeed.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) open(room string) error {
	return s.run(script(fmt.Sprintf(`location.hash = %q`, room)))
}

func (s *story) money() error {
	if err := s.run(command(log.Enable, cdp.Empty{}), command(fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{
		{URLPattern: "*/api/v1/esim/orders*", RequestStage: fetch.RequestStageRequest},
		{URLPattern: "*/api/v1/esim/orders*", RequestStage: fetch.RequestStageResponse},
	}}), chromedp.Navigate(s.api.base+"/console")); err != nil {
		return err
	}
	if err := s.look(desktop); err != nil {
		return err
	}
	wrong, err := evaluate[[]string](s.browser, `import('/console/money.js').then(({decimal, text, price, data}) => [
		[text(decimal(0.1) + decimal(0.2)), '0.3'], [text(decimal(4.275)), '4.275'], [text(decimal('-0')), '0'], [text(decimal(1e-7)), '0.0000001'],
		[text(decimal(-1.5) + decimal(1)), '-0.5'], [text(decimal(9999999999.9999)), '9999999999.9999'], [text(decimal('1.5e3')), '1500'],
		[price(4.275, 'USD'), '$4.275'], [price(4.5, 'USD'), '$4.50'], [price(650, 'JPY'), '¥650'], [price(-decimal(0.225), 'EUR'), '-€0.225'],
		[price(123456789012.345, 'USD'), '$123,456,789,012.345'], [data(0), 'Unlimited'], [data(0.5), '0.5 GB'],
	].filter(([got, want]) => got !== want).map((pair) => pair.join(', want ')))`)
	if err == nil && len(wrong) > 0 {
		err = errors.New(strings.Join(wrong, "; "))
	}
	return err
}

func (s *story) logIn() error {
	key, secret := os.Getenv("ESIM_API_KEY"), os.Getenv("ESIM_API_SECRET")
	return all(
		func() error { return s.sees("Buy eSIMs, follow them") },
		func() error { return s.inspect("login") },
		func() error {
			return s.run(chromedp.SendKeys(chromedp.CSS("[name=username]"), key), chromedp.SendKeys(chromedp.CSS("[name=password]"), "guessed"+kb.Enter))
		},
		func() error { return s.sees("API key or secret are wrong") },
		func() error {
			return s.run(set("[name=password]", ""), chromedp.SendKeys(chromedp.CSS("[name=password]"), secret+kb.Enter))
		},
		func() error { return s.sees("Buy an eSIM") },
		s.noTrace,
	)
}

// noTrace looks for tokens where they would outlive the tab, or be seen by others.
func (s *story) noTrace() error {
	traces, err := evaluate[string](s.browser, `[location.href, document.cookie, JSON.stringify({...localStorage}), history.state].join(' ')`)
	if err == nil && (strings.Contains(traces, "ey") || strings.Contains(traces, "LPA")) {
		err = errors.New("a token or a code is in the address, a cookie or localStorage")
	}
	return err
}

func (s *story) search() error {
	return all(
		func() error { return s.until("a price", `!!document.querySelector('.from b')`) },
		func() error { return s.inspect("catalogue") },
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("[type=search]"), "no such place")) },
		func() error { return s.sees("Nothing fits") },
		func() error { return s.inspect("catalogue-empty") },
		func() error { return s.click("button", "Show everything") },
		func() error {
			return s.run(set("select", "JPN"), dispatch("select", "change"))
		},
		func() error {
			return s.until("Japan and the regions with it", `document.querySelectorAll('.products a').length > 1 && document.querySelectorAll('.products a').length < 15`)
		},
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("[type=search]"), "japan")) },
		func() error { return s.until("Japan alone", `document.querySelectorAll('.products a').length === 1`) },
		func() error { return s.click(".products a", "") },
		func() error { return s.sees("Buy for ¥") },
		func() error { return s.inspect("product") },
	)
}

func set(selector, value string) step {
	return script(fmt.Sprintf(`document.querySelector(%q).value = %q`, selector, value))
}

func dispatch(selector, event string) step {
	return script(fmt.Sprintf(`document.querySelector(%q).dispatchEvent(new Event(%q, {bubbles: true}))`, selector, event))
}

func (s *story) buy() error {
	before, err := s.api.orders()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.lose = true
	s.mu.Unlock()
	err = all(
		func() error { return s.run(chromedp.DoubleClick(chromedp.CSS("button.wide"))) },
		func() error { return s.until("the order", `/^#.orders.\d+$/.test(location.hash)`) },
		func() error { return s.sees("Ready to install") },
	)
	if err != nil {
		return err
	}
	if s.mu.Lock(); !s.lost {
		err = errors.New("no answer was lost")
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	after, err := s.api.orders()
	if err != nil {
		return err
	}
	if len(after) != len(before)+1 {
		return fmt.Errorf("%d orders were made", len(after)-len(before))
	}
	s.bought, err = s.api.order(after[0].ID)
	return err
}

// hidden is an error where the page has the code, in whatever attribute or field.
func (s *story) hidden() error {
	parts := strings.Split(s.bought.ActivationCode, "$")
	if len(parts) < 3 {
		return fmt.Errorf("order %d has no activation code", s.bought.ID)
	}
	shown, err := evaluate[bool](s.browser, fmt.Sprintf(
		`(document.documentElement.outerHTML + [...document.querySelectorAll('input')].map((i) => i.value) + location.href + JSON.stringify({...sessionStorage})).includes(%q)`, parts[2]))
	if err == nil && shown {
		err = errors.New("the code is on the page")
	}
	return err
}

func (s *story) show() error {
	var picture []byte
	return all(
		s.hidden,
		func() error { return s.inspect("order") },
		func() error { return s.click("#show-qr", "Show QR code") },
		func() error {
			if err := s.until("the QR code", `document.querySelector('.qr img')?.complete`); err != nil {
				return err
			}
			var err error
			picture, err = chromedp.Run(s.ctx, chromedp.Screenshot(chromedp.CSS(".qr")))
			return err
		},
		func() error {
			read, err := camera.ReadPNG(bytes.NewReader(picture))
			if err == nil && read != s.bought.ActivationCode {
				err = errors.New("the QR code is another one")
			}
			return err
		},
		func() error { return s.click("#show-code", "Show code") },
		func() error {
			shown, err := evaluate[bool](s.browser, fmt.Sprintf(`[...document.querySelectorAll('.code')].at(-1).value === %q`, s.bought.ActivationCode))
			if err == nil && !shown {
				err = errors.New("the code by hand is another one")
			}
			return err
		},
		func() error { return s.inspect("order-shown") },
		func() error { return s.click("#show-code", "Hide code") },
		func() error { return s.click("#show-qr", "Hide QR code") },
		s.hidden,
	)
}

func (s *story) tap() error {
	return all(
		func() error { return s.look(phone) },
		func() error { return s.run(chromedp.Reload()) },
		func() error { return s.sees("Install on this iPhone") },
		s.hidden,
		func() error { return s.inspect("order-iphone") },
		func() error { return s.look(phone) },
		func() error {
			followed, err := evaluate[string](s.browser, `new Promise((resolve) => {
				addEventListener('click', (e) => { e.preventDefault(); resolve(e.target.closest('a').href); }, {once: true});
				document.querySelector('.install a').click();
			})`)
			want := "https://esimsetup.apple.com/esim_qrcode_provisioning?carddata=" + strings.ReplaceAll(url.QueryEscape(s.bought.ActivationCode), "+", "%20")
			if err == nil && followed != want {
				err = errors.New("the tap follows another link")
			}
			return err
		},
		func() error {
			return s.until("the link without the code", `document.querySelector('.install a').search === ''`)
		},
		s.hidden,
	)
}

func (s *story) install() error {
	return all(
		func() error { return s.click("#show-qr", "Show QR code") },
		func() error { return s.run(chromedp.WaitVisible(chromedp.CSS(".qr img"))) },
		func() error { return s.api.control(http.MethodPost, "profiles/"+s.bought.ICCID+"/install", "") },
		func() error { return s.until("the end of the code", `!!document.querySelector('#installed')`) },
		s.hidden,
		func() error { return s.until("no picture", `!document.querySelector('.qr')`) },
		func() error { return s.inspect("order-installed") },
	)
}

func (s *story) keyboard() error {
	press := func(keys string) func() error { return func() error { return s.run(chromedp.KeyEvent(keys)) } }
	tab := func(selector string) func() error { return func() error { return s.tabTo(selector) } }
	return all(
		func() error { return s.open("#/wallet") },
		func() error { return s.until("the wallet", `document.activeElement.textContent === 'Wallet'`) },
		func() error { return s.run(script(`document.activeElement.blur()`)) },
		tab(".skip"), tab("[data-room=buy]"), press(kb.Enter),
		func() error { return s.until("the catalogue", `document.activeElement.textContent === 'Buy an eSIM'`) },
		tab("[type=search]"), press("japan"),
		func() error { return s.until("Japan alone", `document.querySelectorAll('.products a').length === 1`) },
		tab(".products a"), press(kb.Enter),
		func() error { return s.sees("Buy for") },
		tab("[name=plan]"), press(kb.ArrowDown),
		func() error { return s.until("the second plan", `document.querySelectorAll('[name=plan]')[1].checked`) },
		func() error { return s.sees("Buy for ¥1,250") },
		tab("button.wide"), press(kb.Enter),
		func() error { return s.sees("Ready to install") },
		tab("#cancel"), press(kb.Enter),
		func() error { return s.sees("Cancel this order?") },
		func() error {
			return s.until("the focus on what does no harm", `document.activeElement.innerText === 'Keep it'`)
		},
		func() error { return s.inspect("order-cancel") },
		tab("dialog .danger"), press(kb.Enter),
		func() error { return s.sees("Given back") },
		func() error {
			return s.until("that it is cancelled", `document.querySelector('#state').innerText.includes('Cancelled')`)
		},
		func() error { return s.inspect("order-cancelled") },
	)
}

func (s *story) list() error {
	return all(
		func() error { return s.open("#/orders") },
		func() error { return s.until("orders", `document.querySelectorAll('.orders a').length >= 5`) },
		func() error { return s.inspect("orders") },
		func() error {
			return s.run(script(`document.querySelectorAll('.name').forEach((e, i) => {
				e.textContent = i % 2 ? 'Bosnia and Herzegovina, Serbia, Montenegro and North Macedonia 100 GB / 180 days' : 'Donaudampfschifffahrtsgesellschaftskapitaen'; })`))
		},
		func() error { return s.inspect("orders-long") },
		func() error {
			return s.run(set("select", "status=CANCELLED"), dispatch("select", "change"))
		},
		func() error {
			return s.until("the cancelled one", `document.querySelectorAll('.orders a').length === 1`)
		},
	)
}

func (s *story) statement() error {
	return all(
		func() error { return s.open("#/wallet") },
		func() error { return s.sees("the lines add up to the balance") },
		func() error { return s.inspect("wallet") },
		func() error {
			sum, err := evaluate[string](s.browser, `(() => {
				const number = (text) => Number(text.replace(/[^\d.-]/g, ''));
				const lines = [...document.querySelectorAll('tbody tr')].map((row) => number(row.cells[2].innerText));
				const sum = lines.reduce((a, b) => a + b, 0);
				return lines.length > 5 && sum === number(document.querySelector('.balance').innerText) ? '' : lines + ' makes ' + sum;
			})()`)
			if err == nil && sum != "" {
				err = errors.New("the lines do not make the balance: " + sum)
			}
			return err
		},
	)
}

func (s *story) logOut() error {
	return all(
		func() error { return s.click("#leave", "Log out") },
		func() error { return s.sees("Log out?") },
		func() error { return s.inspect("leave") },
		func() error { return s.click("dialog button", "Log out") },
		func() error { return s.sees("Buy eSIMs, follow them") },
	)
}

func (s *story) leave() error {
	return all(
		s.logOut,
		func() error {
			left, err := evaluate[int](s.browser, `sessionStorage.length + localStorage.length`)
			if err == nil && left != 0 {
				err = errors.New("the browser keeps something")
			}
			return err
		},
		s.noTrace,
		func() error { return s.run(chromedp.Navigate(s.api.base + "/console#/wallet")) },
		func() error { return s.sees("Buy eSIMs, follow them") },
	)
}
