package kong

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"concierge/connectors"
	"concierge/connectors/kong/kongtest"
	"concierge/portal"

	"pgregory.net/rapid"
)

// TestConfinementHolds puts plugins on services, routes and the whole gateway at random, and holds what the connector says
// against what the data plane does: a key that may be issued opens its own routes and no guarded route of another API; a key
// issued with accepted reach opens the APIs that were named, and no other.
func TestConfinementHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := kongtest.New(kongtest.Options{})
		defer g.Close()
		groups, denies := []string{"a", "b", "c"}, false
		protect := func(label string, fields map[string]any) {
			plugin := func(name string, config map[string]any) {
				body := map[string]any{"name": name, "config": config, "enabled": rapid.IntRange(0, 9).Draw(rt, label+name+" enabled") > 0}
				for k, v := range fields {
					body[k] = v
				}
				g.Seed("plugins", body)
			}
			if rapid.IntRange(0, 2).Draw(rt, label+" key") > 0 {
				plugin("key-auth", map[string]any{})
			}
			if rapid.IntRange(0, 2).Draw(rt, label+" acl") > 0 {
				list := rapid.SliceOfNDistinct(rapid.SampledFrom(groups), 1, 2, rapid.ID[string]).Draw(rt, label+" groups")
				kind := rapid.SampledFrom([]string{"allow", "allow", "allow", "deny"}).Draw(rt, label+" list")
				denies = denies || kind == "deny"
				plugin("acl", map[string]any{kind: list})
			}
		}
		titles := map[string]string{} // by id
		paths := map[string][]string{}
		for i := range rapid.IntRange(1, 4).Draw(rt, "services") {
			name := fmt.Sprintf("api-%d", i)
			id := g.Seed("services", map[string]any{"name": name, "host": "upstream", "enabled": rapid.IntRange(0, 9).Draw(rt, name) > 0})
			titles[id] = name
			protect(name, map[string]any{"service": map[string]any{"id": id}})
			for j := range rapid.IntRange(1, 2).Draw(rt, name+" routes") {
				path := fmt.Sprintf("/%s-%d", name, j)
				route := g.Seed("routes", map[string]any{"paths": []string{path}, "service": map[string]any{"id": id}})
				paths[id] = append(paths[id], path)
				if rapid.IntRange(0, 3).Draw(rt, path) == 0 {
					protect(path, map[string]any{"route": map[string]any{"id": route}})
				}
			}
		}
		if rapid.IntRange(0, 3).Draw(rt, "global") == 0 {
			protect("global", nil)
		}
		c, err := Open(connectors.Config{Address: g.AdminURL, Settings: map[string]string{settingPublicURL: g.ProxyURL}, Client: http.DefaultClient})
		if err != nil {
			rt.Fatal(err)
		}
		snap, err := c.Discover(t.Context(), "")
		if err != nil {
			rt.Fatal(err)
		}
		call := func(path, key string) int {
			req, _ := http.NewRequest(http.MethodGet, g.ProxyURL+path, nil)
			if key != "" {
				req.Header.Set("apikey", key)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				rt.Fatal(err)
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		for i, d := range snap.Deployments {
			mark := connectors.Mark{Credential: portal.CredentialID(fmt.Sprint("crd_", i)), Subscription: portal.SubscriptionID(fmt.Sprint("sub_", i))}
			value := fmt.Sprint("value-of-key-", i)
			_, err := c.Issue(t.Context(), connectors.IssueRequest{Mark: mark, Deployment: d.Key, Plan: planID, Value: portal.NewSecret(value), AcceptReach: len(d.Reach) > 0})
			if able := err == nil; able != (d.Issue.Able || len(d.Reach) > 0) {
				rt.Fatalf("%s %s: discovery says %+v reach %q, Issue says %v", d.Title, d.Exposure, d.Issue, d.Reach, err)
			}
			if err != nil {
				continue
			}
			if own := call(d.Exposure, value); own != http.StatusOK && d.Active {
				rt.Fatalf("%s %s answers %d to its own key", d.Title, d.Exposure, own)
			}
			for id, title := range titles {
				if id == d.RemoteID {
					continue
				}
				opened := false
				for _, path := range paths[id] {
					opened = opened || call(path, value) == http.StatusOK && call(path, "") != http.StatusOK
				}
				// A deny list is taken for an open door, although it may happen to keep out the group of this key.
				if named := slices.Contains(d.Reach, title); opened && !named || named && !opened && !denies {
					rt.Fatalf("a key for %s opens %s: %t; its reach is %q", d.Title, title, opened, d.Reach)
				}
			}
		}
	})
}

