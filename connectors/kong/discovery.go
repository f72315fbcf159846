package kong

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

// Discover reads services, routes and plugins to their ends. since is not used: Kong does not tell what changed.
func (c *Connector) Discover(ctx context.Context, _ connectors.Cursor) (connectors.Snapshot, error) {
	n, err := c.node(ctx)
	if err != nil {
		return connectors.Snapshot{}, fmt.Errorf("asking the node what it is: %w", err)
	}
	conf, err := c.configuration(ctx)
	if err != nil {
		return connectors.Snapshot{}, err
	}
	snap := connectors.Snapshot{Complete: true, Warnings: conf.warnings()}
	can := n.writable()
	for _, s := range conf.services {
		for _, e := range conf.exposures(s) {
			d, err := conf.deployment(e, c.public)
			if err != nil {
				return connectors.Snapshot{}, fmt.Errorf("reading service %s: %w", s.ID, err)
			}
			if !can.Able && d.Issue.Able {
				d.Issue, d.Reach = can, nil
			}
			snap.Deployments = append(snap.Deployments, d)
		}
	}
	return snap, nil
}

// configuration is what the gateway does with requests, as one reading found it.
type configuration struct {
	services []service
	routes   map[string][]route // HTTP routes by service
	plugins  map[scope]plugin   // enabled ones that hold for every consumer
	strays   int                // HTTP routes without a service
	other    int                // routes that take no HTTP

	access map[string]guard // by route
	// What a key opens: services whose key-auth lets in every key, under the empty group, and the others by each group that
	// their acl plugins let in. Sorted by title.
	open map[string][]service
}

// scope is where a plugin holds.
type scope struct{ name, route, service string }

// configuration reads everything that decides about addresses and keys.
func (c *Connector) configuration(ctx context.Context) (*configuration, error) {
	services, err := all[service](ctx, c.admin, nil, "services")
	if err != nil {
		return nil, err
	}
	routes, err := all[route](ctx, c.admin, nil, "routes")
	if err != nil {
		return nil, err
	}
	plugins, err := all[plugin](ctx, c.admin, nil, "plugins")
	if err != nil {
		return nil, err
	}
	return assemble(services, routes, plugins)
}

// assemble puts the three lists together. Errors: portal.ErrInvalid for an entity without id, or a plugin whose
// configuration has another shape.
func assemble(services []service, routes []route, plugins []plugin) (*configuration, error) {
	conf := &configuration{services: services, routes: map[string][]route{}, plugins: map[scope]plugin{}}
	for _, s := range services {
		if s.ID == "" {
			return nil, fmt.Errorf("%w: a service has no id", portal.ErrInvalid)
		}
	}
	for _, r := range routes {
		switch {
		case r.ID == "":
			return nil, fmt.Errorf("%w: a route has no id", portal.ErrInvalid)
		case !r.http():
			conf.other++
		case r.Service.id() == "":
			conf.strays++
		default:
			conf.routes[r.Service.ID] = append(conf.routes[r.Service.ID], r)
		}
	}
	for _, p := range plugins {
		if p.Enabled && p.http() && p.Consumer == nil && p.ConsumerGroup == nil {
			conf.plugins[scope{p.Name, p.Route.id(), p.Service.id()}] = p
		}
	}
	return conf, conf.guards()
}

// plugin returns the instance that holds for a route: the most specific one (Kong 3.9, "Plugin precedence").
func (conf *configuration) plugin(name string, r route) (plugin, bool) {
	service := r.Service.id()
	for _, s := range []scope{{name, r.ID, service}, {name, r.ID, ""}, {name, "", service}, {name, "", ""}} {
		if p, ok := conf.plugins[s]; ok {
			return p, true
		}
	}
	return plugin{}, false
}

// warnings says what is not published, and why.
func (conf *configuration) warnings() []string {
	var all []string
	warn := func(n int, one, many string) {
		switch n {
		case 0:
		case 1:
			all = append(all, "1 "+one)
		default:
			all = append(all, fmt.Sprintf("%d %s", n, many))
		}
	}
	hidden, known := 0, map[string]bool{}
	for _, s := range conf.services {
		known[s.ID] = true
		if len(conf.routes[s.ID]) == 0 {
			hidden++
		}
	}
	early := 0
	for id, routes := range conf.routes {
		if !known[id] {
			early += len(routes)
		}
	}
	warn(hidden, "service is left out: it has no HTTP route", "services are left out: they have no HTTP route")
	warn(conf.strays, "route is left out: it leads to no service", "routes are left out: they lead to no service")
	warn(conf.other, "route is left out: it takes no HTTP", "routes are left out: they take no HTTP")
	warn(early, "route is left out: its service was made while we read", "routes are left out: their services were made while we read")
	return all
}

