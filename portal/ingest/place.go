package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/told"
)

// Place works out where a deployment stands, layer by layer, the later winning: the gateway's defaults; where the gateway
// is to be read so, the usual names of environments; its rules; its own words (the deployment's, then those of its
// document); a person's override. It is pure.
//
// On audience and environment it fails closed. A value outside the gateway's bounds is not applied and leaves the axis
// unknown until a later layer gives one within them; only words on an axis that the gateway is trusted with may leave the
// bounds. Also unknown are: an environment that names contradict each other about, or whose name is that of one which is
// not configured; an axis that a name or a rule sets for some of the deployment's paths or hosts and not for others; one
// on which deployment and document contradict each other; and one that a document which could not be read might have
// narrowed. Each such case gives a warning, in words for an administrator.
func Place(g catalog.Gateway, d connectors.Deployment, doc catalog.Described, o catalog.Override) (portal.Placement, []string) {
	p := place(g, d, doc, o)
	return p.placement, p.warnings(d)
}

// Step is one layer's say about one axis, or about the consumers' address.
type Step struct {
	Axis   portal.Axis // empty: the address
	Value  string      // empty: unknown from here on, unless a later step says otherwise
	Layer  portal.Layer
	Rule   int    // which of the gateway's rules, from 1; 0: none
	Source string // where it was read, such as "path /dev/orders"; empty where the layer says it all
	// Refused is why what the layer said does not count, in words for an administrator; empty where it does.
	Refused string
}

// Explain lists what each layer said about a deployment, in order. The last step about an axis tells what Place made of it,
// but for one that was refused and keeps the value before: about the division. It is pure.
func Explain(g catalog.Gateway, d connectors.Deployment, doc catalog.Described, o catalog.Override) []Step {
	_, _, address := consumersAddress(g, d, o)
	return append(place(g, d, doc, o).steps, address...)
}

func place(g catalog.Gateway, d connectors.Deployment, doc catalog.Described, o catalog.Override) *placing {
	p := &placing{gateway: g, placement: portal.Placement{}}
	if g.Division != "" {
		p.set(portal.AxisDivision, string(g.Division), portal.LayerGateway)
	}
	for _, axis := range portal.Axes {
		if v := g.Defaults[axis]; v != "" {
			p.set(axis, v, portal.LayerGateway)
		}
	}
	if g.Detect != nil {
		p.names(d)
	}
	for i, r := range g.Rules {
		p.rule = i + 1
		switch holds(r.Match, d) {
		case always:
			for _, axis := range portal.Axes {
				if v := r.Set[axis]; v != "" {
					p.set(axis, v, portal.LayerRule)
				}
			}
		case partly:
			for _, axis := range failClosed {
				if v := r.Set[axis]; v != "" && v != p.placement.Get(axis) {
					p.unknown(axis, portal.LayerRule, told.Warning(told.RulePartly, r.Match))
				}
			}
		}
	}
	p.rule = 0
	p.words(d.Words, doc)
	for _, axis := range portal.Axes {
		if v := o.Placement[axis]; v != "" {
			p.set(axis, v, portal.LayerOverride)
		}
	}
	return p
}

// failClosed are the axes on which a wrong value would show a deployment to those who may not see it.
var failClosed = []portal.Axis{portal.AxisAudience, portal.AxisEnvironment}

type placing struct {
	gateway   catalog.Gateway
	placement portal.Placement
	steps     []Step
	rule      int    // that is being applied
	source    string // that is being read
}

// refuse notes that what a layer said does not count.
func (p *placing) refuse(axis portal.Axis, layer portal.Layer, why string) {
	p.steps = append(p.steps, Step{Axis: axis, Layer: layer, Rule: p.rule, Source: p.source, Refused: why})
}

// unknown takes the value on an axis away.
func (p *placing) unknown(axis portal.Axis, layer portal.Layer, why string) {
	delete(p.placement, axis)
	p.refuse(axis, layer, why)
}

func (p *placing) set(axis portal.Axis, value string, layer portal.Layer) {
	if !within(p.gateway, axis, value) && (layer != portal.LayerWords || !slices.Contains(p.gateway.Trust, axis)) {
		p.unknown(axis, layer, told.Warning(told.OutsideBounds, axis, value, told.LayerPhrases[layer]))
		return
	}
	p.placement[axis] = portal.Placed{Value: value, Layer: layer}
	p.steps = append(p.steps, Step{Axis: axis, Value: value, Layer: layer, Rule: p.rule, Source: p.source})
}

// names applies the usual names of environments.
func (p *placing) names(d connectors.Deployment) {
	const axis, layer = portal.AxisEnvironment, portal.LayerDetected
	n, found := detect(p.gateway.Detect, d)
	p.source = n.source
	switch {
	case !found:
	case n.doubt != "":
		p.unknown(axis, layer, n.doubt)
	case n.partly && string(n.environment) != p.placement.Get(axis):
		p.unknown(axis, layer, told.Warning(told.NamesPartly, n.environment))
	default:
		p.set(axis, string(n.environment), layer)
	}
	p.source = ""
}

