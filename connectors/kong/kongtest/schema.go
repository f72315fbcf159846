package kongtest

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is one type of entity of the Admin API.
type kind struct {
	name     string // as error messages and /tags have it
	segment  string // as its top-level collection has it
	nested   string // as a collection under another entity has it
	endpoint string // the field that a path may use instead of the id
	updated  bool   // has updated_at beside created_at
	ttl      bool
	fields   map[string]field
	unique   [][]string
	check    func(fields map[string]any) []string // entity checks, in Kong's words
}

// field is one field of an entity.
type field struct {
	def      any
	required bool
	ref      string                // collection of the entity that it points to
	valid    func(v any) (bad any) // nil: fine; else a message, or messages by element
}

// kinds are the entities by the path segment of their collection.
var kinds = map[string]*kind{
	"services": {
		name: "services", segment: "services", endpoint: "name", updated: true,
		fields: map[string]field{
			"name":               {valid: name},
			"protocol":           {def: "http", required: true, valid: oneOf("grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp")},
			"host":               {required: true, valid: text},
			"port":               {def: 80.0, required: true, valid: between(0, 65535)},
			"path":               {valid: text},
			"retries":            {def: 5.0, valid: between(0, 32767)},
			"connect_timeout":    {def: 60000.0, valid: between(1, math.MaxInt32-1)},
			"read_timeout":       {def: 60000.0, valid: between(1, math.MaxInt32-1)},
			"write_timeout":      {def: 60000.0, valid: between(1, math.MaxInt32-1)},
			"enabled":            {def: true, required: true, valid: boolean},
			"tags":               {valid: tags},
			"client_certificate": {}, "tls_verify": {}, "tls_verify_depth": {}, "ca_certificates": {},
		},
		unique: [][]string{{"name"}},
	},
	"routes": {
		name: "routes", segment: "routes", nested: "routes", endpoint: "name", updated: true,
		fields: map[string]field{
			"name":                       {valid: name},
			"protocols":                  {def: []any{"http", "https"}, required: true, valid: list(text)},
			"methods":                    {valid: list(text)},
			"hosts":                      {valid: list(text)},
			"paths":                      {valid: list(path)},
			"headers":                    {},
			"https_redirect_status_code": {def: 426.0, required: true, valid: between(301, 426)},
			"regex_priority":             {def: 0.0, valid: between(math.MinInt32, math.MaxInt32)},
			"strip_path":                 {def: true, required: true, valid: boolean},
			"path_handling":              {def: "v0", valid: oneOf("v0", "v1")},
			"preserve_host":              {def: false, required: true, valid: boolean},
			"request_buffering":          {def: true, required: true, valid: boolean},
			"response_buffering":         {def: true, required: true, valid: boolean},
			"tags":                       {valid: tags},
			"service":                    {ref: "services"},
			"snis":                       {}, "sources": {}, "destinations": {},
		},
		unique: [][]string{{"name"}},
		check: func(f map[string]any) []string {
			for _, criterion := range []string{"methods", "hosts", "headers", "paths", "snis"} {
				if f[criterion] != nil {
					return nil
				}
			}
			return []string{"must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"}
		},
	},
	"plugins": {
		name: "plugins", segment: "plugins", nested: "plugins", endpoint: "instance_name", updated: true,
		fields: map[string]field{
			"name":          {required: true, valid: text},
			"instance_name": {valid: name},
			"enabled":       {def: true, required: true, valid: boolean},
			"protocols":     {def: []any{"grpc", "grpcs", "http", "https"}, required: true, valid: list(text)},
			"tags":          {valid: tags},
			"config":        {def: map[string]any{}},
			"service":       {ref: "services"},
			"route":         {ref: "routes"},
			"consumer":      {ref: "consumers"},
		},
		unique: [][]string{{"name", "service", "route", "consumer"}, {"instance_name"}},
		check: func(f map[string]any) []string {
			config, _ := f["config"].(map[string]any)
			if f["name"] != "acl" || (config["allow"] == nil) != (config["deny"] == nil) {
				return nil
			}
			problems := []string{"exactly one of these fields must be non-empty: 'config.allow', 'config.deny'"}
			if config["allow"] == nil {
				problems = append(problems, "at least one of these fields must be non-empty: 'config.allow', 'config.deny'")
			}
			return problems
		},
	},
	"consumers": {
		name: "consumers", segment: "consumers", endpoint: "username", updated: true,
		fields: map[string]field{
			"username":  {valid: text},
			"custom_id": {valid: text},
			"tags":      {valid: tags},
		},
		unique: [][]string{{"username"}, {"custom_id"}},
		check: func(f map[string]any) []string {
			if f["username"] == nil && f["custom_id"] == nil {
				return []string{"at least one of these fields must be non-empty: 'custom_id', 'username'"}
			}
			return nil
		},
	},
	"acls": {
		name: "acls", segment: "acls", nested: "acls", endpoint: "group",
		fields: map[string]field{
			"group":    {required: true, valid: text},
			"tags":     {valid: tags},
			"consumer": {ref: "consumers", required: true},
		},
		unique: [][]string{{"consumer", "group"}},
	},
	"key-auths": {
		name: "keyauth_credentials", segment: "key-auths", nested: "key-auth", endpoint: "key", ttl: true,
		fields: map[string]field{
			"key":      {valid: text},
			"tags":     {valid: tags},
			"consumer": {ref: "consumers", required: true},
		},
		unique: [][]string{{"key"}},
	},
}

