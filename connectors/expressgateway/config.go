package expressgateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/connectors/adminapi"
	"concierge/portal"
)

// reads is how often the configuration is read again when it changes while it is being read.
const reads = 3

// config is what the gateway publishes, understood.
type config struct {
	apis     []api // by name and exposure
	warnings []string
}

// api is one exposure of one API endpoint.
type api struct {
	key      connectors.Key
	endpoint endpoint
	guard    guard
	served   bool     // a pipeline handles it
	reach    []string // names of other endpoints that accept a key with this one's scopes
	refusal  string   // why no key can be confined to it; empty: one can
	hopeless bool     // and why accepting the reach would not help
}

// config reads API endpoints and pipelines. These are two lists, and the gateway replaces both at once when its file
// changes: they are read until they belong together.
func (c *Connector) config(ctx context.Context) (config, error) {
	get := func(what string) ([]byte, error) {
		answer, err := c.api.Do(ctx, adminapi.Request{Method: http.MethodGet, Path: []string{what}})
		return answer.Body, err
	}
	pipelines, err := get("pipelines")
	if err != nil {
		return config{}, err
	}
	for range reads {
		endpoints, err := get("api-endpoints")
		if err != nil {
			return config{}, err
		}
		again, err := get("pipelines")
		if err != nil {
			return config{}, err
		}
		if !bytes.Equal(pipelines, again) {
			pipelines = again
			continue
		}
		cfg, err := parseConfig(endpoints, pipelines)
		if err == nil && len(cfg.apis) == 0 {
			err = c.prove(ctx)
		}
		return cfg, err
	}
	return config{}, fmt.Errorf("%w: the pipelines changed during each of %d readings", portal.ErrUnavailable, reads)
}

// parseConfig understands the answers of /api-endpoints and /pipelines. Each may be empty: a gateway without any.
func parseConfig(endpoints, pipelines []byte) (config, error) {
	var byName map[string]endpointList
	if err := decode(endpoints, &byName); err != nil {
		return config{}, fmt.Errorf("reading the API endpoints: %w", err)
	}
	var lines map[string]pipeline
	if err := decode(pipelines, &lines); err != nil {
		return config{}, fmt.Errorf("reading the pipelines: %w", err)
	}
	if len(byName) == 0 && slices.ContainsFunc(slices.Collect(maps.Values(lines)), pipeline.named) {
		return config{}, fmt.Errorf("%w: the pipelines name API endpoints, and the gateway lists none", portal.ErrInvalid)
	}
	var cfg config
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		guard, served := guardOf(name, lines)
		seen := map[string]bool{}
		for _, e := range byName[name] {
			key := connectors.Key{RemoteID: name}
			if len(byName[name]) > 1 {
				key.Exposure = e.pattern()
			}
			if seen[key.Exposure] {
				cfg.warnings = append(cfg.warnings, fmt.Sprintf(
					"the API endpoint %s lists %s twice; the first one answers, the second is left out", name, key.Exposure))
				continue
			}
			seen[key.Exposure] = true
			cfg.apis = append(cfg.apis, api{key: key, endpoint: e, guard: guard, served: served})
		}
	}
	confine(cfg.apis)
	return cfg, nil
}

// confine works out which APIs can have keys of their own.
func confine(apis []api) {
	for i := range apis {
		a := &apis[i]
		if a.refusal = a.guard.problem; !a.served {
			a.refusal = "no pipeline handles it, so the gateway answers 404: name it in the apiEndpoints of one"
		}
		if a.refusal != "" {
			a.hopeless = true
			continue
		}
		for _, other := range apis {
			if other.key.RemoteID != a.key.RemoteID && other.guard.key != nil && !slices.Contains(a.reach, other.key.RemoteID) &&
				subset(other.endpoint.Scopes, a.endpoint.Scopes) {
				a.reach = append(a.reach, other.key.RemoteID)
			}
		}
		switch {
		case len(a.endpoint.Scopes) == 0:
			a.refusal = "its apiEndpoint has no scopes, so it accepts every key of the gateway: set scopes of its own on it"
		case len(a.reach) > 0:
			a.refusal = fmt.Sprintf("a key with its scopes would also open %s: set scopes on each apiEndpoint that the others do not have",
				strings.Join(a.reach, ", "))
		}
	}
}

