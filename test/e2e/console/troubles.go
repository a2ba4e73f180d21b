package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/chromedp/chromedp"
)

func (s *story) expire() error {
	return all(
		func() error { return s.open("#/buy") },
		func() error { return s.click(".products a", "") },
		func() error { return s.sees("Buy for") },
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("[type=email]"), "ann@example.com")) },
		func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refuse = true
			return nil
		},
		func() error { return s.click("button.wide", "Buy for") },
		func() error { return s.sees("Try again in") },
		func() error { return s.inspect("product-refused") },
		func() error { return s.sees("Buy for ¥") },
		// The API ends the session, and the page does not know of it yet.
		func() error { return s.api.do(http.MethodPost, s.api.base+"/auth/logout", "", nil) },
		func() error {
			// A token is known to be good for up to ten seconds after it was revoked.
			return within("the session does not end", func() (bool, error) {
				return evaluate[bool](s.browser, `fetch('/api/v1/wallets', {headers: {Authorization: 'Bearer ' + JSON.parse(sessionStorage['esim.session']).access}}).then((a) => a.status === 401)`)
			})
		},
		func() error { return s.click("button.wide", "Buy for") },
		func() error { return s.sees("Log in again") },
		func() error { return s.inspect("login-again") },
		func() error { return s.click("dialog label", "Token") },
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("dialog textarea"), s.api.token)) },
		func() error { return s.click("dialog button", "Log in") },
		func() error { return s.sees("Ready to install") },
		func() error {
			made, err := s.api.orders()
			if err == nil && made[0].Email != "ann@example.com" {
				err = fmt.Errorf("the e-mail address of the order is %q", made[0].Email)
			}
			return err
		},
	)
}

func (s *story) fail() error {
	return all(
		func() error { return s.open("#/buy") },
		func() error { return s.click(".products a", "") },
		func() error { return s.click(".plan", "Unlimited") },
		func() error { return s.sees("Buy for ¥4,800") },
		func() error { return s.click("button.wide", "Buy for ¥4,800") },
		func() error { return s.sees("Ready to install") },
		func() error { return s.open("#/buy") },
		func() error { return s.click(".products a", "") },
		func() error { return s.click(".plan", "Unlimited") },
		func() error { return s.sees("The wallet does not cover it") },
		func() error { return s.inspect("product-poor") },
		func() error { return s.click("button.wide", "Buy for ¥4,800") },
		func() error {
			return s.until("that it failed", `document.querySelector('#state')?.innerText.includes('Failed')`)
		},
		func() error {
			return s.until("that nothing was charged", `[...document.querySelectorAll(".sums dd")].some((e) => e.innerText === "Nothing")`)
		},
		func() error { return s.inspect("order-failed") },
	)
}

func (s *story) resume() error {
	var before []order
	return all(
		func() (err error) {
			before, err = s.api.orders()
			return err
		},
		func() error { return s.open("#/buy") },
		func() error { return s.click(".products a", "") },
		func() error { return s.sees("Buy for ¥650") },
		func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lose = true
			return nil
		},
		// The page goes before it could ask again.
		func() error { return s.click("button.wide", "Buy for ¥650") },
		func() error { return s.sees("No answer yet") },
		func() error { return s.run(chromedp.Reload()) },
		func() error { return s.sees("It is not known whether your last purchase was placed") },
		func() error { return s.inspect("unanswered") },
		func() error { return s.click(".banner button", "Find out") },
		func() error { return s.sees("Ready to install") },
		func() error {
			after, err := s.api.orders()
			if err == nil && len(after) != len(before)+1 {
				err = fmt.Errorf("%d orders were made", len(after)-len(before))
			}
			return err
		},
	)
}

func (s *story) away() error {
	cut := func(off bool) func() error {
		return func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.offline = off
			return nil
		}
	}
	return all(
		cut(true),
		func() error { return s.sees("What is shown may be out of date") },
		cut(false),
		func() error {
			return s.until("the end of the complaint", `!document.body.innerText.includes('out of date')`)
		},
	)
}

func (s *story) renew() error {
	const token = `JSON.parse(sessionStorage['esim.session']).access`
	before, err := evaluate[string](s.browser, token)
	if err != nil {
		return err
	}
	return all(
		// An hour passes for the page. The token before is revoked by the API as it gives the new one.
		func() error {
			return s.run(script(`window.realNow = Date.now; Date.now = () => realNow() + 3_590_000; location.hash = '#/orders'`))
		},
		func() error { return s.until("a new token", fmt.Sprintf(`%s !== %q`, token, before)) },
		func() error { return s.run(script(`Date.now = realNow`)) },
		func() error { return s.sees("No orders yet") },
		func() error { return s.inspect("orders-none") },
		func() error { return s.open("#/buy") },
	)
}

func (s *story) onlyLook() error {
	left, err := s.api.orders()
	if err != nil {
		return err
	}
	if s.bought, err = s.api.order(left[0].ID); err != nil {
		return err
	}
	return all(
		func() error { return s.logOut() },
		func() error { return s.click("label", "Token") },
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("textarea"), os.Getenv("ESIM_READ_TOKEN"))) },
		func() error { return s.click("button", "Log in") },
		func() error { return s.until("a price", `!!document.querySelector('.from b')`) },
		func() error { return s.open(fmt.Sprintf("#/orders/%d", left[0].ID)) },
		func() error { return s.sees("may not see activation codes") },
		s.hidden,
		func() error {
			return s.until("no way to ask for it", `!document.querySelector('#show-qr, #show-code')`)
		},
		func() error { return s.open("#/buy") },
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("[type=search]"), "japan")) },
		func() error { return s.until("Japan alone", `document.querySelectorAll('.products a').length === 1`) },
		func() error { return s.click(".products a", "") },
		func() error { return s.click("button.wide", "Buy for") },
		func() error { return s.sees("This client may not create orders") },
		func() error { return s.inspect("product-forbidden") },
	)
}

func (s *story) wait() error {
	return all(
		func() error {
			return s.api.control(http.MethodPost, "faults", `{"kind": "hang", "function": "DownloadOrder", "times": 1}`)
		},
		func() error { return s.open("#/buy") },
		func() error { return s.click(".products a", "") },
		func() error { return s.click("button.wide", "Buy for ¥650") },
		func() error { return s.sees("The mobile operator prepares the eSIM") },
		func() error { return s.inspect("order-pending") },
		func() error { return s.api.control(http.MethodDelete, "faults", "") },
		func() error { return s.sees("Ready to install") },
		func() error {
			return s.until("that readers hear of it", `document.querySelector('#status').textContent.includes('Ready to install')`)
		},
	)
}
