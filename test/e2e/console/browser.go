package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a page may take to come to what is expected of it.
const patience = 20 * time.Second

// browser is a headless Chromium that notes whatever a page complains of.
type browser struct {
	ctx context.Context
	// shots is the folder that pictures go to; empty for none.
	shots string
	// axe is the text of axe-core.
	axe string

	mu         sync.Mutex
	complaints []string
	// lost is set to lose the answer to the next order, which the server has made by then.
	lose, lost bool
	// refuse is set to answer the next order 429 without asking the server.
	refuse bool
	// offline is set while no request about orders gets to the server.
	offline bool
}

// step is something that a user or the browser does.
type step = chromedp.Action[chromedp.Void]

// command is a command of the DevTools protocol.
func command[P, R any](c cdp.Command[P, R], parameters P) step {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, parameters)
		return chromedp.Void{}, err
	}
}

// script runs JavaScript on the page.
func script(text string) step { return chromedp.Evaluate[chromedp.Void](text) }

// newBrowser starts Chromium. What it returns ends it.
func newBrowser(ctx context.Context, path string) (*browser, func(), error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("lang", "en-GB"))
	if os.Geteuid() == 0 {
		// Chromium refuses root its sandbox. It sees nothing here but the page under test.
		options = append(options, chromedp.NoSandbox)
	}
	allocated, end := chromedp.NewExecAllocator(ctx, options...)
	page, endPage := chromedp.NewContext(allocated)
	b := &browser{ctx: page}
	return b, func() {
		endPage()
		end()
	}, chromedp.Listen(page, b.heard)
}

// heard notes errors of scripts and of the page's policy, and plays the network's faults.
func (b *browser) heard(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complain(fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.complain(fmt.Sprint(e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		// What the network refuses is part of the stories.
		if e.Entry.Source != log.EntrySourceNetwork && (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) {
			b.complain(e.Entry.Text)
		}
	case *fetch.EventRequestPaused:
		go b.play(e)
	}
}

func (b *browser) play(e *fetch.EventRequestPaused) {
	answered := e.ResponseStatusCode != 0 || e.ResponseErrorReason != ""
	b.mu.Lock()
	ordering := e.Request.Method == http.MethodPost
	lose, refuse, offline := ordering && b.lose && answered, ordering && b.refuse && !answered, b.offline
	if lose {
		b.lose, b.lost = false, true
	}
	if refuse {
		b.refuse = false
	}
	b.mu.Unlock()
	then := command(fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID})
	switch {
	case lose, offline:
		then = command(fetch.FailRequest, fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonConnectionReset})
	case refuse:
		then = command(fetch.FulfillRequest, fetch.FulfillRequestParams{RequestID: e.RequestID, ResponseCode: 429, ResponseHeaders: []*fetch.HeaderEntry{
			{Name: "Retry-After", Value: "2"}, {Name: "Content-Type", Value: "application/json"},
		}})
	}
	// A page that is left takes its requests with it.
	if err := chromedp.Do(b.ctx, then); err != nil && b.ctx.Err() == nil && !strings.Contains(err.Error(), "InterceptionId") {
		b.complain("playing the network: " + err.Error())
	}
}

func (b *browser) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// quiet is an error with what the page has complained of.
func (b *browser) quiet() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) == 0 {
		return nil
	}
	return errors.New("the browser complains: " + strings.Join(b.complaints, "; "))
}

// run does something, for as long as that may take.
func (b *browser) run(steps ...step) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// until waits for an expression of JavaScript to be true.
func (b *browser) until(what, expression string) error {
	err := within(what+" never came: "+expression, func() (bool, error) {
		there, err := evaluate[bool](b, expression)
		// While the page is loaded there may be no page.
		return err == nil && there, b.ctx.Err()
	})
	if err == nil {
		return nil
	}
	shown, asked := evaluate[string](b, `location.href + ' ' + document.body.innerText`)
	return errors.Join(err, asked, b.shoot("failed"), errors.New("the page shows: "+shown))
}

// sees waits until the page has a text.
func (b *browser) sees(text string) error {
	return b.until("the text "+text, fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// evaluate is the value of an expression of JavaScript.
func evaluate[T any](b *browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		err = fmt.Errorf("%s: %w", expression, err)
	}
	return value, err
}

// click clicks on the first element whose text begins so.
func (b *browser) click(kind, text string) error {
	found := fmt.Sprintf(`[...document.querySelectorAll(%q)].find((e) => e.innerText.trim().startsWith(%q) && e.checkVisibility())`, kind, text)
	if err := b.until(kind+" "+text, "!!"+found); err != nil {
		return err
	}
	return b.run(script(found + ".click()"))
}

// tabTo presses Tab until the element has the focus, as who has no mouse does.
func (b *browser) tabTo(selector string) error {
	for range 80 {
		if err := b.run(chromedp.KeyEvent(kb.Tab)); err != nil {
			return err
		}
		there, err := evaluate[bool](b, fmt.Sprintf(`document.activeElement.matches(%q)`, selector))
		if err != nil || there {
			return err
		}
	}
	return fmt.Errorf("with the Tab key alone %s is not to be reached", selector)
}

// screen is what somebody looks at the console with.
type screen struct {
	name          string
	width, height int64
	mobile        bool
	scheme        string
}

var (
	desktop = screen{"desktop", 1280, 900, false, "light"}
	phone   = screen{"phone", 390, 844, true, "light"}
	tiny    = screen{"tiny", 320, 600, true, "dark"}
)

func (s screen) dark() screen {
	s.scheme = "dark"
	return s
}

const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"

// look has the page look as on a screen.
func (b *browser) look(s screen) error {
	agent := "Chromium"
	if s.mobile {
		agent = iPhone
	}
	return b.run(
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.mobile}),
		command(emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: s.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}))
}

// inspect looks at the page on all screens: nothing is cut off, and axe-core finds nothing.
func (b *browser) inspect(name string) error {
	for _, s := range []screen{desktop, desktop.dark(), phone, phone.dark(), tiny} {
		if err := b.look(s); err != nil {
			return err
		}
		title := fmt.Sprintf("%s on a %s, %s", name, s.name, s.scheme)
		wide, err := evaluate[int64](b, `document.documentElement.scrollWidth`)
		if err != nil {
			return err
		}
		if wide > s.width {
			return fmt.Errorf("%s is %d pixels wide", title, wide)
		}
		if err := b.shoot(name + "-" + s.name + "-" + s.scheme); err != nil {
			return err
		}
		if err := b.accessible(title); err != nil {
			return err
		}
	}
	return b.look(desktop)
}

// accessible has axe-core look for what hinders people.
func (b *browser) accessible(title string) error {
	there, err := evaluate[bool](b, `'axe' in window`)
	if err == nil && !there {
		err = b.run(script(b.axe + "; 0"))
	}
	if err != nil {
		return err
	}
	found, err := evaluate[[]string](b, `axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join(', ')))`)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%s: axe-core finds %s", title, strings.Join(found, "\n"))
	}
	return nil
}

func (b *browser) shoot(name string) error {
	if b.shots == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.shots, name+".png"), picture, 0o600)
}