// exposure is what callers reach of a service under one address pattern.
//
// With strip_path a path prefix is only an address: the service sees what comes behind it, so every such path is an exposure
// of its own. Without strip_path paths are the API's own, and all of a host make one exposure.
type exposure struct {
	service service
	host    string // empty: any
	base    string // the stripped prefix, without a slash at its end; empty: none
	parts   []part
}

// part is one path of one route; an empty path is any.
type part struct {
	route
	path string
}

// key is the pattern. It holds on when paths of the API itself come and go.
func (e exposure) key() connectors.Key {
	base := e.base
	if base == "" {
		base = "/"
	}
	return connectors.Key{RemoteID: e.service.ID, Exposure: e.host + base}
}

// exposures groups the routes of a service, in a stable order.
func (conf *configuration) exposures(s service) []exposure {
	type pattern struct{ host, base string }
	found := map[pattern]*exposure{}
	for _, r := range conf.routes[s.ID] {
		paths := r.Paths
		if len(paths) == 0 {
			paths = []string{""}
		}
		for _, path := range paths {
			for _, host := range r.addressed() {
				at := pattern{host: host}
				if r.StripPath && !isRegex(path) {
					at.base = strings.TrimRight(path, "/")
				}
				if found[at] == nil {
					found[at] = &exposure{service: s, host: at.host, base: at.base}
				}
				found[at].parts = append(found[at].parts, part{r, path})
			}
		}
	}
	all := make([]exposure, 0, len(found))
	for _, e := range found {
		slices.SortFunc(e.parts, func(a, b part) int {
			return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.path, b.path))
		})
		all = append(all, *e)
	}
	slices.SortFunc(all, func(a, b exposure) int {
		return cmp.Or(strings.Compare(a.host, b.host), strings.Compare(a.base, b.base))
	})
	return all
}

// addressed returns the hosts under which callers find the route: its names, or names of its certificates, without
// wildcards where there are others; one empty host where any will do.
func (r route) addressed() []string {
	hosts := r.Hosts
	if len(hosts) == 0 {
		hosts = r.SNIs
	}
	if len(hosts) == 0 {
		return []string{""}
	}
	plain := slices.DeleteFunc(slices.Clone(hosts), isWildcard)
	if len(plain) == 0 {
		plain = slices.Clone(hosts)
	}
	slices.Sort(plain)
	return slices.Compact(plain)
}

func isWildcard(host string) bool { return strings.Contains(host, "*") }

// isRegex tells regular expressions from prefixes (Kong 3.0 and later).
func isRegex(path string) bool { return strings.HasPrefix(path, "~") }

