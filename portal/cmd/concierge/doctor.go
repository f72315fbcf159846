package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/ingest"
	"concierge/portal/outbound"
	"concierge/portal/seal"
	"concierge/portal/store"
	"concierge/portal/store/postgres"
	"concierge/portal/store/sqlite"
)

// errProblems ends a doctor that has found some; what they are has been printed.
var errProblems = errors.New("there are problems: see above")

const (
	doctorPatience = 10 * time.Second // for each gateway and server
	skewed         = 5 * time.Second  // of clocks
	littleSpace    = 1 << 30          // bytes
	certificateDue = 14 * 24 * time.Hour
)

func doctorCommand() *cobra.Command {
	var flags serveFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration and all that the portal needs",
		Long: `Check the configuration, the key file, the database, clocks, gateways, disk and addresses. Nothing is changed: gateways are
asked what they can do, and the database is only read, also beside a portal that is running. It ends with 1 where
there is a problem.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := diagnose(cmd.Context(), &flags)
			return tellFindings(cmd.OutOrStdout(), found, asJSON)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a list in JSON")
	return cmd
}

// finding is one thing that was checked. Text and Do hold no secret.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warning or problem
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"` // what mends it
}

func tellFindings(w io.Writer, found []finding, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(w).Encode(found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintf(w, "%-8s %-18s %s\n", f.State, f.Check, f.Text)
			if f.Do != "" {
				fmt.Fprintf(w, "%-8s %-18s -> %s\n", "", "", f.Do)
			}
		}
	}
	for _, f := range found {
		if f.State == "problem" {
			return errProblems
		}
	}
	return nil
}

// doctor collects findings.
type doctor struct {
	config config
	found  []finding
}

func (d *doctor) ok(check, format string, args ...any) {
	d.found = append(d.found, finding{Check: check, State: "ok", Text: fmt.Sprintf(format, args...)})
}

func (d *doctor) warning(check, do, format string, args ...any) {
	d.found = append(d.found, finding{check, "warning", fmt.Sprintf(format, args...), do})
}

func (d *doctor) problem(check, do, format string, args ...any) {
	d.found = append(d.found, finding{check, "problem", fmt.Sprintf(format, args...), do})
}

// diagnose checks everything that the flags of serve lead to.
func diagnose(ctx context.Context, flags *serveFlags) []finding {
	d := &doctor{}
	var err error
	if d.config, err = flags.config(); err != nil {
		d.problem("configuration", "mend what is named; build/concierge.example.yaml shows every field", "%v", err)
		return d.found
	}
	d.ok("configuration", "%s is read: %d gateways", flags.file, len(d.config.Gateways))
	running := d.running(ctx)
	settings := d.database(ctx, running)
	d.keyFile(settings)
	d.folder()
	d.addresses(ctx)
	for _, g := range d.config.Gateways {
		d.gateway(ctx, g)
	}
	return d.found
}

// running reports whether a portal answers at the address to listen on.
func (d *doctor) running(ctx context.Context) bool {
	status, err := ready(ctx, d.config.Listen)
	switch {
	case err == nil && status == http.StatusOK:
		d.ok("portal", "it is running at %s and ready: what can be checked beside it is", d.config.Listen)
		return true
	case err == nil && status == http.StatusServiceUnavailable:
		d.warning("portal", "look at its log for why", "it is running at %s and not ready", d.config.Listen)
		return true
	case err == nil:
		d.problem("portal", "stop what listens there, or choose another address with listen", "something that is no portal answers at %s with %d", d.config.Listen, status)
		return false
	}
	l, err := net.Listen("tcp", d.config.Listen)
	if err != nil {
		d.problem("portal", "stop what listens there, or choose another address with listen", "it cannot listen: %v", err)
		return false
	}
	_ = l.Close()
	d.ok("portal", "it is not running; %s is free", d.config.Listen)
	return false
}

