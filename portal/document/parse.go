package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// open checks what can be checked before reading a description, and returns it without its byte order mark.
func open(doc []byte, limits Limits) ([]byte, Format, error) {
	if int64(len(doc)) > limits.MaxBytes {
		return nil, "", tooLarge(limits.MaxBytes)
	}
	if isDescriptorSet(doc) {
		return doc, Descriptors, nil
	}
	doc = bytes.TrimPrefix(doc, []byte("\ufeff"))
	if !utf8.Valid(doc) {
		return nil, "", invalid(NotUTF8)
	}
	trimmed := bytes.TrimLeft(doc, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, "", invalid(Empty)
	}
	return doc, formatOf(trimmed), nil
}

// parse reads a description into a tree. The root is an object.
func parse(doc []byte, limits Limits) (*node, Format, error) {
	limits = limits.withDefaults()
	body, format, err := open(doc, limits)
	if err != nil {
		return nil, "", err
	}
	root, err := parseBody(body, format, limits)
	return root, format, err
}

// parseBody reads what open has checked.
func parseBody(body []byte, format Format, limits Limits) (*node, error) {
	p := parser{limits: limits}
	read := p.yaml
	if format == JSON {
		read = p.json
	}
	root, err := read(body)
	if err != nil {
		return nil, err
	}
	if root.kind != object {
		return nil, invalid(NotObject)
	}
	return root, nil
}

// A parser counts what a description costs while it reads it.
type parser struct {
	limits Limits
	nodes  int
	bytes  int64
	path   []string // keys and indexes from the root, for errors
}

// count takes one more value with n bytes of text.
func (p *parser) count(n int) error {
	p.nodes++
	p.bytes += int64(n)
	switch {
	case p.nodes > p.limits.MaxNodes:
		return tooMany(p.limits.MaxNodes)
	case p.bytes > p.limits.MaxBytes:
		return tooLarge(p.limits.MaxBytes)
	}
	return nil
}

// enter goes one level down; the caller pops p.path.
func (p *parser) enter(name string) error {
	p.path = append(p.path, name)
	if len(p.path) > p.limits.MaxDepth {
		return tooDeep(p.limits.MaxDepth, p.where())
	}
	return nil
}

func (p *parser) leave() { p.path = p.path[:len(p.path)-1] }

// where returns the JSON pointer of the value being read, cut to what fits in a message.
func (p *parser) where() string {
	var b strings.Builder
	for i, part := range p.path {
		if i == 12 {
			b.WriteString("/…")
			break
		}
		b.WriteString("/" + clip(escapePointer(part), 80))
	}
	if b.Len() == 0 {
		return "the root"
	}
	return b.String()
}

func (p *parser) json(doc []byte) (*node, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	root, err := p.jsonValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid(Trailing, dec.InputOffset())
	}
	return root, nil
}

func (p *parser) jsonToken(dec *json.Decoder) (json.Token, error) {
	token, err := dec.Token()
	if err == nil {
		return token, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, invalid(CutShort, p.where())
	}
	return nil, invalid(BadJSON, dec.InputOffset(), p.where(), err)
}

func (p *parser) jsonValue(dec *json.Decoder) (*node, error) {
	token, err := p.jsonToken(dec)
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case string:
		return newText(v), p.count(len(v))
	case json.Number:
		return &node{kind: number, text: v.String()}, p.count(len(v))
	case bool:
		return newBool(v), p.count(0)
	case json.Delim:
		if err := p.count(0); err != nil {
			return nil, err
		}
		if v == '{' {
			return p.jsonObject(dec)
		}
		return p.jsonList(dec)
	}
	return &node{}, p.count(0)
}

func (p *parser) jsonObject(dec *json.Decoder) (*node, error) {
	n := newObject()
	var keys uniqueKeys
	for dec.More() {
		token, err := p.jsonToken(dec)
		if err != nil {
			return nil, err
		}
		key := token.(string) // the decoder accepts nothing else here
		if err := p.enter(key); err != nil {
			return nil, err
		}
		if !keys.add(n, key) {
			return nil, p.duplicate()
		}
		value, err := p.jsonValue(dec)
		if err != nil {
			return nil, err
		}
		p.bytes += int64(len(key))
		n.fields = append(n.fields, field{key, value})
		p.leave()
	}
	_, err := p.jsonToken(dec)
	return n, err
}

func (p *parser) jsonList(dec *json.Decoder) (*node, error) {
	n := newList()
	for dec.More() {
		if err := p.enter(strconv.Itoa(len(n.items))); err != nil {
			return nil, err
		}
		value, err := p.jsonValue(dec)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, value)
		p.leave()
	}
	_, err := p.jsonToken(dec)
	return n, err
}

func (p *parser) duplicate() error {
	return invalid(TwiceKey, p.where())
}

// uniqueKeys finds a key that an object already has: by looking through a small object, by a map for a large one.
type uniqueKeys struct{ seen map[string]bool }

func (u *uniqueKeys) add(n *node, key string) bool {
	const small = 16
	if len(n.fields) < small {
		return n.get(key) == nil
	}
	if u.seen == nil {
		u.seen = make(map[string]bool, 2*small)
		for _, f := range n.fields {
			u.seen[f.key] = true
		}
	}
	if u.seen[key] {
		return false
	}
	u.seen[key] = true
	return true
}

