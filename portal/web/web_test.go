package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web"
	"concierge/portal/web/webtest"
)

func document(t *testing.T, res *httptest.ResponseRecorder) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(res.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestNewNamesEverythingThatIsMissing(t *testing.T) {
	_, err := web.New(web.Options{})
	for _, want := range []string{"desk", "accounts"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// concrete is a path for a pattern, with x for every id.
func concrete(pattern string) string {
	path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(pattern, "x")
	return strings.TrimSuffix(path, "{$}")
}

// doors are the pages for nobody.
var doors = []string{"/preferences", "/sign-in", "/sign-out", "/invitation/{token}"}

// TestRoutes goes through everything that the router knows: pages ask nobody in, administrators' pages are not there for
// others, and each route is what it says.
func TestRoutes(t *testing.T) {
	router := web.NewRouter()
	o := webtest.New(webtest.Fixed).Options()
	o.Router = router
	h := siteOf(t, o)
	if len(router.Routes()) < 50 {
		t.Fatalf("%d routes", len(router.Routes()))
	}
	nobody, partner := open(t, h), as(t, h, webtest.Partner)
	for _, route := range router.Routes() {
		if route.Surface != web.SurfacePage || route.Method == "" {
			continue
		}
		t.Run(route.String(), func(t *testing.T) {
			path := concrete(route.Pattern)
			ask := func(b *browser) *httptest.ResponseRecorder { return b.do(httptest.NewRequest(route.Method, path, nil)) }
			if route.Mutates != (route.Method == "POST") {
				t.Errorf("mutates: %v", route.Mutates)
			}
			res := ask(nobody)
			if door := slices.Contains(doors, route.Pattern); door != (route.Access == web.AccessAnonymous) || res.Code >= 500 {
				t.Errorf("for nobody: %v, answered %d", route.Access == web.AccessAnonymous, res.Code)
			}
			if got := res.Header().Get("Location"); route.Access != web.AccessAnonymous && (res.Code != 303 || !strings.HasPrefix(got, "/sign-in")) {
				t.Errorf("nobody is answered %d, %s", res.Code, got)
			}
			if route.Access == web.AccessAdministrator {
				if res := ask(partner); res.Code != 404 {
					t.Errorf("a partner is answered %d", res.Code)
				}
			}
		})
	}
}

// TestNavigationLeadsSomewhere: whatever is offered can be used.
func TestNavigationLeadsSomewhere(t *testing.T) {
	for who := range emails {
		b := as(t, site(t), who)
		links := document(t, b.get("/")).Find(".rail-link")
		if links.Length() < 5 {
			t.Errorf("%s is offered %d links", who, links.Length())
		}
		links.Each(func(_ int, e *goquery.Selection) {
			if res := b.get(e.AttrOr("href", "")); res.Code != 200 {
				t.Errorf("%s: %s answers %d", who, e.AttrOr("href", ""), res.Code)
			}
		})
	}
	if n := document(t, as(t, site(t), webtest.Partner).get("/")).Find(".rail-link[href='/gateways'], .rail-link[href='/people']").Length(); n > 0 {
		t.Error("a partner is offered what is not theirs")
	}
}

func TestSignInRenewsTheSession(t *testing.T) {
	world := webtest.New(webtest.Fixed)
	h := siteOf(t, world.Options())
	b := as(t, h, webtest.Partner)
	first := b.cookies["concierge"]
	b.signIn(webtest.Developer)
	if second := b.cookies["concierge"]; second == first || second == "" {
		t.Errorf("session id %q after %q", second, first)
	}
	planted := open(t, h)
	planted.cookies["concierge"] = first
	if res := planted.get("/keys"); res.Code != 303 {
		t.Errorf("the old session still answers %d", res.Code)
	}
	if !strings.Contains(b.get("/").Body.String(), "Jonas Weber") {
		t.Error("the new session is not the new person's")
	}
}

func TestSessionCookie(t *testing.T) {
	for _, secure := range []bool{false, true} {
		o := webtest.New(webtest.Fixed).Options()
		o.Secure = secure
		res := open(t, siteOf(t, o)).post("/sign-in", url.Values{"email": {"ana@northwind.example"}, "password": {webtest.Password}})
		name := map[bool]string{false: "concierge", true: "__Host-concierge"}[secure]
		var found *http.Cookie
		for _, c := range res.Result().Cookies() {
			if c.Name == name {
				found = c
			}
		}
		if found == nil {
			t.Fatalf("secure %v: no cookie %s", secure, name)
		}
		if !found.HttpOnly || found.Secure != secure || found.SameSite != http.SameSiteLaxMode || found.Path != "/" || found.Domain != "" || found.MaxAge <= 0 || found.MaxAge > 24*60*60 {
			t.Errorf("secure %v: %+v", secure, found)
		}
	}
}

func TestSignInGoesOnOnlyHere(t *testing.T) {
	for next, want := range map[string]string{
		"":                               "/",
		"/keys?state=active":             "/keys?state=active",
		"/apis/a%2Fb":                    "/apis/a%2Fb",
		"https://evil.example/":          "/",
		"//evil.example/":                "/",
		`/\evil.example`:                 "/",
		"javascript:alert(1)":            "/",
		"keys":                           "/",
		"/\t/evil.example":               "/",
		"https:evil.example":             "/",
		"/%2Fevil.example":               "/",
		"http://apis.meridian.example/x": "/",
	} {
		res := open(t, site(t)).post("/sign-in", url.Values{"email": {"ana@northwind.example"}, "password": {webtest.Password}, "next": {next}})
		if got := res.Header().Get("Location"); got != want {
			t.Errorf("next %q leads to %q, want %q", next, got, want)
		}
	}
}

func TestSignInAsksAgainAndComesBack(t *testing.T) {
	b := open(t, site(t))
	res := b.get("/keys?state=active")
	if got := res.Header().Get("Location"); got != "/sign-in?next=%2Fkeys%3Fstate%3Dactive" {
		t.Fatalf("sent to %q", got)
	}
	form := document(t, b.get(res.Header().Get("Location"))).Find("main input[name=next]").AttrOr("value", "")
	if form != "/keys?state=active" {
		t.Errorf("the form comes back to %q", form)
	}
	wrong := b.post("/sign-in", url.Values{"email": {"ana@northwind.example"}, "password": {"my secret guess"}})
	if wrong.Code != 401 || strings.Contains(wrong.Body.String(), "my secret guess") {
		t.Errorf("status %d; the password is shown again: %v", wrong.Code, strings.Contains(wrong.Body.String(), "my secret guess"))
	}
}

func TestSignOutEndsTheSession(t *testing.T) {
	h := site(t)
	b := as(t, h, webtest.Partner)
	id := b.cookies["concierge"]
	if res := b.post("/sign-out", nil); res.Code != 303 {
		t.Fatalf("status %d", res.Code)
	}
	b.cookies["concierge"] = id
	if res := b.get("/"); res.Code != 303 {
		t.Errorf("the session still answers %d", res.Code)
	}
}

func TestDisabledPersonIsSignedOut(t *testing.T) {
	h := site(t)
	partner, administrator := as(t, h, webtest.Partner), as(t, h, webtest.Administrator)
	if res := administrator.post("/people/"+string(webtest.Partner)+"/disable", nil); res.Code != 303 {
		t.Fatalf("disabling: %d", res.Code)
	}
	if res := partner.get("/keys"); res.Code != 303 || !strings.HasPrefix(res.Header().Get("Location"), "/sign-in") {
		t.Errorf("answered %d", res.Code)
	}
	if res := partner.post("/sign-in", url.Values{"email": {"ana@northwind.example"}, "password": {webtest.Password}}); res.Code != 401 {
		t.Errorf("signing in again: %d", res.Code)
	}
}

func TestInvitation(t *testing.T) {
	h := site(t)
	b := open(t, h)
	link := "/invitation/" + webtest.Invitation
	if page := b.get(link).Body.String(); !strings.Contains(page, "tom@northwind.example") || !strings.Contains(page, "Northwind Travel") {
		t.Error("the page does not say whom it is for")
	}
	if res := b.post(link, url.Values{"name": {"Tom"}, "password": {"short"}}); res.Code != 422 {
		t.Errorf("a short password: %d", res.Code)
	}
	if res := b.post(link, url.Values{"name": {"Tom"}, "password": {"long enough to keep"}}); res.Code != 303 {
		t.Fatalf("accepting: %d", res.Code)
	}
	if !strings.Contains(b.get("/").Body.String(), "Tom") {
		t.Error("not signed in afterwards")
	}
	if res := open(t, h).post(link, url.Values{"name": {"Eve"}, "password": {"long enough to keep"}}); res.Code != 404 {
		t.Errorf("the link works twice: %d", res.Code)
	}
}

func TestFirstAdministrator(t *testing.T) {
	b := open(t, site(t))
	link := "/invitation/" + webtest.FirstLink
	if document(t, b.get(link)).Find("input[name=organisation]").Length() != 1 {
		t.Error("the first administrator is not asked for the company")
	}
	if res := b.post(link, url.Values{"name": {"Sam"}, "password": {"long enough to keep"}}); res.Code != 422 {
		t.Errorf("without a company: %d", res.Code)
	}
	if res := b.post(link, url.Values{"name": {"Sam"}, "email": {"s@x.example"}, "organisation": {"X"}, "password": {"long enough to keep"}}); res.Code != 303 {
		t.Errorf("status %d", res.Code)
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	for name, header := range map[string]http.Header{
		"another site":        {"Sec-Fetch-Site": {"cross-site"}},
		"a sibling":           {"Sec-Fetch-Site": {"same-site"}},
		"an old browser":      {"Origin": {"https://evil.example"}},
		"an opaque origin":    {"Origin": {"null"}},
		"both, contradictory": {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"http://example.com"}},
	} {
		b.header = header
		if res := b.post("/keys/key_1/revoke", nil); res.Code != 403 {
			t.Errorf("%s: %d", name, res.Code)
		}
	}
	b.header = http.Header{"Sec-Fetch-Site": {"same-origin"}}
	if res := b.post("/keys/key_1/revoke", nil); res.Code != 303 {
		t.Errorf("our own page: %d", res.Code)
	}
}

func TestForbiddenReadsAsMissing(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	pages := map[string]string{}
	for _, path := range []string{
		"/gateways", "/gateways/partner-edge", "/people", "/organisations", "/add-gateway", "/apis/ledger", "/apis/none", "/nowhere",
		"/keys/key_6", "/keys/none", "/subscriptions/sub_7", "/applications/app_settle",
	} {
		res := b.get(path)
		if res.Code != 404 {
			t.Errorf("%s: %d", path, res.Code)
		}
		body := strings.ReplaceAll(res.Body.String(), url.QueryEscape(path), "PATH")
		pages[strings.ReplaceAll(body, `value="`+path+`"`, `value="PATH"`)] = path
	}
	if len(pages) != 1 {
		t.Errorf("they differ: %d kinds", len(pages))
	}
}

func TestClaimShowsTheSecretOnce(t *testing.T) {
	var log bytes.Buffer
	o := webtest.New(webtest.Fixed).Options()
	o.Log = slog.New(web.LogHandler(slog.NewTextHandler(&log, nil), nil))
	b := as(t, siteOf(t, o), webtest.Partner)
	res := b.post("/subscriptions/sub_6/claim", nil)
	doc := document(t, res)
	secret := doc.Find("#secret-0").Text()
	if res.Code != 200 || !strings.HasPrefix(secret, "ck_live_") {
		t.Fatalf("status %d, secret %q", res.Code, secret)
	}
	if want := "curl -H 'X-Api-Key: " + secret + "' 'https://partners.meridian.example/test/loyalty/'"; doc.Find("#secret-curl").Text() != want {
		t.Errorf("command %q, want %q", doc.Find("#secret-curl").Text(), want)
	}
	if !strings.Contains(res.Header().Get("Cache-Control"), "no-store") {
		t.Error("the page may be stored")
	}
	if n := strings.Count(res.Body.String(), secret); n != 2 {
		t.Errorf("the secret is in the page %d times", n)
	}
	key := doc.Find(".secret .btn-primary").AttrOr("href", "")
	for _, path := range []string{key, "/keys", "/subscriptions/sub_6", "/applications/app_mobile", "/"} {
		if strings.Contains(b.get(path).Body.String(), secret) {
			t.Errorf("%s has the secret", path)
		}
	}
	again := b.post("/subscriptions/sub_6/claim", nil)
	if again.Code != 409 || document(t, again).Find("main a[href='"+key+"']").Length() != 1 || strings.Contains(again.Body.String(), secret) {
		t.Errorf("claiming again: %d", again.Code)
	}
	if strings.Contains(log.String(), secret) {
		t.Error("the log has the secret")
	}
}

func TestSubscribeWithANewApplication(t *testing.T) {
	b := as(t, site(t), webtest.Newcomer)
	ask := url.Values{"api": {"bookings"}, "version": {"4"}, "environment": {"test"}, "plan": {"standard"}, "application": {"new"}, "new_application": {"Website"}}
	res := b.post("/subscriptions", ask)
	where := res.Header().Get("Location")
	if res.Code != 303 || !strings.HasPrefix(where, "/subscriptions/sub_") {
		t.Fatalf("status %d, %s", res.Code, where)
	}
	if document(t, b.get(where)).Find("form[action$='/claim']").Length() != 1 {
		t.Error("nothing to claim")
	}
	// The same again, with the application that is there now, leads to the same subscription.
	application := document(t, b.get("/applications")).Find("tbody a").AttrOr("href", "")
	ask["application"] = []string{strings.TrimPrefix(application, "/applications/")}
	if again := b.post("/subscriptions", ask); again.Header().Get("Location") != where {
		t.Errorf("the same again leads to %q", again.Header().Get("Location"))
	}
	// What needs approval waits.
	ask["environment"] = []string{"production"}
	waits := b.post("/subscriptions", ask).Header().Get("Location")
	doc := document(t, b.get(waits))
	if doc.Find("form[action$='/claim']").Length() != 0 || doc.Find("[data-state=requested]").Length() == 0 || doc.Find(".toast").Length() != 1 {
		t.Error("it does not wait for approval")
	}
	if document(t, b.get(waits)).Find(".toast").Length() != 0 {
		t.Error("what was done is said twice")
	}
}

func TestApprovalIsSaidBeforeOneAsks(t *testing.T) {
	doc := document(t, as(t, site(t), webtest.Partner).get("/apis/payments?environment=production"))
	if doc.Find("[data-approval=required]").Length() != 2 {
		t.Error("production does not say that it needs approval")
	}
	doc = document(t, as(t, site(t), webtest.Partner).get("/apis/payments?environment=test"))
	if doc.Find("[data-approval=automatic]").Length() != 1 {
		t.Error("test does not say that it is granted at once")
	}
}

func TestEachIsSentToTheirOwnEndpoint(t *testing.T) {
	h := site(t)
	partner := as(t, h, webtest.Partner).get("/apis/payments?environment=production").Body.String()
	internal := as(t, h, webtest.Developer).get("/apis/payments?environment=production").Body.String()
	if !strings.Contains(partner, "https://partners.meridian.example/production/payments/v2") || strings.Contains(partner, "meridian.internal") {
		t.Error("the partner is not sent to the partners' endpoint, or learns of the internal one")
	}
	if !strings.Contains(internal, "https://payments.production.core.meridian.internal/v2") {
		t.Error("the internal developer is not sent to the internal endpoint")
	}
}

func TestRejectNeedsAReason(t *testing.T) {
	b := as(t, site(t), webtest.Division)
	if res := b.post("/approvals/sub_4/reject", url.Values{"reason": {"  "}}); res.Code != 422 {
		t.Errorf("without a reason: %d", res.Code)
	}
	if res := b.post("/approvals/sub_4/reject", url.Values{"reason": {"Not <b>now</b>"}}); res.Code != 303 {
		t.Errorf("with a reason: %d", res.Code)
	}
	page := as(t, b.h, webtest.Partner).get("/subscriptions/sub_4").Body.String()
	if !strings.Contains(page, "Not &lt;b&gt;now&lt;/b&gt;") {
		t.Error("the partner does not read the reason as it was written")
	}
}

func TestRotationSaysWhenTheOldKeyEnds(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	doc := document(t, b.post("/keys/key_1/rotate", url.Values{"overlap": {"1h0m0s"}}))
	if doc.Find("#secret-0").Length() != 1 || doc.Find(".secret time").AttrOr("datetime", "") != "2026-11-20T10:30:00Z" {
		t.Errorf("the page says %q", doc.Find(".secret time").AttrOr("datetime", ""))
	}
	if document(t, b.get("/keys/key_1")).Find("[data-state=retiring]").Length() == 0 {
		t.Error("the old key does not retire")
	}
	if document(t, b.get("/keys/key_3/rotate")).Find("input[type=radio]").Length() != 0 {
		t.Error("an overlap is offered where the gateway holds one key")
	}
}

func TestGatewayFormKeepsWhatWasWrittenButSecrets(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	form := url.Values{
		"kind": {"kong"}, "id": {"partner-edge"}, "address": {"https://x.example"}, "setting.workspace": {"w"},
		"secret.admin_token": {"super secret"}, "placement.audience": {"partner"}, "audiences": {"partner", "public"},
	}
	res := b.post("/gateways", form)
	doc := document(t, res)
	if res.Code != 422 || doc.Find("[role=alert]").Length() != 1 {
		t.Fatalf("status %d", res.Code)
	}
	if strings.Contains(res.Body.String(), "super secret") {
		t.Error("the secret is shown again")
	}
	if doc.Find("[name='setting.workspace']").AttrOr("value", "") != "w" || doc.Find("[name=audiences][checked]").Length() != 2 {
		t.Error("what was written is lost")
	}
	form.Set("id", "new-edge")
	if res := b.post("/gateways", form); res.Header().Get("Location") != "/gateways/new-edge" {
		t.Errorf("status %d", res.Code)
	}
}

func TestInvitationLinkNamesThePortal(t *testing.T) {
	b := as(t, site(t), webtest.Administrator)
	link := document(t, b.post("/people/per_tom/invite", nil)).Find("#invitation-link").Text()
	if !strings.HasPrefix(link, "https://apis.meridian.example/invitation/") {
		t.Fatalf("link %q", link)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if res := open(t, b.h).get(u.Path); res.Code != 200 {
		t.Errorf("the link answers %d", res.Code)
	}
}

func TestDocumentIsAFile(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	res := b.get("/apis/payments/document?environment=test&version=2&format=yaml")
	if got := res.Header().Get("Content-Disposition"); got != `attachment; filename="payments-2-test.yaml"` {
		t.Errorf("Content-Disposition %q", got)
	}
	if got := res.Header().Get("Content-Type"); got != "application/yaml" {
		t.Errorf("Content-Type %q", got)
	}
	if res := b.get("/apis/ledger/document?environment=test"); res.Code != 404 {
		t.Errorf("another's document: %d", res.Code)
	}
}

func TestPreferences(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	if res := b.post("/preferences", url.Values{"language": {"fr"}, "next": {"/keys"}}); res.Header().Get("Location") != "/keys" {
		t.Errorf("leads to %q", res.Header().Get("Location"))
	}
	b.post("/preferences", url.Values{"theme": {"dark"}})
	root := document(t, b.get("/")).Find("html")
	if root.AttrOr("lang", "") != "fr" || root.AttrOr("data-theme", "") != "dark" {
		t.Errorf("lang %q, theme %q", root.AttrOr("lang", ""), root.AttrOr("data-theme", ""))
	}
	b.post("/preferences", url.Values{"theme": {"system"}, "language": {"xx"}})
	root = document(t, b.get("/")).Find("html")
	if root.AttrOr("lang", "") != "fr" || root.AttrOr("data-theme", "none") != "none" {
		t.Errorf("lang %q, theme %q", root.AttrOr("lang", ""), root.AttrOr("data-theme", ""))
	}
}

func TestFlashSaysOnlyWhatItMay(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	b.cookies["concierge_flash"] = "<script>alert(1)</script>"
	if page := b.get("/"); strings.Contains(page.Body.String(), "alert(1)") || document(t, page).Find(".toast").Length() != 0 {
		t.Error("a planted cookie speaks")
	}
}

func TestTimesAreUTCWithoutAScript(t *testing.T) {
	page := as(t, site(t), webtest.Partner).get("/subscriptions/sub_4")
	if got := document(t, page).Find("time[data-format=moment]").First().Text(); got != "2026-11-20 04:30 UTC" {
		t.Errorf("reads %q", got)
	}
}

func TestPagesTurn(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	for i := range 60 {
		b.post("/applications", url.Values{"name": {fmt.Sprintf("Application %02d", i)}})
	}
	first := document(t, b.get("/applications"))
	next := first.Find("a[rel=next]").AttrOr("href", "")
	if next == "" || first.Find("tbody tr").Length() != 50 {
		t.Fatalf("%d rows, next %q", first.Find("tbody tr").Length(), next)
	}
	second := document(t, b.get(next))
	if second.Find("tbody tr").Length() != 12 || second.Find(".pager a").AttrOr("href", "") != "/applications" {
		t.Errorf("%d rows on the second page", second.Find("tbody tr").Length())
	}
	if res := b.get("/applications?cursor=nonsense"); res.Code != 422 {
		t.Errorf("a cursor of nobody: %d", res.Code)
	}
}

// spoilt answers every list of keys with an error.
type spoilt struct {
	api.Desk
	err error
}

func (s spoilt) Credentials(context.Context, api.CredentialsQuery) (api.Page[api.Credential], error) {
	return api.Page[api.Credential]{}, s.err
}

func (s spoilt) Revoke(context.Context, string) (api.Credential, error) {
	return api.Credential{}, s.err
}

// TestErrors: what a person sees of each kind, and what they never see.
func TestErrors(t *testing.T) {
	const inside = "dial tcp 10.0.0.7:5432"
	because := errors.New(inside)
	gateway := func(kind error) error {
		return &portal.GatewayError{Gateway: "edge", Op: "Revoke", Err: fmt.Errorf("%s: %w", inside, kind)}
	}
	for name, tc := range map[string]struct {
		err            error
		get, post      int
		told           string // that a POST shows
		logged, number bool
	}{
		"not found":           {fmt.Errorf("%s: %w", inside, portal.ErrNotFound), 404, 404, "", false, false},
		"denied":              {fmt.Errorf("%s: %w", inside, portal.ErrDenied), 404, 403, "", false, false},
		"invalid":             {fmt.Errorf("the name is taken: %w", portal.ErrInvalid), 422, 422, "the name is taken", false, false},
		"conflict":            {fmt.Errorf("it is revoked already: %w", portal.ErrConflict), 409, 409, "it is revoked already", false, false},
		"unsupported":         {fmt.Errorf("no ACL plugin: %w", portal.ErrUnsupported), 422, 422, "no ACL plugin", false, false},
		"unavailable":         {fmt.Errorf("%s: %w", inside, portal.ErrUnavailable), 503, 503, "", false, true},
		"retry later":         {&portal.RetryAfterError{After: 1500 * time.Millisecond, Err: because}, 503, 503, "", false, true},
		"gateway failed":      {gateway(portal.ErrUnavailable), 503, 503, "", true, true},
		"gateway refuses":     {gateway(portal.ErrDenied), 503, 503, "", true, true},
		"gateway cannot":      {gateway(portal.ErrUnsupported), 422, 422, "gateway edge cannot do this as it is configured; its administrators can see why", true, false},
		"of no kind":          {because, 500, 500, "", true, true},
		"from the HTTP API":   {&api.Problem{Type: "/problems/not-found", Status: 404}, 404, 404, "", false, false},
		"unknown to the page": {&api.Problem{Type: "/problems/new-kind", Status: 418, Detail: inside}, 418, 418, "", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			world := webtest.New(webtest.Fixed)
			o := world.Options()
			o.Log = slog.New(web.LogHandler(slog.NewTextHandler(&log, nil), nil))
			o.Desk = func(ctx context.Context, p portal.PersonID, in portal.OrganisationID) (api.Desk, error) {
				d, err := world.Desk(ctx, p, in)
				return spoilt{d, tc.err}, err
			}
			b := as(t, siteOf(t, o), webtest.Partner)
			get, post := b.get("/keys"), b.post("/keys/key_1/revoke", nil)
			if get.Code != tc.get || post.Code != tc.post {
				t.Errorf("status %d and %d, want %d and %d", get.Code, post.Code, tc.get, tc.post)
			}
			for _, res := range []*httptest.ResponseRecorder{get, post} {
				if strings.Contains(res.Body.String(), inside) {
					t.Error("the page shows what is inside")
				}
				if shown := strings.Contains(document(t, res).Find("main").Text(), res.Header().Get("X-Request-Id")); shown != tc.number {
					t.Errorf("the request's number is shown: %v", shown)
				}
			}
			if got := document(t, post).Find(".quote").Text(); got != tc.told {
				t.Errorf("told %q, want %q", got, tc.told)
			}
			if logged := strings.Contains(log.String(), inside); logged != tc.logged {
				t.Errorf("logged: %v (%s)", logged, log.String())
			}
			if tc.logged && !strings.Contains(log.String(), post.Header().Get("X-Request-Id")) {
				t.Error("the log does not have the request's number")
			}
			want := ""
			if tc.get == http.StatusServiceUnavailable {
				want = "2"
			}
			for _, res := range []*httptest.ResponseRecorder{get, post} {
				if after := res.Header().Get("Retry-After"); after != want {
					t.Errorf("Retry-After %q, want %q", after, want)
				}
			}
		})
	}
}

func TestPanicShowsNothing(t *testing.T) {
	var log bytes.Buffer
	o := webtest.New(webtest.Fixed).Options()
	o.Log = slog.New(web.LogHandler(slog.NewTextHandler(&log, nil), nil))
	o.Markdown = func(string) string { panic("the inside") }
	b := as(t, siteOf(t, o), webtest.Partner)
	res := b.get("/apis/payments")
	if res.Code != 500 || strings.Contains(res.Body.String(), "inside") || !strings.Contains(res.Body.String(), res.Header().Get("X-Request-Id")) {
		t.Errorf("status %d: %s", res.Code, res.Body)
	}
	if !strings.Contains(log.String(), "the inside") {
		t.Error("the log does not say what happened")
	}
}

func TestTooMuchIsRefused(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	if res := b.post("/applications", url.Values{"name": {strings.Repeat("x", 1<<20)}}); res.Code != 413 {
		t.Errorf("status %d", res.Code)
	}
}

func TestHeaders(t *testing.T) {
	o := webtest.New(webtest.Fixed).Options()
	o.Secure = true
	res := open(t, siteOf(t, o)).get("/sign-in")
	for name, want := range map[string]string{
		"X-Content-Type-Options":     "nosniff",
		"Referrer-Policy":            "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Strict-Transport-Security":  "max-age=31536000",
		"Content-Type":               "text/html; charset=utf-8",
	} {
		if got := res.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if web.RequestID(context.Background()) != "" || res.Header().Get("X-Request-Id") == "" {
		t.Error("no request id")
	}
}

// TestDesktop: in the window there is no door, and nothing that answers with a secret.
func TestDesktop(t *testing.T) {
	router := web.NewRouter()
	o := webtest.New(webtest.Fixed).DesktopOptions(webtest.Administrator)
	o.Router = router
	b := open(t, siteOf(t, o))
	for _, path := range []string{"/subscriptions/sub_6/claim", "/keys/key_1/rotate", "/account/tokens", "/people", "/people/per_tom/invite", "/sites", "/sign-in"} {
		if res := b.post(path, url.Values{"name": {"x"}}); res.Code != 404 {
			t.Errorf("POST %s: %d", path, res.Code)
		}
	}
	for _, path := range []string{"/sites", "/sites/paris"} {
		if doc := document(t, b.get(path)); doc.Find("[href^='/add-worker']").Length() != 0 || doc.Find("h1").Length() != 1 {
			t.Errorf("%s leads to a token that the window cannot show", path)
		}
	}
	hosted := web.NewRouter()
	ho := webtest.New(webtest.Fixed).Options()
	ho.Router = hosted
	siteOf(t, ho)
	partner := open(t, siteOf(t, webtest.New(webtest.Fixed).DesktopOptions(webtest.Partner)))
	for _, path := range []string{"/", "/apis/payments", "/subscriptions/sub_6", "/keys/key_1", "/keys/key_1/rotate", "/account"} {
		doc := document(t, partner.get(path))
		if doc.Find("html[data-desktop]").Length() != 1 || doc.Find("script[src='/wails/runtime.js']").Length() != 1 {
			t.Errorf("%s is not a page for the window", path)
		}
		if doc.Find("[action='/sign-out'], form[action$='/claim'], [type=file], [enctype='multipart/form-data']").Length() > 0 {
			t.Errorf("%s has what the window cannot do", path)
		}
		doc.Find("form[method=post]").Each(func(_ int, e *goquery.Selection) {
			r := httptest.NewRequest("POST", e.AttrOr("action", ""), nil)
			if route, ok := router.Match(r); (!ok || route.Method == "") && e.Find("button[type=submit]").Length() > 0 {
				t.Errorf("%s has a form for %s, which is not there", path, e.AttrOr("action", ""))
			}
		})
	}
	for desktop, want := range map[*browser]int{b: 0, as(t, site(t), webtest.Administrator): 1} { // a file in a form ends the window
		if n := document(t, desktop.get("/deployments/dep_tariffs/document")).Find("[type=file]").Length(); n != want {
			t.Errorf("%d inputs for files, want %d", n, want)
		}
	}
	if document(t, partner.get("/subscriptions/sub_6")).Find("[data-desktop-action=claim][data-id=sub_6]").Length() != 1 {
		t.Error("no way to claim")
	}
	if document(t, as(t, site(t), webtest.Partner).get("/")).Find("html[data-desktop]").Length() != 0 {
		t.Error("the hosted page says that it is in the window")
	}
}

func TestSearchFieldsAndFilters(t *testing.T) {
	b := as(t, site(t), webtest.Developer)
	doc := document(t, b.get("/apis?q=pay&environment=test"))
	titles := doc.Find(".api-card h2").Map(func(_ int, e *goquery.Selection) string { return strings.TrimSpace(e.Text()) })
	if strings.Join(titles, ", ") != "Fraud scores, Payments" {
		t.Errorf("found %v", titles)
	}
	if doc.Find("[name=environment][checked]").AttrOr("value", "") != "test" || doc.Find("#q").AttrOr("value", "") != "pay" {
		t.Error("the page does not say what it was asked")
	}
	if got := doc.Find(".api-card h2 a").First().AttrOr("href", ""); got != "/apis/fraud-scores?environment=test" {
		t.Errorf("leads to %q", got)
	}
}

// TestOnlyOnItsWayOut: of an API whose versions are all on their way out the pages show the one that has to be named, and of one
// that takes nobody new they say so.
func TestOnlyOnItsWayOut(t *testing.T) {
	for _, tc := range []struct {
		stands         portal.Lifecycle
		path, has, not string
		status         int
	}{
		{portal.Deprecated, "/apis/bookings", "#here code", ".empty", http.StatusOK},
		{portal.Preview, "/apis/bookings?environment=production", "#here code", ".empty", http.StatusOK},
		{portal.Deprecated, "/apis/bookings/reference", "main section[aria-labelledby]", ".empty", http.StatusOK},
		{portal.Retired, "/apis/bookings", ".empty:contains('retired')", ".empty a", http.StatusOK},
		{portal.Retired, "/apis/bookings?environment=production&version=4", ".empty:contains('retired')", ".empty a", http.StatusOK},
		{portal.Retired, "/apis/bookings/reference", ".empty", "main a[download]", http.StatusNotFound},
	} {
		res := as(t, siteOf(t, webtest.New(webtest.Fixed).Stand("bookings", tc.stands).Options()), webtest.Partner).get(tc.path)
		if doc := document(t, res); res.Code != tc.status || doc.Find(tc.has).Length() == 0 || doc.Find(tc.not).Length() > 0 {
			t.Errorf("%s, %s: status %d, %q", tc.path, tc.stands, res.Code, doc.Find("main .empty").Text())
		}
	}
}
