package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/keys"
	"concierge/portal/outbound"
	"concierge/portal/site"
)

// config is concierge.yaml. Every field has a default; unknown ones are refused.
type config struct {
	// Listen is where the portal serves. Default 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// MetricsListen is where /metrics is served, for Prometheus alone: its labels name internal gateways. A port without a
	// host means loopback. Default: nowhere.
	MetricsListen string `yaml:"metrics_listen"`
	// TrustedProxies are addresses or networks of proxies. What they say of a request is believed: whose it is
	// (X-Forwarded-For), its id (X-Request-Id) and its trace (traceparent). Default: none.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// ShutdownDelay is how long /readyz says no before requests are refused at the end, so that a balancer sends no more.
	// Default: 0.
	ShutdownDelay time.Duration `yaml:"shutdown_delay"`
	// PublicURL is the address that people use, such as https://apis.example.com. Default: that of Listen.
	PublicURL string `yaml:"public_url"`
	// Data is the folder of the database and the key file. Default: data, beside the configuration file.
	Data string `yaml:"data"`
	// Database is a file, or the postgres:// URL of a database that several replicas share. A password belongs into PGPASSWORD
	// or the file that PGPASSFILE names. Default: the file concierge.db in Data.
	Database string `yaml:"database"`
	// DatabasePassword is the password of a PostgreSQL database, where its URL holds none.
	DatabasePassword secretConfig `yaml:"database_password"`
	// KeyFile holds the key that seals secrets. Keep a copy elsewhere than the database's. Default: concierge.key in Data.
	KeyFile string `yaml:"key_file"`

	// Environments in their order. Default: development, test, simulation, production.
	Environments []portal.Environment `yaml:"environments"`
	// EnvironmentNames adds to the usual names of environments, by which gateways with environments: detect are read: a name and
	// the environment that it stands for, such as staging: simulation. An empty one says that the name means nothing.
	EnvironmentNames map[string]portal.Environment `yaml:"environment_names"`
	// Audiences says which audiences of deployments each audience may use, the own first.
	Audiences access.Audiences `yaml:"audiences"`
	Approval  []approvalConfig `yaml:"approval"`
	Keys      keysConfig       `yaml:"keys"`
	Sync      syncConfig       `yaml:"sync"`
	Traces    tracesConfig     `yaml:"traces"`
	Gateways  []gatewayConfig  `yaml:"gateways"`
}

// tracesConfig is about traces, which OTEL_EXPORTER_OTLP_ENDPOINT turns on.
type tracesConfig struct {
	// ToGateways sends the trace's id with calls on gateways. They, and whoever reads their logs, then see which calls
	// belong together.
	ToGateways bool `yaml:"to_gateways"`
}

type approvalConfig struct {
	API         string             `yaml:"api"`
	Environment portal.Environment `yaml:"environment"`
	Approval    portal.Approval    `yaml:"approval"`
}

type keysConfig struct {
	CallTimeout time.Duration `yaml:"call_timeout"` // of one call on a gateway; default 20s
	Reconcile   time.Duration `yaml:"reconcile"`    // how often marks are compared; default 10m
}

// grace is how long requests have to finish at the end: long enough for a call on a gateway and for its record.
func (k keysConfig) grace() time.Duration {
	return cmp.Or(k.CallTimeout, 20*time.Second)*3/2 + 10*time.Second
}

type syncConfig struct {
	Every time.Duration `yaml:"every"` // between two syncs of a gateway; default 5m
}

// gatewayConfig is a gateway as the portal has it. Of one of another site the worker there has the rest: it is not reached
// from here.
type gatewayConfig struct {
	reachConfig `yaml:",inline"`
	Title       string                 `yaml:"title"`
	Site        portal.Site            `yaml:"site"` // default local, the portal itself
	Division    string                 `yaml:"division"`
	Placement   map[portal.Axis]string `yaml:"placement"`
	Bounds      boundsConfig           `yaml:"bounds"`
	// Environments is "detect" to read environments from the usual names in stages, hosts, paths and titles; see
	// portal/doc/decisions/0016-environment-detection.md. Default: they are not read.
	Environments string `yaml:"environments"`
	// Fleet is a name that gateways share which stand behind one public address and take the same keys there.
	Fleet       string        `yaml:"fleet"`
	Rules       []ruleConfig  `yaml:"rules"`
	Trust       []portal.Axis `yaml:"trust"`
	AcceptReach bool          `yaml:"accept_reach"`
	// Documents lets the portal fetch descriptions from where the gateway's objects point to. Default: it does not.
	Documents documentsConfig `yaml:"documents"`
	Every     time.Duration   `yaml:"every"`
}

