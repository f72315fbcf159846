package correlate

import "strings"

// template writes a path that is a regular expression, as gateways have them, as a template: "~ ^/orders/([^/]+)/lines(/.*)?$" is
// "/orders/{}/lines/*". Any other path stays as it is, nearly: what stands in parentheses is a parameter in every spelling.
func template(path string) string {
	rest := strings.TrimLeft(path, " ")
	for _, operator := range []string{"~*", "^~", "~"} { // of a location, of a route
		if after, ok := strings.CutPrefix(rest, operator); ok {
			rest = strings.TrimLeft(after, " ")
			break
		}
	}
	expression := len(rest) < len(path) || strings.HasPrefix(rest, "^") || strings.ContainsAny(rest, `(\`)
	rest = strings.TrimPrefix(rest, "^")
	if !expression {
		return rest
	}
	rest = strings.TrimRight(rest, "$ ")
	var out strings.Builder
	for i := 0; i < len(rest); {
		switch c := rest[i]; {
		case c == '(' || c == '[':
			end := closing(rest, i)
			out.WriteString(meaning(rest[i:end], end == len(strings.TrimRight(rest, "?"))))
			i = afterQuantifier(rest, end)
		case c == '\\' && i+1 < len(rest):
			if strings.IndexByte("dwDWsS", rest[i+1]) >= 0 {
				out.WriteString(parameter)
				i = afterQuantifier(rest, i+2)
				break
			}
			out.WriteByte(rest[i+1])
			i += 2
		default:
			out.WriteByte(c)
			i++
		}
	}
	return out.String()
}

// meaning is what a group, or a class of letters, stands for; last: the expression ends with it.
func meaning(text string, last bool) string {
	if text[0] == '[' {
		return parameter
	}
	inner := strings.TrimSuffix(text[1:], ")")
	name := ""
	if strings.HasPrefix(inner, "?") {
		if i := strings.IndexAny(inner, ":>"); i >= 0 && (inner[i] == '>' || i == 1) {
			name, inner = strings.Trim(inner[:i], "?P<:"), inner[i+1:]
		}
	}
	first, _, _ := strings.Cut(inner, "|")
	switch {
	case last && (strings.HasPrefix(first, "/") || first == "$" || first == ".*" || first == ".+"):
		if strings.HasPrefix(first, ".") {
			return "*"
		}
		return "/*"
	case isVersion(strings.ToLower(first)):
		return first
	}
	return "{" + name + "}"
}

// closing is where the group, or the class, that begins at from has ended.
func closing(text string, from int) int {
	depth, class := 0, false
	for i := from; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case class:
			if c == ']' && text[i-1] != '[' {
				if class = false; depth == 0 {
					return i + 1
				}
			}
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// afterQuantifier skips what says how often the thing before may stand there.
func afterQuantifier(text string, i int) int {
	if i < len(text) && text[i] == '{' {
		if end := strings.IndexByte(text[i:], '}'); end > 0 && strings.Trim(text[i+1:i+end], "0123456789,") == "" {
			i += end + 1
		}
	}
	for i < len(text) && strings.IndexByte("*+?", text[i]) >= 0 {
		i++
	}
	return i
}