// configs are the plugins that can be configured, with the defaults of their configuration.
var configs = map[string]map[string]any{
	"key-auth": {"realm": nil, "key_in_header": true, "key_in_query": true, "key_in_body": false, "run_on_preflight": true,
		"hide_credentials": false, "anonymous": nil, "key_names": []any{"apikey"}},
	"acl":        {"always_use_authenticated_groups": false, "allow": nil, "deny": nil, "hide_groups_header": false},
	"basic-auth": {"realm": "service", "anonymous": nil, "hide_credentials": false},
	"prometheus": {"status_code_metrics": false, "bandwidth_metrics": false, "upstream_health_metrics": false,
		"per_consumer": false, "latency_metrics": false, "ai_metrics": false},
	"rate-limiting": {"path": nil, "limit_by": "consumer", "header_name": nil, "redis_timeout": 2000.0, "redis_database": 0.0,
		"policy": "local", "fault_tolerant": true, "hide_client_headers": false, "redis_server_name": nil,
		"redis_ssl_verify": false, "redis_host": nil, "redis_ssl": false, "redis_username": nil, "error_code": 429.0,
		"sync_rate": -1.0, "redis_password": nil, "error_message": "API rate limit exceeded", "redis_port": 6379.0,
		"redis": map[string]any{"host": nil, "port": 6379.0, "ssl_verify": false, "password": nil, "timeout": 2000.0,
			"server_name": nil, "ssl": false, "database": 0.0, "username": nil},
		"year": nil, "second": nil, "minute": nil, "hour": nil, "day": nil, "month": nil},
	"jwt": {"uri_param_names": []any{"jwt"}, "cookie_names": []any{}, "key_claim_name": "iss", "secret_is_base64": false,
		"claims_to_verify": nil, "anonymous": nil, "run_on_preflight": true, "maximum_expiration": 0.0,
		"header_names": []any{"authorization"}, "realm": nil},
}

// problem is an error answer of the Admin API.
type problem struct {
	status  int
	code    int // 0: the body is only the message
	name    string
	message string
	fields  any // code 11 has "options" instead
}

var notFound = &problem{status: 404, message: "Not found"}
var unexpected = &problem{status: 500, message: "An unexpected error occurred"}

// violation is Kong's answer to fields that its schema refuses: by field a message, messages by element, or the same
// nested; under "@entity" the entity checks.
func violation(fields map[string]any) *problem {
	var all []string
	flatten("", fields, &all)
	message := fmt.Sprintf("schema violation (%s)", strings.Join(all, "; "))
	if len(all) > 1 {
		message = fmt.Sprintf("%d schema violations (%s)", len(all), strings.Join(all, "; "))
	}
	return &problem{status: 400, code: 2, name: "schema violation", message: message, fields: fields}
}

func flatten(prefix string, fields map[string]any, all *[]string) {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch bad := fields[key].(type) {
		case string:
			*all = append(*all, prefix+key+": "+bad)
		case []any:
			for i, b := range bad {
				if key == "@entity" {
					*all = append(*all, b.(string))
				} else if b != nil {
					*all = append(*all, fmt.Sprintf("%s%s.%d: %s", prefix, key, i+1, b))
				}
			}
		case map[string]any:
			flatten(prefix+key+".", bad, all)
		}
	}
}