// words applies what the gateway says of the deployment and what its document says.
func (p *placing) words(own map[portal.Axis]string, doc catalog.Described) {
	for _, axis := range portal.Axes {
		said, document := strings.TrimSpace(own[axis]), strings.TrimSpace(doc.Words[string(axis)])
		switch {
		case said != "" && document != "" && said != document && slices.Contains(failClosed, axis):
			p.unknown(axis, portal.LayerWords, told.Warning(told.WordsContradict, axis, said, document))
			continue
		case said == "" && document == "" && doc.Unread != "" && p.mayNarrow(axis):
			p.unknown(axis, portal.LayerWords, told.Warning(told.WordsUnread, axis))
			continue
		case said == "":
			said, p.source = document, "document"
		}
		if said == "" {
			p.source = ""
			continue
		}
		if axis == portal.AxisDivision && said != p.placement.Get(axis) && !slices.Contains(p.gateway.Trust, axis) {
			p.refuse(axis, portal.LayerWords, told.Warning(told.DivisionUntrusted, said))
		} else {
			p.set(axis, said, portal.LayerWords)
		}
		p.source = ""
	}
}

// mayNarrow reports whether words on an axis could make a difference to who sees the deployment.
func (p *placing) mayNarrow(axis portal.Axis) bool {
	return slices.Contains(failClosed, axis) && p.placement.Get(axis) != "" &&
		(len(bounds(p.gateway, axis)) > 1 || slices.Contains(p.gateway.Trust, axis))
}

func (p *placing) warnings(d connectors.Deployment) []string {
	var all []string
	for _, s := range p.steps {
		if s.Refused == "" {
			continue
		}
		consequence := ""
		if slices.Contains(failClosed, s.Axis) && p.placement.Get(s.Axis) == "" {
			consequence = told.OnlyAdministrators
		}
		all = append(all, fmt.Sprintf("%s: %s%s", name(d), s.Refused, consequence))
	}
	return all
}

// name says to people which deployment of a gateway is meant.
func name(d connectors.Deployment) string {
	words := d.Title
	if words == "" {
		words = d.RemoteID
	}
	if d.Exposure != "" {
		words += " (" + d.Exposure + ")"
	}
	return words
}

// bounds lists the values that a gateway may have on an axis that fails closed: its bounds, or what its defaults say where
// it has none.
func bounds(g catalog.Gateway, axis portal.Axis) []string {
	var all []string
	switch axis {
	case portal.AxisAudience:
		for _, v := range g.Bounds.Audiences {
			all = append(all, string(v))
		}
	case portal.AxisEnvironment:
		for _, v := range g.Bounds.Environments {
			all = append(all, string(v))
		}
	}
	if v := g.Defaults[axis]; len(all) == 0 && v != "" {
		all = append(all, v)
	}
	return all
}

func within(g catalog.Gateway, axis portal.Axis, value string) bool {
	return !slices.Contains(failClosed, axis) || slices.Contains(bounds(g, axis), value)
}

// Address works out the address that consumers use, without a trailing slash: as the gateway says, with the base of the
// last rule that has one, or a person's override. Where there is none it says why.
func Address(g catalog.Gateway, d connectors.Deployment, o catalog.Override) (address, reason string) {
	address, reason, _ = consumersAddress(g, d, o)
	return address, reason
}

func consumersAddress(g catalog.Gateway, d connectors.Deployment, o catalog.Override) (address, reason string, steps []Step) {
	say := func(value string, layer portal.Layer, rule int, refused string) {
		steps = append(steps, Step{Value: value, Layer: layer, Rule: rule, Refused: refused})
	}
	if address = d.Public; address != "" {
		say(address, portal.LayerGateway, 0, "")
	}
	for i, r := range g.Rules {
		if r.Public == "" || holds(r.Match, d) != always {
			continue
		}
		moved, err := rebase(r.Public, d)
		address, reason = moved, ""
		if err != nil {
			reason = told.Warning(told.RuleNoAddress, r.Match, err)
		}
		say(address, portal.LayerRule, i+1, reason)
	}
	if o.BaseURL != "" {
		address, reason = o.BaseURL, ""
		say(address, portal.LayerOverride, 0, "")
	}
	if address == "" {
		if reason = cmp.Or(reason, d.PublicReason); reason != "" {
			return "", reason, steps
		}
		return "", told.Warning(told.AddressUntold), steps
	}
	if err := CheckAddress(address); err != nil {
		steps[len(steps)-1].Value, steps[len(steps)-1].Refused = "", err.Error()
		return "", err.Error(), steps
	}
	return strings.TrimRight(address, "/"), "", steps
}

// rebase puts the deployment's own path behind a base address.
func rebase(base string, d connectors.Deployment) (string, error) {
	own := ""
	switch {
	case d.Public != "":
		u, err := url.Parse(d.Public)
		if err != nil {
			return "", fmt.Errorf("the gateway's own address is none: %w", err)
		}
		own = u.EscapedPath()
	case len(d.Paths) > 0:
		own = d.Paths[0]
		if strings.ContainsAny(own, "*~()[]{}\\^$? ") {
			return "", errors.New(told.Warning(told.PathPattern, own))
		}
	}
	return strings.TrimRight(base, "/") + "/" + strings.TrimLeft(own, "/"), nil
}

// CheckAddress says what is wrong with an address that consumers are to be sent to: it is absolute, http or https, and
// holds neither a user, a query nor a fragment. The error wraps portal.ErrInvalid.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w: %w", told.AddressUnread.With(), err, portal.ErrInvalid)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
		return told.AddressScheme.As(portal.ErrInvalid, address)
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return told.AddressExtra.As(portal.ErrInvalid, u.Host)
	}
	return nil
}
