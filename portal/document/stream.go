package document

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A stream reads a description in JSON in one pass over its bytes. It checks every byte, as the parser of trees does, and
// keeps what a Description says. Its methods report false for what is malformed, over the limits, ambiguous or unusual; the
// description is then read as a tree, which decides and finds the words. So what a stream accepts must be what a tree says,
// and FuzzStream holds them together; what it gives up costs time only.
//
// A method that reads a value is called with at on the value's first byte, and leaves it behind the last.
type stream struct {
	doc    []byte
	at     int
	limits Limits
	nodes  int
	depth  int
	keys   []uint64 // hashes of the keys of the objects that are open, the innermost object's last

	d                    Description
	openapi, swagger     string
	host, basePath       string
	schemes              []string
	servers              []string
	schemesOf3           []SecurityScheme // components.securitySchemes
	schemesOf2           []SecurityScheme // securityDefinitions
	rootWords, infoWords []word
	texts                map[string]string // repeated ones, such as tags, kept once

	parameters map[string]argumentOf // those that can be referred to, by pointer
	refers     []reference
}

// argumentOf is what Plain asks of a parameter.
type argumentOf struct {
	required bool
	ref      string // where it is defined instead; empty: here
}

// reference is an operation that stays Plain unless the parameter that it refers to is required.
type reference struct {
	operation int
	ref       string
}

// describeStream reads a description in JSON; false: read it as a tree.
func describeStream(doc []byte, limits Limits) (Description, bool) {
	s := stream{doc: doc, limits: limits}
	s.space()
	if s.peek() != '{' || !s.root() {
		return Description{}, false
	}
	s.space()
	if s.at != len(s.doc) {
		return Description{}, false
	}
	version, err := specVersion(s.swagger, s.openapi)
	if err != nil || !s.settle() {
		return Description{}, false
	}
	d := s.d
	d.Kind, d.Format, d.SpecVersion = OpenAPI, JSON, version
	d.Security = append(s.schemesOf3, s.schemesOf2...)
	d.Servers = baseURLs(version, s.servers, s.schemes, s.host, s.basePath)
	d.API, d.Words = words(append(s.rootWords, s.infoWords...))
	return d, true
}

func (s *stream) root() bool {
	return s.object(func(key []byte) bool {
		switch string(key) {
		case "asyncapi":
			return false // another kind
		case "openapi":
			return s.str(&s.openapi)
		case "swagger":
			return s.str(&s.swagger)
		case "info":
			return s.info()
		case "tags":
			return s.list(func() bool {
				var name string
				ok := s.object(func(key []byte) bool {
					if string(key) == "name" {
						return s.str(&name)
					}
					return s.value()
				})
				if name != "" {
					s.d.Tags = append(s.d.Tags, clip(name, maxText))
				}
				return ok
			})
		case "paths":
			return s.paths()
		case "servers":
			return s.list(func() bool {
				var url string
				ok := s.object(func(key []byte) bool {
					if string(key) == "url" {
						return s.str(&url)
					}
					return s.value()
				})
				if url != "" {
					s.servers = append(s.servers, url)
				}
				return ok
			})
		case "host":
			return s.str(&s.host)
		case "basePath":
			return s.str(&s.basePath)
		case "schemes":
			return s.list(func() bool {
				var scheme string
				ok := s.str(&scheme)
				s.schemes = append(s.schemes, scheme)
				return ok
			})
		case "securityDefinitions":
			return s.security(&s.schemesOf2)
		case "parameters":
			return s.named("#/parameters/")
		case "components":
			return s.object(func(key []byte) bool {
				switch string(key) {
				case "securitySchemes":
					return s.security(&s.schemesOf3)
				case "parameters":
					return s.named("#/components/parameters/")
				}
				return s.value()
			})
		case SynthesisedMark:
			return s.truth(&s.d.Synthesised)
		}
		return s.word(key, &s.rootWords)
	})
}

func (s *stream) info() bool {
	var title, version, summary string
	ok := s.object(func(key []byte) bool {
		switch string(key) {
		case "title":
			return s.str(&title)
		case "version":
			return s.str(&version)
		case "summary":
			return s.str(&summary)
		case "description":
			return s.str(&s.d.Description)
		}
		return s.word(key, &s.infoWords)
	})
	s.d.Title, s.d.Version, s.d.Summary = clip(title, maxText), clip(version, maxText), clip(summary, maxText)
	return ok
}

