package caddy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"concierge/connectors"
	"concierge/connectors/adminapi"
)

// config is what a configuration of Caddy means to us.
type config struct {
	apis     []*api
	keys     []key // routes that carry our mark, in the order of the configuration
	text     []byte
	warnings []string
}

// api is a reverse proxy, or several below one route with an @id.
type api struct {
	key    connectors.Key
	title  string
	listen []string
	hosts  []string
	paths  []string // patterns; empty: every path
	opaque bool     // path_regexp decides about the path
	// upstream is where its first proxy leads to; empty: its back ends are found while it serves.
	upstream string
	// chains are the key lists before its proxies, from outside in, each once.
	chains [][]*keyList

	list     *keyList // where its keys go; nil: nowhere
	reach    []string // titles of the other APIs behind the same list
	refusal  string   // why no key can be confined to it; empty: one can
	hopeless bool     // and why accepting the reach would not help
}

// keyList is a list of routes with one that refuses all callers who were not let by before. Routes of one group exclude
// each other, so a route of its group that matches first lets its caller by.
type keyList struct {
	path    []string // in the configuration
	refuser int      // index of the refusing route
	group   string
	problem string
}

// key is a route of ours.
type key struct {
	mark    connectors.Mark
	created string
}

// JSON of Caddy, as much as we read (caddyserver.com/docs/json/apps/http, for 2.6).
type (
	document struct {
		Admin *struct {
			Config *struct {
				Persist *bool `json:"persist"`
			} `json:"config"`
		} `json:"admin"`
		Apps struct {
			HTTP struct {
				Servers map[string]server `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	server struct {
		Listen []string `json:"listen"`
		Routes []route  `json:"routes"`
	}
	route struct {
		ID     objectID                     `json:"@id"`
		Group  string                       `json:"group"`
		Match  []map[string]json.RawMessage `json:"match"`
		Handle []json.RawMessage            `json:"handle"`
	}
	// handler is what all handlers have; the rest depends on its name.
	handler struct {
		Handler string `json:"handler"`
	}
	proxy struct {
		Upstreams []struct {
			Dial string `json:"dial"`
		} `json:"upstreams"`
	}
	subroute struct {
		Routes []route `json:"routes"`
	}
	refusal struct {
		StatusCode objectID `json:"status_code"`
	}
	variables struct {
		Credential   string `json:"concierge_credential"`
		Subscription string `json:"concierge_subscription"`
		Application  string `json:"concierge_application"`
		Created      string `json:"concierge_created"`
	}
)

// objectID is a text, or a number as Caddy also takes it.
type objectID string

func (o *objectID) UnmarshalJSON(text []byte) error {
	var n json.Number
	if err := json.Unmarshal(text, &n); err == nil {
		*o = objectID(n.String())
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*o = objectID(s)
	return nil
}

// parseConfig understands the answer of /config/. null is a Caddy without a configuration.
func parseConfig(text []byte) (config, error) {
	var doc document
	if err := adminapi.Decode(text, &doc); err != nil {
		return config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	w := walk{
		config: config{text: text}, known: map[connectors.Key]*api{}, groups: map[string]map[string]bool{},
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Apps.HTTP.Servers)) {
		s := doc.Apps.HTTP.Servers[name]
		at := place{path: []string{"apps", "http", "servers", name, "routes"}, server: name, listen: s.Listen}
		if err := w.routes(s.Routes, at); err != nil {
			return config{}, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	if a := doc.Admin; a != nil && a.Config != nil && a.Config.Persist != nil && !*a.Config.Persist {
		w.warnings = append(w.warnings, "admin.config.persist is false: every key made here ends when Caddy restarts")
	}
	w.confine()
	return w.config, nil
}

// walk goes through the routes of a configuration.
type walk struct {
	config
	known  map[connectors.Key]*api
	groups map[string]map[string]bool // by name, the lists that use it
}

// place is where a walk is and what it came through.
type place struct {
	path     []string
	server   string
	listen   []string
	hosts    []string
	paths    []string
	opaque   bool
	rewrites bool     // the path was rewritten, so inner patterns are not what callers send
	others   []string // JSON of other matchers, which tell routes without an @id apart
	chain    []*keyList
	owner    *api // of the nearest route with an @id; nil: none
}

func (p place) in(steps ...string) place {
	p.path = slices.Concat(p.path, steps)
	return p
}

func (w *walk) routes(routes []route, at place) error {
	list := w.keyList(routes, at)
	for i, r := range routes {
		if w.ours(r) {
			continue
		}
		here, err := at.in(strconv.Itoa(i)).through(r)
		if err != nil {
			return err
		}
		if list != nil && i > list.refuser {
			here.chain = append(slices.Clone(here.chain), list)
		}
		if r.ID != "" {
			here.owner = here.api(string(r.ID), string(r.ID))
		}
		for n, text := range r.Handle {
			var h handler
			if err := adminapi.Decode(text, &h); err != nil {
				return err
			}
			switch h.Handler {
			case "rewrite":
				here.rewrites, at.rewrites = true, true // also for the routes that follow
			case "reverse_proxy":
				var p proxy
				if err := adminapi.Decode(text, &p); err != nil {
					return err
				}
				upstream := ""
				if len(p.Upstreams) > 0 {
					upstream = p.Upstreams[0].Dial
				}
				w.serve(here, upstream)
			case "subroute":
				var sub subroute
				if err := adminapi.Decode(text, &sub); err != nil {
					return err
				}
				if err := w.routes(sub.Routes, here.in("handle", strconv.Itoa(n), "routes")); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// through narrows a place by the matchers of a route. Of several sets one has to match.
func (p place) through(r route) (place, error) {
	var hosts, paths []string
	opaque := false
	for _, set := range r.Match {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			var err error
			var values []string
			switch name {
			case "host":
				err = adminapi.Decode(set[name], &values)
				hosts = append(hosts, values...)
			case "path":
				err = adminapi.Decode(set[name], &values)
				paths = append(paths, values...)
			case "path_regexp":
				opaque = true
				fallthrough
			default:
				p.others = append(slices.Clone(p.others), name+string(set[name]))
			}
			if err != nil {
				return place{}, err
			}
		}
	}
	if len(hosts) > 0 {
		p.hosts = hosts
	}
	if len(paths) > 0 && !p.rewrites {
		p.paths = paths
	}
	p.opaque = p.opaque || opaque && !p.rewrites
	return p, nil
}

// serve takes note of a reverse proxy.
func (w *walk) serve(at place, upstream string) {
	a := at.owner
	if a == nil {
		a = at.anonymous()
	}
	if there, ok := w.known[a.key]; !ok {
		w.known[a.key] = a
		w.apis = append(w.apis, a)
		a.upstream = upstream
	} else if there != a {
		w.warnings = append(w.warnings, fmt.Sprintf("%s is there more than once on server %s; the first one counts", a.title, at.server))
		return
	}
	if !slices.ContainsFunc(a.chains, func(c []*keyList) bool { return slices.Equal(c, at.chain) }) {
		a.chains = append(a.chains, at.chain)
	}
}

// anonymous names a proxy whose route has no @id by what it matches, since its place shifts with its neighbours.
func (p place) anonymous() *api {
	name := strings.TrimSpace(strings.Join(p.hosts, ",") + " " + strings.Join(p.paths, ","))
	if name == "" {
		name = "everything"
	}
	if len(p.others) > 0 {
		sum := sha256.Sum256([]byte(strings.Join(p.others, "\n")))
		name += " #" + hex.EncodeToString(sum[:4])
	}
	return p.api("route "+name, name)
}

// api makes the API of a route.
func (p place) api(id, title string) *api {
	return &api{
		key: connectors.Key{RemoteID: id, Exposure: p.server}, title: title,
		listen: p.listen, hosts: p.hosts, paths: p.paths, opaque: p.opaque,
	}
}

// keyList finds the refusing route of a list; nil where there is none.
func (w *walk) keyList(routes []route, at place) *keyList {
	for _, r := range routes {
		if r.Group != "" {
			if w.groups[r.Group] == nil {
				w.groups[r.Group] = map[string]bool{}
			}
			w.groups[r.Group][strings.Join(at.path, "/")] = true
		}
	}
	for i, r := range routes {
		if r.Group == "" || len(r.Match) > 0 || !r.refuses() {
			continue
		}
		list := &keyList{path: at.path, refuser: i, group: r.Group}
		for _, before := range routes[:i] {
			if before.Group == r.Group && len(before.Match) == 0 {
				list.problem = fmt.Sprintf("a route without a matcher comes before the refusing one in its group %q: remove it", r.Group)
			}
		}
		if strings.Contains(at.server, "/") {
			list.problem = fmt.Sprintf("the admin API has no path to a server whose name %q contains a slash: rename it", at.server)
		}
		return list
	}
	return nil
}

// refuses reports whether the last handler of a route answers that the caller is not let in.
func (r route) refuses() bool {
	if len(r.Handle) == 0 {
		return false
	}
	last := r.Handle[len(r.Handle)-1]
	var h handler
	var answer refusal
	if json.Unmarshal(last, &h) != nil || json.Unmarshal(last, &answer) != nil {
		return false
	}
	return (h.Handler == "static_response" || h.Handler == "error") && (answer.StatusCode == "401" || answer.StatusCode == "403")
}

// ours takes note of a route that we made.
func (w *walk) ours(r route) bool {
	k, ok := r.key()
	if ok {
		w.keys = append(w.keys, k)
	}
	return ok
}

// key reads a route that we made: its @id and its variables name the same credential.
func (r route) key() (key, bool) {
	for _, text := range r.Handle {
		var h handler
		var v variables
		if json.Unmarshal(text, &h) != nil || h.Handler != "vars" || json.Unmarshal(text, &v) != nil {
			continue
		}
		if v.Credential != "" && string(r.ID) == markPrefix+v.Credential {
			return key{mark: v.mark(), created: v.Created}, true
		}
	}
	return key{}, false
}

// confine works out which APIs can have keys of their own.
func (w *walk) confine() {
	for _, a := range w.apis {
		a.findList(w.groups)
	}
	for _, a := range w.apis {
		for _, other := range w.apis {
			if a.list != nil && other != a && other.behind(a.list) {
				a.reach = append(a.reach, other.title)
			}
		}
		if a.refusal == "" && len(a.reach) > 0 {
			a.refusal = fmt.Sprintf("a key made here would also open %s: give each a list of routes of its own, with a refusing route and a group",
				strings.Join(a.reach, ", "))
		}
	}
}

// findList finds the one key list of an API.
func (a *api) findList(groups map[string]map[string]bool) {
	keyed := slices.DeleteFunc(slices.Clone(a.chains), func(c []*keyList) bool { return len(c) == 0 })
	a.hopeless = true
	switch {
	case len(keyed) == 0:
		a.refusal = "nothing asks for a key before it: put a route with a group and a static_response of status 401 before its reverse_proxy"
	case len(keyed) > 1:
		a.refusal = "its proxies lie behind different refusing routes: give each an @id of its own"
	case len(keyed[0]) > 1:
		a.refusal = "it lies behind several refusing routes, and a caller can send one key: leave one"
	case keyed[0][0].problem != "":
		a.refusal = keyed[0][0].problem
	case len(groups[keyed[0][0].group]) > 1:
		a.refusal = fmt.Sprintf("the group %q is used in several lists of routes, and a key of one lets callers by in the others: rename the group",
			keyed[0][0].group)
	default:
		a.hopeless = false
		a.list = keyed[0][0]
	}
}

// behind reports whether some of an API lies behind a key list.
func (a *api) behind(list *keyList) bool {
	return slices.ContainsFunc(a.chains, func(c []*keyList) bool { return slices.Contains(c, list) })
}

// mentions reports whether a text is a value anywhere in the configuration.
func (c config) mentions(id string) bool { return bytes.Contains(c.text, []byte(`"`+id+`"`)) }
