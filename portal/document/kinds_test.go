package document

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"concierge/portal"
)

const (
	asyncTwo = `asyncapi: 2.6.0
info: {title: Orders, version: "1.2", description: "See https://orders.internal.test/wiki", x-team: secret-team}
servers: {prod: {url: "kafka.internal.test:9092", protocol: kafka}}
channels:
  orders/created:
    servers: [prod]
    subscribe: {operationId: onOrder, summary: An order was made, tags: [{name: orders}], bindings: {kafka: {groupId: {enum: [secret-group]}}}, message: {$ref: "#/components/messages/order"}}
    publish: {message: {$ref: "https://schemas.internal.test/order.json"}}
components:
  messages: {order: {payload: {type: object, properties: {x-id: {type: string}}}}}
  securitySchemes: {user: {type: userPassword}}
`
	asyncThree = `{"asyncapi":"3.0.0","info":{"title":"Orders","version":"2"},
		"servers":{"prod":{"host":"kafka.internal.test","pathname":"/x","protocol":"kafka"}},
		"channels":{"created":{"address":"orders.created","messages":{"order":{"payload":{"schemaFormat":"application/vnd.aai.asyncapi+json","schema":{"type":"object"}}}}},"bare":{}},
		"operations":{"onOrder":{"action":"receive","channel":{"$ref":"#/channels/created"}},"send":{"action":"send","channel":{"$ref":"#/channels/bare"}}}}`
	sdl = `# of orders.internal.test
"""
The API of "orders" at https://orders.internal.test/
"""
schema @link(url: "https://specs.internal.test/federation") { query: Root  mutation: Change }
directive @type on FIELD_DEFINITION
type Root implements Node & Other @input(of: "x") {
  "One order"
  order(id: ID!, "more" deep: [Filter = {a: [1, 2]}]): Order! @deprecated(reason: "use orders") # gone soon
  orders: [[Order!]!]! @type
}
type Order { id: ID! query: String }
extend type Root { more: Int }
type Change { refund(id: ID!): Order }
union Any = Order | Root
scalar Date
`
	protoText = `// of orders.internal.test
syntax = "proto3";
package shop.v1; /* orders.internal.test */
option go_package = "https://git.internal.test/shop";
message Order { message Inner { string id = 1; } Inner inner = 1; }
service Orders {
  option deprecated = true;
  rpc Get (GetRequest) returns (Order) { option (google.api.http) = { get: "/v1/orders" }; }
  rpc Watch (stream GetRequest) returns (stream Order) { option deprecated = true; }
  rpc Last (GetRequest) returns (Order);
}
`
	wsdlOne = `<?xml version="1.0"?>
<!-- at orders.internal.test -->
<w:definitions name="Orders" targetNamespace="urn:orders" xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:t="urn:orders" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:v="urn:vendor" v:owner="secret-team">
  <w:documentation>Takes orders; see http://orders.internal.test/wiki &amp; more</w:documentation>
  <w:import namespace="urn:more" location="http://orders.internal.test/more.wsdl"/>
  <w:types><xs:schema targetNamespace="urn:orders"><xs:import namespace="urn:types" schemaLocation="types.xsd"/><xs:element name="id" type="xs:string"/></xs:schema></w:types>
  <v:backend host="secret-team"><w:documentation>secret-team</w:documentation></v:backend>
  <w:portType name="Orders"><w:operation name="Get"><w:documentation>Gets one</w:documentation><w:input message="t:get"/></w:operation><w:operation name="Put"/></w:portType>
  <w:binding name="b" type="t:Orders"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><w:operation name="Get"><s:operation soapAction="urn:get"/></w:operation></w:binding>
  <w:service name="OrderService"><w:port name="p" binding="t:b"><s:address location="http://orders.internal.test:8080/soap"/></w:port></w:service>
</w:definitions>`
	wsdlTwo = `<description xmlns="http://www.w3.org/ns/wsdl" targetNamespace="urn:o"><interface name="Orders"><operation name="Get"/></interface>
<service name="OrderService" interface="x"><endpoint name="e" binding="b" address="http://orders.internal.test/2"/></service></description>`
)