// word reads the value of a key that may be one of ours.
func (s *stream) word(key []byte, into *[]word) bool {
	if !bytes.HasPrefix(key, []byte(wordPrefix)) || string(key) == SynthesisedMark {
		return s.value()
	}
	w := word{name: string(key[len(wordPrefix):])}
	var ok bool
	switch s.peek() {
	case '{', '[', 'n':
		return s.value()
	case 't', 'f':
		from := s.at
		ok = s.value()
		w.value = string(s.doc[from:s.at])
	default:
		ok = s.str(&w.value)
	}
	*into = append(*into, w)
	return ok
}

func (s *stream) paths() bool {
	return s.object(func(path []byte) bool {
		if name := string(path); !isExtension(name) {
			return s.pathItem(name)
		}
		return s.value()
	})
}

func (s *stream) pathItem(path string) bool {
	first := len(s.d.Operations)
	var shared []argumentOf
	var ref string
	ok := s.object(func(key []byte) bool {
		switch {
		case s.peek() == '{' && slices.Contains(methods, string(key)):
			return s.operation(string(key), path)
		case s.peek() == '{' && string(key) == "additionalOperations":
			return s.object(func(method []byte) bool {
				if s.peek() != '{' {
					return s.value()
				}
				return s.operation(string(method), path)
			})
		case string(key) == "parameters":
			return s.arguments(&shared)
		case string(key) == "$ref" && s.peek() == '"':
			ok := s.str(&ref)
			return ok && ref != "" && !isLocal(ref)
		}
		return s.value()
	})
	if ref != "" { // to elsewhere: nothing of it is known, and what stands beside it does not count
		s.d.Operations = s.d.Operations[:first]
		s.refers = slices.DeleteFunc(s.refers, func(r reference) bool { return r.operation >= first })
		return ok
	}
	for i := first; i < len(s.d.Operations); i++ {
		s.asks(i, shared)
	}
	return ok
}

// isLocal reports whether a reference leads to somewhere in the same document.
func isLocal(ref string) bool { return strings.HasPrefix(ref, "#/") }

func (s *stream) operation(method, path string) bool {
	o := Operation{Method: s.keep(strings.ToUpper(method)), Path: path}
	var own []argumentOf
	ok := s.object(func(key []byte) bool {
		switch string(key) {
		case "operationId":
			return s.str(&o.ID)
		case "summary":
			ok := s.str(&o.Summary)
			o.Summary = clip(o.Summary, maxText)
			return ok
		case "tags":
			return s.list(func() bool {
				var tag string
				ok := s.str(&tag)
				o.Tags = append(o.Tags, s.keep(clip(tag, maxText)))
				return ok
			})
		case "deprecated":
			return s.truth(&o.Deprecated)
		case "parameters":
			return s.arguments(&own)
		}
		return s.value()
	})
	o.Plain = o.Method == "GET" && !strings.Contains(path, "{")
	s.d.Operations = append(s.d.Operations, o)
	s.asks(len(s.d.Operations)-1, own)
	return ok
}

// asks takes into account what parameters an operation has.
func (s *stream) asks(operation int, parameters []argumentOf) {
	o := &s.d.Operations[operation]
	for _, p := range parameters {
		switch {
		case !o.Plain:
			return
		case isLocal(p.ref):
			s.refers = append(s.refers, reference{operation, p.ref})
		case p.ref == "" && p.required:
			o.Plain = false
		}
	}
}

// settle looks up the parameters that operations refer to; false where one is somewhere unusual.
func (s *stream) settle() bool {
	for _, r := range s.refers {
		o := &s.d.Operations[r.operation]
		if !o.Plain {
			continue
		}
		p := argumentOf{ref: r.ref}
		for range 7 { // as many as node.resolve follows
			if !isLocal(p.ref) {
				break
			}
			var known bool
			if p, known = s.parameters[p.ref]; !known {
				return false
			}
		}
		if p.ref == "" && p.required {
			o.Plain = false
		}
	}
	return true
}

