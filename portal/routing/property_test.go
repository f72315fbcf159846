package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"

	"pgregory.net/rapid"
)

var (
	drawnAudiences    = []string{"internal", "partner", "public", "", "odd"}
	drawnEnvironments = []portal.Environment{portal.Test, portal.Production, "", "odd"}
	drawnLines        = []string{"1", "2", "10", "2026-01-01", "beta", ""}
	drawnRegions      = []portal.Region{"", "eu", "us"}
	drawnDivisions    = []portal.Division{"", "cards", "loans"}
	drawnNames        = []string{"payments", "pay", "cards", "orders"}
	drawnApplications = []portal.ApplicationID{"", "app_0", "app_1", "app_2"}
	drawnOwners       = []portal.OrganisationID{"org", "others"}
	drawnTimes        = []time.Time{{}, {}, time.Unix(1, 0), time.Unix(2, 0)}
)

func drawDeployment(t *rapid.T, id string) portal.Deployment {
	axis := func(values ...string) portal.Placed {
		return portal.Placed{Value: rapid.SampledFrom(values).Draw(t, id)}
	}
	return portal.Deployment{
		ID: portal.DeploymentID(id), Gateway: portal.GatewayID(rapid.SampledFrom([]string{"g0", "g1", "g2"}).Draw(t, "gateway")),
		Title: rapid.SampledFrom([]string{"Payments", "Pay later", "Cards", "Zürich orders"}).Draw(t, "title"),
		Tags:  rapid.SliceOfN(rapid.SampledFrom([]string{"finance", "Orders"}), 0, 2).Draw(t, "tags"),
		Line:  rapid.SampledFrom(drawnLines).Draw(t, "line"), BaseURL: rapid.SampledFrom([]string{"https://" + id + ".example", "https://edge.example", ""}).Draw(t, "address"),
		Lifecycle: rapid.SampledFrom([]portal.Lifecycle{portal.Active, portal.Active, portal.Deprecated, portal.Preview, portal.Retired}).Draw(t, "lifecycle"),
		Active:    rapid.IntRange(0, 5).Draw(t, "active") > 0,
		Since:     rapid.SampledFrom(drawnTimes).Draw(t, "since"),
		Placement: portal.Placement{
			portal.AxisAudience:    axis(drawnAudiences...),
			portal.AxisEnvironment: axis("test", "production", "production", "", "odd"),
			portal.AxisRegion:      axis("", "eu", "us"),
			portal.AxisDivision:    axis("", "cards", "loans"),
			portal.AxisGeneration:  axis("", "current", "legacy"),
		},
	}
}

func drawEntry(t *rapid.T, id portal.APIID) Entry {
	e := Entry{
		ID: id, Slug: rapid.SampledFrom(drawnNames).Draw(t, "slug"), Owner: "owner",
		Aliases: rapid.SliceOfN(rapid.SampledFrom(append(drawnNames, "api_0")), 0, 2).Draw(t, "aliases"),
	}
	for k := range rapid.IntRange(0, 6).Draw(t, "deployments") {
		e.Deployments = append(e.Deployments, drawDeployment(t, fmt.Sprintf("%s_dep_%d", id, k)))
	}
	words := rapid.SampledFrom([]string{"", "pay", "orders in full"})
	for range rapid.IntRange(0, 3).Draw(t, "texts") {
		text := portal.AudienceText{
			Audience: portal.Audience(rapid.SampledFrom(drawnAudiences).Draw(t, "audience")), Summary: words.Draw(t, "summary"),
			Contact: portal.Contact{Name: words.Draw(t, "contact")}, Links: []portal.TextLink{{Title: words.Draw(t, "link")}},
		}
		if tag := words.Draw(t, "tag"); tag != "" {
			text.Tags = []string{tag}
		}
		e.Texts = append(e.Texts, text)
		e.Guides = append(e.Guides, portal.Guide{Title: words.Draw(t, "guide"), Audience: portal.Audience(rapid.SampledFrom(drawnAudiences).Draw(t, "guide's audience"))})
	}
	return e
}

