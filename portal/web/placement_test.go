package web_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"concierge/portal"
	"concierge/portal/web/webtest"
)

// rulesOf is the form of a preview of one rule.
func rulesOf(path, environment string) url.Values {
	return url.Values{"do": {"preview"}, "detect": {"yes"}, "rule.0.match.path": {path}, "rule.0.set.environment": {environment}, "rule.1.match.path": {""}}
}

var placementPages = []shown{
	{path: "/gateways/classic-paris/placement"}, {path: "/gateways/classic-paris/placement", form: rulesOf("/x", "test")},
	{path: "/gateways/classic-paris/deployments"}, {path: "/unclassified"}, {path: "/deployments/dep_customs"},
	{path: "/deployments/dep_customs/override", form: url.Values{"set.environment": {"test"}}},
}

func TestPlacementIsForAdministrators(t *testing.T) {
	for _, who := range []portal.PersonID{webtest.Partner, webtest.Developer} {
		b := as(t, site(t), who)
		nothing := document(t, b.get("/nothing")).Find("main").Text()
		for _, s := range placementPages {
			if res := b.open(s); res.Code != 404 || document(t, res).Find("main").Text() != nothing {
				t.Errorf("%s: %s is answered with %d, not as what does not exist", who, s.path, res.Code)
			}
		}
	}
	home := document(t, as(t, site(t), webtest.Administrator).get("/"))
	if got := home.Find(`a.tile[href="/unclassified"] .tile-value`).Text(); got != "3" {
		t.Errorf("the first page counts %q unclassified", got)
	}
	if home.Find(`.notice a[href="/frozen"]`).Length() != 1 {
		t.Error("the first page does not lead to what is frozen")
	}
}

// Rules are looked at before they are saved: only the preview offers to save them, and saving other ones shows it again.
func TestRulesAreLookedAtFirst(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	const at = "/gateways/classic-paris/placement"
	if doc := document(t, b.get(at)); doc.Find("button[value=save]").Length() != 0 || doc.Find("button[value=preview]").Length() != 1 {
		t.Error("rules can be saved unseen")
	}
	form := rulesOf("/prod", "test")
	doc := document(t, b.post(at, form))
	if rows := doc.Find("[data-testid=preview-table] tbody tr"); rows.Length() != 1 || !strings.Contains(rows.Text(), "Tariffs") || !strings.Contains(rows.Text(), "freezes 2 subscriptions") {
		t.Errorf("the preview: %q", rows.Text())
	}
	if got := doc.Find("input[name='rule.0.match.path']").AttrOr("value", ""); got != "/prod" {
		t.Errorf("the form has forgotten %q", got)
	}
	digest := doc.Find("input[name=preview]").AttrOr("value", "")
	form.Set("do", "save")
	form.Set("preview", digest)
	form.Set("rule.0.set.environment", "simulation")
	if res := b.post(at, form); res.Code != 409 || document(t, res).Find("[role=alert]").Length() != 1 || document(t, res).Find("button[value=save]").Length() != 1 {
		t.Errorf("other rules than were looked at: %d", res.Code)
	}
	form.Set("rule.0.set.environment", "test")
	if res := b.post(at, form); res.Code != 303 || res.Header().Get("Location") != at {
		t.Errorf("saving: %d, to %q", res.Code, res.Header().Get("Location"))
	}
	doc = document(t, b.get(at))
	if doc.Find(".toast").Length() != 1 || doc.Find("main details").Length() != 2 || doc.Find("input[name=detect][checked]").Length() != 1 {
		t.Error("the rules are not there as they were saved")
	}
	form.Set("do", "save")
	if res := b.post("/gateways/core-frankfurt/placement", form); res.Code != 409 {
		t.Errorf("those of the configuration file: %d", res.Code)
	}
}

func TestRulesAreOrderedAndDropped(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	const at = "/gateways/classic-paris/placement"
	rules := func(change map[string]string) string {
		form := url.Values{"do": {"preview"}}
		for i, path := range []string{"/a", "/b", "/c"} {
			prefix := "rule." + string(rune('0'+i)) + "."
			form.Set(prefix+"match.path", path)
			form.Set(prefix+"set.region", "eu")
			form.Set(prefix+"position", string(rune('1'+i)))
		}
		for name, v := range change {
			form.Set(name, v)
		}
		doc := document(t, b.post(at, form))
		var paths []string
		for i := range 4 {
			if v := doc.Find("input[name='rule."+string(rune('0'+i))+".match.path']").AttrOr("value", ""); v != "" {
				paths = append(paths, v)
			}
		}
		return strings.Join(paths, " ")
	}
	for want, change := range map[string]map[string]string{
		"/a /b /c":    nil,
		"/c /a /b":    {"rule.2.position": "1"},
		"/b /c /a":    {"rule.0.position": "3"},
		"/a /c":       {"rule.1.drop": "yes"},
		"/a /b /c /d": {"rule.3.match.path": "/d", "rule.3.set.region": "us"},
		"/b /a /c":    {"rule.1.position": "1", "rule.2.position": "x"},
	} {
		if got := rules(change); got != want {
			t.Errorf("%v gives %s, want %s", change, got, want)
		}
	}
}

