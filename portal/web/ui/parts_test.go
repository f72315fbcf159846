package ui

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"pgregory.net/rapid"
)

func english() context.Context { return WithSetting(context.Background(), TextIn("en"), false) }

func render(t interface{ Fatal(...any) }, ctx context.Context, c templ.Component) *goquery.Document {
	var b strings.Builder
	if err := c.Render(ctx, &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestHostileTextStaysText: whatever a gateway, a document or a person writes is shown, and does nothing.
func TestHostileTextStaysText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hostile := rapid.SampledFrom([]string{
			`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' hx-get='/x`, `javascript:alert(1)`, `</title><script>`,
			`" autofocus onfocus="alert(1)`, "data:text/html,<script>", `<hx-partial hx-target="body">`, `{{.Name}}`, "\x00<b>",
		})
		text := func() string { return hostile.Draw(t, "text") }
		page := APIPage{
			APIHead:     APIHead{Title: text(), Summary: text(), Owner: text(), Tags: []Link{{Text: text(), Href: text()}}, Tabs: []Link{{Text: text(), Href: text()}}},
			Environment: text(), Links: []Link{{Text: text(), Href: text()}},
			Versions:     []VersionTab{{Link: Link{Text: text(), Href: text()}, Lifecycle: text()}, {Link: Link{Text: text()}}},
			Environments: []Link{{Text: text(), Href: text()}},
			Endpoint: &Endpoint{
				BaseURL: text(), Gateway: text(), Region: text(), Version: text(), Environment: text(), Curl: text(), Why: []string{text()},
				Authentication: Authentication{Type: "apiKey", Name: text(), Example: text()},
			},
			Keys: []Key{{ID: text(), Title: text(), Application: text(), Fingerprint: text(), State: text()}},
			GetKey: GetKey{
				API: text(), Version: text(), Able: true, Form: Form{Values: map[string]string{"new_application": text()}, Problem: Say(text())},
				Plans: []Plan{{ID: text(), Title: text(), Limits: []string{text()}}}, Applications: []Option{{Value: text(), Text: text()}},
			},
		}
		doc := render(t, english(), APIPageView(Page{Title: text(), Me: Me{Name: text(), Email: text()}, Path: text(), Flash: text()}, page))
		if n := doc.Find("script:not([src^='/assets/']), img, b, hx-partial, template").Length(); n > 0 {
			t.Fatalf("%d elements were planted", n)
		}
		doc.Find("*").Each(func(_ int, e *goquery.Selection) {
			for _, a := range e.Nodes[0].Attr {
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-") && e.Is("input") || a.Key == "href" && strings.HasPrefix(a.Val, "javascript:") {
					t.Fatalf("<%s %s=%q> was planted", e.Nodes[0].Data, a.Key, a.Val)
				}
			}
		})
	})
}

// TestOutsideTextIsNoHTMX: attributes in a description are not for htmx to find.
func TestOutsideTextIsNoHTMX(t *testing.T) {
	doc := render(t, english(), APIPageView(Page{}, APIPage{APIHead: APIHead{Title: "x"}, Markdown: `<p id="outside">text</p>`}))
	if doc.Find("[hx-ignore] #outside").Length() != 1 {
		t.Error("a description is not kept from htmx")
	}
}

func TestFieldNamesItsErrorAndHint(t *testing.T) {
	f := Form{Values: map[string]string{"email": "a@b"}, Errors: map[string]string{"email": "taken"}}
	input := render(t, english(), textField(f, "email", "email", "Email", "at work", true, nil)).Find("input")
	if got := input.AttrOr("aria-describedby", ""); got != "email-hint email-error" {
		t.Errorf("described by %q", got)
	}
	if input.AttrOr("aria-invalid", "") != "true" || input.AttrOr("value", "") != "a@b" {
		t.Error("the field does not say that it is wrong, or lost what was written")
	}
	if _, required := input.Attr("required"); !required {
		t.Error("the field is not required")
	}
}