func subset(small, large []string) bool {
	for _, s := range small {
		if !slices.Contains(large, s) {
			return false
		}
	}
	return true
}

// decode reads JSON where an empty answer stands for null: that is how the gateway writes what its file leaves out.
func decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	return adminapi.Decode(body, into)
}

// endpointList is an API endpoint: one object, or a list of them.
type endpointList []endpoint

func (l *endpointList) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[]endpoint)(l))
	}
	var one endpoint
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*l = endpointList{one}
	return nil
}

// endpoint is one pattern of an API endpoint (lib/config/schemas/gateway.config.json and lib/gateway/pipelines.js,
// 1.16.11).
type endpoint struct {
	Host      string    `json:"host"`
	HostRegex string    `json:"hostRegex"`
	Paths     oneOrMany `json:"paths"`
	Path      oneOrMany `json:"path"`
	PathRegex string    `json:"pathRegex"`
	Methods   oneOrMany `json:"methods"`
	Scopes    oneOrMany `json:"scopes"`
}

// paths returns what the gateway mounts. pathRegex wins over paths, paths over path, and none is everything.
func (e endpoint) paths() []string {
	switch {
	case e.PathRegex != "":
		return nil
	case len(e.Paths) > 0:
		return e.Paths
	case len(e.Path) > 0:
		return e.Path
	}
	return []string{"*"}
}

// host returns the name or pattern of the virtual host, "*" for any. hostRegex wins.
func (e endpoint) host() string {
	switch {
	case e.HostRegex != "":
		return "~" + e.HostRegex
	case e.Host != "":
		return e.Host
	}
	return "*"
}

// pattern is what tells this exposure from others of its API endpoint.
func (e endpoint) pattern() string {
	path := strings.Join(e.paths(), ",")
	if e.PathRegex != "" {
		path = "~" + e.PathRegex
	}
	pattern := e.host() + " " + path
	if len(e.Methods) > 0 && !slices.Equal(e.Methods, []string{"*"}) {
		pattern = strings.Join(e.Methods, ",") + " " + pattern
	}
	return pattern
}

// oneOrMany is a text or a list of texts.
type oneOrMany []string

func (m *oneOrMany) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[]string)(m))
	}
	var one *string
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	if one != nil && *one != "" {
		*m = oneOrMany{*one}
	}
	return nil
}

// pipeline says what happens to requests for some API endpoints.
type pipeline struct {
	APIEndpoints oneOrMany `json:"apiEndpoints"`
	APIEndpoint  oneOrMany `json:"apiEndpoint"`
	Policies     []policy  `json:"policies"`
}

func (p pipeline) named() bool { return len(p.APIEndpoints) > 0 || len(p.APIEndpoint) > 0 }

func (p pipeline) handles(name string) bool {
	return slices.Contains(p.APIEndpoints, name) || slices.Contains(p.APIEndpoint, name)
}

// policy is a step of a pipeline: an object whose first name is the policy's.
type policy struct {
	name  string
	steps []policyStep
}

type policyStep struct {
	Condition *struct {
		Name string `json:"name"`
	} `json:"condition"`
	Action json.RawMessage `json:"action"`
}

// conditional reports whether there are requests that the step lets by.
func (s policyStep) conditional() bool { return s.Condition != nil && s.Condition.Name != "always" }

func (p *policy) UnmarshalJSON(text []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	if len(object) != 1 {
		return errors.New("a policy of a pipeline needs one name")
	}
	for name, steps := range object {
		p.name = name
		switch trimmed := bytes.TrimSpace(steps); {
		case trimmed[0] == '[':
			if err := json.Unmarshal(steps, &p.steps); err != nil {
				return err
			}
		default: // an object, or null
			var step policyStep
			if err := json.Unmarshal(steps, &step); err != nil {
				return err
			}
			p.steps = []policyStep{step}
		}
	}
	if len(p.steps) == 0 {
		p.steps = []policyStep{{}} // an empty list is one step without an action
	}
	return nil
}

// guard is what a pipeline asks of callers.
type guard struct {
	key     *keyAuth // nil: it takes no keys
	other   string   // another policy that authenticates
	problem string   // why a key alone does not decide who gets in, naming the setting
	limits  []string
}

