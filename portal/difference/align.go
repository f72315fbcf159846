package difference

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The rules follow every reference anew for each operation, and within a circle of schemas for each way through it: Stripe's
// description, with a change in one schema, takes them many minutes. So they are given descriptions without references. What
// both sides refer to at the same place is compared once, as the body of an operation of its own, and stands where it was
// referred to as the same empty schema. That costs as much as the descriptions are long, and a reader is told once that a
// schema has changed and which operations use it.

// direction says what the API does with a schema: taking something away means something else to whoever sends and to whoever
// receives.
type direction string

const (
	sent     direction = "request"
	received direction = "response"
)

// shared is a schema that both sides refer to at one place, by the names that they have for it.
type shared struct {
	from, to  string
	direction direction
}

// name is what people know it by.
func (s shared) name() string {
	if s.from == s.to {
		return s.from
	}
	return s.from + " → " + s.to
}

// aligner rewrites two descriptions side by side.
type aligner struct {
	from, to  tree
	left      int  // values that may still be written
	broken    bool // a reference to nothing
	at        Operation
	direction direction
	inside    *shared // the schema that is being rewritten

	found []shared // in the order in which they were met
	known map[shared]bool
	users map[shared]map[Operation]bool // operations that refer to it
	outer map[shared]map[shared]bool    // schemas that refer to it
}

// What both descriptions may have together once they are rewritten. GitHub's two editions have 900,000 values and 3,000 shared
// schemas.
const (
	maxAligned = 1_500_000
	maxShared  = 20_000
)

const schemaPointer = "#/components/schemas/"

// bodies is the path below which shared schemas stand as operations. No path of a description begins with a space.
const bodies = " "

// align returns the two descriptions without references, and who knows the schemas that stand below bodies by their number; or
// why there are none: they would be too large, or a reference leads nowhere.
func align(from, to tree) (_, _ tree, a *aligner, why Reason) {
	a = &aligner{
		from: from, to: to, left: maxAligned, known: map[shared]bool{},
		users: map[shared]map[Operation]bool{}, outer: map[shared]map[shared]bool{},
	}
	x, y := a.fields(withoutComponents(from), withoutComponents(to), false)
	paths, others := field(x, "paths"), field(y, "paths")
	for i := 0; i < len(a.found) && a.left > 0; i++ { // it grows
		s := a.found[i]
		a.inside, a.direction = &s, s.direction
		x, y := a.from.resolve(refTo(s.from)), a.to.resolve(refTo(s.to))
		if x == nil || y == nil {
			a.broken = true
			break
		}
		one, other := a.fields(x, y, false)
		path := bodies + strconv.Itoa(i)
		paths[path], others[path] = s.operation(one), s.operation(other)
	}
	switch {
	case a.left <= 0:
		return nil, nil, nil, TooLarge
	case a.broken:
		return nil, nil, nil, Unreadable
	}
	return x, y, a, ""
}

// escape and unescape write names as parts of a JSON pointer (RFC 6901).
var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)

func refTo(name string) any {
	return map[string]any{"$ref": schemaPointer + escape.Replace(name)}
}

// field is the object in a field, which is made where there is none.
func field(t map[string]any, key string) map[string]any {
	child, ok := t[key].(map[string]any)
	if !ok {
		child = map[string]any{}
		t[key] = child
	}
	return child
}

// operation is one that sends or receives nothing but a schema.
func (s shared) operation(schema any) any {
	content := map[string]any{"content": map[string]any{"application/json": map[string]any{"schema": schema}}}
	if s.direction == sent {
		return map[string]any{"post": map[string]any{"requestBody": content, "responses": map[string]any{}}}
	}
	content["description"] = ""
	return map[string]any{"get": map[string]any{"responses": map[string]any{"200": content}}}
}

// withoutComponents leaves of the components how callers prove who they are: everything else stands where it is referred to.
func withoutComponents(t tree) map[string]any {
	rest := maps.Clone(t)
	delete(rest, "webhooks") // the provider calls these
	components, _ := t["components"].(map[string]any)
	delete(rest, "components")
	if schemes, ok := components["securitySchemes"]; ok {
		rest["components"] = map[string]any{"securitySchemes": schemes}
	}
	return rest
}

// stub stands where something is referred to.
func stub(name string) any { return map[string]any{"title": name, "type": "object"} }

// value rewrites two values that stand at the same place; names says that the keys of objects are the author's own.
func (a *aligner) value(x, y any, names bool) (any, any) {
	if a.left--; a.left <= 0 {
		return nil, nil
	}
	if one, other := schemaName(x), schemaName(y); one != "" && other != "" {
		a.meet(shared{one, other, a.direction})
		name := shared{from: one, to: other}.name()
		return stub(name), stub(name)
	}
	x, y = a.followed(a.from, x), a.followed(a.to, y)
	switch one := x.(type) {
	case map[string]any:
		if other, ok := y.(map[string]any); ok {
			return a.fields(one, other, names)
		}
	case []any:
		if other, ok := y.([]any); ok {
			return a.lists(one, other)
		}
	}
	return a.alone(a.from, x, 0), a.alone(a.to, y, 0)
}

// followed is what a value refers to, or the value.
func (a *aligner) followed(t tree, v any) any {
	if reference(v) == "" {
		return v
	}
	found := t.resolve(v)
	if found == nil {
		a.broken = true
	}
	return found
}

