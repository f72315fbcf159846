package kong

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"concierge/portal"
)

// guard is what a route asks of its callers.
type guard struct {
	auth      portal.Authentication
	keyAuth   bool
	anonymous bool     // key-auth lets callers without a valid key through
	others    []string // further plugins that ask for a credential of another kind
	allow     []string // groups that the acl plugin lets in
	confined  bool     // an acl plugin with an allow list applies
}

// schemes are the plugins that ask for a credential other than a key of key-auth, in OpenAPI's words.
var schemes = []struct {
	plugin string
	auth   portal.Authentication
}{
	{"key-auth-enc", portal.Authentication{Type: "apiKey", In: "header", Name: "apikey"}},
	{"jwt", portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "Bearer "}},
	{"oauth2", portal.Authentication{Type: "oauth2"}},
	{"openid-connect", portal.Authentication{Type: "openIdConnect"}},
	{"basic-auth", portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "Basic "}},
	{"ldap-auth", portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "ldap "}},
	{"ldap-auth-advanced", portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "ldap "}},
	{"hmac-auth", portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "hmac "}},
	{"mtls-auth", portal.Authentication{Type: "mutualTLS"}},
}

// guards works out what every route asks for, and which services a key or a group opens.
func (conf *configuration) guards() error {
	conf.access = map[string]guard{}
	conf.open = map[string][]service{}
	for _, s := range conf.services {
		groups := map[string]bool{}
		for _, r := range conf.routes[s.ID] {
			g, err := conf.guard(r)
			if err != nil {
				return err
			}
			conf.access[r.ID] = g
			switch {
			case !g.keyAuth:
			case !g.confined:
				groups[anyKey] = true
			default:
				for _, group := range g.allow {
					groups[group] = true
				}
			}
		}
		if !s.active() { // answers 404 to everybody
			continue
		}
		if groups[anyKey] {
			groups = map[string]bool{anyKey: true}
		}
		for group := range groups {
			conf.open[group] = append(conf.open[group], s)
		}
	}
	for _, list := range conf.open {
		slices.SortFunc(list, func(a, b service) int {
			return cmp.Or(strings.Compare(a.title(), b.title()), strings.Compare(a.ID, b.ID))
		})
	}
	return nil
}

// anyKey stands for the group of those who have any key at all.
const anyKey = ""

// guard works out what one route asks for.
func (conf *configuration) guard(r route) (guard, error) {
	g := guard{auth: portal.Authentication{Type: "none"}}
	for _, s := range schemes {
		if _, ok := conf.plugin(s.plugin, r); ok {
			g.others = append(g.others, s.plugin)
			if g.auth.Type == "none" {
				g.auth = s.auth
			}
		}
	}
	if p, ok := conf.plugin("key-auth", r); ok {
		var config keyAuth
		if err := p.decode(&config); err != nil {
			return guard{}, err
		}
		g.keyAuth, g.anonymous = true, config.Anonymous != ""
		g.auth = portal.Authentication{Type: "apiKey", Name: "apikey"}
		if len(config.KeyNames) > 0 {
			g.auth.Name = config.KeyNames[0]
		}
		switch {
		case config.KeyInHeader == nil || *config.KeyInHeader:
			g.auth.In = "header"
		case config.KeyInQuery == nil || *config.KeyInQuery:
			g.auth.In = "query"
		default: // in the body only, which the portal cannot say
			g.others = append(g.others, "key-auth with key_in_body alone")
			g.auth.In = "header"
		}
	}
	if p, ok := conf.plugin("acl", r); ok {
		var config acl
		if err := p.decode(&config); err != nil {
			return guard{}, err
		}
		g.allow, g.confined = config.Allow, len(config.Allow) > 0
	}
	return g, nil
}

// access says how a key for an exposure is made and what it opens.
type access struct {
	auth       portal.Authentication
	group      string   // that its consumer joins; empty: none
	allow      []string // all groups that are let in
	impossible string   // why no key can be made, whatever is accepted
	unconfined string   // why a key would open more, with the setting that is missing
	reach      []string // titles of the other services that it would open
}

// accessTo works out access to an exposure: its routes must ask for a key alone and share a group that opens no other
// service of this gateway.
func (conf *configuration) accessTo(e exposure) access {
	a := access{auth: portal.Authentication{Type: "none"}}
	var keyed []guard
	for _, p := range e.parts {
		g := conf.access[p.ID]
		if a.auth.Type == "none" || g.keyAuth && len(keyed) == 0 {
			a.auth = g.auth
		}
		if g.keyAuth {
			keyed = append(keyed, g)
		}
	}
	title := e.service.title()
	if len(keyed) == 0 {
		a.impossible = fmt.Sprintf("no key-auth plugin is enabled on %s", title)
		return a
	}
	lax, shared := false, []string(nil)
	for _, g := range keyed {
		switch {
		case len(g.others) > 0:
			a.impossible = fmt.Sprintf("%s asks for more than a key in a header or query: %s", title, strings.Join(g.others, ", "))
		case g.anonymous:
			a.impossible = fmt.Sprintf("key-auth on %s lets callers without a key through, so that a revoked key would go on: clear its config.anonymous", title)
		case g.auth != a.auth:
			a.impossible = fmt.Sprintf("the routes of %s look for the key in different places: give their key-auth plugins the same key_names and key_in_header", title)
		}
		if a.impossible != "" {
			return a
		}
		if !g.confined {
			lax = true
			continue
		}
		if shared == nil {
			shared = slices.Clone(g.allow)
		} else {
			shared = slices.DeleteFunc(shared, func(group string) bool { return !slices.Contains(g.allow, group) })
		}
		if len(shared) == 0 {
			a.impossible = fmt.Sprintf("the routes of %s have no group in common in config.allow of their acl plugins", title)
			return a
		}
	}
	a.allow = shared
	if len(shared) > 0 {
		a.group = shared[0]
	}
	for _, group := range shared {
		if len(conf.reach(e.service, group)) == 0 {
			a.group = group
			break
		}
	}
	a.reach = conf.reach(e.service, a.group)
	switch {
	case lax:
		a.unconfined = fmt.Sprintf("key-auth on %s lets in every key of this gateway: enable the acl plugin there, with a group of its own in config.allow", title)
	case len(a.reach) > 0:
		a.unconfined = fmt.Sprintf("a key for %s would also open %s: there, enable the acl plugin with a group of its own in config.allow", title, strings.Join(a.reach, ", "))
	}
	return a
}

// mostReach bounds the titles that are named, in words and in memory: where a gateway has thousands of APIs that any key
// opens, nobody reads them all.
const mostReach = 20

// reach returns the titles of the services, but for own, that a key of a consumer in group opens.
func (conf *configuration) reach(own service, group string) []string {
	lists := [][]service{conf.open[anyKey]}
	if group != anyKey {
		lists = append(lists, conf.open[group])
	}
	var titles []string
	for _, list := range lists {
		for _, s := range list {
			if len(titles) > mostReach {
				return append(titles[:mostReach], "and others")
			}
			if s.ID != own.ID {
				titles = append(titles, s.title())
			}
		}
	}
	return titles
}
