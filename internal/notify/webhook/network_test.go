package webhook

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"
)

func fixed(at time.Time) clock.PassiveClock { return testclock.NewFakePassiveClock(at) }

const notPublic = "the host's address is not public, and its network is not one that the platform team allows"

// resolver answers every question for an IPv4 address with what answer says.
func resolver(t *testing.T, answer func(question int) []string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		buffer, asked := make([]byte, 1500), 0
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var addresses []string
			var message dnsmessage.Message
			if err := message.Unpack(buffer[:n]); err != nil {
				t.Error(err)
				return
			}
			if message.Questions[0].Type == dnsmessage.TypeA {
				asked++
				addresses = answer(asked)
			}
			if _, err := conn.WriteTo(reply(t, message, addresses), from); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func reply(t *testing.T, message dnsmessage.Message, addresses []string) []byte {
	message.Response, message.Additionals = true, nil
	for _, a := range addresses {
		message.Answers = append(message.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: message.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
		})
	}
	packed, err := message.Pack()
	if err != nil {
		t.Error(err)
	}
	return packed
}

func portOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// rebound are an endpoint that may be sent to, and a service within that listens on the same
// port of an address that may not.
func rebound(t *testing.T) (endpoint *httptest.Server, reached *atomic.Int32, allowed []netip.Prefix) {
	reached = &atomic.Int32{}
	endpoint = serve(t, "127.0.0.2:0", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	serve(t, "127.0.0.1:"+portOf(t, endpoint), unreached(t))
	return endpoint, reached, []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
}

func TestANameThatComesToMeanAnAddressWithinIsNotConnectedTo(t *testing.T) {
	endpoint, reached, allowed := rebound(t)
	names := resolver(t, func(question int) []string {
		if question == 1 {
			return []string{"127.0.0.2"}
		}
		return []string{"127.0.0.1"}
	})
	address, secrets := "https://example.com:"+portOf(t, endpoint), mustSecrets(t, exampleSecret)
	send := func() error { // over a connection of its own
		return sender(t, func(c *Config) { c.Allowed, c.Resolver = allowed, names }, endpoint).Send(t.Context(), address, secrets, delivery)
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if f := failed(t, send()); f.Reason != notPublic {
		t.Error(f.Reason)
	}
	if n := reached.Load(); n != 1 {
		t.Errorf("the endpoint was reached %d times, want once", n)
	}
}

func TestOfManyAddressesOnlyThoseAllowedAreConnectedTo(t *testing.T) {
	endpoint, reached, allowed := rebound(t)
	names := resolver(t, func(int) []string { return []string{"127.0.0.1", "127.0.0.3", "127.0.0.2"} })
	s := sender(t, func(c *Config) { c.Allowed, c.Resolver = allowed, names }, endpoint)
	if err := s.Send(t.Context(), "https://example.com:"+portOf(t, endpoint), mustSecrets(t, exampleSecret), delivery); err != nil {
		t.Fatal(err)
	}
	if n := reached.Load(); n != 1 {
		t.Errorf("the endpoint was reached %d times, want once", n)
	}
}

func TestAddressesWithinAreNotConnectedToHoweverTheyAreWritten(t *testing.T) {
	server := serve(t, "127.0.0.1:0", unreached(t))
	names := resolver(t, func(int) []string { return []string{"127.0.0.1"} })
	s := sender(t, func(c *Config) { c.Allowed, c.Resolver = nil, names }, server)
	for _, host := range []string{
		"127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1]", "0.0.0.0", "[::]", "localhost", "shop.example.com",
		"169.254.169.254", "[fe80::1%25lo]", "[64:ff9b::7f00:1]",
	} {
		f := failed(t, s.Send(t.Context(), "https://"+host+":"+portOf(t, server), mustSecrets(t, exampleSecret), delivery))
		if f.Reason != notPublic {
			t.Errorf("%s: %s", host, f.Reason)
		}
	}
}

func TestHTTPIsForAllowedNetworksOnly(t *testing.T) {
	handler, got := mailbox(t)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	secrets := mustSecrets(t, exampleSecret)
	allowing := sender(t, func(c *Config) { c.AllowHTTP = true })
	if err := allowing.Send(t.Context(), server.URL, secrets, delivery); err != nil {
		t.Fatal(err)
	}
	<-got
	names := resolver(t, func(int) []string { return []string{"8.8.8.8"} })
	tests := map[string]struct {
		change   func(*Config)
		endpoint string
		want     string
	}{
		"HTTP is not allowed":   {nil, server.URL, "the url must begin with https://"},
		"to a network within":   {func(c *Config) { c.AllowHTTP, c.Allowed = true, nil }, server.URL, notPublic},
		"to the public network": {func(c *Config) { c.AllowHTTP, c.Resolver = true, names }, "http://example.com:" + portOf(t, server), notPublic},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if f := failed(t, sender(t, test.change).Send(t.Context(), test.endpoint, secrets, delivery)); f.Reason != test.want {
				t.Error(f.Reason)
			}
		})
	}
	if len(got) != 0 {
		t.Error("the server was reached")
	}
}

func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	// TestMain has set one.
	handler, got := mailbox(t)
	server := serve(t, "127.0.0.1:0", handler)
	// Loopback addresses would bypass any proxy, names do not.
	names := resolver(t, func(int) []string { return []string{"127.0.0.1"} })
	s := sender(t, func(c *Config) { c.Resolver = names }, server)
	if err := s.Send(t.Context(), "https://example.com:"+portOf(t, server), mustSecrets(t, exampleSecret), delivery); err != nil {
		t.Fatal(err)
	}
	<-got
}

func TestDNSThatDoesNotKnowTheHost(t *testing.T) {
	names := resolver(t, func(int) []string { return nil })
	s := sender(t, func(c *Config) { c.Resolver = names })
	f := failed(t, s.Send(t.Context(), "https://shop.example.com", mustSecrets(t, exampleSecret), delivery))
	if !strings.HasPrefix(f.Reason, "DNS ") {
		t.Error(f.Reason)
	}
}