// readable says, independently of the table, what the default configuration lets an audience read.
func readable(reader, marked portal.Audience) bool {
	return usable(reader, &portal.Deployment{Placement: portal.Placement{portal.AxisAudience: {Value: string(marked)}, portal.AxisEnvironment: {Value: "test"}}})
}

func drawApplication(t *rapid.T, id portal.ApplicationID) Application {
	return Application{
		ID: id, Organisation: rapid.SampledFrom(drawnOwners).Draw(t, "owner"),
		Bindings: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Binding {
			api := rapid.SampledFrom([]portal.APIID{"api_0", "api_1", "api_2"}).Draw(t, "api")
			return Binding{
				API: api, Line: rapid.SampledFrom(drawnLines).Draw(t, "line"),
				Environment: rapid.SampledFrom(drawnEnvironments).Draw(t, "environment"),
				Deployment:  portal.DeploymentID(fmt.Sprintf("%s_dep_%d", api, rapid.IntRange(0, 5).Draw(t, "deployment"))),
			}
		}), 0, 4).Draw(t, "bindings"),
	}
}

func drawPerson(t *rapid.T, n int) Person {
	id := portal.PersonID(fmt.Sprintf("person_%d", n))
	p := Person{ID: id}
	for k := range rapid.IntRange(0, 2).Draw(t, "tokens") {
		p.Tokens = append(p.Tokens, Token{Hash: [32]byte{byte(n), byte(k)}, Caller: access.Caller{Person: id}})
	}
	return p
}

func drawGateway(t *rapid.T, id portal.GatewayID) Gateway {
	return Gateway{ID: id, Priority: rapid.Int32Range(-1, 1).Draw(t, "priority"), Fleet: rapid.SampledFrom([]string{"", "edge"}).Draw(t, "fleet")}
}

func drawInput(t *rapid.T) Input {
	in := Input{Version: 1, Config: Config{
		Environments: []portal.Environment{portal.Test, portal.Production}, Audiences: access.DefaultAudiences,
	}}
	for i := range 3 {
		in.APIs = append(in.APIs, drawEntry(t, portal.APIID(fmt.Sprintf("api_%d", i))))
		in.Applications = append(in.Applications, drawApplication(t, portal.ApplicationID(fmt.Sprintf("app_%d", i))))
		in.People = append(in.People, drawPerson(t, i))
	}
	in.Gateways = []Gateway{drawGateway(t, "g0"), drawGateway(t, "g1")}
	return in
}

func drawConsumer(t *rapid.T) portal.Consumer {
	return portal.Consumer{
		Organisation: rapid.SampledFrom(drawnOwners).Draw(t, "organisation"),
		Audience:     portal.Audience(rapid.SampledFrom(drawnAudiences).Draw(t, "audience")),
		Division:     rapid.SampledFrom(drawnDivisions).Draw(t, "division"),
		Region:       rapid.SampledFrom(drawnRegions).Draw(t, "region"),
		Application:  rapid.SampledFrom(drawnApplications).Draw(t, "application"),
	}
}

func drawRequest(t *rapid.T) Request {
	return Request{
		API:         rapid.SampledFrom(append([]string{"api_0", "api_1", "api_2", "missing", ""}, drawnNames...)).Draw(t, "api"),
		Version:     rapid.SampledFrom(drawnLines).Draw(t, "version"),
		Environment: rapid.SampledFrom(drawnEnvironments).Draw(t, "environment"),
		Region:      rapid.SampledFrom(drawnRegions).Draw(t, "region"),
	}
}

