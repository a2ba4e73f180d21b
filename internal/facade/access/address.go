package access

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many entries of X-Forwarded-For are looked at.
const maxHops = 32

// Proxies are the networks of the proxies whose X-Forwarded-For is believed.
type Proxies []netip.Prefix

// ClientAddress is the address that a request comes from: that of the connection, unless it
// is a trusted proxy's. Then it is the last one in X-Forwarded-For that is not: what stands
// before it could be anybody's invention. The address is not valid where a trusted proxy
// says something that is none.
func (p Proxies) ClientAddress(remote string, header http.Header) netip.Addr {
	address, ok := parseAddress(remote)
	if !ok || !p.trusts(address) {
		return address
	}
	forwarded := header.Values("X-Forwarded-For")
	hops := 0
	for _, value := range slices.Backward(forwarded) {
		for value != "" {
			entry := value
			value = ""
			if comma := strings.LastIndexByte(entry, ','); comma >= 0 {
				entry, value = entry[comma+1:], entry[:comma]
			}
			hops++
			address, ok = parseAddress(strings.Trim(entry, " \t"))
			switch {
			case !ok || hops > maxHops:
				return netip.Addr{}
			case !p.trusts(address):
				return address
			}
		}
	}
	// Every hop is a proxy of ours: the request was made by the farthest.
	return address
}

func (p Proxies) trusts(address netip.Addr) bool { return within(p, address) }

func within(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

// parseAddress reads an address, with or without a port. One of IPv4 that is written as one
// of IPv6 is one of IPv4, and an interface's name does not count.
func parseAddress(text string) (netip.Addr, bool) {
	// A connection's always has a port.
	both, err := netip.ParseAddrPort(text)
	address := both.Addr()
	if err != nil {
		address, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	}
	if err != nil {
		return netip.Addr{}, false
	}
	return address.Unmap().WithZone(""), true
}

// neighbourhood is what is limited as one: an address of IPv4, or the network of 64 bits in
// which one host may have any number of IPv6.
func neighbourhood(address netip.Addr) string {
	if !address.IsValid() {
		return "unknown"
	}
	if address.Is4() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}
