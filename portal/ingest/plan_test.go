package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func able() connectors.Capabilities {
	return connectors.Capabilities{Product: "Fake 1", Discovery: connectors.DiscoverSnapshot, Identity: connectors.OpaqueIDs, Issue: connectors.Ability{Able: true}}
}

// applied is what the catalog holds after a plan, without a database.
func applied(current []catalog.Record, p Plan) []catalog.Record {
	byID := map[portal.DeploymentID]catalog.Record{}
	for _, r := range current {
		byID[r.Deployment.ID] = r
	}
	for _, r := range p.Add {
		r.Deployment.ID = portal.DeploymentID(portal.NewID("dep"))
		byID[r.Deployment.ID] = r
	}
	for _, changes := range [][]Change{p.Change, p.Back, p.Rename} {
		for _, c := range changes {
			byID[c.After.Deployment.ID] = c.After
		}
	}
	for _, r := range p.Remove {
		r.Removed = noon
		byID[r.Deployment.ID] = r
	}
	var all []catalog.Record
	for _, r := range byID {
		all = append(all, r)
	}
	return all
}

func genFound(t *rapid.T) []Found {
	n := rapid.IntRange(0, 8).Draw(t, "deployments")
	byKey := map[connectors.Key]Found{}
	for i := range n {
		key := connectors.Key{RemoteID: fmt.Sprintf("r%d", rapid.IntRange(0, 5).Draw(t, "remote")), Exposure: rapid.SampledFrom([]string{"", "test", "prod"}).Draw(t, "exposure")}
		f := Found{Deployment: connectors.Deployment{
			Key: key, Title: rapid.SampledFrom([]string{"Orders", "Payments", "Payments v2"}).Draw(t, "title"),
			Paths:  []string{rapid.SampledFrom([]string{"/a", "/test/a", "/prod/b"}).Draw(t, "path")},
			Public: "https://gw.example/x", Active: true, Words: genAxes(fmt.Sprintf("word %d ", i), t),
		}}
		if rapid.Bool().Draw(t, "document") {
			f.Document = rapid.SampledFrom([]string{"h1", "h2", "h3"}).Draw(t, "hash")
		}
		byKey[key] = f
	}
	var all []Found
	for _, f := range byKey {
		all = append(all, f)
	}
	return all
}

func TestApplyingAPlanGivesWhatWasFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, c := genGateway(t), able()
		c.Identity = rapid.SampledFrom([]connectors.Identity{connectors.OpaqueIDs, connectors.Names}).Draw(t, "identity")
		var current []catalog.Record
		ids := map[connectors.Key]portal.DeploymentID{}
		for range rapid.IntRange(1, 4).Draw(t, "syncs") {
			found := genFound(t)
			p := Compare(g, c, current, found)
			current = applied(current, p)

			want := map[connectors.Key]string{}
			for _, f := range found {
				r, _ := publish(g, c, f, catalog.Override{})
				want[f.Key] = r.Fingerprint
			}
			got := map[connectors.Key]string{}
			for _, r := range current {
				if r.Live() {
					got[r.Key()] = r.Fingerprint
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("after applying\n%+v%s", p, diff)
			}
			if again := Compare(g, c, current, found); !again.Empty() || again.Unchanged != len(found) {
				t.Fatalf("the plan of an applied snapshot is\n%+v", again)
			}
			// One key never changes hands, unless the gateway knows its things by name only.
			for _, r := range current {
				if was, ok := ids[r.Key()]; c.Identity == connectors.OpaqueIDs && ok && was != r.Deployment.ID {
					t.Fatalf("%v was %s and is %s", r.Key(), was, r.Deployment.ID)
				}
				ids[r.Key()] = r.Deployment.ID
			}
		}
	})
}

func TestTheOrderOfAnAnswerMeansNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, c := genGateway(t), able()
		c.Identity = connectors.Names
		current := applied(nil, Compare(g, c, nil, genFound(t)))
		found := genFound(t)
		shuffled := rapid.Permutation(found).Draw(t, "shuffled")
		a, b := Compare(g, c, current, found), Compare(g, c, current, shuffled)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRenames(t *testing.T) {
	g := shared()
	deployment := func(name, path, doc string) Found {
		return Found{Deployment: connectors.Deployment{Key: connectors.Key{RemoteID: name}, Title: name, Paths: []string{path}, Public: "https://gw.example" + path, Active: true}, Document: doc}
	}
	tagged := deployment("ns/b", "/prod/a", "h1")
	tagged.Tags = []string{"exposure:partners"}
	for name, tc := range map[string]struct {
		before, after            []Found
		identity                 connectors.Identity
		rename, offer, add, gone int
	}{
		"routes and document are the same": {[]Found{deployment("ns/a", "/prod/a", "h1")}, []Found{deployment("ns/b", "/prod/a", "h1")}, connectors.Names, 1, 0, 0, 0},
		"opaque ids are asked about":       {[]Found{deployment("a", "/prod/a", "h1")}, []Found{deployment("b", "/prod/a", "h1")}, connectors.OpaqueIDs, 0, 1, 1, 1},
		"the document alone":               {[]Found{deployment("ns/a", "/prod/a", "h1")}, []Found{deployment("ns/b", "/prod/b", "h1")}, connectors.Names, 0, 1, 1, 1},
		"the routes alone":                 {[]Found{deployment("ns/a", "/prod/a", "h1")}, []Found{deployment("ns/b", "/prod/a", "h2")}, connectors.Names, 0, 1, 1, 1},
		"another environment":              {[]Found{deployment("ns/a", "/prod/a", "h1")}, []Found{deployment("ns/b", "/test/a", "h1")}, connectors.Names, 0, 1, 1, 1},
		"another audience":                 {[]Found{deployment("ns/a", "/prod/a", "h1")}, []Found{tagged}, connectors.Names, 0, 1, 1, 1},
		"two that it could be":             {[]Found{deployment("ns/a", "/prod/a", "h1")}, []Found{deployment("ns/b", "/prod/a", "h1"), deployment("ns/c", "/prod/a", "h1")}, connectors.Names, 0, 0, 2, 1},
		"nothing in common":                {[]Found{deployment("ns/a", "/prod/a", "")}, []Found{deployment("ns/b", "/prod/b", "")}, connectors.Names, 0, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := able()
			c.Identity = tc.identity
			current := applied(nil, Compare(g, c, nil, tc.before))
			p := Compare(g, c, current, tc.after)
			if len(p.Rename) != tc.rename || len(p.Offer) != tc.offer || len(p.Add) != tc.add || len(p.Remove) != tc.gone {
				t.Errorf("%d offered in\n%+v", len(p.Offer), p)
			}
			if tc.offer > 0 && !strings.Contains(strings.Join(p.Warnings, "\n"), "under a new name") {
				t.Errorf("nobody is told: %q", p.Warnings)
			}
			for _, c := range p.Rename {
				if c.After.Deployment.ID != current[0].Deployment.ID || c.After.Deployment.RemoteID == c.Before.Deployment.RemoteID {
					t.Errorf("renamed to %+v", c.After.Deployment)
				}
			}
		})
	}
}

func TestOverridesFollow(t *testing.T) {
	g, c := shared(), able()
	c.Identity = connectors.Names
	f := Found{Deployment: connectors.Deployment{Key: connectors.Key{RemoteID: "a"}, Paths: []string{"/prod/a"}, Public: "https://gw.example/prod/a", Active: true}, Document: "h"}
	current := applied(nil, Compare(g, c, nil, []Found{f}))
	current[0].Override = catalog.Override{Placement: map[portal.Axis]string{portal.AxisAudience: "partner"}}
	f.Title = "Changed"
	p := Compare(g, c, current, []Found{f})
	if len(p.Change) != 1 || p.Change[0].After.Deployment.Placement.Audience() != "partner" {
		t.Errorf("after a change:\n%+v", p)
	}
	f.RemoteID = "b"
	p = Compare(g, c, applied(current, p), []Found{f})
	if len(p.Rename) != 1 || p.Rename[0].After.Deployment.Placement.Audience() != "partner" {
		t.Errorf("after a rename:\n%+v", p)
	}
	p = Compare(g, c, applied(current, Compare(g, c, current, nil)), []Found{{Deployment: connectors.Deployment{Key: connectors.Key{RemoteID: "a"}, Paths: []string{"/prod/a"}, Public: "https://gw.example/a"}}})
	if len(p.Back) != 1 || p.Back[0].After.Deployment.Placement.Audience() != "partner" || !p.Back[0].After.Live() {
		t.Errorf("after it came back:\n%+v", p)
	}
}