// usable says, independently of the table, what the default configuration lets an audience use.
func usable(consumer portal.Audience, d *portal.Deployment) bool {
	switch d.Placement.Environment() {
	case portal.Test, portal.Production:
	default:
		return false
	}
	switch string(consumer) + " " + string(d.Placement.Audience()) {
	case "internal internal", "internal public", "partner partner", "partner public", "public public":
		return true
	}
	return false
}

// resolveSlowly is the specification: it says the steps of DESIGN section 4 in the plainest way.
func resolveSlowly(in Input, c portal.Consumer, r Request) (portal.DeploymentID, error) {
	var entry *Entry
	strongest := 3
	for i := range in.APIs {
		e := &in.APIs[i] // in the order of ids
		kind := 3
		switch {
		case r.API == "":
		case r.API == string(e.ID):
			kind = 0
		case r.API == e.Slug:
			kind = 1
		case slices.Contains(e.Aliases, r.API):
			kind = 2
		}
		seen := slices.ContainsFunc(e.Deployments, func(d portal.Deployment) bool { return usable(c.Audience, &d) })
		if seen && kind < strongest {
			entry, strongest = e, kind
		}
	}
	if entry == nil {
		return "", portal.ErrNotFound
	}
	var left []portal.Deployment
	for _, d := range entry.Deployments {
		if usable(c.Audience, &d) && d.Active && d.Placement.Environment() == r.Environment {
			left = append(left, d)
		}
	}
	keep := func(f func(portal.Deployment) bool) {
		if kept := filter(left, f); len(kept) > 0 {
			left = kept
		}
	}
	priority := func(d portal.Deployment) int32 {
		for _, g := range in.Gateways {
			if g.ID == d.Gateway {
				return g.Priority
			}
		}
		return 0
	}
	fleet := func(d portal.Deployment) string {
		for _, g := range in.Gateways {
			if g.ID == d.Gateway {
				return g.Fleet
			}
		}
		return ""
	}
	var mates []portal.DeploymentID // another one stands for them
	for _, d := range left {
		for _, e := range left {
			same := fleet(d) != "" && fleet(d) == fleet(e) && d.BaseURL != "" && d.BaseURL == e.BaseURL && d.Line == e.Line &&
				d.Lifecycle == e.Lifecycle && d.Since.Equal(e.Since) && d.Placement.Audience() == e.Placement.Audience()
			before := priority(e) > priority(d) || priority(e) == priority(d) && e.ID < d.ID
			if d.Placement.Legacy() != e.Placement.Legacy() {
				before = d.Placement.Legacy()
			}
			if same && before {
				mates = append(mates, d.ID)
			}
		}
	}
	alone := func(d portal.Deployment) bool { return !slices.Contains(mates, d.ID) }
	own := func(d portal.Deployment) bool { return d.Placement.Audience() == c.Audience }
	newest := func(list []portal.Deployment) string {
		return slices.MaxFunc(list, func(a, b portal.Deployment) int { return compareLines(a.Line, b.Line) }).Line
	}
	first := func() { // what was joined automatically comes after what was there before
		if len(left) > 0 {
			since := slices.MinFunc(left, func(a, b portal.Deployment) int { return a.Since.Compare(b.Since) }).Since
			keep(func(d portal.Deployment) bool { return d.Since.Equal(since) })
		}
	}
	order := func() {
		keep(own)
		if len(left) > 0 {
			line := newest(left)
			keep(func(d portal.Deployment) bool { return d.Line == line })
		}
		keep(func(d portal.Deployment) bool { return d.Lifecycle == portal.Active })
		keep(func(d portal.Deployment) bool { return d.Lifecycle == portal.Deprecated })
		keep(func(d portal.Deployment) bool { return d.Lifecycle != portal.Retired })
	}

	// A binding.
	var held []portal.Deployment
	for _, a := range in.Applications {
		for _, b := range a.Bindings {
			if a.ID != c.Application || a.Organisation != c.Organisation || b.Environment != r.Environment || r.Version != "" && b.Line != r.Version {
				continue
			}
			held = append(held, filter(left, func(d portal.Deployment) bool {
				return d.ID == b.Deployment && (r.Version == "" || d.Line == r.Version)
			})...)
		}
	}
	if len(held) > 0 {
		left = held
		first()
		line := newest(left)
		keep(func(d portal.Deployment) bool { return d.Line == line })
		order()
		keep(alone)
		return slices.MinFunc(left, func(a, b portal.Deployment) int { return strings.Compare(string(a.ID), string(b.ID)) }).ID, nil
	}

	// A newcomer.
	if r.Version != "" {
		left = filter(left, func(d portal.Deployment) bool { return d.Line == r.Version })
	}
	isRetired := func(d portal.Deployment) bool { return d.Lifecycle == portal.Retired }
	gone := slices.ContainsFunc(left, isRetired)
	left = filter(left, func(d portal.Deployment) bool {
		return !isRetired(d) && (r.Version != "" || d.Lifecycle == portal.Active)
	})
	if len(left) == 0 {
		return "", &portal.NoEndpointError{Retired: gone}
	}
	first()
	order()
	keep(alone)
	region := r.Region
	if region == "" {
		region = c.Region
	}
	keep(func(d portal.Deployment) bool { return region != "" && d.Placement.Region() == region })
	keep(func(d portal.Deployment) bool { return !d.Placement.Legacy() })
	keep(func(d portal.Deployment) bool { return c.Division != "" && d.Placement.Division() == c.Division })
	best := priority(slices.MaxFunc(left, func(a, b portal.Deployment) int { return int(priority(a) - priority(b)) }))
	keep(func(d portal.Deployment) bool { return priority(d) == best })
	return slices.MinFunc(left, func(a, b portal.Deployment) int { return strings.Compare(string(a.ID), string(b.ID)) }).ID, nil
}