// arguments reads a list of parameters.
func (s *stream) arguments(into *[]argumentOf) bool {
	return s.list(func() bool {
		p, ok := s.argument()
		*into = append(*into, p)
		return ok
	})
}

func (s *stream) argument() (p argumentOf, ok bool) {
	ok = s.object(func(key []byte) bool {
		switch {
		case string(key) == "required":
			return s.truth(&p.required)
		case string(key) == "$ref" && s.peek() == '"':
			ok := s.str(&p.ref)
			return ok && p.ref != ""
		}
		return s.value()
	})
	return p, ok
}

// named reads an object of parameters that can be referred to.
func (s *stream) named(at string) bool {
	return s.object(func(name []byte) bool {
		if s.peek() != '{' || bytes.ContainsAny(name, "/~%") { // pointers escape these
			return s.value()
		}
		p, ok := s.argument()
		if s.parameters == nil {
			s.parameters = map[string]argumentOf{}
		}
		s.parameters[at+string(name)] = p
		return ok
	})
}

func (s *stream) security(into *[]SecurityScheme) bool {
	return s.object(func(id []byte) bool {
		scheme := SecurityScheme{ID: string(id)}
		var ref string
		ok := s.object(func(key []byte) bool {
			switch string(key) {
			case "type":
				return s.str(&scheme.Type)
			case "in":
				return s.str(&scheme.In)
			case "name":
				return s.str(&scheme.Name)
			case "scheme":
				return s.str(&scheme.Scheme)
			case "$ref":
				if s.peek() == '"' {
					ok := s.str(&ref)
					return ok && ref != "" && !isLocal(ref)
				}
			}
			return s.value()
		})
		if ref != "" {
			scheme = SecurityScheme{ID: string(id)}
		}
		*into = append(*into, scheme)
		return ok
	})
}

// keep returns a text that repeats as one string.
func (s *stream) keep(text string) string {
	if kept, ok := s.texts[text]; ok {
		return kept
	}
	if s.texts == nil {
		s.texts = map[string]string{}
	}
	s.texts[text] = text
	return text
}

