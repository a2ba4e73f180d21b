package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// connectTimeout bounds how long a connection may take to be made, of the whole try.
const connectTimeout = 10 * time.Second

// errForbidden is why the dialler refuses an address.
var errForbidden = errors.New("the address may not be connected to")

// special are the networks of IPv4 that are not public (the IANA IPv4 Special-Purpose Address
// Registry, RFC 6890), and addresses within public ones at which clouds serve metadata.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("10.0.0.0/8"),       // private
	netip.MustParsePrefix("100.64.0.0/10"),    // carriers' NAT; Alibaba Cloud's metadata
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's metadata
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local; most clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // IETF protocols; Oracle Cloud's metadata
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/4"),      // multicast
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved; broadcast
	netip.MustParsePrefix("2001::/23"),        // IETF protocols: Teredo, ORCHID, benchmarks
	netip.MustParsePrefix("2001:db8::/32"),    // documentation
	netip.MustParsePrefix("2002::/16"),        // 6to4: leads to any IPv4 address
	netip.MustParsePrefix("3fff::/20"),        // documentation
}

// unicast is all of IPv6 that is given out for use in public (RFC 4291, IANA IPv6 Global
// Unicast Address Assignments). Outside of it are loopback, unspecified, link-local, unique
// local (and AWS's metadata), multicast, NAT64 and addresses that embed IPv4.
var unicast = netip.MustParsePrefix("2000::/3")

// guard decides which addresses may be connected to.
type guard struct {
	// allowed networks of the platform team, whatever else they are.
	allowed []netip.Prefix
	// onlyAllowed refuses the public ones too.
	onlyAllowed bool
}

// newGuard checks the platform team's networks.
func newGuard(allowed []netip.Prefix, onlyAllowed bool) (guard, error) {
	g := guard{onlyAllowed: onlyAllowed}
	for _, network := range allowed {
		if !network.IsValid() || network.Addr().Is4In6() {
			return guard{}, fmt.Errorf("allowed network %s: must be a network such as 10.20.0.0/16 or fd00:20::/32", network)
		}
		g.allowed = append(g.allowed, network.Masked())
	}
	return g, nil
}

// permits tells whether an address may be connected to.
func (g guard) permits(address netip.Addr) bool {
	// An IPv4 address in IPv6's clothes is that IPv4 address. Zones are for local links.
	address = address.Unmap().WithZone("")
	for _, network := range g.allowed {
		if network.Contains(address) {
			return true
		}
	}
	return !g.onlyAllowed && public(address)
}

// public tells whether an address is for everybody on the internet to reach.
func public(address netip.Addr) bool {
	if !address.IsValid() || (address.Is6() && !unicast.Contains(address)) {
		return false
	}
	for _, network := range special {
		if network.Contains(address) {
			return false
		}
	}
	return true
}

// dialer connects to permitted addresses only. It checks the very address that the system is
// about to connect to, after DNS was asked: a name cannot mean one thing when it is checked
// and another when it is used.
func (g guard) dialer(resolver *net.Resolver) *net.Dialer {
	return &net.Dialer{
		Timeout:  connectTimeout,
		Resolver: resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil || !g.permits(target.Addr()) {
				return errForbidden
			}
			return nil
		},
	}
}