func TestOverridePage(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	doc := document(t, b.get("/deployments/dep_customs"))
	var holds []string
	doc.Find("[data-testid=layer-table] tbody tr:has(strong)").Each(func(_ int, e *goquery.Selection) {
		holds = append(holds, strings.Join(strings.Fields(e.Find("th, td").First().Text()+" "+e.Find("strong").Text()), " "))
	})
	if got := strings.Join(holds, "; "); !strings.Contains(got, "Environment Production") || strings.Contains(got, "Environment Test") || !strings.Contains(got, "Address for consumers https://esb.meridian.example/customs") {
		t.Errorf("what holds is said to be %s", got)
	}
	if res := b.post("/deployments/dep_pilots/override", url.Values{"set.environment": {"test"}}); res.Code != 303 {
		t.Errorf("deciding: %d", res.Code)
	}
	if got := document(t, b.get("/unclassified")).Find("[data-deployment]").Length(); got != 2 {
		t.Errorf("%d are unclassified still", got)
	}
	held := url.Values{"set.environment": {"test"}}
	if res := b.post("/deployments/dep_tariffs/override", held); res.Code != 422 || document(t, res).Find("#confirm-error").Length() != 1 {
		t.Errorf("where keys are held, without a word: %d", res.Code)
	}
	held.Set("confirm", "yes")
	if res := b.post("/deployments/dep_tariffs/override", held); res.Code != 303 {
		t.Errorf("with a word: %d", res.Code)
	}
	if res := b.post("/deployments/dep_pilots/override", url.Values{"base_url": {"javascript:alert(1)"}}); res.Code != 422 || !strings.Contains(document(t, res).Find("[role=alert]").Text(), "does not start with") {
		t.Errorf("a script for an address: %d", res.Code)
	}
	if res := b.post("/deployments/dep_customs/override", url.Values{"do": {"clear"}, "set.environment": {"production"}}); res.Code != 303 {
		t.Errorf("taking it back: %d", res.Code)
	}
	if doc := document(t, b.get("/deployments/dep_customs")); doc.Find("button[value=clear]").Length() != 0 {
		t.Error("it is decided still")
	}
}

func TestFrozenPages(t *testing.T) {
	h := site(t)
	developer := as(t, h, webtest.Developer)
	if doc := document(t, developer.get("/keys/key_6")); !strings.Contains(doc.Find(".notice").Text(), "frozen") || doc.Find("a[href$='/rotate']").Length() != 0 || doc.Find("a[href$='/revoke']").Length() != 1 {
		t.Error("a frozen key can be replaced, or not be revoked, or does not say so")
	}
	if res := developer.get("/frozen/sub_7/thaw"); res.Code != 404 {
		t.Errorf("a consumer is asked to decide: %d", res.Code)
	}
	b := as(t, h, webtest.Administrator)
	if n := document(t, b.get("/frozen")).Find("[data-subscription=sub_7] a[href='/frozen/sub_7/thaw']").Length(); n != 1 {
		t.Errorf("%d ways to keep it", n)
	}
	if res := b.post("/frozen/sub_7/thaw", url.Values{"reason": {""}}); res.Code != 422 {
		t.Errorf("without a reason: %d", res.Code)
	}
	if res := b.post("/frozen/sub_7/thaw", url.Values{"reason": {"It was test all along."}}); res.Code != 303 || res.Header().Get("Location") != "/frozen" {
		t.Errorf("keeping: %d", res.Code)
	}
	if n := document(t, b.get("/frozen")).Find("[data-subscription]").Length(); n != 0 {
		t.Errorf("%d are frozen still", n)
	}
	if n := document(t, developer.get("/keys/key_6")).Find("a[href$='/rotate']").Length(); n != 1 {
		t.Error("its key cannot be replaced")
	}
}
