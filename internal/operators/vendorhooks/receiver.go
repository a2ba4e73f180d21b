package vendorhooks

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/telcodev/esim-operator/internal/facade/access"
)

const (
	// storeTimeout bounds how long a wholesaler waits.
	storeTimeout = 8 * time.Second
	// retryAfter is what it is asked for, in seconds, while hints cannot be stored.
	retryAfter = "5"
	// complaintsPerSecond bounds what strangers can make us log; metrics count all.
	complaintsPerSecond = 1
	complaintsAtOnce    = 10
)

// Fate is what became of a hint.
type Fate int

// What can become of a hint.
const (
	// Stored: the order is going to be asked about.
	Stored Fate = iota + 1
	// Covered: it is going to be asked about without the hint.
	Covered
	// Moot: there is nothing to be asked about the order any more.
	Moot
	// UnknownOrder: no order of the EsimOperator is meant.
	UnknownOrder
)

var outcomes = map[Fate]outcome{
	Stored: outcomeStored, Covered: outcomeCovered, Moot: outcomeMoot, UnknownOrder: outcomeUnknownOrder,
}

// Hints takes what wholesalers hint at.
type Hints interface {
	// Hint has an order of an EsimOperator asked about soon. It returns once no crash loses that.
	// An error has the wholesaler try again.
	Hint(ctx context.Context, operator string, about About) (Fate, error)
}

// Receiver answers webhooks: POST /v1/<EsimOperator's name>.
type Receiver struct {
	vendors    Vendors
	hints      Hints
	proxies    access.Proxies
	clock      clock.PassiveClock
	log        logr.Logger
	complaints *rate.Limiter
	memories   memories
	routes     *http.ServeMux
}

// NewReceiver passes the hints of these vendors on. proxies are those whose X-Forwarded-For is
// believed.
func NewReceiver(vendors Vendors, hints Hints, proxies access.Proxies, c clock.PassiveClock, log logr.Logger) *Receiver {
	r := &Receiver{
		vendors: vendors, hints: hints, proxies: proxies, clock: c, log: log,
		complaints: rate.NewLimiter(complaintsPerSecond, complaintsAtOnce), routes: http.NewServeMux(),
	}
	r.routes.HandleFunc("POST /v1/{operator}", r.receive)
	return r
}

// ServeHTTP answers 204 to a webhook that is dealt with, 200 to a health check, 404 to who is not
// known and wherever there is nothing, 400 and 413 to what is no webhook, 429 to a flood and 503
// while hints cannot be stored.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.routes.ServeHTTP(w, request)
}

// refusal is a webhook whose sender is not known, or that was not read.
type refusal struct {
	status int
	// reason for the metrics.
	reason string
	// text for the sender.
	text string
}

var (
	refuseStranger    = &refusal{http.StatusNotFound, "stranger", "there is nothing here for you"}
	refuseUnavailable = &refusal{http.StatusServiceUnavailable, "unavailable", "senders cannot be checked at present; try again"}
	refuseTooLarge    = &refusal{http.StatusRequestEntityTooLarge, "too_large", "the body may have 64 KiB"}
	refuseUnreadable  = &refusal{http.StatusBadRequest, "unreadable", "the body could not be read"}
)

func (r *Receiver) receive(w http.ResponseWriter, request *http.Request) {
	body, refused := readBody(w, request)
	if refused != nil {
		refuse(w, refused)
		return
	}
	from, refused := r.identify(request, body)
	if refused != nil {
		// A stranger need not keep a connection that others may want.
		w.Header().Set("Connection", "close")
		refuse(w, refused)
		return
	}
	became := r.take(request.Context(), from, body)
	webhooksTotal.WithLabelValues(from.operator, string(became)).Inc()
	answer(w, became)
}

// readBody reads the body, which takes as long whoever sends it.
func readBody(w http.ResponseWriter, request *http.Request) ([]byte, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuseTooLarge
	case err != nil:
		return nil, refuseUnreadable
	}
	return body, nil
}

// identify finds out which EsimOperator's wholesaler the sender is. Who is none learns nothing,
// not even by how long it takes.
func (r *Receiver) identify(request *http.Request, body []byte) (*gate, *refusal) {
	roster, err := r.vendors(request.Context())
	if err != nil {
		r.complain("The wholesalers of some EsimOperators cannot be checked", "error", err.Error())
	}
	claimed, found := roster.gates[request.PathValue("operator")]
	if !found {
		claimed = nobody
	}
	address := r.proxies.ClientAddress(request.RemoteAddr, request.Header)
	checked := claimed.admit(address, request.Header, body)
	if checked.granted() {
		return claimed, nil
	}
	r.complainOf(claimed, checked, address)
	if err != nil {
		return nil, refuseUnavailable
	}
	return nil, refuseStranger
}

// complainOf tells whoever runs the manager why a webhook was refused.
func (r *Receiver) complainOf(claimed *gate, checked admission, from netip.Addr) {
	if !checked.known {
		r.complain("A webhook was refused: no EsimOperator that takes webhooks has the name in its path", "from", from)
		return
	}
	r.complain("A webhook was refused", "operator", claimed.operator, "from", from,
		"headerRight", checked.header, "signatureRight", checked.signature, "sourceRight", checked.source)
}

// take passes on what a webhook hints at.
func (r *Receiver) take(ctx context.Context, from *gate, body []byte) outcome {
	memory := r.memories.of(from.operator)
	if !memory.allow(r.clock.Now()) {
		return outcomeTooMany
	}
	said, err := read(from.kind, body)
	switch {
	case errors.Is(err, errNotUnderstood):
		return outcomeNotUnderstood
	case err != nil:
		return outcomeMalformed
	case said.health:
		return outcomeHealthCheck
	case memory.knows(said.key):
		return outcomeRepeated
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	fate, err := r.hints.Hint(ctx, from.operator, said.about)
	if err != nil {
		r.log.Error(err, "A hint could not be stored; the wholesaler is told to try again", "operator", from.operator)
		return outcomeNotStored
	}
	if fate != UnknownOrder { // which the cache may only not show yet
		memory.keep(said.key)
	}
	return outcomes[fate]
}

// answer tells the wholesaler what became of its webhook.
func answer(w http.ResponseWriter, became outcome) {
	switch became {
	case outcomeMalformed:
		http.Error(w, errMalformed.Error(), http.StatusBadRequest)
	case outcomeTooMany:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many webhooks at once; try again", http.StatusTooManyRequests)
	case outcomeNotStored:
		w.Header().Set("Retry-After", retryAfter)
		http.Error(w, "the webhook cannot be dealt with at present; try again", http.StatusServiceUnavailable)
	case outcomeHealthCheck:
		w.WriteHeader(http.StatusOK) // what eSIM Access wants to see
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func refuse(w http.ResponseWriter, refused *refusal) {
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
