package caddy

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"concierge/connectors"
	"concierge/portal"
)

// planID is the one plan of every API: Caddy has none of its own.
const planID = "default"

// sent says how callers send a key.
var sent = portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "Basic "}

// deployment says in our nouns what the configuration publishes.
func (a *api) deployment(public *url.URL) connectors.Deployment {
	d := connectors.Deployment{
		Key:            a.key,
		Title:          a.title,
		Hosts:          a.hosts,
		Paths:          a.paths,
		Upstream:       a.upstream,
		Authentication: portal.Authentication{Type: "none"},
		Plans:          []portal.Plan{{ID: planID, Title: "Default", Approval: portal.Automatic}},
		Active:         true,
		Issue:          connectors.Ability{Able: a.refusal == "", Reason: a.refusal},
		Reach:          a.reach,
	}
	if a.list != nil {
		d.Authentication = sent
	}
	d.Public, d.PublicReason = a.address(public)
	return d
}

// address is where consumers reach the API, or why nobody can tell.
func (a *api) address(public *url.URL) (address, reason string) {
	if a.opaque {
		return "", "a path_regexp decides about its path, which is no address: use path"
	}
	// Caddy's hosts may hold placeholders, and stars for one label each.
	named := slices.IndexFunc(a.hosts, func(h string) bool { return !strings.ContainsAny(h, "*{}") })
	var base url.URL
	switch {
	case public != nil:
		base = *public
		switch {
		case len(a.hosts) == 0, slices.ContainsFunc(a.hosts, func(h string) bool { return hostMatches(h, base.Hostname()) }):
		case named < 0:
			return "", fmt.Sprintf("its host %s does not match the host of the setting %s", a.hosts[0], publicURL)
		case base.Port() != "":
			base.Host = net.JoinHostPort(a.hosts[named], base.Port())
		default:
			base.Host = a.hosts[named]
		}
	case named >= 0 && slices.ContainsFunc(a.listen, func(l string) bool { return strings.HasSuffix(l, ":443") }):
		base = url.URL{Scheme: "https", Host: a.hosts[named]}
	default:
		return "", "the setting " + publicURL + " is missing, and the route names no host on port 443"
	}
	return strings.TrimSuffix(base.String(), "/") + fixedPath(a.paths), ""
}

// hostMatches compares as Caddy does: without case, a star for one label.
func hostMatches(pattern, host string) bool {
	p, h := strings.Split(strings.ToLower(pattern), "."), strings.Split(strings.ToLower(host), ".")
	return len(p) == len(h) && slices.EqualFunc(p, h, func(p, h string) bool { return p == "*" || p == h })
}

// fixedPath returns the longest path, without a slash at its end, that all the patterns begin with, in whole segments
// except before a star: "/pets*" is at /pets.
func fixedPath(patterns []string) string {
	var common []string
	for i, p := range patterns {
		segments := strings.Split(fixed(p), "/")
		if i == 0 {
			common = segments
			continue
		}
		n := 0
		for n < min(len(common), len(segments)) && common[n] == segments[n] {
			n++
		}
		common = common[:n]
	}
	joined := strings.Trim(strings.Join(common, "/"), "/")
	if joined == "" {
		return ""
	}
	return (&url.URL{Path: path.Clean("/" + joined)}).EscapedPath()
}

// fixed returns the part of one pattern before anything that varies: a star, or a placeholder.
func fixed(pattern string) string {
	i := strings.IndexAny(pattern, "*{")
	switch {
	case i < 0:
		return pattern
	case pattern[i] == '*':
		return pattern[:i]
	}
	return pattern[:strings.LastIndexByte(pattern[:i], '/')+1]
}

// parsePublic reads the setting public_url.
func parsePublic(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: the setting %s needs an address such as https://api.example.com", portal.ErrInvalid, publicURL)
	}
	return u, nil
}
