package webhook

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

// crowd sends 100 events at once, and closes full when all are on their way.
func crowd(t *testing.T, server *httptest.Server, entered *atomic.Int32, full chan<- struct{}) {
	t.Helper()
	var asking atomic.Int32
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) {
		if asking.Add(1) == 100 {
			close(full)
		}
	}})
	s, secrets := sender(t, nil, server), mustSecrets(t, exampleSecret)
	var sends errgroup.Group
	for range 100 {
		sends.Go(func() error { return s.Send(ctx, server.URL, secrets, delivery) })
	}
	if err := sends.Wait(); err != nil {
		t.Error(err)
	}
	if n := entered.Load(); n != 100 {
		t.Errorf("%d events arrived, want 100", n)
	}
}

func TestConnectionsToAHostAreBounded(t *testing.T) {
	var entered, connected atomic.Int32
	all, bound, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		<-all
		<-bound
		close(release)
	}()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if entered.Add(1) == maxConnsPerHost {
			close(bound) // as many are under way as may be
		}
		<-release
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connected.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	crowd(t, server, &entered, all)
	// Without a bound each of the 100 would dial, since no connection is free. A few may be
	// made later, in the place of others that have ended.
	if n := connected.Load(); n < maxConnsPerHost || n > maxConnsPerHost+8 {
		t.Errorf("%d connections were made, want %d", n, maxConnsPerHost)
	}
}

func TestManyEventsAtOnceOverHTTP2(t *testing.T) {
	var entered atomic.Int32
	all := make(chan struct{})
	server := serve(t, "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered.Add(1)
		if r.ProtoMajor != 2 {
			t.Errorf("over %s", r.Proto)
		}
		<-all
	}))
	crowd(t, server, &entered, all)
}
