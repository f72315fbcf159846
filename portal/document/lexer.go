package document

import (
	"strings"
)

// A lexer takes a text in GraphQL's schema definition language, or in that of Protocol Buffers, apart into words, texts and
// punctuation. It counts what the text costs.
type lexer struct {
	text   string
	format Format // SDL or Proto
	limits Limits
	at     int
	tokens int
	depth  int // of brackets around what comes next
}

type tokenKind uint8

const (
	ended tokenKind = iota
	name            // of letters, digits, _ and, in Proto, dots
	quote           // a text, with its quotes
	mark            // one character of punctuation
	comment
)

type token struct {
	kind tokenKind
	text string
}

func (t token) is(mark string) bool { return t.kind != quote && t.text == mark }

// next returns the next token. After the last one it returns tokens that are ended. Comments are passed over by word.
func (l *lexer) next() (token, error) {
	space := " \t\r\n\ufeff"
	if l.format == SDL {
		space += "," // where commas mean nothing
	}
	l.at += len(l.text[l.at:]) - len(strings.TrimLeft(l.text[l.at:], space))
	if l.at == len(l.text) {
		if l.depth > 0 {
			return token{}, invalid(OpenBracket)
		}
		return token{}, nil
	}
	if l.tokens++; l.tokens > l.limits.MaxNodes {
		return token{}, tooMany(l.limits.MaxNodes)
	}
	rest := l.text[l.at:]
	take := func(kind tokenKind, n int) (token, error) {
		l.at += n
		return token{kind, rest[:n]}, nil
	}
	switch c := rest[0]; {
	case l.format == SDL && c == '#', l.format == Proto && strings.HasPrefix(rest, "//"):
		if n := strings.IndexAny(rest, "\r\n"); n >= 0 {
			return take(comment, n)
		}
		return take(comment, len(rest))
	case l.format == Proto && strings.HasPrefix(rest, "/*"):
		n := strings.Index(rest[2:], "*/")
		if n < 0 {
			return token{}, invalid(OpenComment)
		}
		return take(comment, n+4)
	case l.format == SDL && strings.HasPrefix(rest, `"""`):
		for n := 3; n < len(rest); {
			end := strings.Index(rest[n:], `"""`)
			if end < 0 {
				break
			}
			n += end + 3
			if rest[n-4] != '\\' {
				return take(quote, n)
			}
		}
		return token{}, invalid(OpenText)
	case c == '"', c == '\'' && l.format == Proto:
		for n := 1; n < len(rest) && rest[n] != '\n'; n++ {
			switch rest[n] {
			case '\\':
				n++
			case c:
				return take(quote, n+1)
			}
		}
		return token{}, invalid(OpenLine)
	case isNameByte(c):
		n := 1
		for n < len(rest) && (isNameByte(rest[n]) || l.format == Proto && rest[n] == '.') {
			n++
		}
		return take(name, n)
	case strings.IndexByte("([{", c) >= 0:
		if l.depth++; l.depth > l.limits.MaxDepth {
			return token{}, invalid(DeepBrackets, l.limits.MaxDepth)
		}
	case strings.IndexByte(")]}", c) >= 0:
		if l.depth--; l.depth < 0 {
			return token{}, invalid(StrayBracket)
		}
	}
	n := 1
	for n < len(rest) && rest[n] >= 0x80 && rest[0] >= 0x80 && rest[n] < 0xc0 { // the rest of one character
		n++
	}
	return take(mark, n)
}

// word is next without comments.
func (l *lexer) word() (token, error) {
	for {
		t, err := l.next()
		if err != nil || t.kind != comment {
			return t, err
		}
	}
}

// leave reads until the bracket is closed that was opened last.
func (l *lexer) leave() error {
	for outside := l.depth - 1; l.depth > outside; {
		if t, err := l.word(); err != nil || t.kind == ended {
			return err
		}
	}
	return nil
}

// unquote returns what a text says, roughly: escapes of quotes and backslashes are written out, others stay.
func unquote(text string) string {
	for _, q := range []string{`"""`, `"`, `'`} {
		if inner, ok := strings.CutPrefix(text, q); ok {
			inner = strings.TrimSuffix(inner, q)
			return strings.TrimSpace(strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`, `\n`, "\n").Replace(inner))
		}
	}
	return text
}

// serveText returns a text without comments, its quoted texts scrubbed, everything else as it was. What is named outside of
// texts cannot be rewritten: see free.
func serveText(text string, format Format, s *scrubber, limits Limits) ([]byte, error) {
	l := lexer{text: text, format: format, limits: limits}
	var b strings.Builder
	for {
		from := l.at
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		gap := text[from : l.at-len(t.text)]
		switch t.kind {
		case ended:
			return []byte(strings.TrimLeft(b.String(), " \t\r\n") + "\n"), nil
		case comment:
			b.WriteString(strings.TrimRight(gap, " \t"))
		case quote:
			b.WriteString(gap)
			b.WriteString(s.clean(t.text))
		default:
			b.WriteString(gap)
			b.WriteString(t.text)
		}
	}
}
