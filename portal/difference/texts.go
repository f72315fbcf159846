package difference

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// wordFields hold what is for people only, in any object of the specification that has them.
var wordFields = map[string]bool{
	"description": true, "summary": true, "title": true, "example": true, "examples": true, "externalDocs": true, "termsOfService": true,
	"contact": true, "license": true, "$comment": true, "x-displayName": true, "x-tagGroups": true, "x-logo": true, "x-enum-varnames": true,
	"x-enum-descriptions": true, "x-enumNames": true, "x-enumDescriptions": true,
}

// named are the fields whose value is an object with keys of the author's own.
var named = map[string]bool{
	"paths": true, "webhooks": true, "properties": true, "patternProperties": true, "$defs": true, "definitions": true, "dependentSchemas": true,
	"schemas": true, "responses": true, "parameters": true, "requestBodies": true, "headers": true, "securitySchemes": true, "links": true,
	"callbacks": true, "pathItems": true, "mediaTypes": true, "content": true, "encoding": true, "scopes": true, "additionalOperations": true,
}

// payloads are values of the API's own, in which nothing is a field of the specification.
var payloads = map[string]bool{"default": true, "enum": true, "const": true, "mapping": true, "security": true, "required": true}

// maxTexts is how many of the texts of one place are named.
const maxTexts = 5

// texts finds what differs in words only, one change for each operation or component. Parts that only one side has are for the
// rules.
func texts(from, to tree) []Change {
	w := words{places: map[place][]string{}}
	w.fields(map[string]any(from), map[string]any(to), nil)
	var found []Change
	for p, at := range w.places {
		slices.Sort(at)
		text := "texts differ: " + strings.Join(at[:min(len(at), maxTexts)], ", ")
		if len(at) > maxTexts {
			text += fmt.Sprintf(" and %d more", len(at)-maxTexts)
		}
		found = append(found, Change{Level: Documentation, Method: p.method, Path: p.path, Code: CodeTexts, Text: text})
	}
	return found
}

// place is what a text is about: an operation, a path, or all of the description.
type place struct{ method, path string }

type words struct{ places map[place][]string }

// fields walks two objects of the specification.
func (w *words) fields(from, to map[string]any, at []string) {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		a, b := from[key], to[key]
		switch {
		case wordFields[key], key == "version" && len(at) == 1 && at[0] == "info", key == "tags" && len(at) == 0:
			if !reflect.DeepEqual(a, b) {
				w.note(append(at, key))
			}
			continue
		case payloads[key]:
			continue
		}
		w.value(a, b, append(at, key), named[key])
	}
	for key := range to {
		if _, both := from[key]; !both && wordFields[key] {
			w.note(append(at, key))
		}
	}
}

// value walks two values at one place; names says that the keys of an object are the author's own.
func (w *words) value(a, b any, at []string, names bool) {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		switch {
		case !ok:
		case names:
			for _, key := range slices.Sorted(maps.Keys(a)) {
				child, both := b[key]
				if text, ok := a[key].(string); ok && both && !reflect.DeepEqual(text, child) { // a scope and what it allows
					w.note(append(at, key))
				} else if both {
					w.value(a[key], child, append(at, key), false)
				}
			}
		default:
			w.fields(a, b, at)
		}
	case []any:
		b, ok := b.([]any)
		if !ok {
			return
		}
		theirs := map[string]any{}
		for i, item := range b {
			theirs[identity(item, i)] = item
		}
		for i, item := range a {
			id := identity(item, i)
			if other, both := theirs[id]; both {
				w.value(item, other, append(at, id), false)
			}
		}
	}
}

// identity tells the items of a list apart: parameters by place and name, others by their number.
func identity(item any, i int) string {
	if fields, ok := item.(map[string]any); ok {
		name, named := fields["name"].(string)
		in, placed := fields["in"].(string)
		if named && placed {
			return in + " " + name
		}
	}
	return strconv.Itoa(i)
}

// note records that a text differs.
func (w *words) note(at []string) {
	p, rest := place{}, at
	if len(at) > 2 && at[0] == "paths" {
		p.path, rest = at[1], at[2:]
		if slices.Contains(methods, at[2]) && len(at) > 3 {
			p.method, rest = strings.ToUpper(at[2]), at[3:]
		}
	}
	w.places[p] = append(w.places[p], "`"+strings.Join(rest, " › ")+"`")
}
