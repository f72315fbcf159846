package outbound

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"concierge/portal"

	"pgregory.net/rapid"
)

func TestCheck(t *testing.T) {
	everything := Policy{Allow: []Network{{Prefix: netip.MustParsePrefix("0.0.0.0/0")}, {Prefix: netip.MustParsePrefix("::/0")}}}
	listed := Policy{Setting: "allow_private of gateway kong"}
	for _, s := range []string{"10.1.0.0/16", "192.168.7.7:8001", "fd12::/16", "127.0.0.0/8:9000"} {
		n, err := ParseNetwork(s)
		if err != nil {
			t.Fatal(err)
		}
		listed.Allow = append(listed.Allow, n)
	}
	const yes, no = true, false
	for at, want := range map[string]struct{ zero, listed, everything bool }{
		"1.1.1.1:443":                 {yes, yes, yes},
		"[2606:4700::1111]:443":       {yes, yes, yes},
		"[::ffff:1.1.1.1]:443":        {yes, yes, yes},
		"[64:ff9b::101:101]:443":      {yes, yes, yes},
		"10.1.2.3:80":                 {no, yes, yes},
		"10.2.2.3:80":                 {no, no, yes},
		"[::ffff:10.1.2.3]:80":        {no, yes, yes},
		"[::ffff:10.2.2.3]:80":        {no, no, yes},
		"[64:ff9b::a01:203]:80":       {no, yes, yes},
		"[64:ff9b::a02:203]:80":       {no, no, yes},
		"[2002:a01:203::1]:80":        {no, yes, yes},
		"[2002:a02:203::1]:80":        {no, no, yes},
		"[::10.2.2.3]:80":             {no, no, yes},
		"192.168.7.7:8001":            {no, yes, yes},
		"192.168.7.7:8000":            {no, no, yes},
		"192.168.7.8:8001":            {no, no, yes},
		"[fd12::1]:1":                 {no, yes, yes},
		"[fd13::1]:1":                 {no, no, yes},
		"127.0.0.1:9000":              {no, yes, yes},
		"127.0.0.1:9001":              {no, no, yes},
		"[::1]:9000":                  {no, no, yes},
		"172.31.255.255:80":           {no, no, yes},
		"172.32.0.0:80":               {yes, yes, yes},
		"100.64.0.1:80":               {no, no, yes},
		"198.18.0.1:80":               {no, no, yes},
		"169.254.169.254:80":          {no, no, no},
		"169.254.1.1:80":              {no, no, no},
		"[::ffff:169.254.169.254]:80": {no, no, no},
		"[64:ff9b::a9fe:a9fe]:80":     {no, no, no},
		"[2002:a9fe:a9fe::]:80":       {no, no, no},
		"[::169.254.169.254]:80":      {no, no, no},
		"[64:ff9b:1::a9fe:a9fe]:80":   {no, no, no},
		"[2001:0:1::1]:80":            {no, no, no},
		"[fe80::1]:80":                {no, no, no},
		"[fe80::1%eth0]:80":           {no, no, no},
		"[fd00:ec2::254]:80":          {no, no, no},
		"[fd20:ce::254]:80":           {no, no, no},
		"100.100.100.200:80":          {no, no, no},
		"168.63.129.16:80":            {no, no, no},
		"192.0.0.192:80":              {no, no, no},
		"0.0.0.0:80":                  {no, no, no},
		"0.1.2.3:80":                  {no, no, no},
		"[::]:80":                     {no, no, no},
		"[::ffff:0.0.0.0]:80":         {no, no, no},
		"224.0.0.1:80":                {no, no, no},
		"[ff02::1]:80":                {no, no, no},
		"255.255.255.255:80":          {no, no, no},
		"203.0.113.9:80":              {no, no, no},
	} {
		addr := netip.MustParseAddrPort(at)
		for name, tc := range map[string]struct {
			policy Policy
			want   bool
		}{"zero": {Policy{}, want.zero}, "listed": {listed, want.listed}, "everything": {everything, want.everything}} {
			err := tc.policy.Check(addr)
			if (err == nil) != tc.want || err != nil && !errors.Is(err, portal.ErrDenied) {
				t.Errorf("%s under %s: %v, want allowed %t", at, name, err, tc.want)
			}
		}
	}
	if err := (Policy{}).Check(netip.AddrPort{}); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("the zero address: %v", err)
	}
}

