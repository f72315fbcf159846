package document

// A rule says what one kind of object in a description may hold. The rules are a union of the OpenAPI versions: a field that
// one version knows is harmless in another. They name every field of the specifications except those that say where an API
// is served ("servers", "server", "host", "basePath", "schemes", "$self"), so walking a tree by the rules and dropping what they
// do not name leaves no address of another endpoint and no vendor extension.
type rule struct {
	fields map[string]*rule // what the specification names
	other  *rule            // for every other field; nil: dropped
	names  bool             // the keys under other are the author's own names, so one that starts with "x-" is no extension
	ref    bool             // a "$ref" here is a reference
	needs  string           // a field without which the object says nothing and is dropped
	role   role
}

// role marks what Serve treats in its own way.
type role uint8

const (
	plain    role = iota
	link          // a URL that is dropped unless its host may stay
	pointer       // a reference in a string, dropped unless it points into this document
	security      // which keys a call needs
	operate       // an operation
	inbound       // operations that the provider calls and the consumer serves: callbacks and webhooks
	argument      // a parameter, which is dropped from a list where its reference was
)

// anything is a value that the specifications say nothing about: payloads, scalars.
var anything = &rule{names: true}

// grammar is the rule of the root.
var grammar = newGrammar()

// keptExtensions are the vendor extensions that stay, since readers of a description use them and they describe the API
// and not where it runs: names of enum values (openapi-generator, NSwag), display names and groups of tags (Redoc), nullable in 2.0,
// and our own mark of a synthesised description. Everything else that starts with "x-" goes: x-codeSamples holds addresses,
// x-amazon-apigateway-integration back ends, x-concierge-* our placement.
func keptExtensions() map[string]*rule {
	logo := &rule{fields: fields(anything, "backgroundColor", "altText"), needs: "url"}
	logo.fields["url"] = &rule{role: link}
	kept := fields(anything, "x-displayName", "x-tagGroups", "x-enum-varnames", "x-enum-descriptions", "x-enumNames",
		"x-enumDescriptions", "x-nullable", SynthesisedMark)
	kept["x-logo"] = logo
	return kept
}