// reachConfig says which gateway, and how its admin side is reached.
type reachConfig struct {
	ID           string                  `yaml:"id"`
	Kind         string                  `yaml:"kind"`
	Address      string                  `yaml:"address"`
	Settings     map[string]string       `yaml:"settings"`
	Secrets      map[string]secretConfig `yaml:"secrets"`
	AllowPrivate []string                `yaml:"allow_private"`
	Budget       connectors.Budget       `yaml:"budget"` // of calls on its admin side; default: its kind's
}

type documentsConfig struct {
	Fetch bool     `yaml:"fetch"`
	Allow []string `yaml:"allow"` // private networks that may be fetched from, such as 10.1.0.0/16
}

// secretConfig says where a secret is read from; secrets are not written into the file.
type secretConfig struct {
	File string `yaml:"file"`
	Env  string `yaml:"env"`
}

type boundsConfig struct {
	Audiences    []portal.Audience    `yaml:"audiences"`
	Environments []portal.Environment `yaml:"environments"`
}

type ruleConfig struct {
	Match struct {
		Stage string `yaml:"stage"`
		Host  string `yaml:"host"`
		Path  string `yaml:"path"`
		Tag   string `yaml:"tag"`
		Name  string `yaml:"name"`
	} `yaml:"match"`
	Set    map[portal.Axis]string `yaml:"set"`
	Public string                 `yaml:"public"`
}

var defaultEnvironments = []portal.Environment{portal.Development, portal.Test, portal.Simulation, portal.Production}

// readConfig reads a file. The error names every problem in it and says what to do.
func readConfig(path string, kinds map[string]connectors.Kind) (config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return config{}, fmt.Errorf("configuration: %w; name the file with --config", err)
	}
	c, err := parseConfig(b, filepath.Dir(path))
	if err := errors.Join(err, c.check(kinds)); err != nil {
		return config{}, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return c, nil
}

// parseConfig reads the text of a file whose relative paths are below dir. With an error comes what could be read, so that
// it can be checked too.
func parseConfig(text []byte, dir string) (config, error) {
	var c config
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(&c)
	switch {
	case errors.Is(err, io.EOF):
		err = nil
	case err == nil && !errors.Is(d.Decode(new(yaml.Node)), io.EOF):
		err = errors.New("  only one document may be in the file: remove what follows the line ---")
	}
	c.complete(dir)
	return c, err
}

func (c *config) complete(dir string) {
	below := func(dir, path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	c.Data = below(dir, cmp.Or(c.Data, "data"))
	if c.Database = cmp.Or(c.Database, "concierge.db"); !strings.Contains(c.Database, "://") {
		c.Database = below(c.Data, c.Database)
	}
	c.KeyFile = below(c.Data, cmp.Or(c.KeyFile, "concierge.key"))
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if host, port, ok := strings.Cut(c.MetricsListen, ":"); !ok && host != "" {
		c.MetricsListen = "127.0.0.1:" + host
	} else if ok && host == "" {
		c.MetricsListen = "127.0.0.1:" + port
	}
	if len(c.Environments) == 0 {
		c.Environments = defaultEnvironments
	}
	if len(c.Audiences) == 0 {
		c.Audiences = access.DefaultAudiences
	}
	for i := range c.Gateways {
		c.Gateways[i].Site = cmp.Or(c.Gateways[i].Site, portal.SiteLocal)
	}
}

// check finds what is wrong, all of it.
func (c *config) check(kinds map[string]connectors.Kind) error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf("  "+format, args...)) }
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		wrong("listen %q: write host:port, such as 127.0.0.1:8080", c.Listen)
	}
	if c.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(c.MetricsListen); err != nil || c.MetricsListen == c.Listen {
			wrong("metrics_listen %q: write an address of its own, host:port, such as 127.0.0.1:9464", c.MetricsListen)
		}
	}
	if _, err := c.proxies(); err != nil {
		wrong("trusted_proxies: %v", err)
	}
	if c.DatabasePassword.File != "" && c.DatabasePassword.Env != "" {
		wrong("database_password: name either a file or an env variable")
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Path != "" {
		wrong("public_url %q: write scheme and host without a path, such as https://apis.example.com", c.PublicURL)
	}
	if _, err := databaseName("", c.Database); err != nil {
		wrong("%v", err)
	}
	if filepath.Dir(c.KeyFile) == filepath.Dir(c.Database) && c.KeyFile == c.Database {
		wrong("key_file and database are the same file")
	}
	for _, p := range ingest.CheckEnvironmentNames(c.Environments, c.EnvironmentNames) {
		wrong("environment_names: %s", p)
	}
	for own, ladder := range c.Audiences {
		if len(ladder) == 0 || ladder[0] != own {
			wrong("audiences: %s: its own audience comes first in its list", own)
		}
	}
	for i, a := range c.Approval {
		if a.Approval != portal.Automatic && a.Approval != portal.Required {
			wrong("approval %d: approval is %q; write automatic or required", i+1, a.Approval)
		}
		if a.Environment != "" && !slices.Contains(c.Environments, a.Environment) {
			wrong("approval %d: there is no environment %q", i+1, a.Environment)
		}
	}
	for name, d := range map[string]time.Duration{"keys.call_timeout": c.Keys.CallTimeout, "keys.reconcile": c.Keys.Reconcile, "sync.every": c.Sync.Every, "shutdown_delay": c.ShutdownDelay} {
		if d < 0 {
			wrong("%s is negative", name)
		}
	}
	if c.Sync.Every > 0 && c.Sync.Every < ingest.MinEvery {
		wrong("sync.every: syncs are %s apart; the least is %s", c.Sync.Every, ingest.MinEvery)
	}
	seen := map[string]bool{}
	for i, g := range c.Gateways {
		at := cmp.Or(g.ID, fmt.Sprint(i+1))
		if seen[g.ID] {
			wrong("gateway %s: the id is used twice", at)
		}
		seen[g.ID] = true
		for _, p := range g.check(c, kinds) {
			wrong("gateway %s: %s", at, p)
		}
	}
	return errors.Join(problems...)
}

