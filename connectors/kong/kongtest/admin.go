package kongtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serveAdmin is the Admin API.
func (g *Gateway) serveAdmin(w http.ResponseWriter, r *http.Request) {
	f := g.fault(r)
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if f.Status != 0 {
		if f.Status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		body := f.Body
		if body == "" {
			body = `{"message":"An unexpected error occurred"}`
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, body)
		return
	}
	status, body := g.admit(r)
	if f.Lose {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Server", "kong/3.9.3")
	h.Set("X-Kong-Admin-Latency", "5")
	switch body := body.(type) {
	case nil:
		w.WriteHeader(status)
	case html:
		h.Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, string(body))
	default:
		if status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", "Key")
		}
		h.Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

// html is a body that is a page.
type html string

const unsupportedMediaType html = "<html>\r\n<head><title>415 Unsupported Media Type</title></head>\r\n" +
	"<body>\r\n<center><h1>415 Unsupported Media Type</h1></center>\r\n</body>\r\n</html>\r\n"

// admit checks the admin credential, reads the body and acts.
func (g *Gateway) admit(r *http.Request) (int, any) {
	if g.opts.AdminKey != "" {
		switch key := r.Header.Get(g.opts.AdminHeader); {
		case key == g.opts.AdminKey:
		case key != "" && key == g.opts.ReadOnlyKey:
			if r.Method != http.MethodGet {
				return http.StatusForbidden, map[string]any{"message": "you do not have permissions to update this resource"}
			}
		case key == "":
			return http.StatusUnauthorized, map[string]any{"message": "No API key found in request"}
		default:
			return http.StatusUnauthorized, map[string]any{"message": "Unauthorized"}
		}
	}
	body, status, answer := readBody(r)
	if status != 0 {
		return status, answer
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	status, found, p := g.route(r, body)
	if p != nil {
		return p.status, p.body()
	}
	if found == nil { // not a nil map in an interface
		return status, nil
	}
	return status, found
}

func (p *problem) body() map[string]any {
	body := map[string]any{"message": p.message}
	if p.code != 0 {
		body["code"], body["name"] = p.code, p.name
	}
	switch {
	case p.fields == nil:
	case p.code == 11:
		body["options"] = p.fields
	default:
		body["fields"] = p.fields
	}
	return body
}

// readBody understands JSON and forms; a status other than 0 is the answer.
func readBody(r *http.Request) (body map[string]any, status int, answer any) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || len(raw) == 0 {
		return nil, 0, nil
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch mediaType {
	case "application/json":
		if err := json.Unmarshal(raw, &body); err != nil {
			return nil, http.StatusBadRequest, map[string]any{"message": "Cannot parse JSON body"}
		}
		return body, 0, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, http.StatusBadRequest, map[string]any{"message": "Cannot parse form body"}
		}
		body = map[string]any{}
		for key, values := range form {
			if name, isList := strings.CutSuffix(key, "[]"); isList {
				list := make([]any, len(values))
				for i, v := range values {
					list[i] = v
				}
				body[name] = list
			} else {
				body[key] = values[0]
			}
		}
		return body, 0, nil
	}
	return nil, http.StatusUnsupportedMediaType, unsupportedMediaType
}

// route finds what the path names and acts on it. The caller holds g.mu.
func (g *Gateway) route(r *http.Request, body map[string]any) (int, map[string]any, *problem) {
	path := strings.Trim(r.URL.Path, "/")
	if found, p, ok := g.information(path, r); ok {
		return http.StatusOK, found, p
	}
	segments := strings.Split(path, "/")
	k := kinds[segments[0]]
	if k == nil {
		return 0, nil, notFound
	}
	c := collection{g: g, kind: k, path: "/" + path, query: r.URL.Query()}
	if len(segments) <= 2 {
		return c.serve(r.Method, segments[1:], body)
	}
	parent := g.tables.find(k, segments[1], g.opts.Now())
	if parent == nil {
		return 0, nil, notFound
	}
	if f, ok := k.fields[segments[2]]; ok && f.ref != "" && len(segments) == 3 { // such as /key-auths/{id}/consumer
		target := kinds[f.ref]
		if to := g.tables.get(target, parent.ref(segments[2]), g.opts.Now()); to != nil && r.Method == http.MethodGet {
			return http.StatusOK, g.show(target, to), nil
		}
		return 0, nil, notFound
	}
	field := strings.TrimSuffix(k.segment, "s")
	for _, child := range kinds {
		if child.nested == segments[2] && child.fields[field].ref == k.segment && len(segments) <= 4 {
			c.kind, c.field, c.parent = child, field, parent
			return c.serve(r.Method, segments[3:], body)
		}
	}
	return 0, nil, notFound
}

// information answers the read-only paths about the node itself.
func (g *Gateway) information(path string, r *http.Request) (found map[string]any, p *problem, ok bool) {
	empty := map[string]any{"data": []any{}, "next": nil}
	switch {
	case path == "":
		return g.root(), nil, true
	case path == "status":
		return g.status(), nil, true
	case path == "plugins/enabled":
		return map[string]any{"enabled_plugins": slices.Sorted(maps.Keys(plugins()))}, nil, true
	case path == "upstreams", path == "certificates", path == "snis":
		return empty, nil, true
	case path == "config" && g.opts.Mode != DBless:
		return nil, &problem{status: 400, message: "this endpoint is only available when Kong is configured to not use a database"}, true
	case path == "clustering/data-planes" && g.opts.Mode == ControlPlane:
		return empty, nil, true
	case path == "clustering/data-planes":
		return nil, &problem{status: 400, message: "this endpoint is only available when Kong is configured to run as Control Plane for the cluster"}, true
	case path == "tags" || strings.HasPrefix(path, "tags/"):
		found, p = g.tagged("/"+path, strings.TrimPrefix(strings.TrimPrefix(path, "tags"), "/"), r.URL.Query())
		return found, p, true
	}
	return nil, nil, false
}

// plugins are the plugins of Kong 3.9.3 that this fake reports as installed.
func plugins() map[string]any {
	all := map[string]any{}
	for name := range configs {
		all[name] = map[string]any{"version": "3.9.3"}
	}
	return all
}

func (g *Gateway) root() map[string]any {
	role, database := "traditional", "postgres"
	switch g.opts.Mode {
	case ControlPlane:
		role = "control_plane"
	case DBless:
		database = "off"
	}
	return map[string]any{
		"version": "3.9.3", "edition": "community", "tagline": "Welcome to kong",
		"plugins": map[string]any{"available_on_server": plugins()},
		"configuration": map[string]any{"role": role, "database": database, "router_flavor": g.opts.RouterFlavor,
			"db_update_frequency": g.opts.UpdateFrequency.Seconds(), "db_update_propagation": 0},
	}
}

func (g *Gateway) status() map[string]any {
	if g.opts.Mode == DBless {
		return map[string]any{"server": map[string]any{}, "configuration_hash": "702a3eb085e1b3c3203bb5ff5ee0a99e"}
	}
	return map[string]any{"server": map[string]any{}, "database": map[string]any{"reachable": true}}
}

// tagged lists the entities with a tag, or with any.
func (g *Gateway) tagged(path, tag string, query url.Values) (map[string]any, *problem) {
	size, p := pageSize(query)
	if p != nil {
		return nil, p
	}
	type use struct {
		id   string
		nth  int // of the entity's tags, from 1
		name string
		tag  string
	}
	var uses []use
	for _, k := range kinds {
		for _, r := range g.tables.rows(k, g.opts.Now()) {
			for i, t := range r.tags() {
				if tag == "" || t == tag {
					uses = append(uses, use{r.id, i + 1, k.name, t})
				}
			}
		}
	}
	slices.SortFunc(uses, func(a, b use) int {
		if a.id != b.id {
			return strings.Compare(a.id, b.id)
		}
		return a.nth - b.nth
	})
	offset := func(u use) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `["%s",%d]`, u.id, u.nth))
	}
	if after := query.Get("offset"); after != "" {
		i := slices.IndexFunc(uses, func(u use) bool { return offset(u) == after })
		uses = uses[i+1:]
	}
	answer := map[string]any{"next": nil}
	if len(uses) > size {
		uses = uses[:size]
		last := offset(uses[size-1])
		answer["offset"] = last
		next := path + "?offset=" + last
		if query.Has("size") {
			next += "&size=" + strconv.Itoa(size)
		}
		answer["next"] = next
	}
	data := make([]any, len(uses))
	for i, u := range uses {
		data[i] = map[string]any{"entity_id": u.id, "entity_name": u.name, "tag": u.tag}
	}
	answer["data"] = data
	return answer, nil
}

