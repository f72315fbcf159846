package document

import (
	"maps"
	"net/url"
	"strings"
)

// describeAsync reads an AsyncAPI document: every operation on a channel, with PUBLISH or SUBSCRIBE (2.x), SEND or RECEIVE (3.x) as its
// method and the channel's address as its path.
func describeAsync(root *node, format Format) (Description, error) {
	version, err := asyncVersion(root)
	if err != nil {
		return Description{}, err
	}
	info := root.get("info")
	d := Description{
		Kind: AsyncAPI, Format: format, SpecVersion: clip(version, 20),
		Title: clip(info.get("title").str(), maxText), Version: clip(info.get("version").str(), maxText), Description: info.get("description").str(),
	}
	for _, tags := range []*node{root.get("tags"), info.get("tags")} {
		for _, tag := range tags.elements() {
			if name := tag.get("name").str(); name != "" {
				d.Tags = append(d.Tags, clip(name, maxText))
			}
		}
	}
	for _, f := range root.get("servers").children() {
		if u := f.value.get("url").str(); u != "" {
			d.Servers = append(d.Servers, u)
		} else if host := f.value.get("host").str(); host != "" {
			d.Servers = append(d.Servers, f.value.get("protocol").str()+"://"+host+f.value.get("pathname").str())
		}
	}
	for _, f := range root.get("components").get("securitySchemes").children() {
		scheme := root.resolve(f.value)
		d.Security = append(d.Security, SecurityScheme{
			ID: f.key, Type: scheme.get("type").str(), In: scheme.get("in").str(), Name: scheme.get("name").str(), Scheme: scheme.get("scheme").str(),
		})
	}
	for _, channel := range root.get("channels").children() {
		item := root.resolve(channel.value)
		for _, method := range []string{"publish", "subscribe"} {
			if op := item.get(method); op != nil && op.kind == object {
				d.Operations = append(d.Operations, asyncOperation(strings.ToUpper(method), channel.key, op.get("operationId").str(), op))
			}
		}
	}
	for _, f := range root.get("operations").children() {
		op := root.resolve(f.value)
		name := op.get("channel").get("$ref").str()
		address := root.resolve(op.get("channel")).get("address").str()
		if address == "" {
			address = unescapePointer(name[strings.LastIndexByte(name, '/')+1:])
		}
		d.Operations = append(d.Operations, asyncOperation(strings.ToUpper(op.get("action").str()), address, f.key, op))
	}
	d.API, d.Words = words(append(wordsIn(root), wordsIn(info)...))
	return d, nil
}

func asyncVersion(root *node) (string, error) {
	version := root.get("asyncapi").str()
	if !strings.HasPrefix(version, "2.") && !strings.HasPrefix(version, "3.") {
		return "", invalid(AsyncAPIVersion, clip(version, 20))
	}
	return version, nil
}

func asyncOperation(method, path, id string, op *node) Operation {
	o := Operation{Method: clip(method, 20), Path: clip(path, maxText), ID: id, Summary: clip(op.get("summary").str(), maxText), Deprecated: op.get("deprecated").isTrue()}
	for _, tag := range op.get("tags").elements() {
		o.Tags = append(o.Tags, clip(tag.get("name").str(), maxText))
	}
	return o
}

// asyncGrammar names what the specifications 2.x and 3.x know, but for what says where a broker is and how it is set up: servers,
// bindings, security.
var asyncGrammar = newAsyncGrammar()

func newAsyncGrammar() *rule {
	type f = map[string]*rule
	object := func(children f, scalars ...string) *rule {
		all := fields(anything, scalars...)
		for name, child := range children {
			all[name] = child
		}
		return &rule{fields: all, ref: true}
	}
	byName := func(child *rule) *rule { return &rule{other: child, names: true, ref: true} }
	address := &rule{role: link}
	docs := object(f{"url": address}, "description")
	docs.needs = "url"
	tags := object(f{"externalDocs": docs}, "name", "description")
	schema := grammar.fields["definitions"].other
	wrapped := &rule{fields: maps.Clone(schema.fields), other: anything, ref: true} // 3.x may name the format of a schema
	wrapped.fields["schema"], wrapped.fields["schemaFormat"] = schema, anything
	correlation := object(nil, "description", "location")
	example := object(f{"headers": anything, "payload": anything}, "name", "summary")
	message := object(f{"headers": wrapped, "payload": wrapped, "correlationId": correlation, "tags": tags, "externalDocs": docs, "examples": example},
		"messageId", "schemaFormat", "contentType", "name", "title", "summary", "description", "deprecated")
	message.fields["traits"], message.fields["oneOf"] = message, message
	reference := object(nil)
	reply := object(f{"address": object(nil, "location", "description"), "channel": reference, "messages": reference})
	operation := object(f{"tags": tags, "externalDocs": docs, "message": message, "channel": reference, "messages": reference, "reply": reply},
		"operationId", "action", "title", "summary", "description", "deprecated")
	operation.fields["traits"] = operation
	parameter := object(f{"schema": schema}, "description", "location", "enum", "default", "examples")
	channel := object(f{"subscribe": operation, "publish": operation, "parameters": byName(parameter), "messages": byName(message), "tags": tags, "externalDocs": docs},
		"address", "title", "summary", "description")
	info := object(f{"termsOfService": address, "contact": object(f{"url": address}, "name", "email"), "license": object(f{"url": address}, "name"),
		"tags": tags, "externalDocs": docs}, "title", "version", "description")
	return object(f{
		"id": address, "info": info, "channels": byName(channel), "operations": byName(operation), "tags": tags, "externalDocs": docs,
		"components": object(f{"schemas": byName(wrapped), "messages": byName(message), "parameters": byName(parameter), "channels": byName(channel),
			"operations": byName(operation), "replies": byName(reply), "correlationIds": byName(correlation), "operationTraits": byName(operation),
			"messageTraits": byName(message), "tags": byName(tags), "externalDocs": byName(docs)}),
	}, "asyncapi", "defaultContentType", SynthesisedMark)
}

// serveAsync rewrites a tree: the gateway is the only server.
func serveAsync(root *node, base *url.URL, s *server) error {
	version, err := asyncVersion(root)
	if err != nil {
		return err
	}
	s.object(root, asyncGrammar)
	gateway := newObject(field{"url", newText(base.String())}, field{"protocol", newText(base.Scheme)})
	if strings.HasPrefix(version, "3.") {
		gateway = newObject(field{"host", newText(base.Host)}, field{"pathname", newText(base.EscapedPath())}, field{"protocol", newText(base.Scheme)})
	}
	root.insertAfter("info", "servers", newObject(field{"gateway", gateway}))
	return nil
}
