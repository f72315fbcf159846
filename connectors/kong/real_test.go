package kong

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"concierge/connectors/adminapi"
	"concierge/connectors/connectortest"
)

// Where a real Kong runs that the suite may change: it publishes APIs whose names begin with suite- and removes them again.
const (
	envAdmin    = "CONCIERGE_KONG_ADMIN"     // admin address, such as http://127.0.0.1:8001
	envProxy    = "CONCIERGE_KONG_PROXY"     // proxy address, such as http://127.0.0.1:8000
	envAdminKey = "CONCIERGE_KONG_ADMIN_KEY" // value of the header Kong-Admin-Token; empty: none is asked for
	envUpstream = "CONCIERGE_KONG_UPSTREAM"  // address of anything that Kong reaches and that answers 200; empty: a server on this machine's loopback
)

// TestRealKong runs the contract's rules against a real Kong.
func TestRealKong(t *testing.T) {
	adminURL, proxyURL := os.Getenv(envAdmin), os.Getenv(envProxy)
	if adminURL == "" || proxyURL == "" {
		t.Skipf("no real Kong: set %s and %s to the addresses of one that may be changed", envAdmin, envProxy)
	}
	if upstream = os.Getenv(envUpstream); upstream == "" {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "here") }))
		t.Cleanup(server.Close)
		upstream = server.URL
	}
	shared := target(adminURL, proxyURL, os.Getenv(envAdminKey))
	shared.Config.Settings[adminapi.PlainHTTP] = "true" // whoever names it here trusts the network
	shared.Grace = 3 * time.Second
	shared.Waivers["ReadOnlyDiscovers"] = "Kong OSS has no admin credentials that may only read"
	if os.Getenv(envAdminKey) == "" {
		shared.Waivers["WrongCredentialsAreDenied"] = "this Admin API asks for no credentials"
	}
	// Published once: a route takes up to 5 s to go live.
	shared.APIs = []connectortest.API{publish(t, shared, "orders"), publish(t, shared, "billing")}
	connectortest.Run(t, func(*testing.T) connectortest.Target { return shared })
}
