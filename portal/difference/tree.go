package difference

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
)

// A tree is an OpenAPI 3 description without its addresses: objects, lists and scalars as encoding/json makes them, numbers
// as written.
type tree map[string]any

func (t tree) equal(u tree) bool { return reflect.DeepEqual(t, u) }

// side is one description, read.
type side struct {
	tree       tree // nil where short says why
	aligned    tree // without references
	operations []Operation
	short      Reason
	keys       map[Operation]bool
}

// methods that a path item has in OpenAPI 3.2; those before have all but query.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}

// parameter is a parameter of a path template: its name does not count.
var parameter = regexp.MustCompile(`\{[^{}]*\}`)

func (o Operation) key() Operation {
	return Operation{o.Method, parameter.ReplaceAllString(o.Path, "{}")}
}

func (s *side) has(o Operation) bool {
	if s.keys == nil {
		s.keys = make(map[Operation]bool, len(s.operations))
		for _, own := range s.operations {
			s.keys[own.key()] = true
		}
	}
	return s.keys[o.key()]
}

func read(d Document, limits Limits) *side {
	s := &side{operations: d.Operations}
	if len(d.Content) > limits.MaxBytes {
		s.short = TooLarge
		return s
	}
	root, err := parse(d.Content)
	version, _ := root["openapi"].(string)
	swagger, _ := root["swagger"].(string)
	if err != nil || version == "" && swagger == "" {
		s.short = OtherKind
		return s
	}
	if found := operationsOf(root); len(found) > 0 || len(s.operations) == 0 {
		s.operations = found
	}
	c := cost{limits: limits}
	c.value(map[string]any(root), 0)
	switch marked, _ := root["x-concierge-synthesised"].(bool); {
	case marked:
		s.short = Synthesised
	case c.over():
		s.short = TooLarge
	case swagger != "":
		if root, err = converted(root); err != nil {
			s.short = Unreadable
			return s
		}
	}
	if s.short != "" {
		return s
	}
	for _, address := range []string{"servers", "host", "basePath", "schemes"} {
		delete(root, address)
	}
	s.tree = root
	return s
}

func parse(content []byte) (tree, error) {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	var root map[string]any
	if err := dec.Decode(&root); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	return root, nil
}

// converted is a 2.0 description as a 3.0 one.
func converted(root tree) (_ tree, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it cannot be converted")
		}
	}()
	var old openapi2.T
	if err := remake(root, &old); err != nil {
		return nil, err
	}
	made, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, err
	}
	var again map[string]any
	if err := remake(made, &again); err != nil {
		return nil, err
	}
	return again, nil
}

// remake writes one value as JSON and reads it as another.
func remake(from, to any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(to)
}

// operationsOf lists the operations by path and method.
func operationsOf(root tree) []Operation {
	var found []Operation
	paths, _ := root["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, _ := paths[path].(map[string]any)
		for _, method := range methods {
			if _, ok := item[method].(map[string]any); ok {
				found = append(found, Operation{strings.ToUpper(method), path})
			}
		}
		more, _ := item["additionalOperations"].(map[string]any)
		for _, method := range slices.Sorted(maps.Keys(more)) {
			found = append(found, Operation{strings.ToUpper(method), path})
		}
	}
	return found
}

// cost counts what a description costs to compare.
type cost struct {
	limits                           Limits
	nodes, depth, pairs, definitions int
}

func (c *cost) over() bool {
	return c.nodes > c.limits.MaxNodes || c.depth > c.limits.MaxDepth || c.pairs > c.limits.MaxPairs || c.definitions > c.limits.MaxDefinition
}

func (c *cost) value(v any, depth int) {
	c.nodes++
	c.depth = max(c.depth, depth)
	if c.over() {
		return
	}
	switch v := v.(type) {
	case []any:
		c.pairs += len(v) * len(v)
		for _, item := range v {
			c.value(item, depth+1)
		}
	case map[string]any:
		for key, child := range v {
			if fields, ok := child.(map[string]any); ok && (key == "definitions" || key == "$defs" || key == "schemas") {
				c.definitions += len(fields)
			}
			c.value(child, depth+1)
		}
	}
}
