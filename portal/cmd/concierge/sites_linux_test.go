package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"concierge/connectors/caddy/caddytest"
)

// elsewhere makes a network namespace with one wire to this machine, where this test may: then what listens on loopback
// there cannot be reached from here. ok is false where it may not.
func elsewhere(t testing.TB) (place caddytest.Place, ok bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return place, false
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return place, false
	}
	var b [3]byte
	_, _ = rand.Read(b[:])
	name := fmt.Sprintf("ccg%x", b)
	here, there := fmt.Sprintf("10.231.%d.%d", b[0], b[1]&^3|1), fmt.Sprintf("10.231.%d.%d", b[0], b[1]&^3|2)
	outside, inside := name+"o", name+"i"
	if exec.Command("ip", "netns", "add", name).Run() != nil {
		return place, false // a machine may forbid it to its root too
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("removing the namespace: %v: %s", err, out)
		}
	})
	for _, args := range [][]string{
		{"link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name},
		{"addr", "add", here + "/30", "dev", outside},
		{"link", "set", outside, "up"},
		{"-n", name, "addr", "add", there + "/30", "dev", inside},
		{"-n", name, "link", "set", inside, "up"},
		{"-n", name, "link", "set", "lo", "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Logf("ip %v: %v: %s", args, err, out)
			return place, false
		}
	}
	file, err := os.Open("/run/netns/" + name)
	if err != nil {
		t.Logf("opening the namespace: %v", err)
		return place, false
	}
	t.Cleanup(func() { _ = file.Close() })
	return caddytest.Place{
		Command: []string{"ip", "netns", "exec", name}, Address: there, Here: here,
		Admin: &http.Client{Transport: &http.Transport{DialContext: dialIn(int(file.Fd()))}},
	}, true
}

// dialIn connects from inside a network namespace.
func dialIn(namespace int) func(context.Context, string, string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		done := make(chan dialled)
		go func() {
			runtime.LockOSThread() // for good: the thread ends with this goroutine, and nobody else finds itself there
			if err := unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
				done <- dialled{nil, err}
				return
			}
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			done <- dialled{conn, err}
		}()
		d := <-done
		return d.conn, d.err
	}
}