// paths are those of the exposure's routes that lie in it.
func (e exposure) paths() []string {
	set := map[string]bool{}
	for _, p := range e.parts {
		if p.path != "" {
			set[p.path] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// any reports whether a part of the exposure has a quality.
func (e exposure) any(has func(part) bool) bool { return slices.ContainsFunc(e.parts, has) }

// root is the path that callers put before the API's own paths: the stripped prefix, or what all paths begin with.
func (e exposure) root() string {
	if e.base != "" {
		return e.base
	}
	var common []string
	for i, p := range e.parts {
		segments := strings.FieldsFunc(p.path, func(r rune) bool { return r == '/' })
		if i == 0 {
			common = segments
		}
		n := 0
		for n < len(common) && n < len(segments) && common[n] == segments[n] {
			n++
		}
		common = common[:n]
	}
	if len(common) == 0 {
		return ""
	}
	return "/" + strings.Join(common, "/")
}

// address returns where callers reach the exposure, or why nobody can tell.
func (e exposure) address(public *url.URL) (address, reason string) {
	switch {
	case e.any(func(p part) bool { return p.Expression != "" }):
		return "", "a route matches by an expression, which names no address: set the address of this deployment"
	case e.any(func(p part) bool { return isRegex(p.path) }):
		return "", "a route matches paths by a regular expression, which names no address: set the address of this deployment"
	case !e.any(func(p part) bool { return len(p.Headers) == 0 }):
		names := slices.Sorted(maps.Keys(e.parts[0].Headers))
		return "", fmt.Sprintf("callers must send the header %s, which no address can say: set the address of this deployment once they know",
			strings.Join(names, ", "))
	case isWildcard(e.host):
		return "", fmt.Sprintf("its host %s is a wildcard: set the address of this deployment", e.host)
	case e.host == "" && public == nil:
		return "", fmt.Sprintf("its routes name no host: set %s of this gateway", settingPublicURL)
	}
	takes := func(protocol string) bool {
		return e.any(func(p part) bool { return p.takes(protocol) })
	}
	if public == nil {
		scheme := "http"
		if takes("https") {
			scheme = "https"
		}
		return scheme + "://" + authority(e.host, "") + e.root(), ""
	}
	if !takes(public.Scheme) {
		return "", fmt.Sprintf("its routes do not take %s, which %s of this gateway says: set the address of this deployment",
			public.Scheme, settingPublicURL)
	}
	if e.host == "" {
		return public.String() + e.root(), ""
	}
	return public.Scheme + "://" + authority(e.host, public.Port()) + e.root(), ""
}

// operations are the methods and paths that the routes name, below the address. A path is a prefix to Kong; where a
// route takes every method, GET stands for them.
func (e exposure) operations() []connectors.Operation {
	root := e.root()
	set := map[connectors.Operation]bool{}
	for _, p := range e.parts {
		rest := ""
		if e.base == "" && !isRegex(p.path) {
			rest = strings.Trim(strings.TrimPrefix(p.path, root), "/")
		}
		methods := p.Methods
		if len(methods) == 0 {
			methods = []string{"GET"}
		}
		for _, m := range methods {
			set[connectors.Operation{Method: m, Path: "/" + rest}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b connectors.Operation) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
}

// deployment describes an exposure in the portal's nouns.
func (conf *configuration) deployment(e exposure, public *url.URL) (connectors.Deployment, error) {
	d := connectors.Deployment{
		Key:        e.key(),
		Title:      e.service.title(),
		Paths:      e.paths(),
		Operations: e.operations(),
		Upstream:   e.service.upstream(),
		Active:     e.service.active(),
	}
	if e.host != "" {
		d.Hosts = []string{e.host}
	}
	d.Public, d.PublicReason = e.address(public)
	readTags(&d, e)
	plan, err := conf.plan(e)
	if err != nil {
		return connectors.Deployment{}, err
	}
	d.Plans = []portal.Plan{plan}
	a := conf.accessTo(e)
	d.Authentication, d.Reach = a.auth, a.reach
	switch {
	case a.impossible != "":
		d.Issue.Reason, d.Reach = a.impossible, nil
	case a.unconfined != "":
		d.Issue.Reason = a.unconfined
	default:
		d.Issue.Able = true
	}
	return d, nil
}

// ourWords begins the tags that speak to the portal.
const ourWords = "concierge-"

// readTags takes what the tags of service and routes say: concierge-<word>:<value>, where a route's word wins over the
// service's, and version:<value>. The others are passed on.
func readTags(d *connectors.Deployment, e exposure) {
	words := map[string]string{}
	var tags []string
	read := func(from []string) {
		for _, t := range from {
			name, value, labelled := strings.Cut(t, ":")
			if word, ours := strings.CutPrefix(name, ourWords); ours && labelled {
				words[word] = strings.TrimSpace(value)
				continue
			}
			if name == "version" && labelled {
				words["version"] = strings.TrimSpace(value)
			}
			tags = append(tags, t)
		}
	}
	read(e.service.Tags)
	for _, p := range e.parts {
		read(p.Tags)
	}
	slices.Sort(tags)
	d.Tags = slices.Compact(tags)
	d.API, d.Version, d.Owner, d.Summary = words["api"], words["version"], words["owner"], words["summary"]
	if title := words["title"]; title != "" {
		d.Title = title
	}
	switch l := portal.Lifecycle(words["lifecycle"]); l {
	case portal.Preview, portal.Active, portal.Deprecated, portal.Retired:
		d.Lifecycle = l
	}
	if sunset, err := time.Parse(time.DateOnly, words["sunset"]); err == nil {
		d.Sunset = sunset
	}
	for _, axis := range portal.Axes {
		if v := words[string(axis)]; v != "" {
			if d.Words == nil {
				d.Words = map[portal.Axis]string{}
			}
			d.Words[axis] = v
		}
	}
}

// planID names the one plan of a deployment: Kong (OSS) has none of its own.
const planID = "default"

// plan describes the limits that a rate-limiting plugin sets for each consumer.
func (conf *configuration) plan(e exposure) (portal.Plan, error) {
	plan := portal.Plan{ID: planID, Title: "Standard", Limits: []string{}, Approval: portal.Automatic}
	seen := map[string]bool{}
	for _, part := range e.parts {
		p, ok := conf.plugin("rate-limiting", part.route)
		if !ok || seen[p.ID] {
			continue
		}
		seen[p.ID] = true
		var limit rateLimiting
		if err := p.decode(&limit); err != nil {
			return portal.Plan{}, err
		}
		for _, per := range []struct {
			most *float64
			unit string
		}{{limit.Second, "second"}, {limit.Minute, "minute"}, {limit.Hour, "hour"}, {limit.Day, "day"}, {limit.Month, "month"}, {limit.Year, "year"}} {
			if per.most != nil {
				plan.Limits = append(plan.Limits, fmt.Sprintf("%.0f requests per %s", *per.most, per.unit))
			}
		}
	}
	slices.Sort(plan.Limits)
	plan.Limits = slices.Compact(plan.Limits)
	return plan, nil
}
