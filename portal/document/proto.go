package document

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// describeProto reads .proto text: the methods of its services are its operations, with RPC as their method and the path that
// gRPC calls them by.
func describeProto(text string, limits Limits) (Description, error) {
	d := Description{Kind: GRPC, Format: Proto}
	l := &lexer{text: text, format: Proto, limits: limits}
	var before [3]token // the newest last
	var pkg string
	var services []string
	for {
		t, err := l.word()
		if err != nil {
			return Description{}, err
		}
		switch {
		case t.kind == ended:
			d.Title = protoTitle(pkg, services)
			if d.SpecVersion == "" && pkg == "" && len(services) == 0 {
				return Description{}, invalid(NoProto)
			}
			return d, nil
		case before[2].is("package") && t.kind == name:
			pkg = clip(t.text, maxText)
		case (before[1].is("syntax") || before[1].is("edition")) && before[2].is("=") && t.kind == quote:
			d.SpecVersion = clip(unquote(t.text), 20)
		case before[1].is("service") && before[2].kind == name && t.is("{"):
			service := clip(before[2].text, maxText)
			services = append(services, service)
			if err := l.methods(&d, qualified(pkg, service)); err != nil {
				return Description{}, err
			}
			before, t = [3]token{}, token{}
		case t.is("{"):
			if err := l.leave(); err != nil {
				return Description{}, err
			}
			before, t = [3]token{}, token{}
		}
		before = [3]token{before[1], before[2], t}
	}
}

// methods reads a service up to its closing brace.
func (l *lexer) methods(d *Description, service string) error {
	inService := l.depth
	var last token
	for {
		t, err := l.word()
		if err != nil || t.kind == ended || l.depth < inService {
			return err
		}
		switch {
		case last.is("rpc") && t.kind == name && l.depth == inService:
			d.Operations = append(d.Operations, rpc(service, t.text))
		case last.is("deprecated") && t.is("="):
			value, err := l.word()
			if err != nil {
				return err
			}
			if n := len(d.Operations); n > 0 && value.is("true") && l.depth > inService {
				d.Operations[n-1].Deprecated = true
			}
		}
		last = t
	}
}

func rpc(service, method string) Operation {
	method = clip(method, maxText)
	return Operation{Method: "RPC", Path: "/" + service + "/" + method, ID: service + "." + method}
}

func qualified(pkg, name string) string {
	if pkg == "" {
		return name
	}
	return pkg + "." + name
}

// protoTitle is the only service, or the package of several.
func protoTitle(pkg string, services []string) string {
	if len(services) == 1 {
		return qualified(pkg, services[0])
	}
	return cmp.Or(pkg, strings.Join(services[:min(len(services), 3)], ", "))
}

// Fields of google/protobuf/descriptor.proto.
const (
	setFile = 1

	fileName, filePackage, fileService, fileOptions, fileSource, fileSyntax = 1, 2, 6, 8, 9, 12

	serviceName, serviceMethod = 1, 2

	methodName, methodOptions = 1, 4

	methodDeprecated = 33 // of the options
)

// isDescriptorSet reports whether bytes are a FileDescriptorSet: files, each with a name, and nothing else. Text can begin with
// the same byte, an empty line, and never has a length there that fits.
func isDescriptorSet(doc []byte) bool {
	if len(doc) == 0 || doc[0] != setFile<<3|byte(protowire.BytesType) {
		return false
	}
	named := false
	whole := wireFields(doc, func(n protowire.Number, file []byte) bool {
		named = false
		inside := wireFields(file, func(n protowire.Number, value []byte) bool {
			named = named || n == fileName && len(value) > 0
			return true
		})
		return n == setFile && inside && named
	})
	return whole && named
}

// wireFields calls each for every field of a message that holds bytes, and passes over the others; false where the message is
// not well formed, or each says so.
func wireFields(message []byte, each func(protowire.Number, []byte) bool) bool {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return false
		}
		message = message[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return false
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 || !each(number, value) {
			return false
		}
		message = message[n:]
	}
	return true
}

// describeDescriptors reads a FileDescriptorSet, without making its messages.
func describeDescriptors(doc []byte, limits Limits) (Description, error) {
	d := Description{Kind: GRPC, Format: Descriptors}
	nodes := 0
	var all []string
	var last string
	count := func() bool { nodes++; return nodes <= limits.MaxNodes }
	whole := wireFields(doc, func(_ protowire.Number, file []byte) bool {
		var pkg string
		var services [][]byte
		ok := wireFields(file, func(n protowire.Number, value []byte) bool {
			switch n {
			case filePackage:
				pkg = clip(strings.ToValidUTF8(string(value), "�"), maxText)
			case fileService:
				services = append(services, value)
			case fileSyntax:
				d.SpecVersion = clip(strings.ToValidUTF8(string(value), "�"), 20)
			}
			return count()
		})
		for _, service := range services {
			var called string
			first := len(d.Operations)
			ok = ok && wireFields(service, func(n protowire.Number, value []byte) bool {
				switch n {
				case serviceName:
					called = clip(strings.ToValidUTF8(string(value), "�"), maxText)
				case serviceMethod:
					o, ok := methodOf(value)
					d.Operations = append(d.Operations, o)
					return ok && count()
				}
				return count()
			})
			for i := first; i < len(d.Operations); i++ {
				deprecated := d.Operations[i].Deprecated
				d.Operations[i] = rpc(qualified(pkg, called), d.Operations[i].ID)
				d.Operations[i].Deprecated = deprecated
			}
			all = append(all, called)
			last = pkg
		}
		return ok
	})
	if nodes > limits.MaxNodes {
		return Description{}, tooMany(limits.MaxNodes)
	}
	if !whole {
		return Description{}, invalid(BadDescriptors)
	}
	d.Title = protoTitle(last, all)
	return d, nil
}

func methodOf(message []byte) (o Operation, ok bool) {
	ok = wireFields(message, func(n protowire.Number, value []byte) bool {
		switch n {
		case methodName:
			o.ID = strings.ToValidUTF8(string(value), "�")
		case methodOptions:
			o.Deprecated = isDeprecated(value)
		}
		return true
	})
	return o, ok
}

func isDeprecated(options []byte) bool {
	for len(options) > 0 {
		number, kind, n := protowire.ConsumeTag(options)
		if n < 0 {
			return false
		}
		options = options[n:]
		if number == methodDeprecated && kind == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(options)
			return v == 1
		}
		if n = protowire.ConsumeFieldValue(number, kind, options); n < 0 {
			return false
		}
		options = options[n:]
	}
	return false
}

// serveDescriptors returns a set without the comments of its sources and the options of its files, which name places of their
// author's; callers need neither. What else is named cannot be rewritten: see free.
func serveDescriptors(doc []byte) []byte {
	var out []byte
	wireFields(doc, func(_ protowire.Number, file []byte) bool {
		var kept []byte
		rest := file
		for len(rest) > 0 {
			number, _, n := protowire.ConsumeField(rest)
			if n < 0 {
				return false
			}
			if !slices.Contains([]protowire.Number{fileOptions, fileSource}, number) {
				kept = append(kept, rest[:n]...)
			}
			rest = rest[n:]
		}
		out = protowire.AppendTag(out, setFile, protowire.BytesType)
		out = protowire.AppendBytes(out, kept)
		return true
	})
	return out
}
