package document

import (
	"slices"
	"strings"
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// A node is one value of a description. Both decoders make the same tree, which keeps the order of keys and the spelling
// of numbers.
type node struct {
	kind   kind
	text   string // of a scalar: a string's value, a number as JSON writes it, "true" or "false"
	items  []*node
	fields []field
}

type field struct {
	key   string
	value *node
}

func newText(s string) *node { return &node{kind: text, text: s} }
func newBool(b bool) *node {
	return &node{kind: boolean, text: map[bool]string{true: "true", false: "false"}[b]}
}
func newList(items ...*node) *node    { return &node{kind: list, items: items} }
func newObject(fields ...field) *node { return &node{kind: object, fields: fields} }

// get returns the value of a key, or nil where n is not an object or has no such key. It may be called on nil.
func (n *node) get(key string) *node {
	if n == nil || n.kind != object {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].key == key {
			return n.fields[i].value
		}
	}
	return nil
}

// set replaces the value of a key, or adds it at the end.
func (n *node) set(key string, value *node) {
	for i := range n.fields {
		if n.fields[i].key == key {
			n.fields[i].value = value
			return
		}
	}
	n.fields = append(n.fields, field{key, value})
}

// remove deletes a key.
func (n *node) remove(key string) {
	n.fields = slices.DeleteFunc(n.fields, func(f field) bool { return f.key == key })
}

// insertAfter adds a key behind another one, or at the end where that one is missing.
func (n *node) insertAfter(after, key string, value *node) {
	at := len(n.fields)
	for i := range n.fields {
		if n.fields[i].key == after {
			at = i + 1
		}
	}
	n.fields = slices.Insert(n.fields, at, field{key, value})
}

// str returns the text of a string or number, and "" of anything else. It may be called on nil. Numbers count because
// YAML reads `version: 1.0` as one.
func (n *node) str() string {
	if n == nil || n.kind != text && n.kind != number {
		return ""
	}
	return n.text
}

// isTrue reports whether n is the value true.
func (n *node) isTrue() bool { return n != nil && n.kind == boolean && n.text == "true" }

// children returns the fields of an object, and none of anything else. It may be called on nil.
func (n *node) children() []field {
	if n == nil || n.kind != object {
		return nil
	}
	return n.fields
}

// elements returns the items of a list, and none of anything else. It may be called on nil.
func (n *node) elements() []*node {
	if n == nil || n.kind != list {
		return nil
	}
	return n.items
}

// resolve follows references inside the document ("#/a/b~1c"), at most a few in a row, so that a circle ends. A
// reference to elsewhere, or to nothing, gives nil.
func (n *node) resolve(v *node) *node {
	for range 8 {
		ref := v.get("$ref")
		if ref == nil || ref.kind != text {
			return v
		}
		pointer, local := strings.CutPrefix(ref.text, "#/")
		if !local {
			return nil
		}
		v = n
		for part := range strings.SplitSeq(pointer, "/") {
			v = v.get(unescapePointer(part))
		}
	}
	return nil
}
