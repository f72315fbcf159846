// Package kong connects Kong Gateway (OSS 3.4 to 3.9) through its Admin API.
//
// It reads services, routes and plugins, and publishes one deployment for each address at which a service answers. A key
// is a key-auth credential of a gateway consumer that exists for one subscription on one service; the consumer's ACL
// group confines it. Ids are derived from ours, so that every step can be repeated, and everything it makes carries the
// tag concierge:managed; what does not is never changed. It keeps no state.
package kong

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/connectors/adminapi"
	"concierge/portal"
)

// settingPublicURL is where callers reach the proxy.
const settingPublicURL = "public_url"

// Kind describes Kong for the entry points.
var Kind = connectors.Kind{
	Name:     "kong",
	Title:    "Kong Gateway",
	Address:  "https://kong-admin.example.com:8444",
	Settings: settings(),
	// Kong itself knows no limit (gateways/kong.md); this is what one node with its database answers without effort.
	Budget: connectors.Budget{PerSecond: 200, Burst: 400, Parallel: 16},
	Open:   open,
}

func settings() []connectors.Setting {
	return append([]connectors.Setting{{Name: settingPublicURL, Title: "Public address",
		Help: "Where callers reach the proxy, such as https://api.example.com. " +
			"Routes without a host are published below it; routes with one take its scheme and port.",
	}}, adminapi.Settings()...)
}

// Connector is one Kong node's Admin API. It is safe for concurrent use.
type Connector struct {
	admin  admin
	public *url.URL // nil: not known
	locks  locks
	now    func() time.Time
}

var _ connectors.Issuer = (*Connector)(nil)

// open keeps a nil *Connector out of the interface.
func open(c connectors.Config) (connectors.Connector, error) {
	opened, err := Open(c)
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// Open checks the configuration and makes no call. Errors: portal.ErrInvalid with every problem.
func Open(c connectors.Config) (*Connector, error) {
	client, err := adminapi.New(c)
	err = errors.Join(adminapi.CheckSettings(c, settings()), err)
	var public *url.URL
	if s := c.Settings[settingPublicURL]; s != "" {
		var bad error
		if public, bad = parseAddress(s); bad != nil {
			err = errors.Join(err, fmt.Errorf("%w: %s %w", portal.ErrInvalid, settingPublicURL, bad))
		}
	}
	if err != nil {
		return nil, err
	}
	return &Connector{admin: admin{client}, public: public, locks: newLocks(), now: time.Now}, nil
}

// parseAddress reads an absolute address that ends with its path.
func parseAddress(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("must start with http:// or https:// and name a host")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, errors.New("must be an address without user, query and fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// Probe asks the node for its version and mode, and whether it would let us write: by changing a consumer that never
// exists, which Kong answers with 404 where writing is allowed.
func (c *Connector) Probe(ctx context.Context) (connectors.Capabilities, error) {
	n, err := c.node(ctx)
	if err != nil {
		return connectors.Capabilities{}, fmt.Errorf("asking the node what it is: %w", err)
	}
	can := connectors.Capabilities{
		Product:     "Kong Gateway " + n.Version,
		Discovery:   connectors.DiscoverSnapshot,
		Identity:    connectors.OpaqueIDs,
		Issue:       n.writable(),
		KeyValue:    connectors.CallerMust, // Kong would make one up, on every PUT anew
		Scope:       connectors.ScopeGroup,
		Expiry:      n.endsKeys(),
		ReadBack:    true,
		Settle:      settle,
		Propagation: n.propagation(),
	}
	if can.Issue.Able {
		if can.Issue, err = c.mayWrite(ctx); err != nil {
			return connectors.Capabilities{}, fmt.Errorf("asking whether our admin credentials may write: %w", err)
		}
	}
	return can, nil
}

// settle covers a write that Kong still works on after its answer was lost: it gives up on its database after pg_timeout,
// 5 s by default (kong.conf.default, 3.9). What is written is read at once.
const settle = 5 * time.Second

// mayWrite tries to change a consumer that never exists.
func (c *Connector) mayWrite(ctx context.Context) (connectors.Ability, error) {
	err := c.admin.call(ctx, adminapi.Request{
		Method: http.MethodPatch, Path: []string{"consumers", derive("probe")}, Body: map[string]any{"tags": []string{managed}},
	}, nil)
	var refusal *refusal
	switch {
	case errors.As(err, &refusal) && refusal.status == http.StatusNotFound && refusal.code == codeNotFound:
		return connectors.Ability{Able: true}, nil
	case errors.Is(err, portal.ErrDenied), errors.Is(err, portal.ErrNotFound):
		return connectors.Ability{Reason: "our admin credentials may only read"}, nil
	case errors.Is(err, portal.ErrUnsupported):
		return connectors.Ability{Reason: readOnlyNode}, nil
	case err == nil:
		return connectors.Ability{}, fmt.Errorf("%w: the gateway changed a consumer that does not exist", portal.ErrInvalid)
	}
	return connectors.Ability{}, err
}

// OpenDocument finds nothing: Kong keeps no API descriptions (its Enterprise developer portal is not read).
func (c *Connector) OpenDocument(context.Context, connectors.DocumentRef) (io.ReadCloser, error) {
	return nil, fmt.Errorf("opening a document: Kong keeps none: %w", portal.ErrNotFound)
}

// node is what GET / tells.
type node struct {
	Version       string
	Configuration struct {
		Database            string
		Role                string
		DBUpdateFrequency   float64 `json:"db_update_frequency"`   // seconds
		DBUpdatePropagation float64 `json:"db_update_propagation"` // seconds
	}
}

func (c *Connector) node(ctx context.Context) (node, error) {
	var n node
	if err := c.admin.get(ctx, &n); err != nil {
		return node{}, err
	}
	if n.Version == "" {
		return node{}, fmt.Errorf("%w: what answers is not a Kong Admin API", portal.ErrInvalid)
	}
	return n, nil
}

const readOnlyNode = "this node has no database (database=off) and refuses writes: give the admin address of a traditional node or of the control plane"

// writable says whether the node takes changes at all.
func (n node) writable() connectors.Ability {
	if n.Configuration.Database == "off" || n.Configuration.Role == "data_plane" {
		return connectors.Ability{Reason: readOnlyNode}
	}
	return connectors.Ability{Able: true}
}

// endsKeys reports whether a key's ttl holds everywhere: data planes ignored it before 3.5.0 (Kong/kong#11464).
func (n node) endsKeys() bool {
	if n.Configuration.Role != "control_plane" {
		return true
	}
	major, rest, _ := strings.Cut(n.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	return a > 3 || a == 3 && b >= 5
}

// propagation is the longest time after which another node or data plane knows of a changed key: other nodes look for
// changes every db_update_frequency, 5 s by default, and data planes were seen to follow within 6 s (3.9.3, November 2026).
func (n node) propagation() time.Duration {
	seconds := n.Configuration.DBUpdateFrequency
	if seconds <= 0 {
		seconds = 5
	}
	seconds = min(seconds+n.Configuration.DBUpdatePropagation, 3600)
	return time.Duration(seconds * 1.2 * float64(time.Second))
}

// authority is host and, where there is one, port.
func authority(host, port string) string {
	if port == "" {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}
