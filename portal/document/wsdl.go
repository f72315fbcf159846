package document

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// Namespaces of WSDL and of what stands in it.
const (
	wsdl11 = "http://schemas.xmlsoap.org/wsdl/"
	wsdl20 = "http://www.w3.org/ns/wsdl"
	xsd    = "http://www.w3.org/2001/XMLSchema"
)

// wsdlKept are the namespaces whose elements are handed out. What else stands in a WSDL, policies and settings of a vendor's, may
// name back ends.
var wsdlKept = map[string]bool{
	wsdl11: true, wsdl20: true, xsd: true,
	"http://schemas.xmlsoap.org/wsdl/soap/": true, "http://schemas.xmlsoap.org/wsdl/soap12/": true,
	"http://schemas.xmlsoap.org/wsdl/http/": true, "http://schemas.xmlsoap.org/wsdl/mime/": true,
	"http://www.w3.org/ns/wsdl/soap": true, "http://www.w3.org/ns/wsdl/http": true,
}

// errEncoding: a text declares an encoding in which it says something else than in UTF-8.
var errEncoding = errors.New("another encoding")

// extendsASCII matches encodings in which ASCII is what it is in UTF-8.
var extendsASCII = regexp.MustCompile(`(?i)^(us-ascii|ascii|latin1|iso-8859-[0-9]+|windows-125[0-8])$`)

