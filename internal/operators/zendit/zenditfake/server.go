package zenditfake

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/operators/fakebooks"
)

// maxRequest bounds a request's body.
const maxRequest = 64 << 10

// Options of a fake.
type Options struct {
	// APIKey that every request must bear.
	APIKey string
	// Offers that are sold.
	Offers []Offer
	// Balance in cents.
	Balance int64
	// Delivery is how long a purchase takes, and Refunding a refund; 0 is at once.
	Delivery, Refunding time.Duration
	// ListDelay is after how long a new purchase is shown in lists. GET by its ID shows it at once.
	ListDelay time.Duration
	// SMDPAddress of all eSIMs; rsp.zendit.example where empty.
	SMDPAddress string
	// Duplicates says what a second purchase under one transactionId answers.
	Duplicates Duplicates
	// FundsAtOnce refuses a purchase that the balance does not cover with HTTP 402; otherwise it
	// is accepted and becomes FAILED.
	FundsAtOnce bool
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// Duplicates says what a second purchase under one transactionId answers. It never buys again.
type Duplicates string

// What a duplicate answers.
const (
	// RefuseDuplicates answers HTTP 400.
	RefuseDuplicates Duplicates = ""
	// RepeatDuplicates answers what the first purchase is now.
	RepeatDuplicates Duplicates = "repeat"
)

// Server is the fake: an http.Handler for paths below the base URL, such as /balance. It is safe
// for concurrent use.
type Server struct {
	options Options
	routes  *http.ServeMux

	mu        sync.Mutex
	offers    []*Offer
	byID      map[string]*Offer
	purchases []*purchase
	byKey     map[string]*purchase
	byICCID   map[activation.ICCID]*purchase
	balance   int64
	ledger    []Entry
	sold      int
	// books outlive a restart; nil for none.
	books *fakebooks.Books
}

// New makes a fake.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SMDPAddress == "" {
		o.SMDPAddress = "rsp.zendit.example"
	}
	s := &Server{
		options: o, routes: http.NewServeMux(), balance: o.Balance,
		byID: map[string]*Offer{}, byKey: map[string]*purchase{}, byICCID: map[activation.ICCID]*purchase{},
	}
	for _, offer := range o.Offers {
		s.addOffer(offer)
	}
	for pattern, function := range map[string]func(*http.Request) (int, any){
		"GET /esim/offers":                 s.listOffers,
		"POST /esim/purchases":             s.purchase,
		"GET /esim/purchases":              s.listPurchases,
		"GET /esim/{of}/{id}":              s.one,
		"POST /esim/purchases/{id}/refund": s.refund,
		"GET /esim/purchases/{id}/refund":  s.getRefund,
		"GET /balance":                     s.getBalance,
	} {
		s.routes.HandleFunc(pattern, s.serve(function))
	}
	return s
}

// ServeHTTP answers as Zendit does. A path under /v1 is taken without it too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, "/v1/"); ok {
		r = r.Clone(r.Context())
		r.URL.Path = "/" + rest
	}
	if !s.authorised(r) {
		answer(w, http.StatusUnauthorized, failure{ErrorCode: "unauthorized", Message: "invalid API key"})
		return
	}
	if _, pattern := s.routes.Handler(r); pattern == "" {
		answer(w, http.StatusNotFound, failure{ErrorCode: "not_found", Message: "no such path"})
		return
	}
	s.routes.ServeHTTP(w, r)
}

// Function names a request's function, for faults: the method and the path without what
// changes from call to call.
func Function(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) == 4 && parts[1] == "purchases":
		parts[2] = "{transactionId}"
	case len(parts) == 3 && parts[1] == "purchases":
		parts[2] = "{transactionId}"
	case len(parts) == 3 && parts[1] == "offers":
		parts[2] = "{offerId}"
	case len(parts) == 3 && parts[2] == "plans":
		parts[1] = "{iccId}"
	}
	return r.Method + " /" + strings.Join(parts, "/")
}

// one is GET of one offer, one purchase, or the plans of one eSIM: net/http does not tell these
// paths apart.
func (s *Server) one(r *http.Request) (int, any) {
	of, id := r.PathValue("of"), r.PathValue("id")
	switch {
	case of == "offers":
		return s.getOffer(id)
	case of == "purchases":
		return s.getPurchase(id)
	case id == "plans":
		return s.plans(activation.ICCID(of))
	default:
		return http.StatusNotFound, failure{ErrorCode: "not_found", Message: "no such path"}
	}
}

func (s *Server) authorised(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && s.options.APIKey != "" && subtle.ConstantTimeCompare([]byte(key), []byte(s.options.APIKey)) == 1
}

// failure is Zendit's error.
type failure struct {
	ErrorCode string            `json:"errorCode"`
	Message   string            `json:"message"`
	Fields    map[string]string `json:"fields,omitempty"`
}

// serve runs a function under the lock.
func (s *Server) serve(function func(*http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		status, body := function(r)
		unkept := s.books.Err()
		s.mu.Unlock()
		if unkept != nil {
			http.Error(w, unkept.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, status, body)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that went does not get its answer.
	_ = json.NewEncoder(w).Encode(body)
}

// read reads a request's body.
func read(r *http.Request, into any) error {
	return json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(into)
}
