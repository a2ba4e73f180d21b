// Command console walks through the web console in a headless Chromium, against `make run`: it
// logs in, buys, installs, cancels, and looks at every room on a desktop and on a phone. It
// reads ESIM_API, ESIM_TOKEN, ESIM_READ_TOKEN, ESIM_API_KEY, ESIM_API_SECRET, ESIM_MAILBOX and
// SMDP_CONTROL, and KUBECONFIG for kubectl.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	path := flag.String("chromium", "chromium", "`file` of Chromium")
	shots := flag.String("shots", "", "`folder` for pictures of every room; empty for none")
	axe := flag.String("axe", "", "`file` of axe-core, axe.min.js")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := walk(ctx, *path, *shots, *axe)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1)
	}
}

func walk(ctx context.Context, path, shots, axe string) error {
	b, end, err := newBrowser(ctx, path)
	defer end()
	if err != nil {
		return fmt.Errorf("starting %s: %w", path, err)
	}
	b.shots = shots
	text, err := os.ReadFile(axe)
	if err != nil {
		return fmt.Errorf("reading axe-core: %w", err)
	}
	b.axe = string(text)
	s := &story{browser: b, api: api{base: os.Getenv("ESIM_API"), token: os.Getenv("ESIM_TOKEN")}}
	for _, chapter := range []struct {
		told string
		tell func() error
	}{
		{"money is computed exactly", s.money},
		{"who has a wrong secret stays out, who has the right one comes in", s.logIn},
		{"a session is renewed before it ends", s.renew},
		{"the catalogue is searched", s.search},
		{"an answer is lost and the button is clicked twice, and one eSIM is bought", s.buy},
		{"its QR code installs it, and no code is on the page before it is asked for", s.show},
		{"a phone's installer is opened by a link that has the code at the tap alone", s.tap},
		{"once it is installed its code is gone", s.install},
		{"with the keyboard alone another is bought and cancelled", s.keyboard},
		{"a pending order is delivered before one's eyes", s.wait},
		{"too many requests, and an end of the session, lose nothing that was typed", s.expire},
		{"what the wallet does not cover fails in words", s.fail},
		{"a purchase without any answer is found after a reload", s.resume},
		{"what the network keeps from the page is said", s.away},
		{"a receipt is sent, and to another address another one", s.receipt},
		{"orders are listed", s.list},
		{"the statement adds up", s.statement},
		{"a client with two wallets says which one pays", s.wallets},
		{"statements are saved whole, as spreadsheets can read them", s.save},
		{"who may only look on sees no code, and is told that buying is not for them", s.onlyLook},
		{"logging out leaves nothing behind", s.leave},
	} {
		begun := time.Now()
		if err := chapter.tell(); err != nil {
			return fmt.Errorf("%s: %w", chapter.told, err)
		}
		if err := b.quiet(); err != nil {
			return fmt.Errorf("%s: %w", chapter.told, err)
		}
		fmt.Printf("console: ok: %s (%.1f s)\n", chapter.told, time.Since(begun).Seconds())
	}
	return nil
}
