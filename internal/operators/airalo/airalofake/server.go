package airalofake

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// DefaultUsageCache is how long Airalo repeats an answer about a SIM's usage.
const DefaultUsageCache = 20 * time.Minute

const (
	tokensPerMinute = 3
	usagePerMinute  = 10
	tokenLifetime   = 24 * time.Hour
)

// The calls of the API, by the vendor's names for them.
const (
	RequestToken = "RequestToken"
	GetPackages  = "GetPackages"
	SubmitOrder  = "SubmitOrder"
	GetOrderList = "GetOrderList"
	GetUsage     = "GetUsage"
)

// Options of an Airalo. Only the credentials must be set.
type Options struct {
	// ClientID and ClientSecret are the only ones that are let in.
	ClientID, ClientSecret string
	// Packages that are sold.
	Packages []Package
	// ListDelay is how long after it was placed an order appears in the list.
	ListDelay time.Duration
	// UsageCache is how long an answer about usage is repeated; DefaultUsageCache at Airalo.
	UsageCache time.Duration
	// SMDPAddress in activation codes; lpa.airalo.example where empty.
	SMDPAddress string
	// Clock; the real one where nil.
	Clock clock.PassiveClock
}

// Server is an Airalo. Its methods are safe for concurrent use.
type Server struct {
	options Options
	clock   clock.PassiveClock
	shop    *shop
	tokens  *tokens
	ledger  *ledger

	mu       sync.Mutex
	refusals []refusal
}

// New makes an Airalo. Its Handler is to be served over TLS.
func New(o Options) (*Server, error) {
	if o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("make a fake Airalo: ClientID and ClientSecret must be set")
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.SMDPAddress == "" {
		o.SMDPAddress = "lpa.airalo.example"
	}
	return &Server{options: o, clock: o.Clock, shop: newShop(o), tokens: newTokens(o.Clock), ledger: &ledger{}}, nil
}

// Handler serves the API below /v2.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/token", s.serve(RequestToken, s.requestToken))
	mux.HandleFunc("GET /v2/packages", s.serve(GetPackages, s.authenticated(s.getPackages)))
	mux.HandleFunc("POST /v2/orders", s.serve(SubmitOrder, s.authenticated(s.submitOrder)))
	mux.HandleFunc("GET /v2/orders", s.serve(GetOrderList, s.authenticated(s.getOrderList)))
	mux.HandleFunc("GET /v2/sims/{iccid}/usage", s.serve(GetUsage, s.authenticated(s.getUsage)))
	return mux
}

// Function names the call that a request makes, for package faults; empty for none.
func Function(r *http.Request) string {
	switch path := strings.TrimPrefix(r.URL.Path, "/v2"); {
	case path == "/token":
		return RequestToken
	case path == "/packages":
		return GetPackages
	case path == "/orders" && r.Method == http.MethodPost:
		return SubmitOrder
	case path == "/orders":
		return GetOrderList
	case strings.HasPrefix(path, "/sims/"):
		return GetUsage
	default:
		return ""
	}
}