// collection is a list of entities, of all or of those under a parent, that a request acts on.
type collection struct {
	g      *Gateway
	kind   *kind
	field  string // that points to the parent; empty: the top-level collection
	parent *row
	path   string
	query  url.Values
}

// serve acts on the collection (no rest) or on the entity that rest names.
func (c collection) serve(method string, rest []string, body map[string]any) (int, map[string]any, *problem) {
	if len(rest) == 0 {
		switch method {
		case http.MethodGet:
			return c.list()
		case http.MethodPost:
			return c.create(body)
		}
		return 0, nil, &problem{status: http.StatusMethodNotAllowed, message: "Method not allowed"}
	}
	key := rest[0]
	found := c.find(key)
	switch method {
	case http.MethodGet:
		if found == nil {
			return 0, nil, notFound
		}
		return http.StatusOK, c.g.show(c.kind, found), nil
	case http.MethodPut:
		return c.put(key, found, body)
	case http.MethodPatch:
		return c.patch(key, found, body)
	case http.MethodDelete:
		return c.remove(key, found)
	}
	return 0, nil, &problem{status: http.StatusMethodNotAllowed, message: "Method not allowed"}
}

func (c collection) list() (int, map[string]any, *problem) {
	rows := c.g.tables.rows(c.kind, c.g.opts.Now())
	if c.parent != nil {
		rows = slices.DeleteFunc(rows, func(r *row) bool { return r.ref(c.field) != c.parent.id })
	}
	if custom := c.query.Get("custom_id"); custom != "" && c.kind.segment == "consumers" {
		rows = slices.DeleteFunc(rows, func(r *row) bool { return r.text("custom_id") != custom })
	}
	answer, p := c.g.page(c.kind, rows, c.path, c.query, c.parent != nil)
	return http.StatusOK, answer, p
}