func filter(list []portal.Deployment, f func(portal.Deployment) bool) []portal.Deployment {
	return slices.DeleteFunc(slices.Clone(list), func(d portal.Deployment) bool { return !f(d) })
}

func TestResolveAsSpecified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, c, r := drawInput(t), drawConsumer(t), drawRequest(t)
		want, wantErr := resolveSlowly(in, c, r)
		res, err := Build(in).Resolve(c, r)
		var none *portal.NoEndpointError
		switch {
		case wantErr == portal.ErrNotFound:
			if err != portal.ErrNotFound {
				t.Fatalf("got %+v, %v; want not found", res.Deployment, err)
			}
		case errors.As(wantErr, &none):
			var got *portal.NoEndpointError
			if !errors.As(err, &got) || got.Retired != none.Retired {
				t.Fatalf("got %+v, %v; want no endpoint, for retirement: %v", res.Deployment, err, none.Retired)
			}
		case err != nil || res.Deployment.ID != want:
			t.Fatalf("got %+v, %v; want %s", res.Deployment, err, want)
		}
		if err == nil && (res.Deployment.Placement.Environment() != r.Environment || !usable(c.Audience, res.Deployment)) {
			t.Fatalf("sent to %+v", res.Deployment)
		}
		if err == nil && res.Deployment.Lifecycle == portal.Retired && !res.Bound() {
			t.Fatalf("a newcomer is sent to %+v", res.Deployment)
		}
	})
}

