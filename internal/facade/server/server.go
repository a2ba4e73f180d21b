package server

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/telcodev/esim-operator/internal/activation"
	"github.com/telcodev/esim-operator/internal/facade/access"
	"github.com/telcodev/esim-operator/internal/facade/catalogue"
	"github.com/telcodev/esim-operator/internal/facade/console"
	"github.com/telcodev/esim-operator/internal/facade/orders"
	"github.com/telcodev/esim-operator/internal/facade/wire"
	"github.com/telcodev/esim-operator/internal/tracing"
)

// MaxWait is how long an answer may be held back for an order (the contract's 60 s).
const MaxWait = 60 * time.Second

// Guard says who may do what. Its errors are access.Refusals.
type Guard interface {
	Admit(r *http.Request, operationID string) (access.Caller, error)
	Authorize(ctx context.Context, identity *access.Identity, rights ...access.Right) error
	Login(ctx context.Context, from netip.Addr, key string, secret activation.Credential) (*access.Session, error)
	Refresh(ctx context.Context, from netip.Addr, token activation.Credential) (*access.Session, error)
	Logout(ctx context.Context, identity *access.Identity) error
}

// Server answers the requests of the REST API. All fields but Metrics, Tracer
// and Console must be set.
type Server struct {
	Guard     Guard
	Catalogue *catalogue.Catalogue
	Desk      *orders.Desk
	// Cache has EsimClients and EsimWallets.
	Cache client.Reader
	// Live reads Secrets from the API server; nothing keeps them.
	Live client.Reader
	// Writer changes orders.
	Writer client.Writer
	// Synced tells whether the caches are filled; before that there is nothing to answer.
	Synced func() bool
	// Ready tells what keeps requests from being served; nil for nothing.
	Ready func(context.Context) error
	// Clock tells the time of deadlines, and for the log.
	Clock clock.PassiveClock
	// Stopping ends when the process is to stop: those who wait are then answered as it stands.
	Stopping context.Context
	// Log has a line for each request.
	Log logr.Logger
	// Console are the files of the web console; none where it is switched off.
	Console []*console.File
	// Metrics count requests.
	Metrics *Metrics
	// Tracer follows requests; nil follows none.
	Tracer *tracing.Tracer

	refreshes refreshes
}

var _ wire.StrictServerInterface = (*operationsOf)(nil)

// Handler serves the API. The error is one of the document that the binary carries.
func (s *Server) Handler() (http.Handler, error) {
	document, operations, err := readDocument()
	if err != nil {
		return nil, err
	}
	page, err := renderDocument(document, operations)
	if err != nil {
		return nil, err
	}
	routes, err := s.newRoutes(document, operations)
	if err != nil {
		return nil, err
	}
	strict := wire.NewStrictHandlerWithOptions(&operationsOf{Server: s, page: page}, nil, wire.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  s.fail,
		ResponseErrorHandlerFunc: s.fail,
	})
	wire.HandlerWithOptions(strict, wire.StdHTTPServerOptions{BaseRouter: routes, ErrorHandlerFunc: s.fail})
	s.addConsole(routes)
	if routes.err != nil {
		return nil, fmt.Errorf("setting up the routes: %w", routes.err)
	}
	return s.observe(s.rescue(routes)), nil
}

// operationsOf is a server with what it shows at /docs.
type operationsOf struct {
	*Server
	page *page
}

// fail answers a request that did not succeed, and logs what is not the client's doing.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	// What the API server forbids the facade is no client's doing either.
	if p.status >= http.StatusInternalServerError || apierrors.IsForbidden(p.cause) {
		s.logger(r.Context()).Error(p, "A request could not be served", "status", p.status)
	}
	if err := p.write(w); err != nil {
		// Whoever asked has gone: nobody else is to be told.
		s.logger(r.Context()).V(1).Info("An answer could not be sent", "cause", err.Error())
	}
}

// request is what is known of a request, for its operation and for the log.
type request struct {
	id     string
	route  string
	caller access.Caller
	// operation is the operationId; empty where the request is none of the document's.
	operation string
	// span is the request's, and traceID that of its trace; empty where it is not recorded.
	span    tracing.Span
	traceID string
}

type requestKey struct{}

// requestOf is the request that a context belongs to.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// identity is the caller of an operation that is not public.
func identity(ctx context.Context) (*access.Identity, error) {
	if who := requestOf(ctx).caller.Identity; who != nil {
		return who, nil
	}
	return nil, access.ErrNoToken
}

func (s *Server) logger(ctx context.Context) logr.Logger {
	of := requestOf(ctx)
	if of.traceID != "" {
		return s.Log.WithValues("requestID", of.id, "traceID", of.traceID)
	}
	return s.Log.WithValues("requestID", of.id)
}
