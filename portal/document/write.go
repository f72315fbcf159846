package document

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// write writes a tree, with keys in their order, indented by two, and a newline at the end. The result is refused where it
// would be larger than max bytes.
func write(root *node, format Format, max int64) ([]byte, error) {
	w := writer{max: max}
	if format == YAML {
		return w.yaml(root)
	}
	w.json(root, 0)
	w.buf.WriteByte('\n')
	return w.result()
}

type writer struct {
	buf bytes.Buffer
	max int64
}

func (w *writer) result() ([]byte, error) {
	if w.full() {
		return nil, tooLarge(w.max)
	}
	return w.buf.Bytes(), nil
}

func (w *writer) full() bool { return int64(w.buf.Len()) > w.max }

func (w *writer) json(n *node, depth int) {
	if w.full() {
		return
	}
	switch n.kind {
	case null:
		w.buf.WriteString("null")
	case boolean, number:
		w.buf.WriteString(n.text)
	case text:
		w.jsonString(n.text)
	case list:
		if len(n.items) == 0 {
			w.buf.WriteString("[]")
			return
		}
		w.buf.WriteByte('[')
		for i, item := range n.items {
			w.newline(i, depth+1)
			w.json(item, depth+1)
		}
		w.newline(0, depth)
		w.buf.WriteByte(']')
	case object:
		if len(n.fields) == 0 {
			w.buf.WriteString("{}")
			return
		}
		w.buf.WriteByte('{')
		for i, f := range n.fields {
			w.newline(i, depth+1)
			w.jsonString(f.key)
			w.buf.WriteString(": ")
			w.json(f.value, depth+1)
		}
		w.newline(0, depth)
		w.buf.WriteByte('}')
	}
}

// newline ends the line, after a comma where an element came before.
func (w *writer) newline(before, depth int) {
	if before > 0 {
		w.buf.WriteByte(',')
	}
	w.buf.WriteByte('\n')
	for range depth {
		w.buf.WriteString("  ")
	}
}

// jsonString writes a JSON string. Unlike encoding/json it leaves <, > and & alone: nobody puts a description into HTML
// without escaping it, and people read it.
func (w *writer) jsonString(s string) {
	w.buf.WriteByte('"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		size, escape := 1, ""
		switch {
		case c == '"' || c == '\\':
			escape = "\\" + string(rune(c))
		case c == '\n':
			escape = `\n`
		case c == '\r':
			escape = `\r`
		case c == '\t':
			escape = `\t`
		case c < ' ' || c == 0x7f:
			escape = fmt.Sprintf(`\u%04x`, c)
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r == '\u2028' || r == '\u2029' {
				escape = fmt.Sprintf(`\u%04x`, r)
			}
		}
		if escape != "" {
			w.buf.WriteString(s[start:i])
			w.buf.WriteString(escape)
			start = i + size
		}
		i += size
	}
	w.buf.WriteString(s[start:])
	w.buf.WriteByte('"')
}

func (w *writer) yaml(root *node) ([]byte, error) {
	dumper, err := yaml.NewDumper(w, yaml.WithIndent(2), yaml.WithLineWidth(-1), yaml.WithCompactSeqIndent())
	if err != nil {
		return nil, fmt.Errorf("writing an API description as YAML: %w", err)
	}
	if err = dumper.Dump(yamlNode(root)); err == nil {
		err = dumper.Close()
	}
	if out, full := w.result(); full != nil || err == nil {
		return out, full
	}
	return nil, fmt.Errorf("writing an API description as YAML: %w", err)
}

// Write lets the YAML library write until the limit.
func (w *writer) Write(b []byte) (int, error) {
	n, _ := w.buf.Write(b)
	if w.full() {
		return n, tooLarge(w.max)
	}
	return n, nil
}

func yamlNode(n *node) *yaml.Node {
	switch n.kind {
	case list:
		out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: make([]*yaml.Node, 0, len(n.items))}
		for _, item := range n.items {
			out.Content = append(out.Content, yamlNode(item))
		}
		return out
	case object:
		out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: make([]*yaml.Node, 0, 2*len(n.fields))}
		for _, f := range n.fields {
			out.Content = append(out.Content, yamlText(f.key), yamlNode(f.value))
		}
		return out
	case text:
		return yamlText(n.text)
	case boolean:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: n.text}
	case number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: n.text}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

// yamlText is a string node; the tag makes the library quote what would be read as something else.
func yamlText(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	return n
}