// Whoever has an answer keeps it when a deployment is joined automatically to an entry, whatever it is and whatever the
// application holds there.
func TestAnAutomaticJoinChangesNoAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		for i := range in.APIs { // in the catalog each name is that of one entry
			e := &in.APIs[i]
			e.Slug, e.Aliases = drawnNames[i], nil
		}
		before := Build(in)
		joined := in.APIs[0]
		joined.Deployments = slices.Clone(joined.Deployments)
		for n := range rapid.IntRange(1, 3).Draw(t, "joins") {
			d := drawDeployment(t, fmt.Sprintf("api_0_dep_%d", len(joined.Deployments)))
			d.Since = time.Unix(int64(10+n), 0)
			joined.Deployments = append(joined.Deployments, d)
		}
		after := before.With(Delta{Version: 2, APIs: map[portal.APIID]*Entry{joined.ID: &joined}})
		division, region := rapid.SampledFrom(drawnDivisions).Draw(t, "division"), rapid.SampledFrom(drawnRegions).Draw(t, "region")
		ask := func(c portal.Consumer, r Request) {
			was, err := before.Resolve(c, r)
			if err != nil || slices.ContainsFunc(boundTo(in, c), func(id portal.DeploymentID) bool { // of a key that it cannot have had
				return was.API == joined.ID && !slices.ContainsFunc(in.APIs[0].Deployments, func(d portal.Deployment) bool { return d.ID == id })
			}) {
				return
			}
			is, err := after.Resolve(c, r)
			if err != nil || is.Deployment.ID != was.Deployment.ID {
				t.Fatalf("%+v of %+v was sent to %s, and is sent to %+v, %v", r, c, was.Deployment.ID, is.Deployment, err)
			}
		}
		for _, audience := range drawnAudiences {
			for _, application := range drawnApplications {
				for _, environment := range drawnEnvironments {
					for _, version := range drawnLines {
						c := portal.Consumer{Organisation: "org", Audience: portal.Audience(audience), Division: division, Region: region, Application: application}
						ask(c, Request{API: joined.Slug, Version: version, Environment: environment})
					}
				}
			}
		}
		for range 10 {
			ask(drawConsumer(t), drawRequest(t))
		}
	})
}

// boundTo lists where a consumer's application holds keys.
func boundTo(in Input, c portal.Consumer) (all []portal.DeploymentID) {
	for _, a := range in.Applications {
		if a.ID == c.Application && a.Organisation == c.Organisation {
			for _, b := range a.Bindings {
				all = append(all, b.Deployment)
			}
		}
	}
	return all
}

func TestExplainIsResolve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, c, r := drawInput(t), drawConsumer(t), drawRequest(t)
		table := Build(in)
		res, err := table.Resolve(c, r)
		explained, why, explainedErr := table.Explain(c, r)
		if explained != res || explainedErr != err {
			t.Fatalf("Resolve: %+v, %v; Explain: %+v, %v", res, err, explained, explainedErr)
		}
		full := table.ExplainFull(c, r)
		if full.Result != res || full.Err != err {
			t.Fatalf("Resolve: %+v, %v; ExplainFull: %+v, %v", res, err, full.Result, full.Err)
		}
		if err != nil && why != nil {
			t.Fatalf("no answer, but %v", why)
		}
		var told []string
		for _, reason := range why {
			told = append(told, reason.Code)
			if reason.Text == "" || reason.Step == "" || strings.Contains(reason.Text, "%") {
				t.Fatalf("%+v", reason)
			}
		}
		if err == nil && strings.Join(told, " ") != codes(res.Codes) {
			t.Fatalf("told %v for %s", told, codes(res.Codes))
		}
		chosen := 0
		for _, considered := range full.Candidates {
			if considered.Text == "" {
				t.Fatalf("no words for %q", considered.Removed)
			}
			if considered.Removed == "" {
				chosen++
				if considered.Deployment != res.Deployment {
					t.Fatalf("not removed: %+v", considered.Deployment)
				}
			}
		}
		if (err == nil) != (chosen == 1) {
			t.Fatalf("%d chosen, %v", chosen, err)
		}
	})
}