// check finds what is wrong, all of it.
func (g *reachConfig) check(kinds map[string]connectors.Kind) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	problems = g.known(kinds)
	kind, known := kinds[g.Kind]
	if u, err := url.Parse(g.Address); err != nil || u.Host == "" {
		wrong("address %q: write the address of the admin side, such as %s", g.Address, cmp.Or(kind.Address, "https://gateway.example.com:8444"))
	}
	if g.Budget.PerSecond < 0 || g.Budget.Burst < 0 || g.Budget.Parallel < 0 {
		wrong("budget: a number is negative; leave it out for what suits the kind")
	}
	settings := map[string]bool{}
	for _, s := range kind.Settings {
		settings[s.Name] = s.Secret
		_, plain := g.Settings[s.Name]
		_, secret := g.Secrets[s.Name]
		switch {
		case s.Secret && plain:
			wrong("%s is a secret: put it under secrets, with file or env", s.Name)
		case s.Required && !plain && !secret:
			wrong("setting %s is missing: %s", s.Name, s.Help)
		}
	}
	for name := range g.Settings {
		if _, ok := settings[name]; known && !ok {
			wrong("kind %s has no setting %q", g.Kind, name)
		}
	}
	for name, s := range g.Secrets {
		if secret, ok := settings[name]; known && (!ok || !secret) {
			wrong("kind %s has no secret %q", g.Kind, name)
		}
		if (s.File == "") == (s.Env == "") {
			wrong("secret %s: name either a file or an env variable", name)
		}
	}
	return problems
}

