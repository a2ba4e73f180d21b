package main

import (
	"fmt"
	"net/http"

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
		func() error { return s.api.do(http.MethodPost, s.api.base+"/auth/logout", nil) },
		func() error {
			// A token is known to be good for up to ten seconds after it was revoked.
			return within(patience, "the session does not end", func() (bool, error) {
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
