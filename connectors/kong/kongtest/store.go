package kongtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// row is one stored entity. It is never changed once stored, so that configurations can share rows.
type row struct {
	id      string
	fields  map[string]any
	expires time.Time // zero: never
}

// tables hold the rows by kind and id.
type tables map[*kind]map[string]*row

func (t tables) clone() tables {
	c := maps.Clone(t)
	for k, rows := range c {
		c[k] = maps.Clone(rows)
	}
	return c
}

func (t tables) put(k *kind, r *row) {
	if t[k] == nil {
		t[k] = map[string]*row{}
	}
	t[k][r.id] = r
}

// rows returns what has not expired, in the order of ids, as Kong lists it.
func (t tables) rows(k *kind, now time.Time) []*row {
	var live []*row
	for _, r := range t[k] {
		if !r.expired(now) {
			live = append(live, r)
		}
	}
	slices.SortFunc(live, func(a, b *row) int { return strings.Compare(a.id, b.id) })
	return live
}

func (t tables) get(k *kind, id string, now time.Time) *row {
	if r := t[k][id]; r != nil && !r.expired(now) {
		return r
	}
	return nil
}

// find returns the row that a path segment names: by id, else by the kind's endpoint key; nil if there is none.
func (t tables) find(k *kind, key string, now time.Time) *row {
	if isUUID(key) {
		return t.get(k, key, now)
	}
	for _, r := range t.rows(k, now) {
		if r.fields[k.endpoint] == key {
			return r
		}
	}
	return nil
}

func (r *row) expired(now time.Time) bool { return !r.expires.IsZero() && !now.Before(r.expires) }

// ref returns the id of the entity that a field points to, or nothing.
func (r *row) ref(field string) string {
	to, _ := r.fields[field].(map[string]any)
	id, _ := to["id"].(string)
	return id
}

func (r *row) text(field string) string {
	s, _ := r.fields[field].(string)
	return s
}

func (r *row) tags() []string { return stringList(r.fields["tags"]) }

func stringList(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}

// build makes the row for a body under an id, as POST and PUT store it: whatever the body leaves out gets its default,
// and a key-auth credential without a key gets a new one. Fields in fixed come from the path and win.
func (g *Gateway) build(k *kind, id string, body, fixed map[string]any) (*row, *problem) {
	r := &row{id: id, fields: maps.Clone(body)}
	if r.fields == nil {
		r.fields = map[string]any{}
	}
	maps.Copy(r.fields, fixed)
	now := g.opts.Now()
	if k.ttl {
		if ttl, given := r.fields["ttl"]; given {
			delete(r.fields, "ttl")
			if p := r.expireIn(ttl, now, g.opts.Mode == DBless); p != nil {
				return nil, p
			}
		}
		if r.fields["key"] == nil {
			r.fields["key"] = g.opts.NewKey()
		}
	}
	if p := k.complete(r.fields); p != nil {
		return nil, p
	}
	if p := g.check(k, r); p != nil {
		return nil, p
	}
	stamp := float64(now.Unix())
	r.fields["created_at"] = stamp
	if k.updated {
		r.fields["updated_at"] = stamp
	}
	return r, nil
}

// merge makes the row that PATCH leaves: fields that the body leaves out stay, the expiry included.
func (g *Gateway) merge(k *kind, old *row, body map[string]any) (*row, *problem) {
	r := &row{id: old.id, fields: maps.Clone(old.fields), expires: old.expires}
	now := g.opts.Now()
	created := r.fields["created_at"]
	delete(r.fields, "created_at")
	delete(r.fields, "updated_at")
	for key, v := range body {
		if key == "ttl" && k.ttl {
			if p := r.expireIn(v, now, false); p != nil {
				return nil, p
			}
			continue
		}
		if config, ok := v.(map[string]any); ok && key == "config" {
			merged := maps.Clone(r.fields["config"].(map[string]any))
			maps.Copy(merged, config)
			v = merged
		}
		r.fields[key] = v
	}
	if p := k.complete(r.fields); p != nil {
		return nil, p
	}
	if p := g.check(k, r); p != nil {
		return nil, p
	}
	r.fields["created_at"] = created
	if k.updated {
		r.fields["updated_at"] = float64(now.Unix())
	}
	return r, nil
}

