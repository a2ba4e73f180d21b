package smdp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	// notificationTimeout bounds one try.
	notificationTimeout = 10 * time.Second
	// defaultAttempts, the first included, with waits of 1, 2, 4 and 8 seconds in between.
	defaultAttempts = 5
	firstRetryWait  = time.Second
	longestWait     = time.Minute
	maxQueued       = 10_000
	maxSent         = 1_000
	// notificationRequester is how the SM-DP+ names itself in what it sends.
	notificationRequester = "SM-DP+ simulator"
)

// Notifications say where the SM-DP+ sends HandleDownloadProgressInfo, and how. The zero value
// sends none.
type Notifications struct {
	// URL of the operator, such as https://127.0.0.1:8443. Without a path, the standard's
	// /gsma/rsp2/es2plus/handleDownloadProgressInfo is added.
	URL string
	// CA by which the operator's certificate is checked, as PEM; the PKI's own where empty.
	CA []byte
	// Attempts to send each; 5 where 0.
	Attempts int
	// Repeat sends each that many times more, although it was answered.
	Repeat int
	// OutOfOrder sends those that belong together last first.
	OutOfOrder bool
	// Points that the SM-DP+ sends, as its vendor numbers them.
	Points Points
}

// check says what is wrong.
func (n Notifications) check() error {
	if n.Attempts < 0 || n.Attempts > 100 || n.Repeat < 0 || n.Repeat > 100 {
		return errors.New("notifications: attempts and repeat must lie between 0 and 100")
	}
	if err := n.Points.check(); err != nil {
		return err
	}
	if n.URL == "" {
		return nil
	}
	u, err := url.Parse(n.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("notifications: the url must be https://host or https://host:port, with or without a path")
	}
	return nil
}

// target is where they are sent.
func (n Notifications) target() string {
	u, err := url.Parse(n.URL)
	if err != nil || (u.Path != "" && u.Path != "/") {
		return n.URL
	}
	u.Path = es2plus.HandleDownloadProgressInfo.Path()
	return u.String()
}

// SentNotification is one try to send a notification.
type SentNotification struct {
	Time  time.Time        `json:"time"`
	ICCID activation.ICCID `json:"iccid"`
	Point int              `json:"notificationPointId"`
	// Attempt counts from 1.
	Attempt int `json:"attempt"`
	// HTTPStatus that was answered; 0 where nothing was. 204 is success.
	HTTPStatus int `json:"httpStatus,omitempty"`
	// Error where it was not delivered.
	Error string `json:"error,omitempty"`
}

// notifier sends notifications, one after the other: best effort, with bounded retries.
type notifier struct {
	pki    *PKI
	clock  clock.Clock
	random io.Reader
	log    *slog.Logger
	// wake has room for one: something is queued.
	wake chan struct{}

	mu       sync.Mutex
	settings Notifications
	client   *http.Client
	queue    []es2plus.HandleDownloadProgressInfoRequest
	sent     []SentNotification
}

func newNotifier(pki *PKI, c clock.Clock, random io.Reader, log *slog.Logger, n Notifications) (*notifier, error) {
	out := &notifier{pki: pki, clock: c, random: random, log: log, wake: make(chan struct{}, 1), settings: n}
	var err error
	out.client, err = out.newClient(n)
	return out, err
}

// set says where notifications go from now on.
func (n *notifier) set(s Notifications) error {
	if err := s.check(); err != nil {
		return err
	}
	client, err := n.newClient(s)
	if err != nil {
		return err
	}
	n.mu.Lock()
	old := n.client
	n.settings, n.client = s, client
	n.mu.Unlock()
	old.CloseIdleConnections()
	return nil
}