func newGrammar() *rule {
	anything.other = anything
	kept := keptExtensions()

	// closed is an object of the specification: named fields, the kept extensions, and nothing else.
	closed := func(r *rule, scalars ...string) *rule {
		all := fields(anything, scalars...)
		for name, child := range r.fields {
			all[name] = child
		}
		for name, child := range kept {
			all[name] = child
		}
		r.fields = all
		return r
	}
	type f = map[string]*rule
	object := func(children f, scalars ...string) *rule {
		return closed(&rule{fields: children, ref: true}, scalars...)
	}
	byName := func(child *rule) *rule { return &rule{other: child, names: true} }
	byPattern := func(child *rule) *rule { return &rule{other: child} } // here "x-" keys are extensions
	address := &rule{role: link}
	reference := &rule{role: pointer}

	docs := closed(&rule{fields: f{"url": address}, needs: "url"}, "description")
	required := &rule{other: anything, names: true, role: security}

	schema := &rule{other: anything, ref: true}
	schema.fields = f{
		"properties": byName(schema), "patternProperties": byName(schema), "$defs": byName(schema), "definitions": byName(schema),
		"dependentSchemas": byName(schema), "dependencies": byName(schema), "items": schema, "additionalProperties": schema, "not": schema, "if": schema, "then": schema, "else": schema,
		"contains": schema, "propertyNames": schema, "unevaluatedItems": schema, "unevaluatedProperties": schema, "contentSchema": schema,
		"additionalItems": schema, "allOf": schema, "anyOf": schema, "oneOf": schema, "prefixItems": schema,
		"discriminator": object(f{"mapping": byName(reference), "defaultMapping": reference}, "propertyName"),
		"xml":           object(nil, "name", "namespace", "prefix", "attribute", "wrapped", "nodeType"),
		"externalDocs":  docs, "$id": address, "$schema": address,
	}
	for name, child := range kept {
		schema.fields[name] = child
	}

	example := object(f{"value": anything, "externalValue": address}, "summary", "description", "dataValue", "serializedValue")
	parameter, mediaType, header, pathItem := &rule{ref: true, role: argument}, &rule{ref: true}, &rule{ref: true}, &rule{ref: true}
	encoding := &rule{}
	encoding.fields = f{"headers": byName(header), "encoding": byName(encoding), "prefixEncoding": encoding, "itemEncoding": encoding}
	closed(encoding, "contentType", "style", "explode", "allowReserved")
	mediaType.fields = f{"schema": schema, "itemSchema": schema, "examples": byName(example), "encoding": byName(encoding),
		"prefixEncoding": encoding, "itemEncoding": encoding}
	closed(mediaType, "example")
	content := byName(mediaType)
	for _, r := range []*rule{parameter, header} {
		r.fields = f{"schema": schema, "items": schema, "examples": byName(example), "content": content}
		closed(r, "name", "in", "description", "required", "deprecated", "allowEmptyValue", "style", "explode", "allowReserved", "example",
			// 2.0, where a parameter is its own schema
			"type", "format", "collectionFormat", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
			"minLength", "pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf")
	}
	toCall := object(f{"operationRef": reference, "parameters": anything, "requestBody": anything}, "operationId", "description")
	response := object(f{"headers": byName(header), "content": content, "links": byName(toCall), "schema": schema, "examples": anything},
		"description", "summary")
	responses := byPattern(response)
	body := object(f{"content": content}, "description", "required")
	callback := &rule{other: pathItem, ref: true, role: inbound}
	operation := closed(&rule{role: operate, fields: f{"externalDocs": docs, "parameters": parameter, "requestBody": body, "responses": responses,
		"callbacks": byName(callback), "security": required}},
		"tags", "summary", "description", "operationId", "consumes", "produces", "deprecated")
	pathItem.fields = f{"parameters": parameter, "additionalOperations": byName(operation)}
	for _, method := range methods {
		pathItem.fields[method] = operation
	}
	closed(pathItem, "summary", "description")

	flow := closed(&rule{fields: f{"scopes": byName(anything)}}, "authorizationUrl", "deviceAuthorizationUrl", "tokenUrl", "refreshUrl")
	scheme := object(f{"flows": closed(&rule{fields: f{"implicit": flow, "password": flow, "clientCredentials": flow, "authorizationCode": flow,
		"deviceAuthorization": flow}}), "scopes": byName(anything)},
		"type", "description", "name", "in", "scheme", "bearerFormat", "openIdConnectUrl", "oauth2MetadataUrl", "deprecated",
		"flow", "authorizationUrl", "tokenUrl")
	tag := closed(&rule{fields: f{"externalDocs": docs}}, "name", "summary", "description", "parent", "kind")
	info := closed(&rule{fields: f{"termsOfService": address,
		"contact": closed(&rule{fields: f{"url": address}}, "name", "email"),
		"license": closed(&rule{fields: f{"url": address}}, "name", "identifier"),
	}}, "title", "summary", "description", "version")

	return closed(&rule{fields: f{
		"info": info, "jsonSchemaDialect": address, "paths": byPattern(pathItem), "webhooks": {other: pathItem, names: true, role: inbound},
		"security": required, "tags": tag, "externalDocs": docs,
		"definitions": byName(schema), "parameters": byName(parameter), "responses": byName(response), "securityDefinitions": byName(scheme),
		"components": closed(&rule{fields: f{"schemas": byName(schema), "responses": byName(response), "parameters": byName(parameter),
			"examples": byName(example), "requestBodies": byName(body), "headers": byName(header), "securitySchemes": byName(scheme),
			"links": byName(toCall), "callbacks": byName(callback), "pathItems": byName(pathItem), "mediaTypes": content}}),
	}}, "openapi", "swagger", "consumes", "produces")
}

func fields(child *rule, names ...string) map[string]*rule {
	out := make(map[string]*rule, len(names))
	for _, name := range names {
		out[name] = child
	}
	return out
}

// methods are the fields of a path item that hold an operation, in the order of the specification. QUERY is of 3.2.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}
