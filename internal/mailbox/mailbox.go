// Package mailbox is a mail server for development: it takes every mail over SMTP, keeps the
// last ones in memory, and shows them in a browser and as JSON. It sends nothing on, encrypts
// nothing, asks nobody who they are, and so listens on loopback addresses only.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"k8s.io/utils/clock"
)

const (
	// DefaultKeep is how many mails are kept.
	DefaultKeep = 200
	// maxKeep bounds what Options can ask for.
	maxKeep = 10_000
	// maxMail bounds one mail, in bytes.
	maxMail = 4 << 20
	// maxRecipients of one mail.
	maxRecipients = 100
	// patience is how long a peer may take for a line, a request or an answer.
	patience     = time.Minute
	anyPort      = "127.0.0.1:0"
	closingGrace = 5 * time.Second
)

// Options of a mailbox. The zero value listens on free ports of 127.0.0.1.
type Options struct {
	// SMTPAddress and HTTPAddress are loopback addresses with a port, such as 127.0.0.1:1025.
	SMTPAddress, HTTPAddress string
	// Keep is how many mails are kept; DefaultKeep where 0. The oldest go first.
	Keep int
	// Clock tells when mails arrive; the real one where nil.
	Clock clock.PassiveClock
	// Logger; silent where nil. It is told of no mail's content.
	Logger *slog.Logger
}

// Mailbox is a mail server for development. It is safe for concurrent use.
type Mailbox struct {
	options    Options
	smtp       *smtp.Server
	web        *http.Server
	smtpSocket net.Listener
	webSocket  net.Listener
	serving    sync.WaitGroup
	failed     chan error

	mutex sync.Mutex
	last  int
	// mails, oldest first.
	mails []*mail
}

// Start listens and serves until Close.
func Start(ctx context.Context, options Options) (*Mailbox, error) {
	m, err := prepare(options)
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	if m.smtpSocket, err = listen.Listen(ctx, "tcp", m.options.SMTPAddress); err != nil {
		return nil, fmt.Errorf("listening for SMTP: %w", err)
	}
	if m.webSocket, err = listen.Listen(ctx, "tcp", m.options.HTTPAddress); err != nil {
		return nil, errors.Join(fmt.Errorf("listening for HTTP: %w", err), m.smtpSocket.Close())
	}
	m.smtp = m.smtpServer()
	m.web = &http.Server{
		Handler: m.handler(), ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
		ErrorLog: slog.NewLogLogger(m.options.Logger.Handler(), slog.LevelDebug),
	}
	m.serving.Go(func() { m.report("SMTP", m.smtp.Serve(m.smtpSocket), smtp.ErrServerClosed) })
	m.serving.Go(func() { m.report("HTTP", m.web.Serve(m.webSocket), http.ErrServerClosed) })
	return m, nil
}

func prepare(options Options) (*Mailbox, error) {
	if options.SMTPAddress == "" {
		options.SMTPAddress = anyPort
	}
	if options.HTTPAddress == "" {
		options.HTTPAddress = anyPort
	}
	for _, address := range []string{options.SMTPAddress, options.HTTPAddress} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("the address %q must have the form 127.0.0.1:1025", address)
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("the address %q must be a loopback address such as 127.0.0.1:1025: everybody could read the mails", address)
		}
	}
	if options.Keep == 0 {
		options.Keep = DefaultKeep
	}
	if options.Keep < 0 || options.Keep > maxKeep {
		return nil, fmt.Errorf("%d mails cannot be kept: at least 1, at most %d", options.Keep, maxKeep)
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Mailbox{options: options, failed: make(chan error, 2)}, nil
}

func (m *Mailbox) report(what string, err, closed error) {
	if err != nil && !errors.Is(err, closed) && !errors.Is(err, net.ErrClosed) {
		m.failed <- fmt.Errorf("serving %s: %w", what, err)
	}
}

// SMTPAddress is where mails are taken, such as 127.0.0.1:1025.
func (m *Mailbox) SMTPAddress() string { return m.smtpSocket.Addr().String() }

// URL is where mails are shown, such as http://127.0.0.1:8025/.
func (m *Mailbox) URL() string { return "http://" + m.webSocket.Addr().String() + "/" }

// Failed gets an error where serving ended by itself.
func (m *Mailbox) Failed() <-chan error { return m.failed }

// Close ends all connections and forgets the mails.
func (m *Mailbox) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closingGrace)
	defer cancel()
	// The listener too: a server that is closed before it has begun to serve does not know it yet,
	// and would accept for ever.
	socket := m.smtpSocket.Close()
	if errors.Is(socket, net.ErrClosed) {
		socket = nil
	}
	err := errors.Join(m.smtp.Close(), socket, m.web.Shutdown(ctx))
	if errors.Is(err, context.DeadlineExceeded) {
		err = m.web.Close()
	}
	m.serving.Wait()
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.mails = nil
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// put keeps a mail, and forgets the oldest where there are too many.
func (m *Mailbox) put(from string, to []string, raw []byte) {
	taken := read(raw)
	taken.From, taken.To, taken.ReceivedAt = from, to, m.options.Clock.Now().UTC()
	m.mutex.Lock()
	m.last++
	taken.ID = m.last
	if len(m.mails) == m.options.Keep {
		m.mails = append(m.mails[:0:0], m.mails[1:]...)
	}
	m.mails = append(m.mails, taken)
	m.mutex.Unlock()
	m.options.Logger.Info("mail taken", "id", taken.ID, "bytes", len(raw))
}

// list is the mails that are kept, newest first.
func (m *Mailbox) list() []*mail {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	newest := make([]*mail, 0, len(m.mails))
	for i := len(m.mails) - 1; i >= 0; i-- {
		newest = append(newest, m.mails[i])
	}
	return newest
}

// find is nil where no such mail is kept.
func (m *Mailbox) find(id int) *mail {
	for _, kept := range m.list() {
		if kept.ID == id {
			return kept
		}
	}
	return nil
}