func descriptors(t testing.TB) []byte {
	t.Helper()
	b, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("shop.proto"), Package: proto.String("shop.v1"), Syntax: proto.String("proto3"),
		Options:        &descriptorpb.FileOptions{GoPackage: proto.String("git.internal.test/shop")},
		SourceCodeInfo: &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{{LeadingComments: proto.String("at orders.internal.test")}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Orders"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Get"), InputType: proto.String(".shop.v1.GetRequest"), OutputType: proto.String(".shop.v1.Order")},
			{Name: proto.String("Watch"), Options: &descriptorpb.MethodOptions{Deprecated: proto.Bool(true)}},
		}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDescribeOtherKinds(t *testing.T) {
	rpcs := []Operation{
		{Method: "RPC", Path: "/shop.v1.Orders/Get", ID: "shop.v1.Orders.Get"},
		{Method: "RPC", Path: "/shop.v1.Orders/Watch", ID: "shop.v1.Orders.Watch", Deprecated: true},
	}
	for name, tc := range map[string]struct {
		doc  string
		want Description
	}{
		"AsyncAPI 2": {asyncTwo, Description{
			Kind: AsyncAPI, Format: YAML, SpecVersion: "2.6.0", Title: "Orders", Version: "1.2", Description: "See https://orders.internal.test/wiki",
			Servers: []string{"kafka.internal.test:9092"}, Security: []SecurityScheme{{ID: "user", Type: "userPassword"}},
			Operations: []Operation{
				{Method: "PUBLISH", Path: "orders/created"},
				{Method: "SUBSCRIBE", Path: "orders/created", ID: "onOrder", Summary: "An order was made", Tags: []string{"orders"}},
			},
		}},
		"AsyncAPI 3": {asyncThree, Description{
			Kind: AsyncAPI, Format: JSON, SpecVersion: "3.0.0", Title: "Orders", Version: "2", Servers: []string{"kafka://kafka.internal.test/x"},
			Operations: []Operation{{Method: "RECEIVE", Path: "orders.created", ID: "onOrder"}, {Method: "SEND", Path: "bare", ID: "send"}},
		}},
		"GraphQL": {sdl, Description{
			Kind: GraphQL, Format: SDL, Description: `The API of "orders" at https://orders.internal.test/`,
			Operations: []Operation{
				{Method: "QUERY", Path: "order", ID: "order", Summary: "One order", Deprecated: true},
				{Method: "QUERY", Path: "orders", ID: "orders"},
				{Method: "QUERY", Path: "more", ID: "more"},
				{Method: "MUTATION", Path: "refund", ID: "refund"},
			},
		}},
		"GraphQL without schema": {"type Query{a:Int}\ntype Subscription { b: Int }", Description{
			Kind: GraphQL, Format: SDL, Operations: []Operation{{Method: "QUERY", Path: "a", ID: "a"}, {Method: "SUBSCRIPTION", Path: "b", ID: "b"}},
		}},
		"proto": {protoText, Description{
			Kind: GRPC, Format: Proto, SpecVersion: "proto3", Title: "shop.v1.Orders",
			Operations: append(slices.Clone(rpcs), Operation{Method: "RPC", Path: "/shop.v1.Orders/Last", ID: "shop.v1.Orders.Last"}),
		}},
		"descriptors": {string(descriptors(t)), Description{
			Kind: GRPC, Format: Descriptors, SpecVersion: "proto3", Title: "shop.v1.Orders", Operations: rpcs,
		}},
		"WSDL 1.1": {wsdlOne, Description{
			Kind: WSDL, Format: XML, SpecVersion: "1.1", Title: "Orders", Description: "Takes orders; see http://orders.internal.test/wiki & more",
			Servers:    []string{"http://orders.internal.test:8080/soap"},
			Operations: []Operation{{Method: "SOAP", Path: "Orders/Get", ID: "Get", Summary: "Gets one"}, {Method: "SOAP", Path: "Orders/Put", ID: "Put"}},
		}},
		"WSDL in ASCII": {`<?xml version="1.0" encoding="ISO-8859-1"?><definitions xmlns="http://schemas.xmlsoap.org/wsdl/" name="Orders"/>`, Description{
			Kind: WSDL, Format: XML, SpecVersion: "1.1", Title: "Orders",
		}},
		"WSDL 2.0": {wsdlTwo, Description{
			Kind: WSDL, Format: XML, SpecVersion: "2.0", Title: "OrderService", Servers: []string{"http://orders.internal.test/2"},
			Operations: []Operation{{Method: "SOAP", Path: "Orders/Get", ID: "Get"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Describe([]byte(tc.doc), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(Description{}, "SHA256", "Size"), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestServeOtherKinds: what is handed out names no other place, still says the same, and keeps what callers need.
func TestServeOtherKinds(t *testing.T) {
	hidden := []string{"orders.internal.test", "kafka.internal.test", "git.internal.test", "secret-team", "secret-group"}
	for name, tc := range map[string]struct {
		doc  string
		keep []string
	}{
		"AsyncAPI 2":  {asyncTwo, []string{"orders/created", "onOrder", "x-id", "https://one.gateway.test/base/v1"}},
		"AsyncAPI 3":  {asyncThree, []string{"orders.created", `"host": "one.gateway.test"`, `"pathname": "/base/v1"`}},
		"GraphQL":     {sdl, []string{"order(id: ID!", `"One order"`, "directive @type on FIELD_DEFINITION"}},
		"proto":       {protoText, []string{"rpc Watch (stream GetRequest)", `get: "/v1/orders"`}},
		"descriptors": {string(descriptors(t)), []string{"shop.proto", ".shop.v1.GetRequest"}},
		"WSDL 1.1": {wsdlOne, []string{`<s:address location="https://one.gateway.test/base/v1">`, `xmlns:t="urn:orders"`, `<w:input message="t:get">`, `soapAction="urn:get"`,
			`<xs:import namespace="urn:types">`, `transport="http://schemas.xmlsoap.org/soap/http"`}},
		"WSDL 2.0": {wsdlTwo, []string{`address="https://one.gateway.test/base/v1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := ServeOptions{BaseURL: testBase, Hidden: hidden}
			out, err := Serve([]byte(tc.doc), opts)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range append(hidden, "internal.test", "x-team") {
				if strings.Contains(string(out), word) {
					t.Errorf("%s remains:\n%s", word, out)
				}
			}
			for _, word := range tc.keep {
				if !strings.Contains(string(out), word) {
					t.Errorf("%s is gone:\n%s", word, out)
				}
			}
			before, _ := Describe([]byte(tc.doc), Limits{})
			after, err := Describe(out, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before.Operations, after.Operations, cmpopts.EquateEmpty()); diff != "" || after.Title != before.Title || after.Kind != before.Kind {
				t.Errorf("%+v: %s", after, diff)
			}
			again, err := Serve(out, opts)
			if err != nil || string(again) != string(out) {
				t.Errorf("serving what was served changes it: %v\n%s\n%s", err, out, again)
			}
		})
	}
}

// TestServeRefusesNames: where a name that callers send is hidden, nothing is handed out.
func TestServeRefusesNames(t *testing.T) {
	for name, doc := range map[string]string{
		"GraphQL":     `type Query { secret_group: Int, a(b: secretTeam): Int }`,
		"proto":       "syntax = \"proto3\"; package secretTeam.v1; service S {}",
		"WSDL":        strings.ReplaceAll(wsdlOne, "urn:orders", "http://secretTeam/orders"),
		"descriptors": strings.ReplaceAll(string(descriptors(t)), "GetRequest", "secretTeam"),
	} {
		_, err := Serve([]byte(doc), ServeOptions{BaseURL: testBase, Hidden: []string{"secretTeam"}})
		if !errors.Is(err, portal.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHostileOtherKinds(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"entities":              {`<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><definitions>&b;</definitions>`, "document type"},
		"an entity":             {`<definitions xmlns="http://schemas.xmlsoap.org/wsdl/">&a;</definitions>`, "not valid XML"},
		"another encoding":      {`<?xml version="1.0" encoding="UTF-16"?><definitions xmlns="http://schemas.xmlsoap.org/wsdl/"/>`, "not UTF-8"},
		"of another encoding":   {`<?xml version="1.0" encoding="ISO-8859-1"?><definitions xmlns="http://schemas.xmlsoap.org/wsdl/" name="é"/>`, "not UTF-8"},
		"deep XML":              {`<definitions xmlns="http://schemas.xmlsoap.org/wsdl/">` + strings.Repeat("<a>", 200), "nested more than"},
		"many elements":         {`<definitions xmlns="http://schemas.xmlsoap.org/wsdl/">` + strings.Repeat("<a/>", 600), "more than 1000 values"},
		"other XML":             {`<a/>`, "neither WSDL"},
		"XML that ends":         {`<definitions xmlns="http://schemas.xmlsoap.org/wsdl/">`, "not valid XML"},
		"deep SDL":              {"type Query " + strings.Repeat("{", 200), "nested more than"},
		"SDL of many":           {"type Query {" + strings.Repeat("a:B ", 500), "more than 1000 values"},
		"SDL that ends":         {"type Query { a: Int", "not closed"},
		"a text that ends":      {`type Query { """ a: Int }`, "inside a text"},
		"a text over lines":     {"type Query { \"a\n\" a: Int }", "does not end"},
		"a bracket too many":    {"type Query { a: Int }}", "was not opened"},
		"a wrong field":         {"type Query { = }", "begins with"},
		"nothing":               {"scalar A", "defines nothing"},
		"deep proto":            {"syntax = \"proto3\"; message A " + strings.Repeat("{", 200), "nested more than"},
		"a comment that ends":   {"syntax = \"proto3\"; /* ", "inside a comment"},
		"no proto":              {"import \"a\";", "neither syntax"},
		"AsyncAPI 1":            {`{"asyncapi":"1.0.0"}`, "AsyncAPI 1.0.0"},
		"descriptors, broken":   {strings.Replace(string(descriptors(t)), "\x0a\x05Watch", "\x0a\x7fWatch", 1), ""},
		"descriptors, too many": {strings.Repeat("\x0a\x07\x0a\x01a\x1a\x00\x1a\x00", 1000), "more than 1000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Describe([]byte(tc.doc), Limits{MaxDepth: 100, MaxNodes: 1000})
			if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want ErrInvalid with %q", err, tc.want)
			}
			if _, err := Serve([]byte(tc.doc), ServeOptions{BaseURL: testBase, Limits: Limits{MaxDepth: 100, MaxNodes: 1000}}); err == nil {
				t.Error("it is served")
			}
		})
	}
}

func TestFormatOf(t *testing.T) {
	for doc, want := range map[string]Format{
		`{}`: JSON, `[1]`: JSON, "openapi: 3.0.0": YAML, "# c\n---\nswagger: 2.0": YAML, "type: object": YAML, "message: x": YAML, "a": YAML,
		"# c\n\ntype Query { a: Int }": SDL, "\"\"\"about\"\"\" type A": SDL, "// c\n/* d */ syntax = 'proto3';": Proto, "message A {}": Proto, "<a/>": XML,
		"\"openapi\": 3": YAML, "// never ends": YAML,
	} {
		if got := formatOf([]byte(doc)); got != want {
			t.Errorf("%q is %s, want %s", doc, got, want)
		}
	}
}

func fuzzKind(f *testing.F, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	hidden := []string{"orders.internal.test", "secret-team"}
	f.Fuzz(func(t *testing.T, doc []byte) {
		limits := Limits{MaxBytes: 64 << 10, MaxNodes: 5000}
		if _, err := Describe(doc, limits); err != nil {
			if !errors.Is(err, portal.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		out, err := Serve(doc, ServeOptions{BaseURL: testBase, Hidden: hidden, Limits: limits})
		if err != nil {
			if !errors.Is(err, portal.ErrInvalid) && !errors.Is(err, portal.ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		if _, err := Describe(out, Limits{}); err != nil {
			t.Fatalf("what is served cannot be read: %v\n%s", err, out)
		}
		s := newScrubber(nil, hidden)
		if text := string(out); !json.Valid(out) && s.cleanWords(text) != text {
			t.Fatalf("hidden words remain:\n%s", out)
		}
	})
}

func FuzzAsyncAPI(f *testing.F)    { fuzzKind(f, asyncTwo, asyncThree) }
func FuzzGraphQL(f *testing.F)     { fuzzKind(f, sdl, `type Query { a(b: [C]): D @e(f: "g") }`) }
func FuzzProto(f *testing.F)       { fuzzKind(f, protoText) }
func FuzzDescriptors(f *testing.F) { fuzzKind(f, string(descriptors(f))) }
func FuzzWSDL(f *testing.F)        { fuzzKind(f, wsdlOne, wsdlTwo) }
