package web_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
	"concierge/portal/web/webtest"
)

// operatePages are what is for platform administrators alone.
var operatePages = []shown{
	{path: "/jobs"}, {path: "/jobs/4101"}, {path: "/jobs/4104/run", form: url.Values{}},
	{path: "/sites"}, {path: "/sites/paris"}, {path: "/add-worker"}, {path: "/sites", form: url.Values{"site": {"osaka"}}},
	{path: "/enrolments/enr_tokyo/revoke"}, {path: "/enrolments/enr_tokyo/revoke", form: url.Values{}},
	{path: "/workers/wrk_fra1/revoke"}, {path: "/workers/wrk_fra1/revoke", form: url.Values{}},
}

func TestOperatePagesAreForPlatformAdministrators(t *testing.T) {
	for _, who := range []portal.PersonID{webtest.Partner, webtest.Developer, webtest.Division} {
		b := as(t, site(t), who)
		nothing := document(t, b.get("/nothing")).Find("main").Text()
		for _, s := range operatePages {
			if res := b.open(s); res.Code != 404 || document(t, res).Find("main").Text() != nothing {
				t.Errorf("%s: %s is answered with %d, not as what does not exist", who, s.path, res.Code)
			}
		}
		home := document(t, b.get("/"))
		if n := home.Find(`[href^="/jobs"], [href^="/sites"]`).Length(); n > 0 {
			t.Errorf("%s is offered %d links there", who, n)
		}
	}
	home := document(t, as(t, site(t), webtest.Administrator).get("/"))
	for href, want := range map[string]string{"/jobs?state=retrying": "3", "/sites": "2"} {
		if got := home.Find(`a.tile[href="` + href + `"] .tile-value`).Text(); got != want {
			t.Errorf("the tile of %s counts %q, want %q", href, got, want)
		}
	}
	if home.Find(`.rail a[href="/jobs"]`).Length() != 1 || home.Find(`.rail a[href="/sites"]`).Length() != 1 {
		t.Error("the navigation does not lead there")
	}
}

func TestJobFilters(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	doc := document(t, b.get("/jobs?state=failed&kind=drill"))
	if doc.Find("tbody tr").Length() != 1 || doc.Find("#kind option[selected]").AttrOr("value", "") != "drill" {
		t.Errorf("%d rows, kind %q", doc.Find("tbody tr").Length(), doc.Find("#kind option[selected]").Text())
	}
	// Each filter keeps the other.
	if doc.Find("form input[name=state]").AttrOr("value", "") != "failed" {
		t.Error("choosing a kind forgets the state")
	}
	doc.Find("nav.segments a").Each(func(_ int, e *goquery.Selection) {
		if !strings.Contains(e.AttrOr("href", ""), "kind=drill") {
			t.Errorf("%s forgets the kind", e.Text())
		}
	})
	if got := document(t, b.get("/jobs")).Find("nav.segments [aria-current]").Text(); got != "All" {
		t.Errorf("without a filter %q is current", got)
	}
	// A kind that these pages do not know is shown as it is, and can be chosen.
	doc = document(t, b.get("/jobs"))
	if row := doc.Find("[data-job='4108'] th"); strings.TrimSpace(row.Find("a").Text()) != "drill partner-edge" || strings.TrimSpace(row.Find(".sub").Text()) != "" {
		t.Errorf("an unknown kind reads %q", row.Text())
	}
	if doc.Find("#kind option[value=drill]").Length() != 1 {
		t.Error("a kind that is listed cannot be chosen")
	}
}

func TestRunJob(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	doc := document(t, b.get("/jobs"))
	var offered []string
	doc.Find("form[action$='/run']").Each(func(_ int, e *goquery.Selection) {
		offered = append(offered, e.Closest("tr").Find("[data-state]").AttrOr("data-state", ""))
	})
	slices.Sort(offered)
	if got := slices.Compact(offered); !slices.Equal(got, []string{"failed", "retrying", "scheduled"}) {
		t.Errorf("offered to run now: %v", got)
	}
	res := b.post("/jobs/4107/run", nil)
	if res.Code != 303 || res.Header().Get("Location") != "/jobs/4107" {
		t.Fatalf("status %d, to %q", res.Code, res.Header().Get("Location"))
	}
	doc = document(t, b.get("/jobs/4107"))
	if doc.Find(".toast").Length() != 1 || doc.Find("#job[hx-get='/jobs/4107']").Length() != 1 || doc.Find("noscript").Length() != 1 {
		t.Error("the page does not say that it runs, or does not follow it")
	}
	b.get("/jobs/4107") // it runs on
	doc = document(t, b.get("/jobs/4107"))
	if doc.Find("[data-state=completed]").Length() != 1 || doc.Find("[hx-trigger]").Length() != 0 {
		t.Error("it is done, and the page goes on asking")
	}
	if res := b.post("/jobs/4101/run", nil); res.Code != 409 || document(t, res).Find(".quote").Text() != "Job 4101 is running." {
		t.Errorf("one that runs: %d, %q", res.Code, document(t, res).Find(".quote").Text())
	}
	for _, path := range []string{"/jobs/9", "/jobs/x"} {
		if res := b.get(path); res.Code != 404 {
			t.Errorf("%s: %d", path, res.Code)
		}
	}
}

