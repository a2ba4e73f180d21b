package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/telcodev/esim-operator/internal/facade/console"
	"github.com/telcodev/esim-operator/internal/facade/wire"
)

// routes is the mux under the generated server. Each operation is registered behind what
// every request must pass first.
type routes struct {
	server *Server
	// mux has the operations, and miss for whatever is none; known tells which operations there
	// are, and does nothing.
	mux, known *http.ServeMux
	operations map[string]*operation
	validators map[string]*validator
	err        error
}

var _ wire.ServeMux = (*routes)(nil)

func (s *Server) newRoutes(d *document, operations []*operation) (*routes, error) {
	r := &routes{
		server: s, mux: http.NewServeMux(), known: http.NewServeMux(),
		operations: map[string]*operation{}, validators: map[string]*validator{},
	}
	r.mux.HandleFunc("/", r.miss)
	for _, o := range operations {
		v, err := newValidator(d, o)
		if err != nil {
			return nil, fmt.Errorf("the operation %s of the API's document: %w", o.ID, err)
		}
		switch o.ID {
		case "login":
			v.missing = "Username and password are required"
		case "refresh":
			v.missing = "Refresh token is required"
		}
		r.operations[o.pattern()], r.validators[o.pattern()] = o, v
	}
	return r, nil
}

// HandleFunc registers an operation of the generated server.
func (rs *routes) HandleFunc(pattern string, next func(http.ResponseWriter, *http.Request)) {
	o, ok := rs.operations[pattern]
	if !ok {
		rs.err = fmt.Errorf("the document has no operation %s; `make generate` brings the server up to date", pattern)
		return
	}
	v := rs.validators[pattern]
	rs.known.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	rs.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r = rs.server.traced(r, o)
		if err := rs.pass(w, r, o, v); err != nil {
			rs.server.fail(w, r, err)
			return
		}
		next(w, r)
	})
}

// pass lets a request through to its operation: its caller is known and may do it, and it is
// as the document has it. Its body is in memory then.
func (rs *routes) pass(w http.ResponseWriter, r *http.Request, o *operation, v *validator) error {
	free := func() error { return nil }
	if r.Body != http.NoBody {
		var err error
		if free, err = limitBody(w, rs.server.Clock.Now()); err != nil {
			return internal(err)
		}
	}
	of := requestOf(r.Context())
	of.route, of.operation = r.Pattern, o.ID
	if o.needsCaches() && !rs.server.Synced() {
		return unavailable(awayRetry, errNotSynced)
	}
	caller, err := rs.server.Guard.Admit(r, o.ID)
	of.caller = caller
	rs.server.Metrics.admitted(caller, err)
	if err != nil {
		return err
	}
	joinPreferences(r.Header)
	if err := v.checkParameters(r); err != nil {
		return err
	}
	if o.Body != nil && !declaresJSON(r.Header) {
		return notJSON()
	}
	body, err := readBody(r)
	if err != nil {
		// The rest of it is not worth waiting for.
		w.Header().Set("Connection", "close")
		return err
	}
	if o.Body != nil {
		if body, err = v.checkBody(body); err != nil {
			return err
		}
	}
	if err := free(); err != nil {
		return internal(err)
	}
	if len(body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return nil
}

// joinPreferences makes one header of several, which mean the same (RFC 7240 section 2).
func joinPreferences(header http.Header) {
	if given := header["Prefer"]; len(given) > 1 {
		header.Set("Prefer", strings.Join(given, ", "))
	}
}

// ServeHTTP routes a request. What is no operation is 404, or 405 where the path has other
// methods; a path that would be another one when cleaned is none.
func (rs *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == console.Page+"/" && len(rs.server.Console) > 0 {
		// Relative, as a proxy may have put something before it.
		w.Header().Set("Location", ".."+console.Page)
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	// A slash that is hidden by an escape would be one to some and none to others.
	hidden := strings.Contains(strings.ToLower(r.URL.RawPath), "%2f")
	if !strings.HasPrefix(r.URL.Path, "/") || path.Clean(r.URL.Path) != r.URL.Path || hidden {
		rs.server.fail(w, r, notFound())
		return
	}
	rs.mux.ServeHTTP(w, r)
}

// miss answers what is no operation.
func (rs *routes) miss(w http.ResponseWriter, r *http.Request) {
	// The mux says which methods there are in an answer of its own.
	own := &discarded{header: http.Header{}}
	handler, _ := rs.known.Handler(r)
	handler.ServeHTTP(own, r)
	if own.status != http.StatusMethodNotAllowed {
		rs.server.fail(w, r, notFound())
		return
	}
	w.Header().Set("Allow", own.header.Get("Allow"))
	rs.server.fail(w, r, methodNotAllowed())
}

// discarded is an answer of which only status and headers are kept.
type discarded struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (d *discarded) Header() http.Header { return d.header }

// WriteHeader implements http.ResponseWriter.
func (d *discarded) WriteHeader(status int) { d.status = status }

// Write implements http.ResponseWriter.
func (d *discarded) Write(body []byte) (int, error) { return len(body), nil }