// keyAuth are the settings of a key-auth policy (lib/policies/key-auth, 1.16.11).
type keyAuth struct {
	Header               *string `json:"apiKeyHeader"`
	Scheme               *string `json:"apiKeyHeaderScheme"`
	Field                *string `json:"apiKeyField"`
	DisableHeaders       bool    `json:"disableHeaders"`
	DisableHeadersScheme bool    `json:"disableHeadersScheme"`
	DisableQueryParam    bool    `json:"disableQueryParam"`
	PassThrough          bool    `json:"passThrough"`
}

// sent says how a caller sends the key.
func (k *keyAuth) sent() portal.Authentication {
	or := func(s *string, preset string) string {
		if s == nil || *s == "" {
			return preset
		}
		return *s
	}
	if k.DisableHeaders {
		return portal.Authentication{Type: "apiKey", In: "query", Name: or(k.Field, "apiKey")}
	}
	auth := portal.Authentication{Type: "apiKey", In: "header", Name: or(k.Header, "Authorization")}
	if !k.DisableHeadersScheme {
		auth.Prefix = or(k.Scheme, "apiKey") + " "
	}
	return auth
}

// otherAuthentication are the policies besides key-auth that authenticate, in OpenAPI's words.
var otherAuthentication = map[string]portal.Authentication{
	"basic-auth":        {Type: "http", In: "header", Name: "Authorization", Prefix: "Basic "},
	"jwt":               {Type: "http", In: "header", Name: "Authorization", Prefix: "Bearer "},
	"oauth2":            {Type: "oauth2"},
	"oauth2-introspect": {Type: "oauth2"},
}

// guardOf finds the pipeline of an API endpoint; served is false where there is none.
func guardOf(name string, lines map[string]pipeline) (g guard, served bool) {
	var mine []pipeline
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		if lines[line].handles(name) {
			mine = append(mine, lines[line])
		}
	}
	if len(mine) == 0 {
		return guard{}, false
	}
	for _, p := range mine {
		g = p.guard()
		if g.key != nil {
			break // so that reach counts it
		}
	}
	if len(mine) > 1 {
		g.problem = "several pipelines name it in apiEndpoints and the last one in the file wins: leave it in one"
	}
	return g, true
}

// guard reads the policies in their order.
func (p pipeline) guard() guard {
	g := guard{problem: "there is no key-auth in its pipeline: add key-auth before proxy"}
	answered := false
	for _, policy := range p.Policies {
		switch _, authenticates := otherAuthentication[policy.name]; {
		case policy.name == "key-auth":
			g.key = &keyAuth{}
			g.problem = g.key.read(policy)
			if answered {
				g.problem = "key-auth comes after proxy or terminate in its pipeline: put it before"
			}
		case authenticates:
			g.other = policy.name
		case policy.name == "proxy", policy.name == "terminate":
			answered = true
		case policy.name == "rate-limit":
			g.limits = append(g.limits, limits(policy)...)
		}
	}
	if g.key != nil && g.other != "" && g.problem == "" {
		g.problem = fmt.Sprintf("its pipeline has %s beside key-auth, which a key does not satisfy: remove %s", g.other, g.other)
	}
	return g
}

// read takes the settings of a key-auth policy and says why callers get by it without a key, if they do.
func (k *keyAuth) read(p policy) (problem string) {
	if len(p.steps) != 1 {
		return "key-auth has several steps in its pipeline: leave one"
	}
	step := p.steps[0]
	if len(step.Action) > 0 {
		if err := json.Unmarshal(step.Action, k); err != nil {
			return "the action of key-auth in its pipeline is not understood"
		}
	}
	switch {
	case k.PassThrough:
		return "passThrough of key-auth lets callers by without a key: set it to false"
	case step.conditional():
		return "the condition of key-auth lets callers by without a key: remove the condition"
	case k.DisableHeaders && k.DisableQueryParam:
		return "key-auth has disableHeaders and disableQueryParam, so no key can be sent: allow one"
	}
	return ""
}

// limits puts a rate-limit policy into words.
func limits(p policy) []string {
	var words []string
	for _, step := range p.steps {
		var action struct {
			Max    int   `json:"max"`
			Window int64 `json:"windowMs"`
		}
		if step.conditional() || json.Unmarshal(step.Action, &action) != nil || action.Max <= 0 || action.Window <= 0 {
			continue
		}
		words = append(words, fmt.Sprintf("%d requests per %s", action.Max, time.Duration(action.Window)*time.Millisecond))
	}
	return words
}
