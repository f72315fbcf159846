// Package outbound is the one way out: every call that the portal makes to an address goes through a client from here.
//
// It promises, for every connection: the address is checked after the name was resolved and before a byte is sent, so a name
// that changes its mind between check and use (DNS rebinding) gains nothing; link-local and metadata addresses are never
// reached; private ones only where a Policy lists them. Redirects are not followed, so a credential never goes to another host than
// the one that was named. There is no proxy from the environment and no cookie jar. Time, header and body are bounded. A failure is
// portal.ErrDenied (the address) or portal.ErrUnavailable (the network).
//
// It does not decide who may call what; a Policy for admin calls and one for addresses that a gateway told us are different values.
package outbound

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"concierge/portal"
	"concierge/portal/told"
)

// Policy says which addresses may be reached. The zero value allows public addresses only. It is immutable and safe for
// concurrent use.
type Policy struct {
	// Allow lists the private, shared and loopback networks that may be reached.
	Allow []Network
	// Setting names where an administrator adds a network, for the error: "allow_private of gateway kong-eu".
	Setting string
}

// Network is a range of addresses, at one port or at all.
type Network struct {
	Prefix netip.Prefix
	Port   uint16 // 0: every port
}

// Loopback is this machine. It is meant for demos and tests.
var Loopback = []Network{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}}

// ParseNetwork reads "10.0.0.0/8", "10.0.0.5", "10.0.0.0/8:8001", "10.0.0.5:8001", "fd00::/8", "fd00::5" or, with a port,
// "[fd00::/8]:8001". The error is portal.ErrInvalid.
func ParseNetwork(s string) (Network, error) {
	network, port, err := splitPort(strings.TrimSpace(s))
	if err != nil {
		return Network{}, told.NetworkPort.As(portal.ErrInvalid, s)
	}
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(network); err == nil {
			addr = addr.WithZone("")
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
	}
	if err != nil || prefix.Addr().Is4In6() {
		return Network{}, told.NetworkWrong.As(portal.ErrInvalid, s)
	}
	return Network{Prefix: prefix.Masked(), Port: port}, nil
}

func splitPort(s string) (network string, port uint16, err error) {
	network = s
	rest := ""
	if inner, bracketed := strings.CutPrefix(s, "["); bracketed {
		network, rest, _ = strings.Cut(inner, "]")
		if rest == "" {
			return network, 0, nil
		}
		if rest[0] != ':' {
			return s, 0, nil // ParsePrefix says no
		}
		rest = rest[1:]
	} else if strings.Count(s, ":") == 1 {
		network, rest, _ = strings.Cut(s, ":")
	} else {
		return network, 0, nil
	}
	n, err := strconv.ParseUint(rest, 10, 16)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return network, uint16(n), err
}

// RefusedError is an address that the policy refuses. It is portal.ErrDenied.
type RefusedError struct {
	Host    string // as it was asked for; empty where only the address is known
	Address netip.AddrPort
	Why     string // such as "a private address"
	Setting string // what an administrator sets to allow it; empty: nothing allows it
}

func (e *RefusedError) Error() string {
	target := e.Address.String()
	if e.Host != "" && e.Host != e.Address.Addr().String() {
		target = e.Host + " (" + target + ")"
	}
	if e.Setting == "" {
		return fmt.Sprintf("not connecting to %s: %s, which is never allowed", target, e.Why)
	}
	addr := e.Address.Addr().Unmap()
	return fmt.Sprintf("not connecting to %s: %s; if it is right, an administrator adds %s/%d to %s", target, e.Why, addr, addr.BitLen(), e.Setting)
}

// Unwrap makes it portal.ErrDenied.
func (e *RefusedError) Unwrap() error { return portal.ErrDenied }

// Check returns a *RefusedError where the policy refuses an address, else nil. Forms of IPv6 that carry an IPv4 address
// are judged by that address.
func (p Policy) Check(at netip.AddrPort) error {
	addr := inner(at.Addr())
	if why := never(addr); why != "" {
		return &RefusedError{Address: at, Why: why}
	}
	why := private(addr)
	if why == "" || p.allows(addr, at.Port()) {
		return nil
	}
	setting := p.Setting
	if setting == "" {
		setting = "the allowed networks"
	}
	return &RefusedError{Address: netip.AddrPortFrom(addr, at.Port()), Why: why, Setting: setting}
}

func (p Policy) allows(addr netip.Addr, port uint16) bool {
	for _, n := range p.Allow {
		if n.Prefix.Contains(addr) && (n.Port == 0 || n.Port == port) {
			return true
		}
	}
	return false
}

// inner returns the IPv4 address inside an IPv6 address: mapped, compatible (RFC 4291), NAT64 (RFC 6052) or 6to4
// (RFC 3056). Any other address is returned as it is, without its zone.
func inner(addr netip.Addr) netip.Addr {
	addr = addr.WithZone("").Unmap()
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case compatible.Contains(addr) && addr != netip.IPv6Loopback() && addr != netip.IPv6Unspecified(), nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

var (
	compatible = netip.MustParsePrefix("::/96")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

type named struct {
	prefix netip.Prefix
	why    string
}

func networks(why string, prefixes ...string) []named {
	var out []named
	for _, p := range prefixes {
		out = append(out, named{netip.MustParsePrefix(p), why})
	}
	return out
}

// refused are the networks that nothing legitimate is reached at. Addresses of metadata services as their
// providers publish them (from general knowledge, not verified against each cloud): AWS fd00:ec2::254, Google Cloud fd20:ce::254, Azure 168.63.129.16, Alibaba Cloud 100.100.100.200, Oracle
// Cloud Classic 192.0.0.192 (inside 192.0.0.0/24); 169.254.169.254 of all others is link-local. Reserved ranges: IANA IPv4
// and IPv6 Special-Purpose Address Registries.
var refused = concat(
	networks("a metadata address", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128"),
	networks("a link-local address, where cloud metadata is", "169.254.0.0/16", "fe80::/10"),
	networks("an unspecified address", "0.0.0.0/8", "::/128"),
	networks("a multicast address", "224.0.0.0/4", "ff00::/8"),
	networks("a broadcast or reserved address", "240.0.0.0/4", "192.0.0.0/24", "100::/64"),
	networks("an address for documentation only", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
	networks("an address that hides another one", "64:ff9b:1::/48", "2001::/32"), // local NAT64, Teredo
)

var nonPublic = concat(
	networks("a loopback address", "127.0.0.0/8", "::1/128"),
	networks("a private address", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
	networks("a shared address (CGNAT)", "100.64.0.0/10"),
	networks("an address for benchmarks", "198.18.0.0/15"),
)

func concat(lists ...[]named) []named {
	var out []named
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func never(addr netip.Addr) string {
	if !addr.IsValid() {
		return "not an address"
	}
	return find(refused, addr)
}

func private(addr netip.Addr) string { return find(nonPublic, addr) }

func find(in []named, addr netip.Addr) string {
	for _, n := range in {
		if n.prefix.Contains(addr) {
			return n.why
		}
	}
	return ""
}