func TestWorkerTokenIsShownOnce(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	if got := document(t, b.get("/add-worker?site=tokyo")).Find("#site").AttrOr("value", ""); got != "tokyo" {
		t.Errorf("the form is for %q", got)
	}
	res := b.post("/sites", url.Values{"site": {"osaka"}})
	token := document(t, res).Find("#enrolment-token").Text()
	if res.Code != 200 || token == "" || strings.Count(res.Body.String(), token) != 1 {
		t.Fatalf("status %d, token %q, there %d times", res.Code, token, strings.Count(res.Body.String(), token))
	}
	if got := document(t, res).Find("main .code code").Last().Text(); got != "concierge worker --site osaka --server 'https://apis.meridian.example'" {
		t.Errorf("the command is %q", got)
	}
	page := b.get("/sites/osaka")
	if page.Code != 200 || strings.Contains(page.Body.String(), token) {
		t.Errorf("the site: %d, or it has the token", page.Code)
	}
	id := document(t, page).Find("[data-enrolment]").AttrOr("data-enrolment", "")
	ask := document(t, b.get("/enrolments/"+id+"/revoke"))
	if res := b.post(ask.Find("#confirm form").AttrOr("action", ""), nil); res.Header().Get("Location") != "/sites/osaka" {
		t.Errorf("revoking: %d, to %q", res.Code, res.Header().Get("Location"))
	}
	if res := b.post("/enrolments/"+id+"/revoke", nil); res.Code != 404 {
		t.Errorf("revoking again: %d", res.Code)
	}
	if res := b.get("/sites/osaka"); res.Code != 404 {
		t.Errorf("a site that nothing names: %d", res.Code)
	}
	for site, said := range map[string]string{"": "This is needed.", "local": "has no workers", "Osaka West": "lower-case letters"} {
		res := b.post("/sites", url.Values{"site": {site}})
		doc := document(t, res)
		if res.Code != 422 || !strings.Contains(doc.Find(".field-error, [role=alert]").Text(), said) || doc.Find("#site").AttrOr("value", "") != site {
			t.Errorf("%q: %d, %q", site, res.Code, doc.Find(".field-error, [role=alert]").Text())
		}
	}
}

func TestRevokeWorkerSaysWhatHappens(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	for worker, want := range map[string]string{
		"wrk_fra1": "No other worker of the site is connected", // the other one is gone
		"wrk_fra2": "1 other worker of the site is connected",
	} {
		if got := document(t, b.get("/workers/"+worker+"/revoke")).Find("#confirm li").First().Text(); !strings.Contains(got, want) {
			t.Errorf("%s: %q", worker, strings.TrimSpace(got))
		}
	}
	if res := b.post("/workers/wrk_fra1/revoke", nil); res.Header().Get("Location") != "/sites/frankfurt" {
		t.Fatalf("status %d", res.Code)
	}
	doc := document(t, b.get("/sites/frankfurt"))
	if doc.Find("[data-worker=wrk_fra1] [data-state=revoked]").Length() != 1 || doc.Find("#revoke-wrk_fra1").Length() != 0 {
		t.Error("it does not read as revoked")
	}
	if !strings.Contains(doc.Find(".notice-title").Text(), "No worker is connected") {
		t.Error("the site does not say that nobody is left")
	}
	gateway := document(t, b.get("/gateways/core-frankfurt"))
	if !strings.Contains(gateway.Find(".notice-title").Text(), "No worker of frankfurt") || gateway.Find(".notice a[href='/sites/frankfurt']").Length() != 1 {
		t.Error("its gateway does not say that nobody can act on it")
	}
	if res := b.get("/workers/nobody/revoke"); res.Code != 404 {
		t.Errorf("a worker that is not there: %d", res.Code)
	}
}

// TestGatewayWithoutWorker: whoever runs the gateway reads it, and is led to the site only where that is for them.
func TestGatewayWithoutWorker(t *testing.T) {
	doc := document(t, as(t, site(t), webtest.Division).get("/gateways/classic-paris"))
	if !strings.Contains(doc.Find(".notice-title").First().Text(), "No worker of paris") || doc.Find("[href^='/sites']").Length() != 0 {
		t.Error("a division's administrator does not read it, or is led to what is not theirs")
	}
	if doc := document(t, as(t, site(t), webtest.Administrator).get("/gateways/partner-edge")); strings.Contains(doc.Text(), "No worker") {
		t.Error("a gateway that needs no worker lacks one")
	}
}

