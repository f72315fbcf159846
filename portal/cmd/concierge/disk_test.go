//go:build unix

package main

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/store/sqlite/sqlitetest"
	"concierge/portal/web"
)

// TestPortalOnTroubledDisk: while the disk of the database is full or fails, the portal answers what it knows, says 503 to what would
// have to be kept, and tells the log what to do. With the disk well again the same process goes on. No key is made that it
// could not keep.
func TestPortalOnTroubledDisk(t *testing.T) {
	for name, tc := range map[string]struct {
		begin func(*sqlitetest.Disk)
		words string
	}{
		"full":  {func(d *sqlitetest.Disk) { d.Fill(0) }, "the disk of the database is full: make space there"},
		"fails": {func(d *sqlitetest.Disk) { d.Break(true) }, "look at the system's log"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openOnDisk(t)
			ada, g, disk, claim := s.ada, s.gateway, s.disk, s.claim
			tc.begin(disk)
			// What still fits into the log's last page is taken first.
			for i := 0; s.ask(ada, web.SurfaceAPI, "POST", "/api/v1/applications", `{"name":"one more"}`).status == http.StatusCreated; i++ {
				if i == 1000 {
					t.Fatal("the disk does not get full")
				}
			}
			for range 3 {
				for _, path := range []string{"/api/v1/apis", "/api/v1/resolve?api=payments&environment=test", "/api/v1/applications", "/api/v1/gateways/north", "/readyz"} {
					if r := s.ask(ada, web.SurfaceAPI, "GET", path, ""); r.status != http.StatusOK {
						t.Errorf("reading %s: %s", path, r)
					}
				}
				for _, path := range []string{"/", "/apis/payments", "/applications", "/keys"} {
					if r := s.ask(ada, web.SurfacePage, "GET", path, ""); r.status != http.StatusOK {
						t.Errorf("the page %s: %s", path, r)
					}
				}
				for path, body := range map[string]string{"/api/v1/applications": `{"name":"more"}`, claim: ""} {
					r := s.ask(ada, web.SurfaceAPI, "POST", path, body)
					if r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "/problems/unavailable") {
						t.Errorf("writing %s: %s", path, r)
					}
				}
				if r := s.ask(ada, web.SurfacePage, "POST", "/applications", "name=By+page"); r.status != http.StatusServiceUnavailable {
					t.Errorf("writing by page: %s", r)
				}
			}
			if g.Live("") != 0 {
				t.Errorf("%d keys were made", g.Live(""))
			}
			if !strings.Contains(s.logged.String(), tc.words) {
				t.Errorf("nothing of %q in the log:\n%s", tc.words, &s.logged)
			}

			disk.Break(false)
			disk.Free()
			s.claims(t)
		})
	}
}

// TestDiskFailsDuringClaim: the disk fails while the gateway makes a key, so that the portal cannot keep that it has it.
// Nobody sees that key, and it is revoked once the disk is well; the claim is then made again.
func TestDiskFailsDuringClaim(t *testing.T) {
	s := openOnDisk(t)
	s.gateway.SetFaults(gateway.Faults{Delay: 300 * time.Millisecond})
	claimed := make(chan reply)
	go func() { claimed <- s.ask(s.ada, web.SurfaceAPI, "POST", s.claim, "") }()
	for deadline := time.Now().Add(10 * time.Second); len(s.must(t, s.ada, "GET", "/api/v1/credentials", nil)["items"].([]any)) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the claim does not begin")
		}
	}
	s.disk.Break(true)
	if r := <-claimed; r.status != http.StatusServiceUnavailable || strings.Contains(r.body, "secret") {
		t.Errorf("the claim: %s", r)
	}
	if s.gateway.Live("") != 1 {
		t.Fatalf("%d keys were made, so this test shows nothing", s.gateway.Live(""))
	}
	s.gateway.SetFaults(gateway.Faults{})
	s.disk.Break(false)
	s.claims(t)
}

// onDisk is a portal whose database is on a disk that obeys, with somebody who may claim a key.
type onDisk struct {
	*server
	disk    *sqlitetest.Disk
	gateway *gateway.Gateway
	logged  safeBuffer
	ada     somebody
	claim   string // where the key is claimed
}

func openOnDisk(t *testing.T) *onDisk {
	t.Helper()
	g, registered := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "payments", Version: "1"}}},
		catalog.Gateway{ID: "north", Title: "North", Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "test"}})
	folder := t.TempDir()
	s := &onDisk{disk: sqlitetest.New(t, folder), gateway: g}
	c, err := parseConfig(nil, folder)
	must(t, err)
	c.Database = filepath.Join(folder, "concierge.db") // a file, whatever the other tests run on
	c.Keys = keysConfig{CallTimeout: 2 * time.Second, Reconcile: 200 * time.Millisecond}
	s.server, err = open(t.Context(), c, []ingest.Registration{registered}, slog.New(slog.NewTextHandler(&s.logged, nil)))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	s.ada = administrator(t, s.server)
	s.syncNow(t, "north")
	app := s.must(t, s.ada, "POST", "/api/v1/applications", map[string]any{"name": "till"})["id"]
	sub := s.must(t, s.ada, "POST", "/api/v1/subscriptions", map[string]any{"application": app, "api": "payments", "environment": "test"})["id"]
	s.claim = "/api/v1/subscriptions/" + sub.(string) + "/credentials"
	return s
}

// claims waits until the key can be claimed, as it must be once the disk is well, and finds no other one.
func (s *onDisk) claims(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if r := s.ask(s.ada, web.SurfaceAPI, "POST", s.claim, ""); r.status == http.StatusCreated {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("a claim on the disk that is well again: %s\n%s", r, &s.logged)
		}
	}
	// A key that nobody saw is being revoked when the next one is made; either call may be the first to arrive.
	for deadline := time.Now().Add(30 * time.Second); s.gateway.Live("") != 1; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%d keys, want 1", s.gateway.Live(""))
			break
		}
	}
}
