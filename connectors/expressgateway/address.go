package expressgateway

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"concierge/connectors"
	"concierge/portal"
)

// planID is the one plan of every API: Express Gateway has none of its own.
const planID = "default"

// deployment says in our nouns what the gateway publishes.
func (a api) deployment(public *url.URL) connectors.Deployment {
	d := connectors.Deployment{
		Key:            a.key,
		Title:          a.key.RemoteID,
		Paths:          a.endpoint.paths(),
		Authentication: a.authentication(),
		Plans:          []portal.Plan{{ID: planID, Title: "Default", Limits: a.guard.limits, Approval: portal.Automatic}},
		Active:         a.served,
		Issue:          connectors.Ability{Able: a.refusal == "", Reason: a.refusal},
	}
	if a.refusal != "" {
		d.Reach = a.reach
	}
	if h := a.endpoint.host(); h != "*" {
		d.Hosts = []string{h}
	}
	d.Public, d.PublicReason = a.endpoint.address(public)
	return d
}

func (a api) authentication() portal.Authentication {
	switch {
	case a.guard.key != nil:
		return a.guard.key.sent()
	case a.guard.other != "":
		return otherAuthentication[a.guard.other]
	}
	return portal.Authentication{Type: "none"}
}

// address is where consumers reach the endpoint, or why nobody can tell.
func (e endpoint) address(public *url.URL) (address, reason string) {
	if public == nil {
		return "", "the setting " + publicURL + " is missing"
	}
	if e.PathRegex != "" {
		return "", "its apiEndpoint has a pathRegex, which is no address: use paths"
	}
	base := *public
	switch {
	case e.HostRegex != "":
		pattern, err := regexp.Compile(e.HostRegex)
		if err != nil || !pattern.MatchString(base.Hostname()) {
			return "", fmt.Sprintf("its hostRegex does not match the host of the setting %s", publicURL)
		}
	case e.Host == "", e.Host == "*":
	case strings.Contains(e.Host, "*"):
		if !hostMatches(e.Host, base.Hostname()) {
			return "", fmt.Sprintf("its host %s does not match the host of the setting %s", e.Host, publicURL)
		}
	default:
		if port := base.Port(); port != "" {
			base.Host = e.Host + ":" + port
		} else {
			base.Host = e.Host
		}
	}
	return strings.TrimSuffix(base.String(), "/") + fixedPath(e.paths()), ""
}

// hostMatches reports whether a name is one of a pattern whose stars stand for one or more characters that are no dots
// (the package vhost that the gateway uses, version 3).
func hostMatches(pattern, name string) bool {
	expr := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^.]+`)
	matched, err := regexp.MatchString("(?i)^"+expr+"$", name)
	return err == nil && matched
}

// fixedPath returns the longest path, without a slash at its end, that all the patterns begin with, in whole segments
// except before a star: "/pets*" is at /pets. Patterns are those of Express 4: * + ? ( ) : have meanings.
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
	path := strings.Trim(strings.Join(common, "/"), "/")
	if path == "" {
		return ""
	}
	return (&url.URL{Path: "/" + path}).EscapedPath()
}

// fixed returns the part of one pattern before anything that varies.
func fixed(pattern string) string {
	i := strings.IndexAny(pattern, "*+?():")
	switch {
	case i < 0:
		return pattern
	case pattern[i] == '*', pattern[i] == '(' && strings.HasPrefix(pattern[i:], "(/"):
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