// peek returns the next byte, or 0 at the end.
func (s *stream) peek() byte {
	if s.at < len(s.doc) {
		return s.doc[s.at]
	}
	return 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// space skips white space; most of it is the indentation of lines.
func (s *stream) space() {
	doc, i := s.doc, s.at
	for i < len(doc) {
		switch c := doc[i]; {
		case c > ' ':
			s.at = i
			return
		case c == ' ' || c == '\n' || c == '\r' || c == '\t':
			i++
			for i+8 <= len(doc) && binary.LittleEndian.Uint64(doc[i:]) == ' '*ones {
				i += 8
			}
		default:
			s.at = i
			return
		}
	}
	s.at = i
}

// count takes one more value into account.
func (s *stream) count() bool {
	s.nodes++
	return s.nodes <= s.limits.MaxNodes
}

// value reads over any value.
func (s *stream) value() bool {
	switch s.peek() {
	case '"':
		_, _, ok := s.quoted()
		return ok && s.count()
	case '{':
		return s.fields(nil)
	case '[':
		return s.items(nil)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

// object reads an object, and calls each for every key, at its value; over another value it reads. The key is part of the
// document: whoever keeps it copies it.
func (s *stream) object(each func(key []byte) bool) bool {
	if s.peek() != '{' {
		return s.value()
	}
	return s.fields(each)
}

// list reads a list, and calls each at every value in it; over another value it reads.
func (s *stream) list(each func() bool) bool {
	if s.peek() != '[' {
		return s.value()
	}
	return s.items(each)
}

func (s *stream) fields(each func(key []byte) bool) bool {
	if !s.count() {
		return false
	}
	s.at++
	s.space()
	if s.peek() == '}' {
		s.at++
		return true
	}
	if s.depth++; s.depth > s.limits.MaxDepth {
		return false
	}
	first := len(s.keys)
	for {
		if s.peek() != '"' {
			return false
		}
		raw, escaped, ok := s.quoted()
		if !ok {
			return false
		}
		if escaped {
			raw = unescape(raw)
		}
		s.keys = append(s.keys, maphash.Bytes(keySeed, raw))
		s.space()
		if s.peek() != ':' {
			return false
		}
		s.at++
		s.space()
		if each == nil {
			ok = s.value()
		} else {
			ok = each(raw)
		}
		if !ok {
			return false
		}
		s.space()
		c := s.peek()
		s.at++
		if c == '}' {
			break
		}
		if c != ',' {
			return false
		}
		s.space()
	}
	s.depth--
	unique := distinct(s.keys[first:])
	s.keys = s.keys[:first]
	return unique
}

func (s *stream) items(each func() bool) bool {
	if !s.count() {
		return false
	}
	s.at++
	s.space()
	if s.peek() == ']' {
		s.at++
		return true
	}
	if s.depth++; s.depth > s.limits.MaxDepth {
		return false
	}
	for {
		var ok bool
		if each == nil {
			ok = s.value()
		} else {
			ok = each()
		}
		if !ok {
			return false
		}
		s.space()
		c := s.peek()
		s.at++
		if c == ']' {
			break
		}
		if c != ',' {
			return false
		}
		s.space()
	}
	s.depth--
	return true
}

var keySeed = maphash.MakeSeed()

// distinct reports whether no hash appears twice. It may sort them.
func distinct(hashes []uint64) bool {
	const few = 12
	if len(hashes) > few {
		slices.Sort(hashes)
		for i := 1; i < len(hashes); i++ {
			if hashes[i] == hashes[i-1] {
				return false
			}
		}
		return true
	}
	for i, h := range hashes {
		if slices.Contains(hashes[:i], h) {
			return false
		}
	}
	return true
}

func (s *stream) literal(word string) bool {
	if len(s.doc)-s.at < len(word) || string(s.doc[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return s.count()
}

// truth reads a value and says whether it is true.
func (s *stream) truth(into *bool) bool {
	*into = s.peek() == 't'
	return s.value()
}

// str reads a value and says what text it is: a number as it is written, and "" for what is neither text nor number.
func (s *stream) str(into *string) bool {
	*into = ""
	switch c := s.peek(); {
	case c == '"':
		raw, escaped, ok := s.quoted()
		if escaped {
			raw = unescape(raw)
		}
		*into = string(raw)
		return ok && s.count()
	case c == '-' || '0' <= c && c <= '9':
		from := s.at
		ok := s.number()
		*into = string(s.doc[from:s.at])
		return ok
	}
	return s.value()
}

func (s *stream) number() bool {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return false
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return false
		}
	}
	return s.count()
}

// digits reads one or more.
func (s *stream) digits() bool {
	from := s.at
	for s.at < len(s.doc) && '0' <= s.doc[s.at] && s.doc[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

// quoted reads a string and returns what stands between its quotes, and whether there are escapes in it.
func (s *stream) quoted() (raw []byte, escaped, ok bool) {
	doc := s.doc
	from := s.at + 1
	i := from
	for {
		// Eight bytes at a time, up to the first quote, backslash or control character.
		for i+8 <= len(doc) {
			v := binary.LittleEndian.Uint64(doc[i:])
			quote, backslash := v^'"'*ones, v^'\\'*ones
			found := ((v-' '*ones)&^v | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
			i += 8
		}
		if i >= len(doc) {
			return nil, false, false
		}
		switch c := doc[i]; {
		case c == '"':
			s.at = i + 1
			return doc[from:i], escaped, true
		case c == '\\':
			escaped = true
			n := escapeLen(doc[i:])
			if n == 0 {
				return nil, false, false
			}
			i += n
		case c < ' ':
			return nil, false, false
		default:
			i++
		}
	}
}

// escapeLen returns how many bytes the escape has that b begins with; 0 where it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 returns the number that \uXXXX names; b begins with it.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape writes out the escapes of a JSON string, which are known to be well formed. Half a surrogate pair becomes U+FFFD.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		if r, ok := hex4(raw[i:]); ok {
			i += 6
			if utf16.IsSurrogate(r) {
				low, _ := hex4(raw[i:])
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		c := raw[i+1]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		}
		out = append(out, c)
		i += 2
	}
	return out
}