// An administrator reads what to do, unless nothing helps.
func TestRefusedError(t *testing.T) {
	for at, want := range map[string]string{
		"10.0.0.5:8001":          "not connecting to 10.0.0.5:8001: a private address; if it is right, an administrator adds 10.0.0.5/32 to allow_private of gateway kong",
		"[::ffff:10.0.0.5]:8001": "not connecting to 10.0.0.5:8001: a private address; if it is right, an administrator adds 10.0.0.5/32 to allow_private of gateway kong",
		"[fd00::5]:1":            "not connecting to [fd00::5]:1: a private address; if it is right, an administrator adds fd00::5/128 to allow_private of gateway kong",
		"169.254.169.254:80":     "not connecting to 169.254.169.254:80: a link-local address, where cloud metadata is, which is never allowed",
	} {
		err := Policy{Setting: "allow_private of gateway kong"}.Check(netip.MustParseAddrPort(at))
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", at, err, want)
		}
	}
}

// What the error tells an administrator to add makes the address allowed, and no other.
func TestCheckProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "octets")
		octets[0] = rapid.SampledFrom([]byte{10, 127, 172, 192, 100, 198, 169, 0, 224, 255, 8}).Draw(t, "first")
		v4 := netip.AddrFrom4([4]byte(octets))
		mapped := netip.AddrFrom16(v4.As16())
		b := v4.As4()
		nat := netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: b[0], 13: b[1], 14: b[2], 15: b[3]})
		six := netip.AddrFrom16([16]byte{0x20, 2, b[0], b[1], b[2], b[3], 15: 1})
		port := rapid.Uint16Range(1, 65535).Draw(t, "port")

		err := Policy{Setting: "s"}.Check(netip.AddrPortFrom(v4, port))
		for _, other := range []netip.Addr{mapped, nat, six} {
			if got := (Policy{}).Check(netip.AddrPortFrom(other, port)); (got == nil) != (err == nil) {
				t.Fatalf("%s is judged %v, but %s %v", v4, err, other, got)
			}
		}
		refused, _ := errors.AsType[*RefusedError](err)
		if refused == nil || refused.Setting == "" {
			return
		}
		_, advice, _ := strings.Cut(err.Error(), "adds ")
		network, parseErr := ParseNetwork(strings.TrimSuffix(advice, " to s"))
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		policy := Policy{Allow: []Network{network}}
		if err := policy.Check(netip.AddrPortFrom(v4, port)); err != nil {
			t.Fatalf("after following the advice: %v", err)
		}
		if next := v4.Next(); private(next) != "" && policy.Check(netip.AddrPortFrom(next, port)) == nil {
			t.Fatalf("%s is allowed, too", next)
		}
	})
}

func TestParseNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8 0", "10.1.2.3/8": "10.0.0.0/8 0", "10.0.0.5": "10.0.0.5/32 0", "10.0.0.5:8001": "10.0.0.5/32 8001",
		"10.0.0.0/8:8001": "10.0.0.0/8 8001", "fd00::/8": "fd00::/8 0", "fd00::5": "fd00::5/128 0", "[fd00::5]:8001": "fd00::5/128 8001", "[fd00::/8]:80": "fd00::/8 80",
		"[fd00::5]": "fd00::5/128 0", " 10.0.0.5 ": "10.0.0.5/32 0",
		"": "", "kong": "", "10.0.0.5:0": "", "10.0.0.5:65536": "", "10.0.0.5:x": "", "10.0.0.5:": "", "10.0.0.0/33": "", "[fd00::5": "fd00::5/128 0", "[fd00::5]x": "", "::ffff:10.0.0.1": "", "::ffff:0:0/96": "",
	} {
		n, err := ParseNetwork(in)
		if want == "" {
			if !errors.Is(err, portal.ErrInvalid) {
				t.Errorf("%q: %v, %v", in, n, err)
			}
			continue
		}
		if got := n.Prefix.String() + " " + itoa(n.Port); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
}
