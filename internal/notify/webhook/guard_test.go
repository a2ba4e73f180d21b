package webhook

import (
	"net/netip"
	"testing"
)

func TestOnlyPublicAndAllowedAddressesAreConnectedTo(t *testing.T) {
	office := []netip.Prefix{netip.MustParsePrefix("10.20.30.40/16"), netip.MustParsePrefix("fd00:20::/32")}
	tests := []struct {
		address     string
		public      bool // without allowed networks
		withOffice  bool // with those of the office
		onlyAllowed bool // with them, and without TLS
	}{
		{"8.8.8.8", true, true, false},
		{"::ffff:8.8.8.8", true, true, false},
		{"2606:4700::1111", true, true, false},
		{"10.20.255.1", false, true, true},
		{"::ffff:10.20.255.1", false, true, true},
		{"fd00:20::1", false, true, true},
		{"fd00:20::1%eth0", false, true, true},
		{"10.21.0.1", false, false, false},
		{"fd00:21::1", false, false, false},
		{"0.0.0.0", false, false, false},
		{"127.0.0.1", false, false, false},
		{"127.255.255.254", false, false, false},
		{"::ffff:127.0.0.1", false, false, false},
		{"::127.0.0.1", false, false, false},
		{"::", false, false, false},
		{"::1", false, false, false},
		{"172.16.0.1", false, false, false},
		{"172.31.255.255", false, false, false},
		{"172.32.0.1", true, true, false},
		{"192.168.1.1", false, false, false},
		{"169.254.169.254", false, false, false},
		{"::ffff:169.254.169.254", false, false, false},
		{"fd00:ec2::254", false, false, false},
		{"fe80::1%eth0", false, false, false},
		{"fec0::1", false, false, false},
		{"100.64.0.1", false, false, false},
		{"100.100.100.200", false, false, false},
		{"100.128.0.1", true, true, false},
		{"168.63.129.16", false, false, false},
		{"168.63.129.17", true, true, false},
		{"192.0.0.192", false, false, false},
		{"192.0.2.1", false, false, false},
		{"192.88.99.1", false, false, false},
		{"198.18.0.1", false, false, false},
		{"198.51.100.1", false, false, false},
		{"203.0.113.1", false, false, false},
		{"224.0.0.1", false, false, false},
		{"239.255.255.255", false, false, false},
		{"240.0.0.1", false, false, false},
		{"255.255.255.255", false, false, false},
		{"ff02::1", false, false, false},
		{"64:ff9b::a9fe:a9fe", false, false, false},
		{"64:ff9b::808:808", false, false, false},
		{"64:ff9b:1::1", false, false, false},
		{"100::1", false, false, false},
		{"2001::1", false, false, false},
		{"2001:20::1", false, false, false},
		{"2001:db8::1", false, false, false},
		{"2002:7f00:1::", false, false, false},
		{"3fff::1", false, false, false},
		{"5f00::1", false, false, false},
	}
	for _, test := range tests {
		t.Run(test.address, func(t *testing.T) {
			address := netip.MustParseAddr(test.address)
			for _, g := range []struct {
				allowed     []netip.Prefix
				onlyAllowed bool
				want        bool
			}{
				{nil, false, test.public}, {office, false, test.withOffice}, {office, true, test.onlyAllowed}, {nil, true, false},
			} {
				guard, err := newGuard(g.allowed, g.onlyAllowed)
				if err != nil {
					t.Fatal(err)
				}
				if got := guard.permits(address); got != g.want {
					t.Errorf("allowed %v, onlyAllowed %t: permitted %t, want %t", g.allowed, g.onlyAllowed, got, g.want)
				}
			}
		})
	}
	if (guard{}).permits(netip.Addr{}) {
		t.Error("an address that is none is permitted")
	}
}

func TestNetworksThatWouldNeverMatchAreRefused(t *testing.T) {
	for _, network := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104")} {
		if _, err := New(Config{Allowed: []netip.Prefix{network}}); err == nil {
			t.Errorf("%v is taken for a network", network)
		}
	}
}