// expireIn sets the expiry. A DB-less node reads ttl as the epoch second of the end.
func (r *row) expireIn(ttl any, now time.Time, absolute bool) *problem {
	seconds, ok := ttl.(float64)
	if !ok {
		return unexpected // so does 3.9.3, for null and for text
	}
	switch {
	case absolute:
		r.expires = time.Unix(int64(seconds), 0)
	case seconds != math.Trunc(seconds) || seconds < 0 || seconds > 1e8:
		return &problem{status: 400, code: 11, name: "invalid options", fields: map[string]any{"ttl": "must be an integer between 0 and 100000000"},
			message: "invalid option (ttl: must be an integer between 0 and 100000000)"}
	case seconds == 0:
		r.expires = time.Time{}
	default:
		r.expires = now.Add(time.Duration(seconds) * time.Second)
	}
	return nil
}

// check resolves what the row points to and looks for another row with the same unique values.
func (g *Gateway) check(k *kind, r *row) *problem {
	now := g.opts.Now()
	for key, f := range k.fields {
		to, _ := r.fields[key].(map[string]any)
		if f.ref == "" || to == nil {
			continue
		}
		target := kinds[f.ref]
		if id, ok := to["id"].(string); ok {
			if g.tables.get(target, id, now) == nil {
				return &problem{status: 400, code: 4, name: "foreign key violation", fields: map[string]any{key: map[string]any{"id": id}},
					message: fmt.Sprintf("the foreign key '%s' does not reference an existing '%s' entity.", lua(map[string]any{"id": id}), target.name)}
			}
			r.fields[key] = map[string]any{"id": id}
			continue
		}
		name, _ := to[target.endpoint].(string)
		found := g.tables.find(target, name, now)
		if found == nil {
			bad := fmt.Sprintf("the foreign key cannot be resolved with '%s' for an existing '%s' entity", lua(map[string]any{target.endpoint: name}), target.name)
			return &problem{status: 400, code: 13, name: "foreign keys unresolved", fields: map[string]any{key: map[string]any{target.endpoint: bad}},
				message: fmt.Sprintf("foreign key unresolved (%s.%s: %s)", key, target.endpoint, bad)}
		}
		r.fields[key] = map[string]any{"id": found.id}
	}
	for _, unique := range k.unique {
		values := map[string]any{}
		for _, key := range unique {
			values[key] = r.fields[key]
		}
		if len(unique) == 1 && values[unique[0]] == nil {
			continue
		}
		for _, other := range g.tables.rows(k, now) {
			same := other.id != r.id
			for key, v := range values {
				same = same && reflect.DeepEqual(other.fields[key], v)
			}
			if same {
				return &problem{status: 409, code: 5, name: "unique constraint violation", fields: values,
					message: fmt.Sprintf("UNIQUE violation detected on '%s'", lua(values))}
			}
		}
	}
	return nil
}

// remove deletes a row and what hangs on it.
func (g *Gateway) remove(k *kind, r *row) *problem {
	now := g.opts.Now()
	if k.segment == "services" {
		for _, route := range g.tables.rows(kinds["routes"], now) {
			if route.ref("service") == r.id {
				return &problem{status: 400, code: 4, name: "foreign key violation", fields: map[string]any{"@referenced_by": "routes"},
					message: "an existing 'routes' entity references this 'services' entity"}
			}
		}
	}
	g.write(func(t tables) {
		delete(t[k], r.id)
		for _, child := range kinds {
			for field, f := range child.fields {
				if f.ref != k.segment {
					continue
				}
				for id, c := range t[child] {
					if c.ref(field) == r.id {
						delete(t[child], id)
					}
				}
			}
		}
	})
	return nil
}

// show returns the row as the Admin API prints it. The remaining seconds of a fresh ttl of N are N-1.
func (g *Gateway) show(k *kind, r *row) map[string]any {
	out := maps.Clone(r.fields)
	out["id"] = r.id
	switch {
	case !k.ttl:
	case !r.expires.IsZero():
		out["ttl"] = math.Ceil(r.expires.Sub(g.opts.Now()).Seconds()) - 1
	case g.opts.Mode != DBless: // a DB-less node leaves the field out
		out["ttl"] = nil
	}
	return out
}