// find returns the entity that a path segment names; under a parent only that parent's.
func (c collection) find(key string) *row {
	found := c.g.tables.find(c.kind, key, c.g.opts.Now())
	if c.parent == nil || found == nil || found.ref(c.field) == c.parent.id {
		return found
	}
	if isUUID(key) {
		return nil
	}
	for _, r := range c.g.tables.rows(c.kind, c.g.opts.Now()) { // a group's name repeats from consumer to consumer
		if r.ref(c.field) == c.parent.id && r.text(c.kind.endpoint) == key {
			return r
		}
	}
	return nil
}

// fixed are the fields that the path decides.
func (c collection) fixed() map[string]any {
	if c.parent == nil {
		return map[string]any{}
	}
	return map[string]any{c.field: map[string]any{"id": c.parent.id}}
}

func (c collection) create(body map[string]any) (int, map[string]any, *problem) {
	r, p := c.g.build(c.kind, c.g.opts.NewID(), body, c.fixed())
	if p == nil {
		p = c.readOnly("create", "")
	}
	if p != nil {
		return 0, nil, p
	}
	c.g.write(func(t tables) { t.put(c.kind, r) })
	return http.StatusCreated, c.g.show(c.kind, r), nil
}

// put creates or replaces. A segment that is no UUID is the endpoint key: for a credential, the key itself. A
// credential that belongs to another consumer moves.
func (c collection) put(key string, found *row, body map[string]any) (int, map[string]any, *problem) {
	fixed, id, by := c.fixed(), key, ""
	if !isUUID(key) {
		fixed[c.kind.endpoint] = key
		by = c.kind.endpoint
		if found != nil {
			id = found.id
		} else {
			id = c.g.opts.NewID()
		}
	}
	r, p := c.g.build(c.kind, id, body, fixed)
	if p == nil {
		p = c.readOnly("create or update", by)
	}
	if p != nil {
		return 0, nil, p
	}
	c.g.write(func(t tables) { t.put(c.kind, r) })
	return http.StatusOK, c.g.show(c.kind, r), nil
}

func (c collection) patch(key string, found *row, body map[string]any) (int, map[string]any, *problem) {
	by := ""
	if !isUUID(key) {
		by = c.kind.endpoint
	}
	if p := c.readOnly("update", by); p != nil {
		return 0, nil, p
	}
	if found == nil {
		which := map[string]any{"id": key}
		if by != "" {
			which = map[string]any{by: key}
		}
		return 0, nil, &problem{status: 404, code: 6, name: "not found", fields: which,
			message: fmt.Sprintf("could not find the entity with '%s'", lua(which))}
	}
	r, p := c.g.merge(c.kind, found, body)
	if p != nil {
		return 0, nil, p
	}
	c.g.write(func(t tables) { t.put(c.kind, r) })
	return http.StatusOK, c.g.show(c.kind, r), nil
}

// remove deletes. A missing entity is 204 at the top level and 404 under a parent.
func (c collection) remove(key string, found *row) (int, map[string]any, *problem) {
	if found == nil {
		if c.parent != nil {
			return 0, nil, notFound
		}
		return http.StatusNoContent, nil, nil
	}
	by := ""
	if !isUUID(key) {
		by = c.kind.endpoint
	}
	p := c.readOnly("remove", by)
	if p == nil {
		p = c.g.remove(c.kind, found)
	}
	return http.StatusNoContent, nil, p
}

// readOnly refuses a write on a DB-less node.
func (c collection) readOnly(verb, by string) *problem {
	if c.g.opts.Mode != DBless {
		return nil
	}
	if by != "" {
		by = fmt.Sprintf(" by '%s'", by)
	}
	return &problem{status: http.StatusMethodNotAllowed, code: 12, name: "operation unsupported",
		message: fmt.Sprintf("cannot %s '%s' entities%s when not using a database", verb, c.kind.name, by)}
}
