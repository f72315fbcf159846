package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"concierge/portal"
)

// FuzzParseNetwork: what is read as a network is one that can be written and read again, and allows no address that is never
// allowed.
func FuzzParseNetwork(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "10.0.0.5:8001", "[fd00::/8]:8001", "fd00::5", "::ffff:10.0.0.1", "[fe80::1%eth0]", "0.0.0.0/0", "::/0", "10.0.0.0/8:0", "169.254.169.254"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNetwork(s)
		if err != nil {
			if !errors.Is(err, portal.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		written := n.Prefix.String()
		if n.Port != 0 {
			written = fmt.Sprintf("[%s]:%d", n.Prefix, n.Port)
		}
		if again, err := ParseNetwork(written); err != nil || again != n {
			t.Errorf("%q is %v, and written and read again %v, %v", s, n, again, err)
		}
		for _, never := range []string{"169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0", "fe80::1"} {
			if (Policy{Allow: []Network{n}}).Check(netip.AddrPortFrom(netip.MustParseAddr(never), max(n.Port, 1))) == nil {
				t.Errorf("%q allows %s", s, never)
			}
		}
	})
}