// page answers a listing of rows under a path. Nested collections drop size and tags from "next", and do not filter by
// tags: a recorded listing goes on past the only match.
func (g *Gateway) page(k *kind, rows []*row, path string, query url.Values, nested bool) (map[string]any, *problem) {
	size, p := pageSize(query)
	if p != nil {
		return nil, p
	}
	match, p := tagFilter(query)
	if p != nil {
		return nil, p
	}
	after, p := g.position(k, query)
	if p != nil {
		return nil, p
	}
	dbless := g.opts.Mode == DBless
	if nested {
		match = nil
	}
	var page []*row
	last := ""
	for _, r := range rows {
		if after != "" && r.id <= after {
			continue
		}
		if !dbless && match != nil && !match(r.tags()) {
			continue
		}
		if len(page) == size {
			last = page[size-1].id
			break
		}
		page = append(page, r)
	}
	if dbless && len(page) == size { // looks no further, so the page after it may be empty
		last = page[size-1].id
	}
	if dbless && match != nil { // filters after paging, and fails on an entity without tags
		if slices.ContainsFunc(page, func(r *row) bool { return r.fields["tags"] == nil }) {
			return nil, unexpected
		}
		page = slices.DeleteFunc(page, func(r *row) bool { return !match(r.tags()) })
	}
	data := make([]any, 0, len(page))
	for _, r := range page {
		data = append(data, g.show(k, r))
	}
	answer := map[string]any{"data": data, "next": nil}
	if last != "" {
		offset := g.offset(k, last)
		next := path + "?offset=" + url.QueryEscape(offset)
		if !nested {
			for _, key := range []string{"tags", "size"} {
				if query.Has(key) {
					next += "&" + key + "=" + url.QueryEscape(query.Get(key))
				}
			}
		}
		answer["next"], answer["offset"] = next, offset
	}
	return answer, nil
}

// offset encodes the last id of a page, as each strategy of Kong does.
func (g *Gateway) offset(k *kind, id string) string {
	if g.opts.Mode == DBless {
		return base64.RawURLEncoding.EncodeToString([]byte(k.name + "|*|*|" + id + "\x00"))
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`["` + id + `"]`))
}

// position decodes an offset.
func (g *Gateway) position(k *kind, query url.Values) (string, *problem) {
	if !query.Has("offset") {
		return "", nil
	}
	given := query.Get("offset")
	refused := func(why string) *problem {
		return &problem{status: 400, code: 7, name: "invalid offset", message: fmt.Sprintf("'%s' is not a valid offset: %s", given, why)}
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(given, "="))
	if err != nil {
		return "", refused("bad base64 encoding")
	}
	if g.opts.Mode == DBless {
		id, ok := strings.CutPrefix(strings.TrimSuffix(string(raw), "\x00"), k.name+"|*|*|")
		if !ok {
			return "", unexpected
		}
		return id, nil
	}
	var key []string
	if err := json.Unmarshal(raw, &key); err != nil {
		return "", refused("bad json encoding")
	}
	if len(key) != 1 || !isUUID(key[0]) {
		return "", unexpected
	}
	return key[0], nil
}

func pageSize(query url.Values) (int, *problem) {
	if !query.Has("size") {
		return 100, nil
	}
	refused := &problem{status: 400, code: 9, name: "invalid size"}
	size, err := strconv.Atoi(query.Get("size"))
	switch {
	case err != nil:
		refused.message = "size must be a number"
		return 0, refused
	case size < 1 || size > 1000:
		refused.message = "size must be an integer between 1 and 1000"
		return 0, refused
	}
	return size, nil
}

// tagFilter understands a,b (all of them) and a/b (any of them); nil: no filter.
func tagFilter(query url.Values) (func(tags []string) bool, *problem) {
	if !query.Has("tags") {
		return nil, nil
	}
	refused := func(why string) *problem {
		return &problem{status: 400, code: 11, name: "invalid options", fields: map[string]any{"tags": why},
			message: fmt.Sprintf("invalid option (tags: %s)", why)}
	}
	filter := query.Get("tags")
	all, anyOf := strings.Split(filter, ","), strings.Split(filter, "/")
	switch {
	case filter == "":
		return nil, refused("cannot be null")
	case len(all) > 1 && len(anyOf) > 1:
		return nil, refused("invalid filter syntax")
	case len(all) > 5 || len(anyOf) > 5:
		return nil, refused("cannot query more than 5 tags")
	case len(anyOf) > 1:
		return func(tags []string) bool {
			return slices.ContainsFunc(anyOf, func(t string) bool { return slices.Contains(tags, t) })
		}, nil
	}
	return func(tags []string) bool {
		return !slices.ContainsFunc(all, func(t string) bool { return !slices.Contains(tags, t) })
	}, nil
}
