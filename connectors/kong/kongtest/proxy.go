package kongtest

import (
	"cmp"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// serveProxy is the data plane: it matches a route, asks for the key, checks the group, and calls the upstream.
func (g *Gateway) serveProxy(w http.ResponseWriter, r *http.Request) {
	requestID := strings.ReplaceAll(uuid.NewString(), "-", "")
	w.Header().Set("X-Kong-Request-Id", requestID)
	up, status, message := g.forward(r)
	if status != 0 {
		h := w.Header()
		h.Set("Server", "kong/3.9.3")
		h.Set("X-Kong-Response-Latency", "1")
		h.Set("Content-Type", "application/json; charset=utf-8")
		if status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", "Key")
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message, "request_id": requestID})
		return
	}
	up.Header.Set("X-Kong-Request-Id", requestID)
	w.Header().Set("Via", "1.1 kong/3.9.3")
	w.Header().Set("X-Kong-Upstream-Latency", "1")
	w.Header().Set("X-Kong-Proxy-Latency", "1")
	g.opts.Upstream.ServeHTTP(w, up)
}

// forward returns the request as the upstream gets it, or a status and message that Kong answers itself.
func (g *Gateway) forward(r *http.Request) (up *http.Request, status int, message string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := dataPlane{g: g, tables: g.seenByProxy()}
	m, ok := d.match(r)
	if !ok {
		return nil, http.StatusNotFound, "no Route matched with those values"
	}
	if m.service == nil {
		return nil, http.StatusServiceUnavailable, "no Service found with those values"
	}
	up = r.Clone(r.Context())
	host := hostname(r)
	_, port, _ := net.SplitHostPort(g.proxy.Listener.Addr().String())
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	for name, value := range map[string]string{
		"Via": "1.1 kong/3.9.3", "Connection": "keep-alive", "X-Real-Ip": client, "X-Forwarded-For": client, "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": host, "X-Forwarded-Port": port, "X-Forwarded-Path": r.URL.Path,
	} {
		up.Header.Set(name, value)
	}
	if status, message = d.authenticate(m, up); status != 0 {
		return nil, status, message
	}
	rest := r.URL.Path
	if strip, _ := m.route.fields["strip_path"].(bool); strip {
		rest = strings.TrimPrefix(rest, m.prefix)
		if m.prefix != "" {
			up.Header.Set("X-Forwarded-Prefix", m.prefix)
		}
	}
	up.URL.Path = join(m.service.text("path"), rest)
	up.URL.RawPath = ""
	if keep, _ := m.route.fields["preserve_host"].(bool); !keep {
		port, _ := m.service.fields["port"].(float64)
		up.Host = net.JoinHostPort(m.service.text("host"), strconv.Itoa(int(port)))
	}
	up.RequestURI = up.URL.RequestURI()
	return up, 0, ""
}

// hostname is the host that the client asked for, without a port.
func hostname(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

// join puts a service's path before what is left of the request's, as path handling v0 does.
func join(base, rest string) string {
	switch {
	case base == "" || base == "/":
		return "/" + strings.TrimPrefix(rest, "/")
	case rest == "":
		return base
	}
	return strings.TrimSuffix(base, "/") + "/" + strings.TrimPrefix(rest, "/")
}

// dataPlane is the proxy with the configuration that it has at one moment.
type dataPlane struct {
	g      *Gateway
	tables tables
}

func (d dataPlane) rows(collection string) []*row {
	return d.tables.rows(kinds[collection], d.g.opts.Now())
}

func (d dataPlane) get(collection, id string) *row {
	return d.tables.get(kinds[collection], id, d.g.opts.Now())
}

// matched is the route that serves a request.
type matched struct {
	route, service *row
	prefix         string // the part of the path that the route matched

	criteria             int // how many kinds of criteria the route has: more win
	plainHost, regexPath bool
	priority             float64
}

// match returns the most specific route, in the order of Kong's traditional router: more kinds of criteria, plain hosts
// before wildcards, regular expressions before prefixes, longer before shorter.
func (d dataPlane) match(r *http.Request) (matched, bool) {
	var found []matched
	for _, route := range d.rows("routes") {
		m := matched{route: route, service: d.get("services", route.ref("service"))}
		if m.service != nil && m.service.fields["enabled"] == false {
			continue
		}
		if m.try(r) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return matched{}, false
	}
	return slices.MinFunc(found, func(a, b matched) int {
		return cmp.Or(
			cmp.Compare(b.criteria, a.criteria),
			before(a.plainHost, b.plainHost),
			before(a.regexPath, b.regexPath),
			cmp.Compare(b.priority, a.priority),
			cmp.Compare(len(b.prefix), len(a.prefix)),
			strings.Compare(a.route.id, b.route.id))
	}), true
}

func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// try matches the request against every criterion of the route.
func (m *matched) try(r *http.Request) bool {
	f := m.route.fields
	if !slices.Contains(stringList(f["protocols"]), "http") {
		return false
	}
	if methods := stringList(f["methods"]); len(methods) > 0 {
		m.criteria++
		if !slices.Contains(methods, r.Method) {
			return false
		}
	}
	if hosts := stringList(f["hosts"]); len(hosts) > 0 {
		m.criteria++
		host := hostname(r)
		m.plainHost = slices.Contains(hosts, host)
		if !m.plainHost && !slices.ContainsFunc(hosts, func(pattern string) bool { return wildcard(pattern, host) }) {
			return false
		}
	}
	if headers, _ := f["headers"].(map[string]any); len(headers) > 0 {
		m.criteria++
		for name, values := range headers {
			if !slices.Contains(stringList(values), r.Header.Get(name)) {
				return false
			}
		}
	}
	paths := stringList(f["paths"])
	if len(paths) == 0 {
		return true
	}
	m.criteria++
	ok := false
	for _, p := range paths {
		if expr, isRegex := strings.CutPrefix(p, "~"); isRegex {
			re, err := regexp.Compile("^(?:" + goRegexp(expr) + ")")
			if err != nil {
				continue // refused when it was written
			}
			if hit := re.FindString(r.URL.Path); hit != "" {
				m.prefix, m.regexPath, ok = hit, true, true
				m.priority, _ = f["regex_priority"].(float64)
			}
		} else if strings.HasPrefix(r.URL.Path, p) && !m.regexPath && (!ok || len(p) > len(m.prefix)) {
			m.prefix, ok = p, true
		}
	}
	return ok
}

// wildcard matches *.example.com and example.*.
func wildcard(pattern, host string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(host, prefix) && len(host) > len(prefix)
	}
	return false
}