// newClient shows the SM-DP+'s own certificate.
func (n *notifier) newClient(s Notifications) (*http.Client, error) {
	roots := n.pki.pool()
	if len(s.CA) > 0 {
		given, err := decodeCertificates(s.CA)
		if err != nil {
			return nil, fmt.Errorf("notifications: %w", err)
		}
		roots = given
	}
	return &http.Client{
		Timeout: notificationTimeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{n.pki.server},
			RootCAs:      roots,
			Time:         n.clock.Now,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// send queues what belongs together. Without a URL there is nothing to do.
func (n *notifier) send(messages []es2plus.HandleDownloadProgressInfoRequest) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.settings.URL == "" || len(messages) == 0 {
		return nil
	}
	if n.settings.OutOfOrder {
		slices.Reverse(messages)
	}
	for _, m := range messages {
		id := make([]byte, 16)
		if _, err := io.ReadFull(n.random, id); err != nil {
			return fmt.Errorf("draw a functionCallIdentifier: %w", err)
		}
		m.Header = es2plus.RequestHeader{
			FunctionRequesterIdentifier: notificationRequester,
			FunctionCallIdentifier:      hex.EncodeToString(id),
		}
		for range 1 + n.settings.Repeat {
			if len(n.queue) >= maxQueued {
				return fmt.Errorf("notifications: %d are waiting already; is %s there?", maxQueued, n.settings.URL)
			}
			n.queue = append(n.queue, m)
		}
	}
	select {
	case n.wake <- struct{}{}:
	default: // it is told already
	}
	return nil
}

// run sends what is queued until ctx is done.
func (n *notifier) run(ctx context.Context) {
	for {
		m, ok := n.take()
		if !ok {
			select {
			case <-n.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if n.deliver(ctx, m) != nil {
			return
		}
	}
}

func (n *notifier) take() (es2plus.HandleDownloadProgressInfoRequest, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.queue) == 0 {
		return es2plus.HandleDownloadProgressInfoRequest{}, false
	}
	m := n.queue[0]
	n.queue = n.queue[1:]
	return m, true
}

// deliver tries until it is answered with 204, or the attempts are used up. An error tells that
// ctx is done.
func (n *notifier) deliver(ctx context.Context, m es2plus.HandleDownloadProgressInfoRequest) error {
	wait := firstRetryWait
	for attempt := 1; ; attempt++ {
		n.mu.Lock()
		settings, client := n.settings, n.client
		n.mu.Unlock()
		if settings.URL == "" {
			return nil // switched off meanwhile
		}
		try := SentNotification{Time: n.clock.Now().UTC(), ICCID: bareICCID(m.ICCID), Point: int(m.NotificationPointID), Attempt: attempt}
		status, err := post(ctx, client, settings.target(), m)
		try.HTTPStatus = status
		if err != nil {
			try.Error = err.Error()
		}
		n.note(try)
		if err == nil {
			return nil
		}
		last := cmp.Or(settings.Attempts, defaultAttempts)
		n.log.Warn("notification not delivered", "iccid", try.ICCID, "point", try.Point, "attempt", attempt, "of", last, "error", err)
		if attempt >= last {
			return nil
		}
		if err := n.pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, longestWait)
	}
}

func (n *notifier) pause(ctx context.Context, d time.Duration) error {
	timer := n.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// post sends one notification once. The status is 0 where none was answered.
func post(ctx context.Context, client *http.Client, target string, m es2plus.HandleDownloadProgressInfoRequest) (status int, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(es2plus.HeaderAdminProtocol, es2plus.AdminProtocol(protocolVersion))
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	if answer.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("answered HTTP %d, not 204", answer.StatusCode)
	}
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

func (n *notifier) note(try SentNotification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.sent) == maxSent {
		n.sent = slices.Delete(n.sent, 0, 1)
	}
	n.sent = append(n.sent, try)
}

// list is the last tries, oldest first.
func (n *notifier) list() []SentNotification {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sent)
}

func (n *notifier) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.client.CloseIdleConnections()
}

// current settings.
func (n *notifier) current() Notifications {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings
}