// ready asks a portal's /readyz on this machine.
func ready(ctx context.Context, listen string) (status int, err error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return 0, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	client, err := outbound.NewClient(outbound.Policy{Allow: anywhere}, outbound.Options{Timeout: 3 * time.Second})
	if err != nil {
		return 0, err
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return 0, err
	}
	resp, err := outbound.Do(client, req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (d *doctor) database(ctx context.Context, running bool) (settings map[string][]byte) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	server := onPostgres(d.config.Database)
	var e store.Examination
	var err error
	if server {
		e, err = postgres.Examine(ctx, d.config.Database)
	} else {
		e, err = sqlite.Examine(ctx, d.config.Database)
	}
	shown := shownDatabase(d.config.Database)
	switch {
	case errors.Is(err, portal.ErrNotFound):
		d.ok("database", "%s is empty: the first start of the portal fills it", shown)
	case err != nil && server:
		d.problem("database", "check that the server runs, the address and user in database, and the password", "%s: %v", shown, err)
		return nil
	case err != nil:
		d.problem("database", "restore it from a backup: concierge restore FILE", "%v", err)
		return nil
	case e.Tables > e.Newest:
		d.problem("database", "use the newer program, or restore a backup from before the upgrade", "%s was written by a newer version (tables %d, this program knows %d)", shown, e.Tables, e.Newest)
	case e.Tables < e.Newest && running:
		d.warning("database", "restart the portal with this program to bring the tables up to date", "%s has tables %d and this program knows %d: the portal that runs is older", shown, e.Tables, e.Newest)
	default:
		d.ok("database", "%s is sound (%s, tables %d)", shown, e.Server, e.Tables)
	}
	if server {
		d.server(e)
	}
	return e.Settings
}

func (d *doctor) server(e store.Examination) {
	if e.Encoding != "UTF8" {
		d.problem("database", "create the database with ENCODING 'UTF8'", "its encoding is %s", e.Encoding)
	}
	if e.Latency > 20*time.Millisecond {
		d.warning("database", "run the portal nearer to it", "it takes %s to answer", e.Latency.Round(time.Millisecond))
	}
	if least := 2*perReplica + 10; e.MaxConnections < least {
		d.warning("database", fmt.Sprintf("set max_connections to at least %d for each replica, and some for backups", perReplica), "it lets %d connections in", e.MaxConnections)
	}
	d.clock("the database", e.Clock)
}

// perReplica is how many connections one portal takes of PostgreSQL at most: two pools, one that listens, and those of jobs.
const perReplica = 32

// clock judges how much somebody else's clock is ahead.
func (d *doctor) clock(whose string, ahead time.Duration) {
	if ahead.Abs() > skewed {
		d.warning("clock", "let both machines keep time by NTP", "that of %s differs from ours by %s", whose, ahead.Round(time.Second))
	}
}

func (d *doctor) keyFile(settings map[string][]byte) {
	path := d.config.KeyFile
	canary := settings[canarySetting]
	box, err := seal.Load(path)
	switch {
	case errors.Is(err, portal.ErrNotFound) && len(canary) == 0:
		d.ok("key file", "%s is not there yet: the first start makes it. Replicas need the same one: concierge new-key FILE", path)
		return
	case errors.Is(err, portal.ErrNotFound):
		d.problem("key file", "copy it from another replica, or put it back from where you keep its copy", "%s is missing, and this database cannot be used without it", path)
		return
	case err != nil:
		d.problem("key file", "", "%v", err)
		return
	}
	if len(canary) > 0 {
		if err := box.Verify(canary); err != nil {
			d.problem("key file", "name the one that belongs to this database with key_file", "%v", err)
			return
		}
	}
	d.ok("key file", "%s is sound%s", path, map[bool]string{true: " and opens this database's secrets", false: ""}[len(canary) > 0])
}

func (d *doctor) folder() {
	path := d.config.Data
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		d.ok("data folder", "%s is not there yet: the first start makes it", path)
		return
	}
	if err != nil || !info.IsDir() {
		d.problem("data folder", "name a folder that the portal may use with data", "%s cannot be used: %v", path, err)
		return
	}
	if info.Mode().Perm()&0o077 != 0 && !onPostgres(d.config.Database) {
		d.warning("data folder", "chmod 700 "+path, "others may look into %s (mode %#o)", path, info.Mode().Perm())
	}
	free, err := freeBytes(path)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		d.warning("disk", "", "the space in %s is not known: %v", path, err)
	case free < littleSpace:
		d.warning("disk", "make room: a full disk stops every change", "%d MB are free in %s", free>>20, path)
	default:
		d.ok("disk", "%d GB are free in %s", free>>30, filepath.Clean(path))
	}
}