// plugin returns the configuration of the most specific enabled instance: route and service, route, service, global.
func (d dataPlane) plugin(name string, m matched) map[string]any {
	best, rank := map[string]any(nil), -1
	for _, p := range d.rows("plugins") {
		if p.text("name") != name || p.fields["enabled"] == false || p.ref("consumer") != "" {
			continue
		}
		route, service := p.ref("route"), p.ref("service")
		if route != "" && route != m.route.id || service != "" && service != m.service.id {
			continue
		}
		n := 0
		if route != "" {
			n += 2
		}
		if service != "" {
			n++
		}
		if n > rank {
			best, _ = p.fields["config"].(map[string]any)
			rank = n
		}
	}
	return best
}

// authenticate runs key-auth, then acl, on the request for the upstream. A status other than 0 is Kong's answer.
func (d dataPlane) authenticate(m matched, up *http.Request) (status int, message string) {
	var consumer *row
	if config := d.plugin("key-auth", m); config != nil {
		credential, bad := d.credential(config, up)
		anonymous, _ := config["anonymous"].(string)
		switch {
		case bad == "":
			consumer = d.get("consumers", credential.ref("consumer"))
			up.Header.Set("X-Credential-Identifier", credential.id)
		case anonymous != "":
			consumer = d.tables.find(kinds["consumers"], anonymous, d.g.opts.Now())
			up.Header.Set("X-Anonymous-Consumer", "true")
		default:
			return http.StatusUnauthorized, bad
		}
		if consumer != nil {
			up.Header.Set("X-Consumer-Id", consumer.id)
			for header, field := range map[string]string{"X-Consumer-Custom-Id": "custom_id", "X-Consumer-Username": "username"} {
				if v := consumer.text(field); v != "" {
					up.Header.Set(header, v)
				}
			}
		}
	}
	if config := d.plugin("acl", m); config != nil && !d.allowed(config, consumer, up) {
		return http.StatusForbidden, "You cannot consume this service"
	}
	return 0, ""
}

// credential finds the key of the request, and removes it where the plugin says so. Names are tried in order, and for
// each the header, then the query (kong/plugins/key-auth/handler.lua). Keys in bodies are not read here.
func (d dataPlane) credential(config map[string]any, up *http.Request) (found *row, bad string) {
	key := ""
	query := up.URL.Query()
	for _, name := range stringList(config["key_names"]) {
		var values []string
		if config["key_in_header"] == true {
			values = up.Header.Values(name)
		}
		if len(values) == 0 && config["key_in_query"] == true {
			values = query[name]
		}
		if len(values) > 1 {
			return nil, "Duplicate API key found"
		}
		if len(values) == 0 {
			continue
		}
		key = values[0]
		if config["hide_credentials"] == true {
			up.Header.Del(name)
			if query.Has(name) {
				query.Del(name)
				up.URL.RawQuery = query.Encode()
				up.URL.ForceQuery = up.URL.RawQuery == ""
			}
		}
		break
	}
	if key == "" {
		return nil, "No API key found in request"
	}
	for _, c := range d.rows("key-auths") {
		if c.text("key") == key {
			return c, ""
		}
	}
	return nil, "Unauthorized"
}

// allowed checks the consumer's groups. Where no consumer is known, 403 is what older versions answer
// (kong/plugins/acl/handler.lua); it was not recorded for 3.9.3.
func (d dataPlane) allowed(config map[string]any, consumer *row, up *http.Request) bool {
	if consumer == nil {
		return false
	}
	var groups []string
	for _, a := range d.rows("acls") {
		if a.ref("consumer") == consumer.id {
			groups = append(groups, a.text("group"))
		}
	}
	member := func(list any) bool {
		return slices.ContainsFunc(stringList(list), func(g string) bool { return slices.Contains(groups, g) })
	}
	if config["allow"] != nil && !member(config["allow"]) || config["deny"] != nil && member(config["deny"]) {
		return false
	}
	if config["hide_groups_header"] != true && len(groups) > 0 {
		up.Header.Set("X-Consumer-Groups", strings.Join(groups, ", "))
	}
	return true
}

// Echo answers with the request as it came: method, path with query, headers in lower case, and body.
func Echo(w http.ResponseWriter, r *http.Request) {
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	w.Header().Set("Content-Type", "application/json")
	path := (&url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}).RequestURI()
	_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "path": path, "headers": headers, "body": string(body)})
}
