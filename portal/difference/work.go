package difference

import (
	"reflect"
	"strings"
)

// work foresees what the rules will have to do with two aligned descriptions: they compare every pair of schemas that can be
// reached on both sides together, also each side's choices with all of the other's, and walk what is below them. Choices within
// choices multiply, and nothing can stop the rules once they have begun.
type work struct {
	from, to tree
	seen     map[[2]uintptr]bool
	pairs    int // of schemas
	choices  int // pairs that are compared to find out which alternative is which
}

// What the rules can do in some seconds. GitHub's two editions need 33,000 pairs, 3,200 choices and 108 million steps.
const (
	maxPairs = 200_000
	maxSteps = 1_000_000_000 // pairs times choices
)

// foresee reports whether the rules would have too much to do.
func foresee(from, to tree) (tooMuch bool) {
	w := work{from: from, to: to, seen: map[[2]uintptr]bool{}}
	w.spec(map[string]any(from), map[string]any(to), false)
	return w.over()
}

func (w *work) over() bool {
	return w.pairs > maxPairs || (w.pairs+1)*w.choices > maxSteps
}

// enter resolves two objects, and reports whether they are worth a look and have not had one.
func (w *work) enter(a, b any) (from, to map[string]any, fresh bool) {
	from, to = w.from.resolve(a), w.to.resolve(b)
	if from == nil || to == nil || w.over() {
		return nil, nil, false
	}
	pair := [2]uintptr{reflect.ValueOf(from).Pointer(), reflect.ValueOf(to).Pointer()}
	if w.seen[pair] {
		return nil, nil, false
	}
	w.seen[pair] = true
	return from, to, true
}

// spec walks two objects that are no schemas; named says that their keys are the author's.
func (w *work) spec(a, b any, names bool) {
	from, to, fresh := w.enter(a, b)
	if !fresh {
		return
	}
	for key, child := range from {
		other, both := to[key]
		if !both {
			continue
		}
		switch {
		case !names && (key == "schema" || key == "itemSchema"):
			w.schema(child, other)
		case !names && (key == "schemas" || key == "definitions"):
			w.schemas(child, other)
		default:
			if list, ok := child.([]any); ok {
				others, _ := other.([]any)
				for i := range min(len(list), len(others)) {
					w.spec(list[i], others[i], false)
				}
				continue
			}
			w.spec(child, other, !names && named[key])
		}
	}
}

func (w *work) schemas(a, b any) {
	from, _ := a.(map[string]any)
	to, _ := b.(map[string]any)
	for name, child := range from {
		if other, both := to[name]; both {
			w.schema(child, other)
		}
	}
}

var (
	oneSchema   = []string{"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema"}
	manySchemas = []string{"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
	listSchemas = []string{"oneOf", "anyOf", "allOf", "prefixItems"}
)

func (w *work) schema(a, b any) {
	from, to, fresh := w.enter(a, b)
	if !fresh {
		return
	}
	w.pairs++
	for _, key := range oneSchema {
		w.schema(from[key], to[key])
	}
	for _, key := range manySchemas {
		w.schemas(from[key], to[key])
	}
	for _, key := range listSchemas {
		w.alternatives(key, from, to)
	}
}

// alternatives pairs the parts of a choice: those of one name with each other, nameless ones with all that are nameless. Parts of
// oneOf are compared with the other side's whole schema too.
func (w *work) alternatives(key string, from, to map[string]any) {
	ours, _ := from[key].([]any)
	theirs, _ := to[key].([]any)
	w.choices += len(ours) * len(theirs) / 8 // comparing names costs little
	for _, a := range ours {
		if w.over() {
			return
		}
		for _, b := range theirs {
			nameless := reference(a) == "" || reference(b) == ""
			if nameless {
				w.choices++
			}
			if nameless || reference(a) == reference(b) {
				w.schema(a, b)
			}
		}
	}
	if key != "oneOf" {
		return
	}
	w.choices += len(ours) + len(theirs)
	for _, b := range theirs {
		w.schema(from, b)
	}
	for _, a := range ours {
		w.schema(a, to)
	}
}

func reference(v any) string {
	fields, _ := v.(map[string]any)
	ref, _ := fields["$ref"].(string)
	return ref
}

// resolve returns the object that a value is or refers to, nil where it is none.
func (t tree) resolve(v any) map[string]any {
	fields, _ := v.(map[string]any)
	for range 8 {
		pointer, local := strings.CutPrefix(reference(fields), "#/")
		if !local {
			return fields
		}
		at := any(map[string]any(t))
		for part := range strings.SplitSeq(pointer, "/") {
			parent, _ := at.(map[string]any)
			at = parent[unescape.Replace(part)]
		}
		fields, _ = at.(map[string]any)
	}
	return nil
}