func TestSitesBegin(t *testing.T) {
	h := siteOf(t, webtest.New(webtest.Fixed).NoSites().Options())
	b := as(t, h, webtest.Administrator)
	doc := document(t, b.get("/sites"))
	if doc.Find("tbody tr").Length() != 1 || doc.Find(".empty .timeline li").Length() != 3 {
		t.Error("it does not say what a site is and how to make one")
	}
	home := document(t, b.get("/"))
	if home.Find("a.tile[href='/sites']").Length() != 0 || home.Find("a.tile[href^='/jobs'] .tile-value").Text() != "0" {
		t.Error("the first page counts what there cannot be, or not what there is")
	}
	if got := document(t, b.get("/jobs")).Find(".empty h2").Text(); got != "No jobs yet" {
		t.Errorf("without jobs: %q", got)
	}
}

// apart answers nothing about jobs and sites, as a portal that was started without them.
type apart struct{ api.Desk }

func (apart) Jobs(context.Context, api.JobsQuery) (api.Page[api.Job], error) {
	return api.Page[api.Job]{}, fmt.Errorf("jobs: this portal was started without them: %w", portal.ErrUnsupported)
}
func (apart) Sites(context.Context) ([]api.Site, error) {
	return nil, fmt.Errorf("sites: this portal was started without them: %w", portal.ErrUnsupported)
}

func TestWithoutJobsAndSites(t *testing.T) {
	world := webtest.New(webtest.Fixed)
	o := world.Options()
	o.Desk = func(ctx context.Context, p portal.PersonID, in portal.OrganisationID) (api.Desk, error) {
		d, err := world.Desk(ctx, p, in)
		return apart{d}, err
	}
	b := as(t, siteOf(t, o), webtest.Administrator)
	for _, path := range []string{"/jobs", "/sites"} {
		if res := b.get(path); res.Code != 422 || !strings.Contains(document(t, res).Find(".quote").Text(), "was started without them") {
			t.Errorf("%s: %d", path, res.Code)
		}
	}
	if res := b.get("/"); res.Code != 200 || document(t, res).Find("a.tile[href^='/jobs'], a.tile[href='/sites']").Length() != 0 {
		t.Errorf("the first page: %d", res.Code)
	}
}

// TestWaitingAsksLessAndLess: the same claim is posted again, sooner at first.
func TestWaitingAsksLessAndLess(t *testing.T) {
	for asked, want := range map[string]string{"": "2", "1": "4", "4": "32", "9": "64", "-7": "2", "x": "2"} {
		b := as(t, site(t), webtest.Developer)
		res := b.post("/subscriptions/sub_9/claim", url.Values{"asked": {asked}})
		doc := document(t, res)
		if got := doc.Find("form[data-again]").AttrOr("data-again", ""); res.Code != 202 || got != want {
			t.Errorf("asked %q: %d, again after %s s, want %s", asked, res.Code, got, want)
		}
		if doc.Find("form[action='/subscriptions/sub_9/claim'] button[type=submit]").Length() != 1 || doc.Find("a[href='/subscriptions/sub_9']").Length() != 1 {
			t.Error("no way to ask again, or to leave")
		}
	}
}

// TestRevokingIsNotYetEffective: a key that its gateway has not confirmed to be gone may still work, and the page says so.
func TestRevokingIsNotYetEffective(t *testing.T) {
	for language, want := range map[string]string{"en": "not yet effective", "fr": "pas encore effective"} {
		b := as(t, site(t), webtest.Partner)
		b.header.Set("Accept-Language", language)
		b.post("/keys/key_4/revoke", nil)
		doc := document(t, b.get("/keys/key_4"))
		if !strings.Contains(doc.Find("[role=status] .notice-title").Text(), want) {
			t.Errorf("%s: %q", language, doc.Find(".notice").Text())
		}
	}
}

// TestDesktopWords: in the window no text says that a secret is shown.
func TestDesktopWords(t *testing.T) {
	for _, language := range ui.Languages {
		b := open(t, siteOf(t, webtest.New(func() time.Time { return webtest.Epoch }).DesktopOptions(webtest.Partner)))
		b.header.Set("Accept-Language", language)
		for _, path := range []string{"/subscriptions/sub_6", "/keys", "/keys/key_1/rotate", "/apis/bookings?environment=test"} {
			doc := document(t, b.get(path))
			doc.Find("script, style").Remove()
			text := doc.Find("main").Text()
			for _, word := range []string{"shown once", "You see it once", "montrée une fois", "montrés une fois", "verrez une seule fois"} {
				if strings.Contains(text, word) {
					t.Errorf("%s (%s) says %q", path, language, word)
				}
			}
			if !strings.Contains(text, map[string]string{"en": "keychain", "fr": "trousseau"}[language]) {
				t.Errorf("%s (%s) does not say where the key goes", path, language)
			}
		}
	}
}