func TestOnlyACompleteSnapshotRemovesBySilence(t *testing.T) {
	g, c := shared(), able()
	deployment := func(id string) connectors.Deployment { return connectors.Deployment{Key: connectors.Key{RemoteID: id}} }
	var before []Found
	for _, id := range []string{"a", "b", "c"} {
		before = append(before, Found{Deployment: deployment(id)})
	}
	current := applied(nil, Compare(g, c, nil, before))
	keys := func(all []connectors.Deployment) string {
		var ids []string
		for _, d := range all {
			ids = append(ids, d.RemoteID)
		}
		slices.Sort(ids)
		return strings.Join(ids, "")
	}
	told := []connectors.Deployment{deployment("b"), deployment("d")}
	published := func(s connectors.Snapshot) []connectors.Deployment {
		all, held := answer{snapshot: s, told: told}.published(current)
		if len(held) > 0 {
			t.Errorf("held: %v", held)
		}
		return all
	}
	if got := keys(published(connectors.Snapshot{Complete: true})); got != "bd" {
		t.Errorf("complete: %s", got)
	}
	if got := keys(published(connectors.Snapshot{Removed: []connectors.Key{{RemoteID: "a"}}})); got != "bcd" {
		t.Errorf("a change since: %s", got)
	}
}

func TestWhatWaits(t *testing.T) {
	plan := func(remove, stay, add int) Plan {
		return Plan{Remove: make([]catalog.Record, remove), Unchanged: stay, Add: make([]catalog.Record, add)}
	}
	for name, tc := range map[string]struct {
		p    Plan
		want bool
	}{
		"nothing":                 {plan(0, 10, 0), false},
		"few of a small gateway":  {plan(4, 1, 0), false},
		"many":                    {plan(5, 5, 0), true},
		"a small share":           {plan(30, 70, 0), false},
		"just above the share":    {plan(31, 69, 0), true},
		"the only one":            {plan(1, 0, 0), true},
		"the only one, made anew": {plan(1, 0, 1), false},
	} {
		if got := (Removals{}).Wait(tc.p); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRubbishIsNotBelieved(t *testing.T) {
	for name, all := range map[string][]connectors.Deployment{
		"no id":            {{Title: "x"}},
		"the same twice":   {{Key: connectors.Key{RemoteID: "a"}}, {Key: connectors.Key{RemoteID: "a"}}},
		"an endless id":    {{Key: connectors.Key{RemoteID: strings.Repeat("a", maxID+1)}}},
		"an id not text":   {{Key: connectors.Key{RemoteID: "a\x00b"}}},
		"not UTF-8":        {{Key: connectors.Key{RemoteID: "a\xff"}}},
		"exposure no text": {{Key: connectors.Key{RemoteID: "a", Exposure: "\x1b[2J"}}},
	} {
		if got, left, err := clean(connectors.Snapshot{Complete: true, Deployments: all}); err == nil {
			t.Errorf("%s: %v %q", name, got, left)
		}
	}
}

func TestTidy(t *testing.T) {
	d := tidy(connectors.Deployment{Title: "a\x00b\xff" + strings.Repeat("é", maxText), Tags: []string{"b", "a", "b"}, Words: map[portal.Axis]string{"audience": " partner ", "nonsense": "x"}})
	if !strings.HasPrefix(d.Title, "abé") || len(d.Title) > maxText || !slices.Equal(d.Tags, []string{"a", "b"}) || len(d.Words) != 1 || d.Words["audience"] != "partner" {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff(d, tidy(d)); diff != "" {
		t.Errorf("tidied twice differs: %s", diff)
	}
}

func TestPublish(t *testing.T) {
	g, c := shared(), able()
	f := Found{Deployment: connectors.Deployment{Key: connectors.Key{RemoteID: "svc"}, Public: "https://gw.example/pay/v3", Active: true, Reach: []string{"Orders"},
		Issue: connectors.Ability{Reason: "an endpoint without scopes"}}, Described: catalog.Described{Title: "Payments", Version: "2.0"}}
	r, _ := publish(g, c, f, catalog.Override{})
	d := r.Deployment
	if d.Title != "Payments" || d.Version != "2.0" || d.Line != "3" || d.Lifecycle != portal.Active || len(d.Plans) != 1 || d.Plans[0].Approval != portal.Required || !d.Active {
		t.Errorf("%+v", d)
	}
	if d.IssueRefused != "an endpoint without scopes" {
		t.Errorf("refused: %q", d.IssueRefused)
	}
	g.AcceptReach = true
	if r, _ := publish(g, c, f, catalog.Override{}); r.Deployment.IssueRefused != "" {
		t.Errorf("an administrator accepted the reach, yet %q", r.Deployment.IssueRefused)
	}
	c.Issue = connectors.Ability{Reason: "read only"}
	if r, _ := publish(g, c, f, catalog.Override{}); r.Deployment.IssueRefused != "read only" {
		t.Errorf("read only: %q", r.Deployment.IssueRefused)
	}
	f.Public = ""
	if r, warnings := publish(g, able(), f, catalog.Override{}); r.Deployment.Active || r.Deployment.IssueRefused == "" || !strings.Contains(strings.Join(warnings, ""), "no address") {
		t.Errorf("without an address: %+v %q", r.Deployment, warnings)
	}
}

func TestStepsSayWhatThePlanDoes(t *testing.T) {
	g, c := shared(), able()
	at := func(id, path, title string) Found {
		return Found{Deployment: connectors.Deployment{
			Key: connectors.Key{RemoteID: id, Exposure: "e"}, Title: title, Paths: []string{path}, Public: "https://gw.example" + path, Active: true,
		}}
	}
	same, moved, gone := at("same", "/prod/a", "Same"), at("moved", "/prod/b", "Moved"), at("gone", "/prod/c", "Gone")
	current := applied(nil, Compare(g, c, nil, []Found{same, moved, gone}))
	same.Title, same.Described.Description = "Same and more", strings.Repeat("x", 2*shownText)
	moved = at("moved", "/test/b", "Moved")
	p := Compare(g, c, current, []Found{same, moved, at("new", "/prod/d", "New")}).Steps()
	var lines []string
	for _, s := range p.Steps {
		line := fmt.Sprintf("%s %s %s %s/%s", s.Kind, s.RemoteID, s.Title, s.Audience, s.Environment)
		for _, f := range s.Fields {
			line += fmt.Sprintf(" %s:%s>%s:%s", f.Name, f.Was, f.Is, f.Layer)
		}
		lines = append(lines, line)
	}
	want := []string{
		"remove gone Gone internal/production",
		"reclassify moved Moved internal/test environment:production>test:rule base_url:https://gw.example/prod/b>https://gw.example/test/b:",
		"change same Same and more internal/production title:Same>Same and more: description:>:",
		"add new New internal/production",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	many := Plan{Add: make([]catalog.Record, catalog.MaxSteps+7)}
	if kept := many.Steps(); len(kept.Steps) != catalog.MaxSteps || kept.More != 7 {
		t.Errorf("%d steps and %d more", len(kept.Steps), kept.More)
	}
}

// TestUpstreamTellsNoAccount: what a gateway says of a back end is kept without what opens it.
func TestUpstreamTellsNoAccount(t *testing.T) {
	for address, want := range map[string]string{
		"":                                   "",
		"payments.svc:8080":                  "payments.svc:8080",
		"http://payments.svc:8080/v2":        "http://payments.svc:8080/v2",
		"http://me:secret@payments.svc/v2":   "http://payments.svc/v2",
		"https://payments.svc/?token=secret": "https://payments.svc/",
		"me:secret@payments.svc:8080?a=b":    "payments.svc:8080",
		"unix//run/payments.sock":            "unix//run/payments.sock",
		"http://payments.svc/#secret":        "http://payments.svc/",
	} {
		if got := tidy(connectors.Deployment{Upstream: address}).Upstream; got != want {
			t.Errorf("%q is kept as %q, want %q", address, got, want)
		}
	}
}
