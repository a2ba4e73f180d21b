package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/chromedp/chromedp"

	"github.com/telcodev/esim-operator/internal/camera"
)

// maxPicture is more than a picture of a QR code takes.
const maxPicture = 1 << 20

// receiptCode is the code in the newest receipt that an address got; empty for none yet.
func receiptCode(address string) (string, error) {
	mailbox := os.Getenv("ESIM_MAILBOX")
	var mails []struct {
		ID    int  `json:"id"`
		HasQR bool `json:"hasQR"`
	}
	if err := (api{}).do(http.MethodGet, mailbox+"/messages?to="+url.QueryEscape(address), "", &mails); err != nil || len(mails) == 0 {
		return "", err
	}
	newest := mails[0]
	for _, mail := range mails {
		if mail.ID > newest.ID {
			newest = mail
		}
	}
	if !newest.HasQR {
		return "", fmt.Errorf("the receipt to %s has no QR code", address)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/messages/%d/qr.png", mailbox, newest.ID), http.NoBody) //nolint:gosec // the address is that of `make run`.
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request) //nolint:gosec // likewise.
	if err != nil {
		return "", err
	}
	picture, err := io.ReadAll(io.LimitReader(answer.Body, maxPicture))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return "", err
	}
	return camera.ReadPNG(bytes.NewReader(picture))
}

// unreceipted is an order that can be installed, and has no address yet.
func (a api) unreceipted() (order, error) {
	made, err := a.orders()
	if err != nil {
		return order{}, err
	}
	for _, one := range made {
		if one.Status == "DELIVERED" && !one.Installed && one.Email == "" {
			return a.order(one.ID)
		}
	}
	return order{}, fmt.Errorf("none of %d orders is delivered, not installed, and without a receipt", len(made))
}

// receipt sends one, then another to another address.
func (s *story) receipt() error {
	var err error
	if s.bought, err = s.api.unreceipted(); err != nil {
		return err
	}
	typed := func(address string) func() error {
		return func() error {
			return s.run(set("#receipt", ""), chromedp.SendKeys(chromedp.CSS("#receipt"), address))
		}
	}
	return all(
		func() error { return s.open(fmt.Sprintf("#/orders/%d", s.bought.ID)) },
		func() error { return s.sees("It tells what became of the order") },
		typed("nobody"),
		func() error { return s.click("#send-receipt", "Send a receipt") },
		func() error { return s.sees("Type an e-mail address") },
		func() error {
			return s.until("the focus on the address", `document.activeElement.id === 'receipt'`)
		},
		typed("first@example.com"),
		func() error { return s.click("#send-receipt", "Send a receipt") },
		func() error { return s.receives("first@example.com") },
		func() error { return s.sees("Another address gets a receipt of its own") },
		func() error { return s.inspect("order-receipt") },
		typed("second@example"),
		// Somebody else changes the order meanwhile: the page draws it anew.
		func() error {
			return s.api.do(http.MethodPatch, fmt.Sprintf("%s/api/v1/esim/orders/%d/notification-email", s.api.base, s.bought.ID), `{"email": "other@example.com"}`, nil)
		},
		func() error { return s.receiptTo("other@example.com") },
		func() error {
			return s.until("what was typed, with the focus on it", `document.activeElement.id === 'receipt' && document.activeElement.value === 'second@example'`)
		},
		func() error { return s.run(chromedp.SendKeys(chromedp.CSS("#receipt"), ".com")) },
		func() error { return s.click("#send-receipt", "Change the address") },
		func() error { return s.receives("second@example.com") },
	)
}

// receiptTo waits until the page says where the receipt goes.
func (s *story) receiptTo(address string) error {
	return s.until("the address "+address, fmt.Sprintf(
		`[...document.querySelectorAll('.sums div')].some((e) => e.innerText.startsWith('Receipt to') && e.innerText.endsWith(%q))`, address))
}

// receives waits until the page, the API and a mailbox know of an address.
func (s *story) receives(address string) error {
	return all(
		func() error { return s.receiptTo(address) },
		func() error {
			now, err := s.api.order(s.bought.ID)
			if err == nil && now.Email != address {
				err = fmt.Errorf("the receipt goes to %q, not to %s", now.Email, address)
			}
			return err
		},
		func() error {
			return within("no receipt came to "+address, func() (bool, error) {
				code, err := receiptCode(address)
				if err == nil && code != "" && code != s.bought.ActivationCode {
					err = fmt.Errorf("the receipt to %s has another code", address)
				}
				return code != "", err
			})
		},
	)
}