func (p *parser) yaml(doc []byte) (*node, error) {
	if yamlNodes(doc) > 2*p.limits.MaxNodes { // keys are nodes of the YAML library, too
		return nil, tooMany(p.limits.MaxNodes)
	}
	var root yaml.Node
	// The library counts a mapping in a list twice, so its own limit only has to keep its stack small.
	limits := loaderlimits.New(loaderlimits.DepthValue(4 * p.limits.MaxDepth))
	if err := yaml.Load(doc, &root, yaml.WithPlugin(limits)); err != nil {
		return nil, invalid(BadYAML, err)
	}
	return p.yamlValue(&root)
}

// yamlNodes returns an upper bound for the number of nodes in a YAML text, so that the parser's memory is bounded before it
// runs: every node follows or ends with one of these bytes.
func yamlNodes(doc []byte) int {
	n := 1
	for i, c := range doc {
		switch c {
		case '\n', '\r', ',', '[', '{':
			n++
		case ':', '-', '?':
			// an indicator only before white space, or in flow style before or after other punctuation
			if i+1 == len(doc) || strings.IndexByte(" \t\r\n,[]{}\"'", doc[i+1]) >= 0 || i > 0 && strings.IndexByte("\"'", doc[i-1]) >= 0 {
				n++
			}
		}
	}
	return n
}

func (p *parser) yamlValue(n *yaml.Node) (*node, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return p.yamlValue(n.Content[0])
	case yaml.AliasNode:
		// Written out each time. A circle ends at MaxDepth, a bomb at MaxNodes or MaxBytes.
		if err := p.enter("*" + n.Value); err != nil {
			return nil, err
		}
		defer p.leave()
		return p.yamlValue(n.Alias)
	case yaml.SequenceNode:
		return p.yamlList(n)
	case yaml.MappingNode:
		return p.yamlObject(n)
	}
	v := yamlScalar(n)
	return v, p.count(len(v.text))
}

func (p *parser) yamlList(n *yaml.Node) (*node, error) {
	out := newList()
	if err := p.count(0); err != nil {
		return nil, err
	}
	for i, item := range n.Content {
		if err := p.enter(strconv.Itoa(i)); err != nil {
			return nil, err
		}
		value, err := p.yamlValue(item)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, value)
		p.leave()
	}
	return out, nil
}

func (p *parser) yamlObject(n *yaml.Node) (*node, error) {
	out := newObject()
	if err := p.count(0); err != nil {
		return nil, err
	}
	var keys uniqueKeys
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		for hops := 0; k.Kind == yaml.AliasNode && hops < 8; hops++ {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, invalid(OddKey, p.where(), k.Line)
		}
		if k.ShortTag() == "!!merge" {
			merges = append(merges, n.Content[i+1])
			continue
		}
		if err := p.enter(k.Value); err != nil {
			return nil, err
		}
		if !keys.add(out, k.Value) {
			return nil, p.duplicate()
		}
		value, err := p.yamlValue(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		p.bytes += int64(len(k.Value))
		out.fields = append(out.fields, field{k.Value, value})
		p.leave()
	}
	for _, m := range merges {
		if err := p.merge(out, &keys, m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge adds the fields of a YAML merge key ("<<") that the object does not have itself. Of several mappings, the first
// wins.
func (p *parser) merge(out *node, keys *uniqueKeys, source *yaml.Node) error {
	if err := p.enter("<<"); err != nil {
		return err
	}
	defer p.leave()
	value, err := p.yamlValue(source)
	if err != nil {
		return err
	}
	sources := []*node{value}
	if value.kind == list {
		sources = value.items
	}
	for _, s := range sources {
		if s.kind != object {
			return invalid(BadMerge, p.where())
		}
		for _, f := range s.fields {
			if keys.add(out, f.key) {
				out.fields = append(out.fields, f)
			}
		}
	}
	return nil
}

// yamlScalar turns a YAML scalar into what JSON can say. A date, a binary and a value with a tag of somebody's own stay the
// text that they were written as.
func yamlScalar(n *yaml.Node) *node {
	switch n.ShortTag() {
	case "!!null":
		return &node{}
	case "!!bool", "!!int", "!!float":
		if json.Valid([]byte(n.Value)) { // most are spelled as in JSON: keep them to the digit
			return &node{kind: kindOf(n.Value), text: n.Value}
		}
		var v any
		if err := n.Decode(&v); err != nil {
			break
		}
		switch v := v.(type) {
		case bool:
			return newBool(v)
		case int, int64, uint64:
			return &node{kind: number, text: fmt.Sprint(v)}
		case float64:
			if !math.IsInf(v, 0) && !math.IsNaN(v) {
				return &node{kind: number, text: strconv.FormatFloat(v, 'g', -1, 64)}
			}
		}
	}
	return newText(n.Value)
}

// kindOf returns the kind of a JSON literal that is a boolean or a number.
func kindOf(literal string) kind {
	if literal == "true" || literal == "false" {
		return boolean
	}
	return number
}

func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}

func unescapePointer(s string) string {
	if strings.Contains(s, "%") {
		if decoded, err := url.PathUnescape(s); err == nil {
			s = decoded
		}
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
}

// clip cuts s to at most max bytes, between characters.
func clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "…"
}
