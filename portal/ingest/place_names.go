package ingest

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/told"
)

// usualNames are what people call environments. A name stands for the first environment of its list that is configured; for
// none where none is: it is recognised, and says that the deployment is in no environment that the portal knows.
var usualNames = []struct{ names, environments []string }{
	{[]string{"dev", "devel", "develop", "development"}, []string{"development", "dev"}},
	{[]string{"test", "tst", "testing", "sit"}, []string{"test", "testing", "tst", "qa"}},
	{[]string{"qa"}, []string{"qa", "test"}},
	{[]string{"int", "integ", "integration"}, []string{"integration", "int", "test"}},
	{[]string{"uat", "acc", "acpt", "accept", "acceptance"}, []string{"acceptance", "uat", "acc", "test"}},
	{[]string{"sim", "simulation", "simulator"}, []string{"simulation", "sim", "sandbox"}},
	{[]string{"sandbox", "sbx", "mock", "mocks"}, []string{"sandbox", "sbx", "simulation", "sim"}},
	{[]string{"staging", "stage", "stg"}, []string{"staging", "stage", "stg", "preproduction", "preprod"}},
	{[]string{"preprod", "preproduction", "ppd", "pprod", "preprd", "prelive"}, []string{"preproduction", "preprod", "staging", "stage"}},
	{[]string{"prod", "prd", "production", "live"}, []string{"production", "prod", "prd", "live"}},
	{[]string{"nonprod", "nonproduction", "nonprd", "nonlive", "perf", "loadtest"}, nil},
}

// EnvironmentNames is the table by which names are recognised, see Detect: the usual ones, each configured environment under
// its own name, and on top of them what an administrator says. There, a name stands for the environment given, and says
// nothing where that is empty. The names are compared without case, dashes, dots, underscores and spaces.
func EnvironmentNames(configured []portal.Environment, own map[string]portal.Environment) map[string]portal.Environment {
	known := map[string]portal.Environment{}
	for _, e := range slices.Backward(configured) {
		known[joined(string(e))] = e
	}
	table := map[string]portal.Environment{}
	for _, u := range usualNames {
		var stands portal.Environment
		for _, e := range slices.Backward(u.environments) {
			stands = cmp.Or(known[e], stands)
		}
		for _, name := range u.names {
			table[name] = stands
		}
	}
	for name, e := range known {
		if name != "" {
			table[name] = e
		}
	}
	for name, e := range own {
		if e == "" {
			delete(table, joined(name))
		} else {
			table[joined(name)] = e
		}
	}
	return table
}

// CheckEnvironmentNames says what is wrong with an administrator's table: a name stands for an environment that is not
// configured, or is none.
func CheckEnvironmentNames(configured []portal.Environment, own map[string]portal.Environment) (problems []string) {
	for name, e := range own {
		switch {
		case joined(name) == "":
			problems = append(problems, fmt.Sprintf("%q is no name", name))
		case e != "" && !slices.Contains(configured, e):
			problems = append(problems, fmt.Sprintf("%s: there is no environment %q", name, e))
		}
	}
	slices.Sort(problems)
	return problems
}

// turning are words that make another thing of the name beside them: what is like production is not production.
var turning = []string{"pre", "post", "non", "no", "not", "near", "pseudo", "semi", "fake", "like", "copy", "clone", "mirror", "shadow"}

// detected is what the names say together. Doubt says why they do not say one environment; then it is empty.
type detected struct {
	environment portal.Environment
	source      string // where the name is, such as "path /dev/orders"; with a doubt, the name that is not configured
	partly      bool   // some of the deployment's hosts, or of its paths, carry no name
	doubt       string
}