// known finds what is wrong with id and kind.
func (g *reachConfig) known(kinds map[string]connectors.Kind) (problems []string) {
	if !gatewayID(g.ID) {
		problems = append(problems, fmt.Sprintf("id %q: use lower-case letters, digits and dashes", g.ID))
	}
	if _, known := kinds[g.Kind]; !known {
		problems = append(problems, fmt.Sprintf("there is no kind %q; choose one of %s", g.Kind, strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")))
	}
	return problems
}

func (g *gatewayConfig) check(c *config, kinds map[string]connectors.Kind) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if g.Site == portal.SiteLocal {
		problems = g.reachConfig.check(kinds)
	} else {
		problems = g.known(kinds)
		if !site.ValidName(g.Site) {
			wrong("site %q: use lower-case letters, digits and dashes", g.Site)
		}
		if len(g.Settings) > 0 || len(g.Secrets) > 0 || len(g.AllowPrivate) > 0 || g.Budget != (connectors.Budget{}) {
			wrong("it is of site %s: put its settings, secrets, budget and allow_private into the configuration of the worker there, and take them out here", g.Site)
		}
	}
	if e := portal.Environment(g.Placement[portal.AxisEnvironment]); e != "" && !slices.Contains(c.Environments, e) {
		wrong("placement: there is no environment %q", e)
	}
	for _, e := range g.Bounds.Environments {
		if !slices.Contains(c.Environments, e) {
			wrong("bounds: there is no environment %q", e)
		}
	}
	if g.Environments != "" && g.Environments != "detect" {
		wrong("environments %q: write detect, or leave it out", g.Environments)
	}
	for axis := range g.Placement {
		if !slices.Contains(portal.Axes, axis) {
			wrong("placement: there is no axis %q", axis)
		}
	}
	for _, axis := range g.Trust {
		if !slices.Contains(portal.Axes, axis) {
			wrong("trust: there is no axis %q", axis)
		}
	}
	for i, r := range g.Rules {
		for axis := range r.Set {
			if !slices.Contains(portal.Axes, axis) {
				wrong("rule %d: there is no axis %q", i+1, axis)
			}
		}
		if err := r.rule().Match.Check(); err != nil {
			wrong("rule %d: %v", i+1, err)
		}
	}
	return problems
}

func gatewayID(id string) bool {
	if id == "" || len(id) > 63 || id[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

func (r ruleConfig) rule() catalog.Rule {
	return catalog.Rule{
		Match: catalog.Match{Stage: r.Match.Stage, Host: r.Match.Host, Path: r.Match.Path, Tag: r.Match.Tag, Name: r.Match.Name},
		Set:   r.Set, Public: r.Public,
	}
}

// registration is the gateway as the catalog keeps it, and its secrets.
func (g *gatewayConfig) registration() (catalog.Gateway, map[string]portal.Secret, error) {
	secrets, err := g.readSecrets()
	defaults := map[portal.Axis]string{}
	for axis, v := range g.Placement {
		defaults[axis] = v
	}
	if g.Division != "" && defaults[portal.AxisDivision] == "" {
		defaults[portal.AxisDivision] = g.Division
	}
	registered := catalog.Gateway{
		ID: portal.GatewayID(g.ID), Title: cmp.Or(g.Title, g.ID), Kind: g.Kind, Address: g.Address, Settings: g.Settings,
		Division: portal.Division(g.Division), Site: g.Site, Defaults: defaults,
		Bounds: portal.Bounds{Audiences: g.Bounds.Audiences, Environments: g.Bounds.Environments},
		Fleet:  g.Fleet, Trust: g.Trust, AllowPrivate: g.AllowPrivate, AcceptReach: g.AcceptReach, Documents: catalog.Fetching(g.Documents), Every: g.Every, Budget: g.Budget, Source: catalog.FromConfiguration,
	}
	if g.Environments == "detect" {
		registered.Detect = map[string]portal.Environment{} // the registry has the names
	}
	for _, r := range g.Rules {
		registered.Rules = append(registered.Rules, r.rule())
	}
	return registered, secrets, err
}

// readSecrets reads the secrets from where the configuration says they are.
func (g *reachConfig) readSecrets() (map[string]portal.Secret, error) {
	secrets := map[string]portal.Secret{}
	var problems []error
	for name, s := range g.Secrets {
		value, err := s.read()
		if err != nil {
			problems = append(problems, fmt.Errorf("gateway %s: secret %s: %w", g.ID, name, err))
			continue
		}
		secrets[name] = value
	}
	return secrets, errors.Join(problems...)
}

func (s secretConfig) read() (portal.Secret, error) {
	if s.Env != "" {
		v := os.Getenv(s.Env)
		if v == "" {
			return portal.Secret{}, fmt.Errorf("environment variable %s is empty; set it before the start", s.Env)
		}
		return portal.NewSecret(v), nil
	}
	b, err := os.ReadFile(s.File)
	if err != nil {
		return portal.Secret{}, fmt.Errorf("%w; put the secret there, readable for this user only", err)
	}
	return portal.NewSecret(strings.TrimRight(string(b), "\r\n")), nil
}

// proxies are the networks of TrustedProxies.
func (c *config) proxies() (all []netip.Prefix, err error) {
	for _, s := range c.TrustedProxies {
		n, err := outbound.ParseNetwork(s)
		if err != nil || n.Port != 0 {
			return nil, fmt.Errorf("%q is no network: write 10.0.0.5 or 10.0.0.0/8", s)
		}
		all = append(all, n.Prefix)
	}
	return all, nil
}

func (c *config) policy() keys.Policy {
	var p keys.Policy
	for _, a := range c.Approval {
		p = append(p, keys.ApprovalRule{API: a.API, Environment: a.Environment, Approval: a.Approval})
	}
	return p
}