// meet notes a shared schema and who uses it.
func (a *aligner) meet(s shared) {
	if !a.known[s] {
		if len(a.found) == maxShared {
			a.left = 0
			return
		}
		a.known[s] = true
		a.found = append(a.found, s)
	}
	if a.inside != nil {
		if a.outer[s] == nil {
			a.outer[s] = map[shared]bool{}
		}
		a.outer[s][*a.inside] = true
	} else if a.at.Path != "" {
		if a.users[s] == nil {
			a.users[s] = map[Operation]bool{}
		}
		a.users[s][a.at] = true
	}
}

// fields rewrites two objects.
func (a *aligner) fields(x, y map[string]any, names bool) (map[string]any, map[string]any) {
	one, other := make(map[string]any, len(x)), make(map[string]any, len(y))
	theirs := map[string]string{} // of y, by what it is for both
	for key := range y {
		theirs[sameKey(key)] = key
	}
	for _, key := range slices.Sorted(maps.Keys(x)) {
		leave := a.enter(key, names)
		if same, both := theirs[sameKey(key)]; !both {
			one[key] = a.alone(a.from, x[key], 0)
		} else if !names && (payloads[key] || key == "example" || key == "examples") {
			one[key], other[same] = x[key], y[same]
		} else {
			one[key], other[same] = a.value(x[key], y[same], !names && named[key])
		}
		leave()
	}
	for key := range y {
		if _, both := other[key]; !both {
			other[key] = a.alone(a.to, y[key], 0)
		}
	}
	return one, other
}

// sameKey makes two keys the same whose difference does not count: the names of a path's parameters.
func sameKey(key string) string {
	if strings.HasPrefix(key, "/") {
		return parameter.ReplaceAllString(key, "{}")
	}
	return key
}

// enter notes which operation, and which direction, a field leads to; leave takes it back.
func (a *aligner) enter(key string, names bool) (leave func()) {
	at, direction := a.at, a.direction
	switch {
	case a.inside != nil:
	case names && strings.HasPrefix(key, "/"):
		a.at, a.direction = Operation{Path: key}, sent
	case !names && a.at.Path != "" && a.at.Method == "" && slices.Contains(methods, key):
		a.at.Method = strings.ToUpper(key)
	case !names && key == "responses":
		a.direction = received
	}
	return func() { a.at, a.direction = at, direction }
}

// lists rewrites two lists. Items belong together that refer to the same schema, that are parameters of the same name, and
// the rest by their order.
func (a *aligner) lists(x, y []any) (any, any) {
	one, other := make([]any, len(x)), make([]any, len(y))
	theirs := a.identities(a.to, y)
	where := make(map[string]int, len(y))
	for i, id := range theirs {
		where[id] = i
	}
	taken := make([]bool, len(y))
	for i, id := range a.identities(a.from, x) {
		if j, both := where[id]; both && !taken[j] {
			one[i], other[j] = a.value(x[i], y[j], false)
			taken[j] = true
		} else {
			one[i] = a.alone(a.from, x[i], 0)
		}
	}
	for j := range y {
		if !taken[j] {
			other[j] = a.alone(a.to, y[j], 0)
		}
	}
	return one, other
}

func (a *aligner) identities(t tree, list []any) []string {
	ids := make([]string, len(list))
	rest := 0
	for i, item := range list {
		if name := schemaName(item); name != "" {
			ids[i] = "schema " + name
			continue
		}
		ids[i] = identity(a.followed(t, item), rest)
		rest++
	}
	return ids
}

// alone rewrites a value that only one side has.
func (a *aligner) alone(t tree, v any, depth int) any {
	if a.left--; a.left <= 0 {
		return nil
	}
	if name := schemaName(v); name != "" {
		return stub(name)
	}
	if reference(v) != "" {
		if depth++; depth > 8 { // it refers to itself
			a.broken = true
			return nil
		}
		v = a.followed(t, v)
	}
	switch v := v.(type) {
	case map[string]any:
		made := make(map[string]any, len(v))
		for key, child := range v {
			made[key] = a.alone(t, child, depth)
		}
		return made
	case []any:
		made := make([]any, len(v))
		for i, item := range v {
			made[i] = a.alone(t, item, depth)
		}
		return made
	}
	return v
}

// schemaName is the name of the schema that a value refers to, empty where it does not.
func schemaName(v any) string {
	name, ok := strings.CutPrefix(reference(v), schemaPointer)
	if !ok || strings.Contains(name, "/") {
		return ""
	}
	return unescape.Replace(name)
}

// maxUses is how many of the operations that use a schema are named.
const maxUses = 5

// uses lists the operations that use a schema, also through others: some of them, and how many more there are.
func (a *aligner) uses(s shared) (some []Operation, more int) {
	all, seen, next := map[Operation]bool{}, map[shared]bool{s: true}, []shared{s}
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		for op := range a.users[at] {
			all[op] = true
		}
		for outer := range a.outer[at] {
			if !seen[outer] {
				seen[outer] = true
				next = append(next, outer)
			}
		}
	}
	some = slices.SortedFunc(maps.Keys(all), func(x, y Operation) int {
		return cmp.Or(strings.Compare(x.Path, y.Path), strings.Compare(x.Method, y.Method))
	})
	if more = len(some) - maxUses; more > 0 {
		return some[:maxUses:maxUses], more
	}
	return some, 0
}
