package progress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/api/v1alpha1"
	"github.com/telcodev/esim-operator/internal/es2plus"
)

const (
	// maxBody bounds a notification; a usual one has a few hundred bytes.
	maxBody = 64 << 10
	// storeTimeout bounds how long a sender waits; most give up after ten seconds or more.
	storeTimeout = 8 * time.Second
	// retryAfter is what senders are asked for, in seconds, while reports cannot be stored.
	retryAfter = "5"
	// protocolVersion that answers are given in.
	protocolVersion = "2.2.0"
	// complaintsPerSecond bounds what strangers can make us log; metrics count all.
	complaintsPerSecond = 1
	complaintsAtOnce    = 10
)

// ErrUnknownICCID is how a Store tells that no order of these operators has the profile.
var ErrUnknownICCID = errors.New("no order of these operators has this ICCID")

// Store keeps what operators report.
type Store interface {
	// Report keeps a report so that no crash loses it, and only then returns. The profile must be
	// one of the operators': those that the sender speaks for. Reports repeat and come out of
	// order. Errors: ErrUnknownICCID; any other has the sender try again.
	Report(ctx context.Context, operators []string, report v1alpha1.DeviceReport) error
}

// Receiver answers notifications. Its requests must come over TLS with a client certificate,
// which it checks itself.
type Receiver struct {
	roster     roster
	store      Store
	clock      clock.PassiveClock
	log        logr.Logger
	complaints *rate.Limiter
	routes     *http.ServeMux
}

// NewReceiver takes notifications of these senders into the store.
func NewReceiver(senders Senders, store Store, c clock.PassiveClock, log logr.Logger) *Receiver {
	r := &Receiver{
		roster: roster{senders: senders}, store: store, clock: c, log: log,
		complaints: rate.NewLimiter(complaintsPerSecond, complaintsAtOnce), routes: http.NewServeMux(),
	}
	for _, function := range []es2plus.Function{es2plus.HandleDownloadProgressInfo, es2plus.HandleNotification} {
		r.routes.HandleFunc("POST "+function.Path(), r.receive)
	}
	return r
}

// ServeHTTP answers 204 to what is stored or means nothing here, 403 to who is nobody's sender,
// 400 and 413 to what is no notification, 503 while it cannot be stored.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	w.Header().Set(es2plus.HeaderAdminProtocol, es2plus.AdminProtocol(protocolVersion))
	r.routes.ServeHTTP(w, request)
}

// refusal is a request that is not read to the end, or not taken.
type refusal struct {
	status int
	// reason for the metrics.
	reason string
	// text for the sender.
	text string
}

var (
	refuseSender      = &refusal{http.StatusForbidden, "sender", "the certificate is not that of a known sender"}
	refuseUnavailable = &refusal{http.StatusServiceUnavailable, "unavailable", "senders cannot be checked at present; try again"}
	refuseTooLarge    = &refusal{http.StatusRequestEntityTooLarge, "too_large", "the body may have 64 KiB"}
	refuseUnreadable  = &refusal{http.StatusBadRequest, "unreadable", "the body could not be read"}
)

func (r *Receiver) receive(w http.ResponseWriter, request *http.Request) {
	arrival := r.clock.Now()
	from, refused := r.identify(request, arrival)
	if refused != nil {
		// A stranger need not keep a connection that senders may want.
		w.Header().Set("Connection", "close")
		r.refuse(w, refused)
		return
	}
	info, refused := r.read(w, request)
	if refused != nil {
		r.complain("A notification could not be read", "operators", from.operators(), "why", refused.text)
		r.refuse(w, refused)
		return
	}
	if !r.take(request.Context(), info, from, arrival) {
		w.Header().Set("Retry-After", retryAfter)
		http.Error(w, "the notification cannot be stored at present; try again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// identify finds out for whom the sender speaks.
func (r *Receiver) identify(request *http.Request, now time.Time) (sender, *refusal) {
	if request.TLS == nil || len(request.TLS.PeerCertificates) == 0 {
		return sender{}, refuseSender
	}
	known, err := r.roster.speakers(request.Context())
	if err != nil {
		r.complain("The senders of some operators cannot be checked", "error", err.Error())
	}
	certificates := request.TLS.PeerCertificates
	found, why := identify(known, certificates, now)
	switch {
	case len(found) > 0:
		return sender{speakers: found, perhapsMore: err != nil}, nil
	case err != nil:
		return sender{}, refuseUnavailable
	}
	r.complain("A notification was refused: its sender is nobody's", "remote", request.RemoteAddr,
		"fingerprint", fingerprint(certificates[0]), "why", why.Error())
	return sender{}, refuseSender
}

// read reads the notification.
func (*Receiver) read(w http.ResponseWriter, request *http.Request) (es2plus.ProgressInfo, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return es2plus.ProgressInfo{}, refuseTooLarge
	case err != nil:
		return es2plus.ProgressInfo{}, refuseUnreadable
	}
	info, err := es2plus.ReadProgressInfo(body)
	if err != nil {
		return es2plus.ProgressInfo{}, &refusal{http.StatusBadRequest, "malformed", err.Error()}
	}
	return info, nil
}

// take stores what the notification means. False tells that the sender must try again.
func (r *Receiver) take(ctx context.Context, info es2plus.ProgressInfo, from sender, arrival time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	log := r.log.WithValues("iccid", info.ICCID, "point", int(info.Point), "status", info.Status)
	var strange []statement
	for _, s := range statements(info, from.speakers) {
		if s.event == nothing {
			count(s, outcomeIgnored)
			log.V(1).Info("A notification means nothing here", "operators", s.operators)
			continue
		}
		switch err := r.store.Report(ctx, s.operators, reportOf(info, s.event, arrival)); {
		case err == nil:
			count(s, outcomeStored)
			log.Info("An operator reported what became of a profile", "operators", s.operators, "event", s.event)
			return true
		case errors.Is(err, ErrUnknownICCID):
			strange = append(strange, s)
		default:
			count(s, outcomeNotStored)
			log.Error(err, "A report could not be stored; its sender is told to try again", "operators", s.operators, "event", s.event)
			return false
		}
	}
	for _, s := range strange {
		count(s, outcomeUnknownICCID)
		log.Info("An operator reported a profile that no order of its has", "operators", s.operators, "event", s.event)
	}
	// The profile may be that of an operator whose senders cannot be checked at present.
	return len(strange) == 0 || !from.perhapsMore
}

func (r *Receiver) refuse(w http.ResponseWriter, refused *refusal) {
	refusedTotal.WithLabelValues(refused.reason).Inc()
	if refused.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	http.Error(w, refused.text, refused.status)
}

// complain logs, unless much was logged just now.
func (r *Receiver) complain(text string, values ...any) {
	if r.complaints.AllowN(r.clock.Now(), 1) {
		r.log.Info(text, values...)
	}
}