// detect looks for the names of environments in what a gateway calls a deployment: its stage; the labels of its hosts, the
// last one left out (it is a top-level domain); the segments of its paths, patterns left out; the suffix of its title.
// found is false where there is none. It is pure.
func detect(table map[string]portal.Environment, d connectors.Deployment) (all detected, found bool) {
	first := hint{}
	note := func(hints []hint) bool {
		for _, h := range hints {
			switch {
			case h.environment == "":
				if all.doubt == "" {
					all.source = h.source
				}
				all.doubt = cmp.Or(all.doubt, told.Warning(told.NameUnknown, h.name, h.source))
			case first.environment == "":
				first = h
			case first.environment != h.environment:
				all.doubt = cmp.Or(all.doubt, told.Warning(told.NamesContradict,
					first.name, first.source, first.environment, h.name, h.source, h.environment))
			}
			found = true
		}
		return len(hints) > 0
	}
	each := func(what string, values []string, read func(table map[string]portal.Environment, what, value string) []hint) {
		with := 0
		for _, v := range values {
			if note(read(table, what, v)) {
				with++
			}
		}
		all.partly = all.partly || with > 0 && with < len(values)
	}
	each("stage", nonEmpty(d.Stage), func(table map[string]portal.Environment, what, value string) []hint {
		return atEnds(table, what+" "+value, strings.ReplaceAll(value, " ", "-"))
	})
	each("host", d.Hosts, ofHost)
	each("path", d.Paths, ofPath)
	each("address", nonEmpty(d.Public), func(table map[string]portal.Environment, what, value string) []hint {
		u, err := url.Parse(value)
		if err != nil {
			return nil
		}
		return append(ofHost(table, what, u.Host), ofPath(table, what, u.Path)...)
	})
	each("title", nonEmpty(d.Title), ofTitle)
	if all.doubt == "" {
		all.environment, all.source = first.environment, first.source
	}
	return all, found
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// hint is one name that was recognised.
type hint struct {
	name        string
	environment portal.Environment // empty: none that is configured
	source      string
}

func ofHost(table map[string]portal.Environment, what, value string) (hints []hint) {
	host := value
	if h, _, err := net.SplitHostPort(value); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return nil
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(labels) > 1 {
		labels = labels[:len(labels)-1]
	}
	for _, l := range labels {
		hints = append(hints, atEnds(table, what+" "+value, l)...)
	}
	return hints
}

func ofPath(table map[string]portal.Environment, what, value string) (hints []hint) {
	for segment := range strings.SplitSeq(value, "/") {
		if segment == "" || strings.ContainsAny(segment, `*~(){}[]\^$?+|:<> `) {
			continue
		}
		if h, ok := suffix(table, chunks(segment)); ok {
			h.source = what + " " + value
			hints = append(hints, h)
		}
	}
	return hints
}

// ofTitle reads what is set off at the end of a title, as in "Payments (UAT)", "payments-dev" and "Payments - Pre Prod". A
// title of plain words says nothing: a "Load Test" is a service.
func ofTitle(table map[string]portal.Environment, what, value string) []hint {
	all := strings.FieldsFunc(strings.ToLower(value), func(r rune) bool { return strings.ContainsRune("-_.()[]{}/|:", r) })
	var parts []string
	for _, p := range all {
		if p = joined(p); p != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) < 2 {
		return nil
	}
	if h, ok := suffix(table, parts); ok {
		h.source = what + " " + value
		return []hint{h}
	}
	return nil
}

// atEnds reads the first and the last word of a name, as in "dev-api" and "api-dev".
func atEnds(table map[string]portal.Environment, source, value string) (hints []hint) {
	parts := chunks(value)
	if h, ok := suffix(table, parts); ok {
		h.source = source
		hints = append(hints, h)
	}
	slices.Reverse(parts)
	if h, ok := suffix(table, parts); ok && len(parts) > 1 && (len(hints) == 0 || hints[0].name != h.name) {
		h.source = source
		hints = append(hints, h)
	}
	return hints
}

// chunks are the words of a name, in lower case, numbers and versions at its end left out.
func chunks(s string) []string {
	all := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune("-_.*", r) })
	for len(all) > 1 {
		last := all[len(all)-1]
		if strings.Trim(strings.TrimPrefix(last, "v"), "0123456789") != "" {
			break
		}
		all = all[:len(all)-1]
	}
	return all
}

// suffix reads the last word, with the one before it where both are one name or that turns it into something else. It works
// as well on the words in reverse.
func suffix(table map[string]portal.Environment, parts []string) (hint, bool) {
	if len(parts) == 0 {
		return hint{}, false
	}
	last := len(parts) - 1
	if last > 0 {
		for _, name := range []string{parts[last-1] + parts[last], parts[last] + parts[last-1]} {
			if h, ok := lookUp(table, name); ok {
				return h, true
			}
		}
	}
	h, ok := lookUp(table, parts[last])
	if ok && last > 0 && slices.Contains(turning, parts[last-1]) {
		return hint{name: parts[last-1] + "-" + parts[last]}, true
	}
	return h, ok
}

// lookUp finds a name, also with a number behind it as in "dev2".
func lookUp(table map[string]portal.Environment, name string) (hint, bool) {
	for _, n := range []string{name, strings.TrimRight(name, "0123456789")} {
		if e, ok := table[n]; ok && n != "" {
			return hint{name: n, environment: e}, true
		}
	}
	return hint{}, false
}

// joined is a name without case and separators.
func joined(s string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(strings.TrimSpace(s)))
}