// elements calls each for every token of an XML text, with the names of the elements around it. A document type, and with it
// every entity, is refused.
func elements(text []byte, limits Limits, each func(t xml.Token, around []xml.Name) error) error {
	dec := xml.NewDecoder(bytes.NewReader(text))
	dec.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		if !extendsASCII.MatchString(label) || bytes.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
			return nil, errEncoding
		}
		return input, nil
	}
	var around []xml.Name
	nodes := 0
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errEncoding) {
			return invalid(NotUTF8)
		}
		if err != nil {
			return invalid(BadXML, dec.InputOffset(), err)
		}
		if nodes++; nodes > limits.MaxNodes {
			return tooMany(limits.MaxNodes)
		}
		switch t := t.(type) {
		case xml.Directive:
			return invalid(DocumentType, clip(string(t), 20))
		case xml.StartElement:
			if nodes += len(t.Attr); len(around) >= limits.MaxDepth {
				return invalid(DeepElements, limits.MaxDepth)
			}
			if err := each(t, around); err != nil {
				return err
			}
			around = append(around, t.Name)
		case xml.EndElement:
			around = around[:len(around)-1]
			if err := each(t, around); err != nil {
				return err
			}
		default:
			if err := each(t, around); err != nil {
				return err
			}
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// describeWSDL reads the operations of port types (1.1) and interfaces (2.0), with SOAP as their method and the two names as
// their path.
func describeWSDL(text []byte, limits Limits) (Description, error) {
	d := Description{Kind: WSDL, Format: XML}
	var root xml.Name
	var service, port string
	err := elements(text, limits, func(t xml.Token, around []xml.Name) error {
		switch t := t.(type) {
		case xml.StartElement:
			name := clip(attribute(t, "name"), maxText)
			parent := ""
			if len(around) > 0 {
				parent = around[len(around)-1].Local
			}
			switch {
			case len(around) == 0:
				root = t.Name
				d.Title = name
				switch {
				case root == xml.Name{Space: wsdl11, Local: "definitions"}:
					d.SpecVersion = "1.1"
				case root == xml.Name{Space: wsdl20, Local: "description"}:
					d.SpecVersion = "2.0"
				default:
					return invalid(NotWSDL, clip(root.Local, 40))
				}
			case t.Name.Local == "address" && parent == "port" && t.Name.Space != root.Space:
				if u := attribute(t, "location"); u != "" {
					d.Servers = append(d.Servers, u)
				}
			case t.Name.Space != root.Space:
			case len(around) == 1 && t.Name.Local == "service" && service == "":
				service = name
			case len(around) == 1 && (t.Name.Local == "portType" || t.Name.Local == "interface"):
				port = name
			case t.Name.Local == "operation" && len(around) == 2 && (parent == "portType" || parent == "interface"):
				d.Operations = append(d.Operations, Operation{Method: "SOAP", Path: port + "/" + name, ID: name})
			case t.Name.Local == "endpoint" && parent == "service":
				if u := attribute(t, "address"); u != "" {
					d.Servers = append(d.Servers, u)
				}
			}
		case xml.CharData:
			n := len(around)
			if n < 2 || around[n-1].Space != root.Space || around[n-1].Local != "documentation" {
				return nil
			}
			said := strings.TrimSpace(string(t))
			switch last := len(d.Operations) - 1; {
			case n == 2 && d.Description == "":
				d.Description = said
			case around[n-2].Local == "operation" && last >= 0 && d.Operations[last].Summary == "":
				d.Operations[last].Summary = clip(said, maxText)
			}
		}
		return nil
	})
	if err == nil && root.Local == "" {
		err = invalid(NoElement)
	}
	if d.Title == "" {
		d.Title = service
	}
	return d, err
}

// serveWSDL rewrites a WSDL: every address is the gateway's; comments, instructions and elements of others than the specifications
// go; texts are scrubbed; what is imported from elsewhere keeps its namespace and loses its place. Names and namespaces stay, for they are
// what callers send: see free.
func serveWSDL(text []byte, base *url.URL, s *scrubber, limits Limits) ([]byte, error) {
	out := bytes.NewBufferString(xml.Header)
	prefixes := namespaces{}
	skip := 0 // depth inside an element that goes
	err := elements(text, limits, func(t xml.Token, around []xml.Name) error {
		if out.Len() > int(4*limits.MaxBytes) {
			return tooLarge(4 * limits.MaxBytes)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if prefixes.enter(t); len(prefixes.declared) > maxNamespaces {
				return invalid(Namespaces, maxNamespaces)
			}
			if skip > 0 || !wsdlKept[t.Name.Space] || t.Name.Local == "include" || t.Name.Local == "redefine" || t.Name.Local == "import" && t.Name.Space != xsd {
				skip++
				return nil
			}
			out.WriteString("<" + prefixes.name(t.Name))
			for _, a := range t.Attr {
				value := a.Value
				switch {
				case a.Name.Space == "xmlns" || a.Name.Local == "xmlns":
				case a.Name.Space != "" && !wsdlKept[a.Name.Space]:
					continue // of a vendor's
				case a.Name.Local == "schemaLocation":
					continue
				case t.Name.Local == "address" && a.Name.Local == "location", t.Name.Local == "endpoint" && a.Name.Local == "address":
					value = base.String()
				}
				out.WriteString(" " + prefixes.attribute(a.Name) + `="`)
				escapeXML(out, value)
				out.WriteString(`"`)
			}
			out.WriteString(">")
		case xml.EndElement:
			if skip > 0 {
				skip--
			} else {
				out.WriteString("</" + prefixes.name(t.Name) + ">")
			}
			prefixes.leave()
		case xml.CharData:
			if skip == 0 && len(around) > 0 {
				escapeXML(out, s.clean(string(t)))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func escapeXML(out *bytes.Buffer, text string) { _ = xml.EscapeText(out, []byte(text)) } // a buffer takes everything

// maxNamespaces is how many may be declared around one element: each name is looked up among them.
const maxNamespaces = 200

// namespaces are the prefixes that are declared around an element, the innermost last.
type namespaces struct {
	declared []declaration
	open     []int // how many were declared before each open element
}

type declaration struct{ prefix, space string }

func (n *namespaces) enter(e xml.StartElement) {
	n.open = append(n.open, len(n.declared))
	for _, a := range e.Attr {
		switch {
		case a.Name.Space == "xmlns":
			n.declared = append(n.declared, declaration{a.Name.Local, a.Value})
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			n.declared = append(n.declared, declaration{"", a.Value})
		}
	}
}

func (n *namespaces) leave() {
	last := len(n.open) - 1
	n.declared, n.open = n.declared[:n.open[last]], n.open[:last]
}

// name writes an element's name with a prefix that stands for its namespace.
func (n *namespaces) name(name xml.Name) string { return n.qualify(name, true) }

// attribute writes an attribute's name: without a prefix it has no namespace.
func (n *namespaces) attribute(name xml.Name) string {
	if name.Space == "xmlns" {
		return "xmlns:" + name.Local
	}
	return n.qualify(name, false)
}

func (n *namespaces) qualify(name xml.Name, element bool) string {
	if name.Space == "" {
		return name.Local
	}
	hidden := map[string]bool{} // prefixes that were declared anew further in
	for i := len(n.declared) - 1; i >= 0; i-- {
		d := n.declared[i]
		if d.space == name.Space && !hidden[d.prefix] && (element || d.prefix != "") {
			if d.prefix == "" {
				return name.Local
			}
			return d.prefix + ":" + name.Local
		}
		hidden[d.prefix] = true
	}
	return name.Local
}