// lua prints primary and foreign keys as Kong's messages do: {name="orders"}.
func lua(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return `"` + v + `"`
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, k+"="+lua(v[k]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return fmt.Sprint(v)
}

// complete fills in shorthands and defaults, in place, and says what the schema refuses. It does not look at other
// entities.
func (k *kind) complete(fields map[string]any) *problem {
	bad := map[string]any{}
	if k.segment == "services" {
		if err := expandURL(fields); err != "" {
			bad["url"] = err
		}
	}
	if k.segment == "plugins" {
		completePlugin(fields, bad)
	}
	for key := range fields {
		if _, ok := k.fields[key]; !ok {
			bad[key] = "unknown field"
		}
	}
	for key, f := range k.fields {
		v, given := fields[key]
		if !given {
			fields[key] = f.def
			v = f.def
		}
		switch {
		case v == nil && f.required:
			bad[key] = "required field missing"
		case v != nil && f.valid != nil:
			if b := f.valid(v); b != nil {
				bad[key] = b
			}
		}
	}
	if k.check != nil {
		if problems := k.check(fields); problems != nil {
			list := make([]any, len(problems))
			for i, p := range problems {
				list[i] = p
			}
			bad["@entity"] = list
		}
	}
	if len(bad) > 0 {
		return violation(bad)
	}
	return nil
}

// completePlugin checks the plugin's name and completes its configuration.
func completePlugin(fields map[string]any, bad map[string]any) {
	name, _ := fields["name"].(string)
	defaults, known := configs[name]
	if !known {
		if name != "" {
			bad["name"] = fmt.Sprintf("plugin '%s' not enabled; add it to the 'plugins' configuration property", name)
		}
		return
	}
	config := maps.Clone(defaults)
	given, _ := fields["config"].(map[string]any)
	unknown := map[string]any{}
	for key, v := range given {
		if _, ok := defaults[key]; !ok {
			unknown[key] = "unknown field"
		}
		config[key] = v
	}
	if len(unknown) > 0 {
		bad["config"] = unknown
	}
	fields["config"] = config
}

// expandURL replaces the shorthand "url" of a service by protocol, host, port and path.
func expandURL(fields map[string]any) string {
	v, ok := fields["url"]
	if !ok {
		return ""
	}
	delete(fields, "url")
	s, _ := v.(string)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "missing host in url"
	}
	fields["protocol"], fields["host"] = u.Scheme, u.Hostname()
	port := map[string]int{"http": 80, "https": 443}[u.Scheme]
	if p, err := strconv.Atoi(u.Port()); err == nil {
		port = p
	}
	fields["port"] = float64(port)
	if u.Path != "" {
		fields["path"] = u.Path
	}
	return ""
}

func text(v any) any {
	s, ok := v.(string)
	switch {
	case !ok:
		return "expected a string"
	case s == "":
		return "length must be at least 1"
	}
	return nil
}

func boolean(v any) any {
	if _, ok := v.(bool); !ok {
		return "expected a boolean"
	}
	return nil
}

func between(low, high float64) func(any) any {
	return func(v any) any {
		n, ok := v.(float64)
		switch {
		case !ok || n != math.Trunc(n):
			return "expected an integer"
		case n < low || n > high:
			return fmt.Sprintf("value should be between %.0f and %.0f", low, high)
		}
		return nil
	}
}

func oneOf(values ...string) func(any) any {
	return func(v any) any {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			return "expected one of: " + strings.Join(values, ", ")
		}
		return nil
	}
}

// list checks every element; what is wrong comes by element, as Kong reports it.
func list(valid func(any) any) func(any) any {
	return func(v any) any {
		elements, ok := v.([]any)
		if !ok {
			return "expected an array"
		}
		var bad []any
		for i, e := range elements {
			if b := valid(e); b != nil {
				for len(bad) < i {
					bad = append(bad, nil)
				}
				bad = append(bad, b)
			}
		}
		if bad == nil {
			return nil
		}
		return bad
	}
}

var notInNames = regexp.MustCompile(`[\x00-\x7f]`)
var inNames = regexp.MustCompile(`^[A-Za-z0-9._~-]$`)

func name(v any) any {
	s, ok := v.(string)
	if !ok || s == "" {
		return text(v)
	}
	for _, c := range notInNames.FindAllString(s, -1) {
		if !inNames.MatchString(c) {
			return fmt.Sprintf("invalid value '%s': the only accepted ascii characters are alphanumerics or ., -, _, and ~", s)
		}
	}
	return nil
}

func tag(v any) any {
	if b := text(v); b != nil {
		return b
	}
	s := v.(string)
	bad := !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r == ',' || r == '/' || r < 0x80 && !unicode.IsPrint(r)
	})
	if bad {
		return fmt.Sprintf("invalid tag '%s': expected printable ascii (except `,` and `/`) or valid utf-8 sequences", s)
	}
	return nil
}

func tags(v any) any { return list(tag)(v) }

func path(v any) any {
	s, _ := v.(string)
	if strings.HasPrefix(s, "/") {
		return nil
	}
	if !strings.HasPrefix(s, "~/") {
		return "should start with: / (fixed path) or ~/ (regex path)"
	}
	if _, err := regexp.Compile(goRegexp(s[1:])); err != nil {
		return fmt.Sprintf("invalid regex: '%s' (PCRE returned: pcre2_compile() failed: missing closing parenthesis in \"%s\")", s[1:], s[1:])
	}
	return nil
}

// goRegexp turns the named groups of PCRE into Go's.
func goRegexp(pcre string) string { return strings.ReplaceAll(pcre, "(?<", "(?P<") }