// everything asks a table whatever there is to ask and writes down the answers.
func everything(t *Table) string {
	var b strings.Builder
	for _, audience := range []portal.Audience{portal.Internal, portal.Partner, portal.Public, "odd"} {
		c := portal.Consumer{Audience: audience, Organisation: "org", Region: "eu", Division: "cards"}
		fmt.Fprintln(&b, audience, t.Environments(c))
		for _, q := range []Query{{}, {Q: "pay"}, {Q: "orders payments"}, {Filter: Filter{FacetEnvironment: {"test"}, FacetRegion: {"eu", "us"}}}, {Filter: Filter{FacetTag: {"orders"}, FacetLifecycle: {"active"}}}, {Q: "pay", Found: &Found{Texts: []portal.APIID{"api_0", "api_2"}, Operations: []portal.APIID{"api_1", "api_2"}}}} {
			q.Limit = 2
			for more := true; more; {
				l := t.APIs(c, q)
				fmt.Fprintf(&b, "%+v: %+v\n", q.Filter, l)
				more, q.After = l.Next != Cursor{}, l.Next
			}
		}
		for _, c.Application = range drawnApplications[:3] {
			for _, name := range append([]string{"api_0", "api_1", "api_2"}, drawnNames...) {
				for _, environment := range drawnEnvironments[:2] {
					for _, version := range []string{"", "1"} {
						full := t.ExplainFull(c, Request{API: name, Environment: environment, Version: version})
						fmt.Fprintln(&b, name, environment, version, full.Err, full.Why, full.Stranded, full.Result.Stranded)
						for _, considered := range full.Candidates {
							fmt.Fprintln(&b, considered.Deployment.ID, considered.Deployment.Title, considered.Removed)
						}
					}
				}
			}
		}
	}
	for n := range 4 {
		for k := range 2 {
			caller, ok := t.CallerByToken([32]byte{byte(n), byte(k)}, time.Time{})
			fmt.Fprintln(&b, caller, ok)
		}
	}
	return b.String()
}

func sameAnswers(t *rapid.T, a, b *Table) {
	linesA, linesB := strings.Split(everything(a), "\n"), strings.Split(everything(b), "\n")
	for i := range min(len(linesA), len(linesB)) {
		if linesA[i] != linesB[i] {
			t.Fatalf("one table:\n%s\nthe other:\n%s", linesA[i], linesB[i])
		}
	}
	if len(linesA) != len(linesB) {
		t.Fatal("one table has more to say")
	}
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		other := in
		other.APIs = rapid.Permutation(in.APIs).Draw(t, "APIs")
		for i := range other.APIs {
			other.APIs[i].Deployments = rapid.Permutation(other.APIs[i].Deployments).Draw(t, "deployments")
		}
		other.Gateways = rapid.Permutation(in.Gateways).Draw(t, "gateways")
		other.Applications = rapid.Permutation(in.Applications).Draw(t, "applications")
		for i := range other.Applications {
			other.Applications[i].Bindings = rapid.Permutation(other.Applications[i].Bindings).Draw(t, "bindings")
		}
		sameAnswers(t, Build(in), Build(other))
	})
}

func TestWithIsBuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		table := Build(in)
		before := everything(table)
		first := table

		now := Delta{
			APIs:         byID(in.APIs, func(e *Entry) portal.APIID { return e.ID }),
			Gateways:     byID(in.Gateways, func(g *Gateway) portal.GatewayID { return g.ID }),
			Applications: byID(in.Applications, func(a *Application) portal.ApplicationID { return a.ID }),
			People:       byID(in.People, func(p *Person) portal.PersonID { return p.ID }),
		}
		for range rapid.IntRange(1, 3).Draw(t, "deltas") {
			d := Delta{
				APIs: map[portal.APIID]*Entry{}, Gateways: map[portal.GatewayID]*Gateway{},
				Applications: map[portal.ApplicationID]*Application{}, People: map[portal.PersonID]*Person{},
			}
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				n := rapid.IntRange(0, 3).Draw(t, "which")
				gone := rapid.IntRange(0, 3).Draw(t, "gone") == 0
				switch rapid.IntRange(0, 3).Draw(t, "kind") {
				case 0:
					id := portal.APIID(fmt.Sprintf("api_%d", n))
					e := drawEntry(t, id)
					d.APIs[id] = unless(gone, &e)
				case 1:
					id := portal.GatewayID(fmt.Sprintf("g%d", n))
					g := drawGateway(t, id)
					d.Gateways[id] = unless(gone, &g)
				case 2:
					id := portal.ApplicationID(fmt.Sprintf("app_%d", n))
					a := drawApplication(t, id)
					d.Applications[id] = unless(gone, &a)
				case 3:
					p := drawPerson(t, n)
					d.People[p.ID] = unless(gone, &p)
				}
			}
			table = table.With(d)
			maps.Copy(now.APIs, d.APIs)
			maps.Copy(now.Gateways, d.Gateways)
			maps.Copy(now.Applications, d.Applications)
			maps.Copy(now.People, d.People)
		}
		rebuilt := Build(Input{Config: in.Config, APIs: list(now.APIs), Gateways: list(now.Gateways), Applications: list(now.Applications), People: list(now.People)})
		sameAnswers(t, table, rebuilt)
		if everything(first) != before {
			t.Fatal("the first table has changed")
		}
	})
}

func unless[T any](gone bool, v *T) *T {
	if gone {
		return nil
	}
	return v
}

func list[K comparable, T any](m map[K]*T) []T {
	var l []T
	for _, v := range m {
		if v != nil {
			l = append(l, *v)
		}
	}
	return l
}

const canary = "canary"

// sing puts the canary word into everything of a deployment that can hold it.
func sing(d *portal.Deployment) {
	d.ID, d.Gateway = canary+d.ID, canary+d.Gateway
	d.RemoteID, d.Exposure, d.Owner, d.Document = canary, canary, canary, canary
	d.Title, d.Summary, d.Description = canary+" "+d.Title, canary, canary
	d.Version, d.Line, d.BaseURL, d.IssueRefused = canary, "9."+canary, "https://"+canary+".example", canary
	d.Tags = append([]string{canary}, d.Tags...)
	d.Sunset = time.Date(2027, 12, 12, 0, 0, 0, 0, time.UTC)
	d.Authentication, d.Plans = portal.Authentication{Name: canary}, []portal.Plan{{ID: canary}}
	for _, axis := range []portal.Axis{portal.AxisRegion, portal.AxisDivision, portal.AxisHosting} {
		d.Placement[axis] = portal.Placed{Value: canary}
	}
}

func TestNothingHiddenIsTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, c, r := drawInput(t), drawConsumer(t), drawRequest(t)
		// Another environment exists that only hidden deployments are in.
		in.Config.Environments = []portal.Environment{canary, portal.Test, portal.Production}
		for i := range in.APIs {
			e := &in.APIs[i]
			e.Owner, e.Team = canary, canary
			for k := range e.Texts {
				if text := &e.Texts[k]; !readable(c.Audience, text.Audience) {
					text.Summary, text.Contact, text.Tags = canary, portal.Contact{Name: canary}, []string{canary}
					text.Links = []portal.TextLink{{Title: canary, Href: "https://" + canary}}
				}
				if guide := &e.Guides[k]; !readable(c.Audience, guide.Audience) {
					guide.ID, guide.Title, guide.Body = canary, canary, canary
				}
			}
			for k := range e.Deployments {
				d := &e.Deployments[k]
				if usable(c.Audience, d) {
					continue
				}
				if rapid.Bool().Draw(t, "elsewhere") {
					d.Placement[portal.AxisEnvironment] = portal.Placed{Value: canary}
					if usable(c.Audience, &portal.Deployment{Placement: portal.Placement{
						portal.AxisAudience: d.Placement[portal.AxisAudience], portal.AxisEnvironment: {Value: "test"},
					}}) {
						d.Placement[portal.AxisAudience] = portal.Placed{Value: "odd"}
					}
				}
				sing(d)
				e.Named = append(e.Named, d.ID)
			}
			if rapid.Bool().Draw(t, "hidden slug") {
				e.Slug = canary + "-" + e.Slug
			}
			e.Aliases = append(e.Aliases, canary)
		}
		for i := range in.Applications {
			for k := range in.Applications[i].Bindings {
				if rapid.Bool().Draw(t, "binding") {
					b := &in.Applications[i].Bindings[k]
					b.Deployment, b.Line = canary+b.Deployment, "9."+canary
				}
			}
		}
		table := Build(in)

		var told []any
		res, why, err := table.Explain(c, r)
		told = append(told, res.Name, res.API, why, table.Environments(c))
		if err != nil {
			told = append(told, err.Error())
			var none *portal.NoEndpointError
			if errors.As(err, &none) {
				told = append(told, none)
			}
		} else {
			told = append(told, res.Deployment)
		}
		all := Found{Texts: []portal.APIID{"api_0"}, Operations: []portal.APIID{"api_1", "api_2"}, More: true}
		for _, q := range []Query{{}, {Q: "pay"}, {Q: "pay", Found: &all}, {Limit: 1}, {Filter: within("test")}, {Filter: Filter{FacetTag: {"orders"}}}} {
			told = append(told, table.APIs(c, q))
		}
		for _, name := range append([]string{"api_0", "api_1", "api_2", canary}, drawnNames...) {
			view, _ := table.API(c, name)
			told = append(told, view)
		}
		text, err := json.Marshal(told)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(text)), canary) {
			t.Fatalf("told: %s", text)
		}
		queries := []Query{{Q: canary}}
		for _, facet := range Facets {
			queries = append(queries, Query{Filter: Filter{facet: {canary}}})
		}
		for _, q := range queries {
			if l := table.APIs(c, q); l.Total > 0 || len(l.Items) > 0 {
				t.Fatalf("%+v finds %+v", q, l)
			}
		}
	})
}

// What a consumer may not use makes no difference at all to what they are told: neither texts nor order nor numbers.
func TestHiddenMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, c := drawInput(t), drawConsumer(t)
		without := in
		without.APIs = slices.Clone(in.APIs)
		for i := range without.APIs {
			e := &without.APIs[i]
			e.Deployments = filter(e.Deployments, func(d portal.Deployment) bool { return usable(c.Audience, &d) })
			e.Texts = slices.DeleteFunc(slices.Clone(e.Texts), func(text portal.AudienceText) bool { return !readable(c.Audience, text.Audience) })
			e.Guides = slices.DeleteFunc(slices.Clone(e.Guides), func(g portal.Guide) bool { return !readable(c.Audience, g.Audience) })
		}
		all, visible := Build(in), Build(without)
		for range 5 {
			r := drawRequest(t)
			res, why, err := all.Explain(c, r)
			res2, why2, err2 := visible.Explain(c, r)
			a := fmt.Sprint(res.Name, res.Codes, res.Stranded, why, err)
			b := fmt.Sprint(res2.Name, res2.Codes, res2.Stranded, why2, err2)
			if a != b {
				t.Fatalf("with hidden deployments:\n%s\nwithout:\n%s", a, b)
			}
		}
		found := &Found{Texts: []portal.APIID{"api_1"}, Operations: []portal.APIID{"api_0", "api_2"}}
		for _, q := range []Query{{}, {Q: "pay"}, {Q: "pay", Found: found}, {Limit: 1}, {Filter: Filter{FacetEnvironment: {"test"}, FacetRegion: {"eu"}}}} {
			a, b := all.APIs(c, q), visible.APIs(c, q)
			if fmt.Sprintf("%+v %v", a, all.Environments(c)) != fmt.Sprintf("%+v %v", b, visible.Environments(c)) {
				t.Fatalf("with hidden deployments:\n%+v\nwithout:\n%+v", a, b)
			}
		}
	})
}
