package access

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/telcodev/esim-operator/api/v1alpha1"
)

var proxies = Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestWhereARequestComesFrom(t *testing.T) {
	tests := map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"straight":                             {remote: "203.0.113.7:4711", want: "203.0.113.7"},
		"straight, with an invented header":    {remote: "203.0.113.7:4711", forwarded: []string{"198.51.100.1"}, want: "203.0.113.7"},
		"through a proxy":                      {remote: "10.0.0.1:80", forwarded: []string{"203.0.113.7"}, want: "203.0.113.7"},
		"through a proxy that adds the port":   {remote: "10.0.0.1:80", forwarded: []string{"203.0.113.7:4711"}, want: "203.0.113.7"},
		"through two proxies":                  {remote: "10.0.0.1:80", forwarded: []string{"203.0.113.7, 10.1.1.1"}, want: "203.0.113.7"},
		"through two, with a header of each":   {remote: "10.0.0.1:80", forwarded: []string{"203.0.113.7", "10.1.1.1"}, want: "203.0.113.7"},
		"through a proxy, with inventions":     {remote: "10.0.0.1:80", forwarded: []string{"198.51.100.1, 203.0.113.7"}, want: "203.0.113.7"},
		"inventions in a header before":        {remote: "10.0.0.1:80", forwarded: []string{"10.9.9.9,x", "203.0.113.7"}, want: "203.0.113.7"},
		"from a proxy itself":                  {remote: "10.0.0.1:80", want: "10.0.0.1"},
		"from behind proxies only":             {remote: "10.0.0.1:80", forwarded: []string{"10.2.2.2, 10.1.1.1"}, want: "10.2.2.2"},
		"IPv6":                                 {remote: "[2001:db8::1]:4711", want: "2001:db8::1"},
		"IPv6 through a proxy":                 {remote: "[fd00::1]:80", forwarded: []string{"2001:db8::1"}, want: "2001:db8::1"},
		"IPv6 in brackets":                     {remote: "[fd00::1]:80", forwarded: []string{"[2001:db8::1]"}, want: "2001:db8::1"},
		"IPv6 in brackets, with a port":        {remote: "[fd00::1]:80", forwarded: []string{"[2001:db8::1]:4711"}, want: "2001:db8::1"},
		"IPv6 of one interface":                {remote: "[fe80::1%eth0]:4711", want: "fe80::1"},
		"IPv4 written as IPv6":                 {remote: "[::ffff:203.0.113.7]:4711", want: "203.0.113.7"},
		"a proxy's IPv4 written as IPv6":       {remote: "[::ffff:10.0.0.1]:80", forwarded: []string{"::ffff:203.0.113.7"}, want: "203.0.113.7"},
		"a proxy that does not know":           {remote: "10.0.0.1:80", forwarded: []string{"unknown"}, want: "invalid IP"},
		"a proxy that says nothing at the end": {remote: "10.0.0.1:80", forwarded: []string{"203.0.113.7,"}, want: "invalid IP"},
		"a connection without an address":      {remote: "@", want: "invalid IP"},
		"33 hops": {
			remote: "10.0.0.1:80", forwarded: []string{"203.0.113.7" + strings.Repeat(",10.0.0.1", maxHops)}, want: "invalid IP",
		},
		"32 hops": {
			remote: "10.0.0.1:80", forwarded: []string{"203.0.113.7" + strings.Repeat(",10.0.0.1", maxHops-1)}, want: "203.0.113.7",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := proxies.ClientAddress(test.remote, http.Header{"X-Forwarded-For": test.forwarded})
			if got.String() != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestTheNetworksOfAClient(t *testing.T) {
	office := []v1alpha1.CIDR{"203.0.113.0/24", "2001:db8::/32"}
	tests := map[string]struct {
		allowed []v1alpha1.CIDR
		from    string
		refused bool
	}{
		"no list":                           {nil, "198.51.100.1", false},
		"no list, and no address":           {nil, "", false},
		"within":                            {office, "203.0.113.255", false},
		"within, IPv6":                      {office, "2001:db8:ffff::1", false},
		"next door":                         {office, "203.0.114.0", true},
		"next door, IPv6":                   {office, "2001:db9::1", true},
		"no address":                        {office, "", true},
		"IPv4 in a network of IPv6":         {[]v1alpha1.CIDR{"::/0"}, "203.0.113.7", true},
		"a network that cannot be read":     {[]v1alpha1.CIDR{"everywhere"}, "203.0.113.7", true},
		"one that cannot, and one that can": {[]v1alpha1.CIDR{"everywhere", "203.0.113.0/24"}, "203.0.113.7", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var from netip.Addr
			if test.from != "" {
				from = netip.MustParseAddr(test.from)
			}
			if err := checkAddress(test.allowed, from); errors.Is(err, ErrAddress) != test.refused || (err != nil) != test.refused {
				t.Errorf("refused with %v, want a refusal: %t", err, test.refused)
			}
		})
	}
}

func TestWhoIsLimitedAsOne(t *testing.T) {
	for from, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
	} {
		if got := neighbourhood(netip.MustParseAddr(from)); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

// FuzzClientAddress looks for headers by which a client that is no proxy of ours passes for
// one, or for somebody else.
func FuzzClientAddress(f *testing.F) {
	f.Add("203.0.113.7", "10.1.1.1")
	f.Add("x, 10.0.0.1", "[2001:db8::1]:80")
	f.Add(",,,", "::ffff:10.0.0.1")
	f.Fuzz(func(t *testing.T, first, second string) {
		invented := http.Header{"X-Forwarded-For": {first, second}}
		if got := proxies.ClientAddress("203.0.113.7:4711", invented); got.String() != "203.0.113.7" {
			t.Fatalf("a client without a proxy passes for %s", got)
		}
		// What our proxy adds is last, and counts whatever was there before.
		added := http.Header{"X-Forwarded-For": {first, second + ", 203.0.113.7"}}
		if got := proxies.ClientAddress("10.0.0.1:80", added); got.String() != "203.0.113.7" {
			t.Fatalf("a client behind a proxy passes for %s", got)
		}
		if got := proxies.ClientAddress(first, http.Header{"X-Forwarded-For": {second}}); got.IsValid() && (got.Is4In6() || got.Zone() != "") {
			t.Fatalf("%s is not how it is looked up", got)
		}
	})
}