// addresses looks at how people reach the portal.
func (d *doctor) addresses(ctx context.Context) {
	u, err := url.Parse(d.config.PublicURL)
	if err != nil {
		return // check has refused it
	}
	if u.Scheme == "http" {
		if loopback(u.Hostname()) {
			d.ok("public_url", "%s: people on this machine only", d.config.PublicURL)
			return
		}
		d.warning("public_url", "put a proxy with TLS in front and write https:// into public_url", "%s: passwords and keys travel in clear", d.config.PublicURL)
		return
	}
	if len(d.config.TrustedProxies) == 0 {
		d.warning("trusted_proxies", "name the proxy's address in trusted_proxies", "none: with a proxy in front, all people seem to come from its address, and attempts to sign in are counted together")
	}
	if host, _, err := net.SplitHostPort(d.config.Listen); err == nil && !loopback(host) {
		d.warning("listen", "let only the proxy reach that address", "%s is served without TLS beside %s", d.config.Listen, d.config.PublicURL)
	}
	client, err := outbound.NewClient(outbound.Policy{Allow: anywhere}, outbound.Options{Timeout: doctorPatience})
	if err != nil {
		d.problem("public_url", "", "%v", err)
		return
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.config.PublicURL+"/healthz", nil)
	if err != nil {
		d.problem("public_url", "", "%v", err)
		return
	}
	resp, err := outbound.Do(client, req)
	if err != nil {
		d.warning("public_url", "check the proxy, its certificate and the name; from this machine it may be out of reach by design", "%s does not answer: %v", d.config.PublicURL, err)
		return
	}
	_ = resp.Body.Close()
	if resp.TLS != nil && time.Until(resp.TLS.PeerCertificates[0].NotAfter) < certificateDue {
		d.warning("public_url", "renew it", "its certificate ends on %s", resp.TLS.PeerCertificates[0].NotAfter.Format(time.DateOnly))
		return
	}
	d.ok("public_url", "%s answers %d", d.config.PublicURL, resp.StatusCode)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// gateway asks one what it can do, which changes nothing there.
func (d *doctor) gateway(ctx context.Context, g gatewayConfig) {
	check := "gateway " + g.ID
	registered, secrets, err := g.registration()
	if err != nil {
		d.problem(check, "put the secret where the configuration says", "%v", err)
		return
	}
	if registered.Site != portal.SiteLocal {
		d.ok(check, "it is reached from site %s: concierge worker looks at it there, and the page of sites shows when", registered.Site)
		return
	}
	dates := &dateSeen{}
	opened, err := ingest.Open(dates.kinds(kinds), registered, secrets, slog.New(slog.DiscardHandler))
	if err != nil {
		d.problem(check, "mend its settings", "%v", err)
		return
	}
	defer opened.Client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	able, err := opened.Connector.Probe(ctx)
	switch {
	case errors.Is(err, portal.ErrDenied):
		d.problem(check, "check its credentials and, for a private address, allow_private", "%v", err)
	case err != nil:
		d.problem(check, "check its address, and that its admin side runs and can be reached from here", "%v", err)
	case !able.Issue.Able:
		d.warning(check, able.Issue.Reason, "%s answers; keys cannot be made", able.Product)
	default:
		d.ok(check, "%s answers and can make keys", able.Product)
	}
	d.clock("gateway "+g.ID, dates.ahead)
}

// dateSeen notes how much the Date of an answer is ahead of our clock.
type dateSeen struct{ ahead time.Duration }

// kinds lets the answers of connectors pass through RoundTrip.
func (s *dateSeen) kinds(all map[string]connectors.Kind) map[string]connectors.Kind {
	seen := map[string]connectors.Kind{}
	for name, k := range all {
		open := k.Open
		k.Open = func(c connectors.Config) (connectors.Connector, error) {
			client := *c.Client
			client.Transport = noting{client.Transport, s}
			c.Client = &client
			return open(c)
		}
		seen[name] = k
	}
	return seen
}

type noting struct {
	base http.RoundTripper
	seen *dateSeen
}

func (n noting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.base.RoundTrip(req)
	if err == nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			n.seen.ahead = time.Until(date).Truncate(time.Second)
		}
	}
	return resp, err
}

func healthcheckCommand() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the portal on this machine whether it is ready, for containers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.config()
			if err != nil {
				return err
			}
			status, err := ready(cmd.Context(), c.Listen)
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return fmt.Errorf("the portal at %s is not ready (%d)", c.Listen, status)
			}
			return nil
		},
	}
	flags.add(cmd)
	return cmd
}

func newKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new-key FILE",
		Short: "Make a key file that replicas share",
		Long: `Make the key file that seals the secrets of one installation. A single portal makes its own at its first start; replicas need
the same file before they start. Keep a copy elsewhere than the backups of the database.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, created, err := seal.Open(args[0])
			if err == nil && !created {
				return fmt.Errorf("%s is there already and was not touched", args[0])
			}
			return err
		},
	}
}