func TestKeyTableOffersWhatAKeyCan(t *testing.T) {
	for state, want := range map[string][2]int{ // rotate, revoke
		"active": {1, 1}, "retiring": {0, 1}, "pending": {0, 0}, "revoking": {0, 0}, "revoked": {0, 0}, "failed": {0, 0},
	} {
		doc := render(t, english(), keyTable([]Key{{ID: "k", State: state}}, true))
		got := [2]int{doc.Find("a[href$='/rotate']").Length(), doc.Find("a[href$='/revoke']").Length()}
		if got != want {
			t.Errorf("%s: rotate and revoke %v, want %v", state, got, want)
		}
	}
}

// TestLongTablesFold: of a table without end some rows are seen, and the others are there when they are asked for.
func TestLongTablesFold(t *testing.T) {
	for name, page := range map[string]templ.Component{
		"composition": CompositionPage(Page{}, Composition{Deployments: make([]EntryDeployment, 25)}),
		"lifecycle":   LifecyclePageView(Page{}, LifecyclePage{Deployments: make([]LifecycleRow, 25)}),
		"users":       LifecyclePageView(Page{}, LifecyclePage{Users: make([]LifecycleUser, 25)}),
		"plan":        planView(RunPage{Plan: &Planned{Groups: []StepGroup{{Kind: "add", Steps: make([]Step, 25)}}}}),
	} {
		doc := render(t, english(), page)
		if all, folded := doc.Find("tbody tr").Length(), doc.Find("details.help tbody tr").Length(); all != 25 || folded != 25-shownFirst {
			t.Errorf("%s: %d rows, %d of them folded", name, all, folded)
		}
	}
}

func TestPollsOnlyWhileSomethingIsUnderWay(t *testing.T) {
	for state, want := range map[string]int{"revoking": 1, "pending": 1, "active": 0, "revoked": 0} {
		doc := render(t, english(), KeyPageView(Page{}, KeyPage{Key: Key{ID: "k", State: state}}))
		if got := doc.Find("[hx-trigger^=every]").Length(); got != want {
			t.Errorf("%s: %d parts poll, want %d", state, got, want)
		}
	}
}

// TestDesktopHasNoFormForASecret: what answers with a secret is a button for a bound method there.
func TestDesktopHasNoFormForASecret(t *testing.T) {
	window := WithSetting(context.Background(), TextIn("en"), true)
	for name, c := range map[string]templ.Component{
		"claim":  SubscriptionPageView(Page{}, SubscriptionPage{Subscription: Subscription{ID: "s", State: "approved"}, Claim: true}),
		"rotate": RotatePage(Page{}, Rotate{Key: Key{ID: "k"}}),
	} {
		doc := render(t, window, c)
		if doc.Find("main button[type=submit]").Length() != 0 || doc.Find("[data-desktop-action="+name+"]").Length() != 1 {
			t.Errorf("%s is not a bound method", name)
		}
	}
}

func TestWithoutAKeyTheEndpointSaysWhy(t *testing.T) {
	doc := render(t, english(), getKey(GetKey{Able: true}, Said{Text: "the route has no ACL plugin", English: true}, false))
	if doc.Find("form").Length() != 0 || !strings.Contains(doc.Text(), "the route has no ACL plugin") {
		t.Error("a key is offered where none can be had")
	}
}

func TestPaths(t *testing.T) {
	for got, want := range map[string]string{
		Below(APIsPath, "a/b?c"):                    "/apis/a%2Fb%3Fc",
		Below(KeysPath, "k", "revoke"):              "/keys/k/revoke",
		With(APIsPath):                              "/apis",
		With(APIsPath, "q", "", "tag", "a&b"):       "/apis?tag=a%26b",
		With(APIsPath, "q", "x", "environment", ""): "/apis?q=x",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{"Ana Duarte": "AD", "léa": "L", "": "", "Jean Paul de la Tour": "JT", "  Sam  ": "S"} {
		if got := initials(name); got != want {
			t.Errorf("initials of %q: %q, want %q", name, got, want)
		}
	}
}

func TestTimesSayTheirZone(t *testing.T) {
	moment := time.Date(2026, 3, 1, 23, 30, 0, 0, time.FixedZone("", -5*60*60))
	doc := render(t, english(), instant(moment, formatMoment))
	if got := doc.Find("time").Text(); got != "2026-03-02 04:30 UTC" {
		t.Errorf("reads %q", got)
	}
	if got := doc.Find("time").AttrOr("datetime", ""); got != "2026-03-02T04:30:00Z" {
		t.Errorf("datetime %q", got)
	}
}