// TestMarksReadBack: whatever ids the portal has, tags carry them through Kong's rules for tags.
func TestMarksReadBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringN(1, 40, 200)
		mark := connectors.Mark{
			Credential:   portal.CredentialID(text.Draw(rt, "credential")),
			Subscription: portal.SubscriptionID(rapid.String().Draw(rt, "subscription")),
			Application:  portal.ApplicationID(rapid.String().Draw(rt, "application")),
		}
		tags := append(credentialTags(mark), labelTag(rapid.String().Draw(rt, "label")))
		for _, tag := range tags {
			if tag == "" || strings.ContainsAny(tag, ",/") || strings.ContainsFunc(tag, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				rt.Fatalf("Kong would refuse the tag %q", tag)
			}
		}
		if got, ok := markOf(tags); !ok || got != mark {
			rt.Fatalf("wrote %+v, read %+v", mark, got)
		}
		if _, ok := markOf(tags[1:]); ok {
			rt.Fatal("read a mark from what we do not manage")
		}
	})
}

// FuzzConfiguration reads whatever a gateway may call services, routes and plugins: it ends in an error, or in deployments that
// are well-formed and apart.
func FuzzConfiguration(f *testing.F) {
	f.Add(orders, `[{"id":"r","paths":["/orders","~/x$"],"hosts":["*.a","b"],"strip_path":true,`+web+`}]`, `[{"id":"k","name":"key-auth","enabled":true,"config":{"key_names":["k"]}}]`)
	f.Add(orders, `[{"id":"r","expression":"x","protocols":["https"],"snis":[""],"service":{"id":"s1"}}]`, `[{"id":"a","name":"acl","enabled":true,"config":{"allow":[""]}}]`)
	f.Add(`[{"id":"s1","tags":["concierge-audience:partner","concierge-",":"]}]`, `[{"id":"r","paths":["","//"],"headers":{"x":null},`+web+`}]`, `[{"id":"l","name":"rate-limiting","enabled":true,"config":{"minute":1e300}}]`)
	f.Fuzz(func(t *testing.T, services, routes, plugins string) {
		var s []service
		var r []route
		var p []plugin
		for raw, into := range map[string]any{services: &s, routes: &r, plugins: &p} {
			if json.Unmarshal([]byte(raw), into) != nil {
				return
			}
		}
		conf, err := assemble(s, r, p)
		if err != nil {
			return
		}
		seen := map[connectors.Key]bool{}
		for _, s := range conf.services {
			if seen[connectors.Key{RemoteID: s.ID}] { // a list with one service twice
				return
			}
			seen[connectors.Key{RemoteID: s.ID}] = true
			for _, e := range conf.exposures(s) {
				d, err := conf.deployment(e, &url.URL{Scheme: "https", Host: "api.example.com"})
				if err != nil {
					return
				}
				if seen[d.Key] {
					t.Errorf("the key %+v is used twice", d.Key)
				}
				seen[d.Key] = true
				if (d.Public == "") == (d.PublicReason == "") || strings.HasSuffix(d.Public, "/") {
					t.Errorf("%+v: address %q, reason %q", d.Key, d.Public, d.PublicReason)
				}
				if d.Issue.Able != (d.Issue.Reason == "") || d.Issue.Able && len(d.Reach) > 0 {
					t.Errorf("%+v: issue %+v, reach %q", d.Key, d.Issue, d.Reach)
				}
			}
		}
	})
}
