package document

import "slices"

// describeSDL reads a GraphQL schema: the fields of its root types are its operations, with QUERY, MUTATION or SUBSCRIPTION as
// their method and the field as their path.
func describeSDL(text string, limits Limits) (Description, error) {
	methods := map[string]string{} // by the name of the root type
	d := Description{Kind: GraphQL, Format: SDL}
	// The schema may name its root types behind them, so it is read twice.
	schema := false
	err := definitions(text, limits, func(l *lexer, keyword, _, about string) error {
		if keyword != "schema" {
			return l.leave()
		}
		schema = true
		d.Description = about
		for {
			operation, err := l.word()
			if err != nil || operation.is("}") {
				return err
			}
			if _, err = l.word(); err != nil { // the colon
				return err
			}
			of, err := l.word()
			if err != nil || of.is("}") {
				return err
			}
			if method, ok := rootMethods[operation.text]; ok {
				methods[of.text] = method
			}
		}
	})
	if err != nil {
		return Description{}, err
	}
	if !schema {
		methods = map[string]string{"Query": "QUERY", "Mutation": "MUTATION", "Subscription": "SUBSCRIPTION"}
	}
	found := false
	err = definitions(text, limits, func(l *lexer, keyword, name, _ string) error {
		found = true
		if method := methods[name]; keyword == "type" && method != "" {
			return l.fields(&d, method)
		}
		return l.leave()
	})
	if err == nil && !found {
		err = invalid(NothingDefined)
	}
	return d, err
}

var rootMethods = map[string]string{"query": "QUERY", "mutation": "MUTATION", "subscription": "SUBSCRIPTION"}

// definitions calls each inside the braces of every definition, which it leaves.
func definitions(text string, limits Limits, each func(l *lexer, keyword, name, about string) error) error {
	l := &lexer{text: text, format: SDL, limits: limits}
	var keyword, defined, about string
	var t token
	for {
		before := t
		var err error
		if t, err = l.word(); err != nil {
			return err
		}
		switch {
		case before.is("@"): // a directive's name may be any word
			if keyword == "directive" && defined == "" {
				defined = t.text
			}
		case t.kind == ended:
			return nil
		case t.kind == quote:
			keyword, defined, about = "", "", unquote(t.text)
		case t.is("{"):
			if err := each(l, keyword, defined, about); err != nil {
				return err
			}
			keyword, defined, about = "", "", ""
		case t.is("("), t.is("["):
			if err := l.leave(); err != nil {
				return err
			}
		case t.kind == name && slices.Contains(sdlWords, t.text) && t.text != "extend" && (keyword == "" || defined != ""):
			keyword, defined = t.text, ""
		case t.kind == name && keyword != "" && defined == "":
			defined = t.text
		}
	}
}

// fields reads the fields of a root type up to its closing brace.
func (l *lexer) fields(d *Description, method string) error {
	about := ""
	t, err := l.word()
	for err == nil && t.kind != ended && !t.is("}") {
		switch {
		case t.kind == quote:
			about = unquote(t.text)
			t, err = l.word()
		case t.kind != name:
			return invalid(BadField, method, clip(t.text, 20))
		default:
			o := Operation{Method: method, Path: clip(t.text, maxText), ID: clip(t.text, maxText), Summary: clip(about, maxText)}
			about = ""
			t, err = l.field(&o)
			d.Operations = append(d.Operations, o)
		}
	}
	return err
}

// field reads what follows the name of a field, and returns the token behind it.
func (l *lexer) field(o *Operation) (token, error) {
	t, err := l.word()
	if err == nil && t.is("(") {
		if err = l.leave(); err == nil {
			t, err = l.word()
		}
	}
	if err != nil || !t.is(":") {
		return t, err
	}
	if t, err = l.word(); err != nil {
		return t, err
	}
	if t.is("[") {
		if err := l.leave(); err != nil {
			return t, err
		}
	}
	for {
		if t, err = l.word(); err != nil {
			return t, err
		}
		switch {
		case t.is("!"):
		case t.is("@"):
			directive, err := l.word()
			if err != nil {
				return t, err
			}
			o.Deprecated = o.Deprecated || directive.is("deprecated")
		case t.is("("): // arguments of a directive
			if err := l.leave(); err != nil {
				return t, err
			}
		default:
			return t, nil
		}
	}
}
