package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/web"
	"concierge/portal/web/ui"
	"concierge/portal/web/webtest"
)

// shown is one page as somebody comes to it. Several tests go through all of them.
type shown struct {
	name string
	who  portal.PersonID // empty: nobody is signed in
	path string
	form url.Values // not nil: the page is the answer to this form
	code int        // 0 means 200
}

var everyPage = []shown{
	{name: "sign-in", path: "/sign-in?next=%2Fkeys"},
	{name: "sign-in-wrong", path: "/sign-in", form: url.Values{"email": {"ana@northwind.example"}, "password": {"wrong"}}, code: 401},
	{name: "invitation", path: "/invitation/" + webtest.Invitation},
	{name: "invitation-short", path: "/invitation/" + webtest.Invitation, form: url.Values{"name": {"Tom"}, "password": {"short"}}, code: 422},
	{name: "invitation-first", path: "/invitation/" + webtest.FirstLink},
	{name: "invitation-gone", path: "/invitation/used", code: 404},
	{name: "home-partner", who: webtest.Partner, path: "/"},
	{name: "home-newcomer", who: webtest.Newcomer, path: "/"},
	{name: "home-division", who: webtest.Division, path: "/"},
	{name: "home-administrator", who: webtest.Administrator, path: "/"},
	{name: "reviews", who: webtest.Division, path: "/reviews"},
	{name: "reviews-narrowed", who: webtest.Division, path: "/reviews?division=americas"},
	{name: "reviews-narrowed-none", who: webtest.Administrator, path: "/reviews?gateway=public-edge"},
	{name: "reviews-none", who: webtest.Division, path: "/reviews?state=accepted"},
	{name: "renames", who: webtest.Administrator, path: "/accept-renames"},
	{name: "renames-none", who: webtest.Administrator, path: "/accept-renames?gateway=public-edge"},
	{name: "renames-unchosen", who: webtest.Administrator, path: "/accept-renames", form: url.Values{"x": {"y"}}, code: 422},
	{name: "renames-gone", who: webtest.Division, path: "/accept-renames", form: url.Values{"review": {"rev_name", "rev_no"}}, code: 409},
	{name: "renames-hidden", who: webtest.Partner, path: "/accept-renames", code: 404},
	{name: "review", who: webtest.Division, path: "/reviews/rev_pay"},
	{name: "review-rename", who: webtest.Division, path: "/reviews/rev_name"},
	{name: "review-renamed", who: webtest.Division, path: "/reviews/rev_renamed"},
	{name: "review-renamed-reopen", who: webtest.Division, path: "/reviews/rev_renamed/reopen"},
	{name: "review-answered", who: webtest.Division, path: "/reviews/rev_no"},
	{name: "review-accept", who: webtest.Division, path: "/reviews/rev_pay/accept"},
	{name: "review-hidden", who: webtest.Developer, path: "/reviews/rev_pay", code: 404},
	{name: "composition", who: webtest.Division, path: "/apis/payments/composition"},
	{name: "composition-split", who: webtest.Division, path: "/apis/payments/split?deployment=dep_d"},
	{name: "composition-none", who: webtest.Division, path: "/apis/payments/split", code: 422},
	{name: "catalog", who: webtest.Partner, path: "/apis"},
	{name: "catalog-filtered", who: webtest.Developer, path: "/apis?q=pay&environment=test"},
	{name: "catalog-mistyped", who: webtest.Partner, path: "/apis?q=paymnts"},
	{name: "catalog-nothing", who: webtest.Partner, path: "/apis?q=submarine"},
	{name: "api-partner", who: webtest.Partner, path: "/apis/payments?environment=production"},
	{name: "api-internal", who: webtest.Developer, path: "/apis/payments?environment=production"},
	{name: "api-first-key", who: webtest.Newcomer, path: "/apis/bookings?environment=test"},
	{name: "api-deprecated", who: webtest.Partner, path: "/apis/payments?environment=production&version=1"},
	{name: "api-refused", who: webtest.Developer, path: "/apis/documents?environment=test"},
	{name: "api-open", who: webtest.Partner, path: "/apis/branches"},
	{name: "api-no-endpoint", who: webtest.Partner, path: "/apis/loyalty?environment=simulation"},
	{name: "api-form-wrong", who: webtest.Partner, path: "/subscriptions", code: 422, form: url.Values{
		"api": {"bookings"}, "environment": {"test"}, "version": {"4"}, "application": {"new"}, "new_application": {""},
	}},
	{name: "api-owner", who: webtest.Division, path: "/apis/payments?environment=production"},
	{name: "guide", who: webtest.Partner, path: "/apis/payments/guides/gde_start"},
	{name: "guide-internal", who: webtest.Partner, path: "/apis/payments/guides/gde_ops", code: 404},
	{name: "texts", who: webtest.Division, path: "/apis/payments/texts"},
	{name: "texts-none", who: webtest.Division, path: "/apis/ledger/texts"},
	{name: "texts-revision", who: webtest.Division, path: "/apis/payments/texts?revision=1"},
	{name: "texts-member", who: webtest.Developer, path: "/apis/payments/texts"},
	{name: "texts-not-yours", who: webtest.Developer, path: "/apis/ledger/texts", code: 404},
	{name: "texts-partner", who: webtest.Partner, path: "/apis/payments/texts", code: 404},
	{name: "texts-preview", who: webtest.Division, path: "/apis/payments/texts", form: url.Values{
		"action": {"preview"}, "audience": {"partner"}, "revision": {"2"}, "summary.partner": {"Payments for partners"},
		"links.partner": {"Bad | javascript:alert(1)\nStatus | https://status.meridian.example"}, "tags.partner": {"money, cards"},
		"guide_title.0": {"Start"}, "guide_audience.0": {"partner"}, "guide_body.0": {"**Go**"},
	}},
	{name: "texts-conflict", who: webtest.Division, path: "/apis/payments/texts", code: 409, form: url.Values{
		"action": {"publish"}, "revision": {"1"}, "summary.partner": {"Mine"}, "guide_title.0": {"My guide"}, "guide_audience.0": {"partner"}, "guide_body.0": {"Mine too"},
	}},
	{name: "texts-wrong", who: webtest.Division, path: "/apis/payments/texts", code: 422, form: url.Values{
		"action": {"publish"}, "revision": {"2"}, "guide_body.0": {"without a title"}, "guide_audience.0": {"partner"},
	}},
	{name: "texts-history", who: webtest.Division, path: "/apis/payments/texts/history"},
	{name: "texts-history-none", who: webtest.Division, path: "/apis/ledger/texts/history"},
	{name: "own-documents", who: webtest.Developer, path: "/apis/payments/documents"},
	{name: "own-documents-none", who: webtest.Division, path: "/apis/ledger/documents"},
	{name: "own-documents-hidden", who: webtest.Partner, path: "/apis/payments/documents", code: 404},
	{name: "own-document", who: webtest.Developer, path: "/deployments/dep_own/document"},
	{name: "own-document-given", who: webtest.Developer, path: "/deployments/dep_given/document"},
	{name: "own-document-overtaken", who: webtest.Developer, path: "/deployments/dep_overtaken/document"},
	{name: "own-document-hidden", who: webtest.Partner, path: "/deployments/dep_own/document", code: 404},
	{name: "lifecycle", who: webtest.Division, path: "/apis/payments/lifecycle?version=1"},
	{name: "lifecycle-unused", who: webtest.Division, path: "/apis/ledger/lifecycle"},
	{name: "lifecycle-confirm", who: webtest.Division, path: "/apis/payments/lifecycle?version=2", form: url.Values{
		"lifecycle": {"retired"}, "sunset": {"2027-01-31"}, "successor": {"/3"}, "note": {"Three is there"},
	}},
	{name: "lifecycle-confirm-one", who: webtest.Division, path: "/apis/payments/lifecycle?version=2", form: url.Values{"lifecycle": {"deprecated"}, "deployment": {"2"}}},
	{name: "lifecycle-confirm-gone", who: webtest.Division, path: "/apis/payments/lifecycle?version=2", code: 404, form: url.Values{"lifecycle": {"deprecated"}, "deployment": {"gone"}}},
	{name: "lifecycle-wrong", who: webtest.Division, path: "/apis/payments/lifecycle?version=2", code: 422, form: url.Values{
		"lifecycle": {"deprecated"}, "sunset": {"soon"},
	}},
	{name: "lifecycle-nowhere", who: webtest.Division, path: "/apis/payments/lifecycle?version=2", code: 422, form: url.Values{
		"lifecycle": {"deprecated"}, "successor": {"nowhere"}, "confirmed": {"yes"},
	}},
	{name: "teams", who: webtest.Division, path: "/teams"},
	{name: "teams-none", who: webtest.Partner, path: "/teams"},
	{name: "team", who: webtest.Division, path: "/teams/team_pay"},
	{name: "team-empty", who: webtest.Administrator, path: "/teams/team_travel"},
	{name: "team-delete", who: webtest.Division, path: "/teams/team_pay/delete"},
	{name: "team-delete-other", who: webtest.Developer, path: "/teams/team_pay/delete", code: 404},
	{name: "team-rename-wrong", who: webtest.Division, path: "/teams/team_pay/name", form: url.Values{"name": {""}}, code: 422},
	{name: "team-rename-other", who: webtest.Developer, path: "/teams/team_pay/name", form: url.Values{"name": {"Mine"}}, code: 404},
	{name: "team-other", who: webtest.Partner, path: "/teams/team_pay", code: 404},
	{name: "team-new", who: webtest.Administrator, path: "/add-team"},
	{name: "team-new-taken", who: webtest.Division, path: "/teams", code: 422, form: url.Values{"name": {"Travel"}}},
	{name: "api-endpoints", who: webtest.Partner, path: "/apis/payments/endpoints"},
	{name: "api-reference", who: webtest.Partner, path: "/apis/payments/reference?environment=production&version=2"},
	{name: "api-reference-one", who: webtest.Partner, path: "/apis/payments/reference?environment=production&version=2&q=post+items"},
	{name: "api-reference-none", who: webtest.Partner, path: "/apis/payments/reference?environment=test&q=nothing"},
	{name: "api-reference-named", who: webtest.Developer, path: "/apis/itineraries/reference?environment=production&version=1"},
	{name: "api-reference-named-none", who: webtest.Developer, path: "/apis/itineraries/reference?environment=production&q=refund"},
	{name: "operations-named", who: webtest.Developer, path: "/apis/itineraries/operations?environment=production"},
	{name: "api-graphql", who: webtest.Developer, path: "/apis/itineraries?environment=production"},
	{name: "api-changes", who: webtest.Partner, path: "/apis/payments/changes"},
	{name: "api-changes-back", who: webtest.Division, path: "/apis/payments/changes?from=production/2&to=test/2"},
	{name: "api-changes-same", who: webtest.Partner, path: "/apis/payments/changes?from=simulation/2&to=production/2"},
	{name: "api-changes-one", who: webtest.Partner, path: "/apis/branches/changes"},
	{name: "api-changes-hidden", who: webtest.Partner, path: "/apis/payments/changes?from=development/2&to=production/2", code: 404},
	{name: "api-consumers", who: webtest.Division, path: "/apis/payments/consumers"},
	{name: "api-consumers-filtered", who: webtest.Administrator, path: "/apis/payments/consumers?state=suspended"},
	{name: "api-consumers-member", who: webtest.Developer, path: "/apis/payments/consumers?state=open&version=2"},
	{name: "api-consumers-not-yours", who: webtest.Developer, path: "/apis/ledger/consumers", code: 404},
	{name: "api-consumers-hidden", who: webtest.Partner, path: "/apis/payments/consumers", code: 404},
	{name: "operations", who: webtest.Partner, path: "/apis/payments/operations?environment=test"},
	{name: "subscriptions", who: webtest.Partner, path: "/subscriptions"},
	{name: "subscription-requested", who: webtest.Partner, path: "/subscriptions/sub_4"},
	{name: "subscription-granted", who: webtest.Partner, path: "/subscriptions/sub_6"},
	{name: "subscription-held", who: webtest.Partner, path: "/subscriptions/sub_1"},
	{name: "subscription-rejected", who: webtest.Partner, path: "/subscriptions/sub_5"},
	{name: "subscription-ended", who: webtest.Partner, path: "/subscriptions/sub_10"},
	{name: "subscription-cancel", who: webtest.Partner, path: "/subscriptions/sub_1/cancel"},
	{name: "claim", who: webtest.Partner, path: "/subscriptions/sub_6/claim", form: url.Values{}},
	{name: "claim-again", who: webtest.Partner, path: "/subscriptions/sub_1/claim", form: url.Values{}, code: 409},
	{name: "claim-waiting", who: webtest.Developer, path: "/subscriptions/sub_9/claim", form: url.Values{}, code: 202},
	{name: "keys", who: webtest.Partner, path: "/keys"},
	{name: "keys-none", who: webtest.Newcomer, path: "/keys"},
	{name: "key", who: webtest.Partner, path: "/keys/key_1"},
	{name: "key-retiring", who: webtest.Partner, path: "/keys/key_2"},
	{name: "key-revoked", who: webtest.Partner, path: "/keys/key_5"},
	{name: "key-failed", who: webtest.Partner, path: "/keys/key_7"},
	{name: "key-rotate", who: webtest.Partner, path: "/keys/key_1/rotate"},
	{name: "key-rotate-single", who: webtest.Partner, path: "/keys/key_3/rotate"},
	{name: "key-rotated", who: webtest.Partner, path: "/keys/key_1/rotate", form: url.Values{"overlap": {"24h0m0s"}}},
	{name: "key-revoke", who: webtest.Partner, path: "/keys/key_1/revoke"},
	{name: "applications", who: webtest.Partner, path: "/applications"},
	{name: "applications-none", who: webtest.Newcomer, path: "/applications"},
	{name: "application", who: webtest.Partner, path: "/applications/app_mobile"},
	{name: "application-new", who: webtest.Partner, path: "/add-application"},
	{name: "application-wrong", who: webtest.Partner, path: "/applications", form: url.Values{"name": {""}}, code: 422},
	{name: "approvals", who: webtest.Division, path: "/approvals"},
	{name: "approvals-none", who: webtest.Partner, path: "/approvals"},
	{name: "approval-reject", who: webtest.Division, path: "/approvals/sub_4/reject"},
	{name: "gateways", who: webtest.Administrator, path: "/gateways"},
	{name: "gateways-division", who: webtest.Division, path: "/gateways"},
	{name: "gateway", who: webtest.Administrator, path: "/gateways/partner-edge"},
	{name: "gateway-unclassified", who: webtest.Administrator, path: "/gateways/core-frankfurt"},
	{name: "gateway-circuit", who: webtest.Administrator, path: "/gateways/public-edge"},
	{name: "run-waiting", who: webtest.Administrator, path: "/gateways/core-frankfurt/runs/run_waiting"},
	{name: "run-apply", who: webtest.Administrator, path: "/gateways/core-frankfurt/runs/run_waiting/apply"},
	{name: "run-discard", who: webtest.Division, path: "/gateways/core-frankfurt/runs/run_waiting/discard"},
	{name: "run-discarded", who: webtest.Administrator, path: "/gateways/core-frankfurt/runs/run_discarded"},
	{name: "run-applied", who: webtest.Administrator, path: "/gateways/partner-edge/runs/run_applied"},
	{name: "run-failed", who: webtest.Division, path: "/gateways/classic-paris/runs/run_failed"},
	{name: "run-planned", who: webtest.Administrator, path: "/gateways/classic-paris/runs/run_planned"},
	{name: "run-planned-empty", who: webtest.Administrator, path: "/gateways/partner-edge/runs/run_empty"},
	{name: "run-missing", who: webtest.Administrator, path: "/gateways/partner-edge/runs/run_waiting", code: 404},
	{name: "gateway-failed", who: webtest.Administrator, path: "/gateways/classic-paris"},
	{name: "gateway-new", who: webtest.Administrator, path: "/add-gateway"},
	{name: "gateway-new-kind", who: webtest.Administrator, path: "/add-gateway?kind=kong"},
	{name: "gateway-change", who: webtest.Administrator, path: "/gateways/classic-paris/edit"},
	{name: "gateway-change-wrong", who: webtest.Administrator, path: "/gateways/classic-paris/edit", code: 422, form: url.Values{
		"kind": {"kong"}, "address": {"https://elsewhere.example:8444"}, "title": {"Classic Paris"}, "per_second": {"many"}, "every": {"5m"},
	}},
	{name: "gateway-worker-gone", who: webtest.Division, path: "/gateways/classic-paris"},
	{name: "rules", who: webtest.Administrator, path: "/gateways/classic-paris/placement"},
	{name: "rules-configuration", who: webtest.Division, path: "/gateways/partner-edge/placement"},
	{name: "rules-begun", who: webtest.Administrator, path: "/gateways/core-frankfurt/placement?deployment=dep_pilots"},
	{name: "rules-begun-other", who: webtest.Administrator, path: "/gateways/classic-paris/placement?deployment=dep_pilots", code: 404},
	{name: "rules-preview-configuration", who: webtest.Division, path: "/gateways/partner-edge/placement", form: rulesOf("/prod", "test")},
	{name: "rules-preview", who: webtest.Administrator, path: "/gateways/classic-paris/placement", form: rulesOf("/prod", "test")},
	{name: "rules-wrong", who: webtest.Administrator, path: "/gateways/classic-paris/placement", form: rulesOf("/[", "test"), code: 422},
	{name: "deployments", who: webtest.Administrator, path: "/gateways/classic-paris/deployments"},
	{name: "deployments-none", who: webtest.Administrator, path: "/gateways/public-edge/deployments"},
	{name: "unclassified", who: webtest.Administrator, path: "/unclassified"},
	{name: "deployment", who: webtest.Administrator, path: "/deployments/dep_customs"},
	{name: "deployment-held", who: webtest.Administrator, path: "/deployments/dep_tariffs"},
	{name: "deployment-unclassified", who: webtest.Division, path: "/deployments/dep_pilots"},
	{name: "deployment-unconfirmed", who: webtest.Administrator, path: "/deployments/dep_tariffs/override", form: url.Values{"set.environment": {"test"}}, code: 422},
	{name: "frozen", who: webtest.Administrator, path: "/frozen"},
	{name: "frozen-none", who: webtest.Partner, path: "/frozen"},
	{name: "frozen-keep", who: webtest.Administrator, path: "/frozen/sub_7/thaw"},
	{name: "subscription-frozen", who: webtest.Developer, path: "/subscriptions/sub_7"},
	{name: "key-frozen", who: webtest.Developer, path: "/keys/key_6"},
	{name: "jobs", who: webtest.Administrator, path: "/jobs"},
	{name: "jobs-failed", who: webtest.Administrator, path: "/jobs?state=failed&kind=sync"},
	{name: "jobs-none-found", who: webtest.Administrator, path: "/jobs?state=cancelled&kind=acts"},
	{name: "job-running", who: webtest.Administrator, path: "/jobs/4101"},
	{name: "job-retrying", who: webtest.Administrator, path: "/jobs/4102"},
	{name: "job-failed", who: webtest.Administrator, path: "/jobs/4107"},
	{name: "job-unknown", who: webtest.Administrator, path: "/jobs/4108"},
	{name: "job-again", who: webtest.Administrator, path: "/jobs/4101/run", form: url.Values{}, code: 409},
	{name: "documents", who: webtest.Administrator, path: "/gateways/classic-paris/documents"},
	{name: "documents-none", who: webtest.Administrator, path: "/gateways/core-frankfurt/documents"},
	{name: "document-unread", who: webtest.Administrator, path: "/deployments/dep_tariffs/document"},
	{name: "document-uploaded", who: webtest.Administrator, path: "/deployments/dep_customs/document"},
	{name: "document-remove", who: webtest.Administrator, path: "/deployments/dep_customs/document/remove"},
	{name: "document-forbidden", who: webtest.Partner, path: "/deployments/dep_customs/document", code: 404},
	{name: "sites", who: webtest.Administrator, path: "/sites"},
	{name: "site", who: webtest.Administrator, path: "/sites/frankfurt"},
	{name: "site-gone", who: webtest.Administrator, path: "/sites/paris"},
	{name: "site-expected", who: webtest.Administrator, path: "/sites/tokyo"},
	{name: "site-local", who: webtest.Administrator, path: "/sites/local"},
	{name: "worker-new", who: webtest.Administrator, path: "/add-worker?site=tokyo"},
	{name: "worker-wrong", who: webtest.Administrator, path: "/sites", form: url.Values{"site": {"local"}}, code: 422},
	{name: "worker-enrolled", who: webtest.Administrator, path: "/sites", form: url.Values{"site": {"osaka"}}},
	{name: "worker-revoke", who: webtest.Administrator, path: "/workers/wrk_fra2/revoke"},
	{name: "worker-revoke-last", who: webtest.Administrator, path: "/workers/wrk_fra1/revoke"},
	{name: "enrolment-revoke", who: webtest.Administrator, path: "/enrolments/enr_tokyo/revoke"},
	{name: "organisations", who: webtest.Administrator, path: "/organisations"},
	{name: "organisation-new", who: webtest.Administrator, path: "/add-organisation"},
	{name: "organisation-disable", who: webtest.Administrator, path: "/organisations/org_northwind/disable"},
	{name: "people", who: webtest.Administrator, path: "/people"},
	{name: "person-new", who: webtest.Administrator, path: "/invite-person"},
	{name: "person-invited", who: webtest.Administrator, path: "/people", form: url.Values{
		"name": {"Nina Petrov"}, "email": {"nina@northwind.example"}, "organisation": {"org_northwind"}, "roles": {"developer"},
	}},
	{name: "person-roles", who: webtest.Administrator, path: "/people/per_tom/roles"},
	{name: "person-disable", who: webtest.Administrator, path: "/people/per_tom/disable"},
	{name: "account", who: webtest.Partner, path: "/account"},
	{name: "account-token", who: webtest.Partner, path: "/account/tokens", form: url.Values{"name": {"Script"}, "days": {"30"}}},
	{name: "account-token-revoke", who: webtest.Partner, path: "/account/tokens/tok_ci/revoke"},
	{name: "missing", who: webtest.Partner, path: "/nowhere", code: 404},
	{name: "missing-to-nobody", path: "/nowhere", code: 404},
	{name: "forbidden-form", who: webtest.Partner, path: "/add-organisation", code: 404},
	{name: "forbidden", who: webtest.Partner, path: "/gateways", code: 404},
}

// status is what the page answers with.
func (s shown) status() int {
	if s.code == 0 {
		return http.StatusOK
	}
	return s.code
}

// site is the pages over a new world.
func site(t *testing.T) http.Handler {
	t.Helper()
	return siteOf(t, webtest.New(webtest.Fixed).Options())
}

func siteOf(t *testing.T, o web.Options) http.Handler {
	t.Helper()
	h, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// browser is a person with a cookie jar, without a script.
type browser struct {
	t       *testing.T
	h       http.Handler
	cookies map[string]string
	header  http.Header
}

func open(t *testing.T, h http.Handler) *browser {
	return &browser{t: t, h: h, cookies: map[string]string{}, header: http.Header{"Accept-Language": {"en"}}}
}

// as signs somebody in.
func as(t *testing.T, h http.Handler, who portal.PersonID) *browser {
	t.Helper()
	b := open(t, h)
	b.signIn(who)
	return b
}

var emails = map[portal.PersonID]string{
	webtest.Partner: "ana@northwind.example", webtest.Developer: "jonas@meridian.example", webtest.Division: "claire@meridian.example",
	webtest.Administrator: "sam@meridian.example", webtest.Newcomer: "lea@atelier-roux.example",
}

func (b *browser) signIn(who portal.PersonID) {
	b.t.Helper()
	if who == "" {
		return
	}
	res := b.post(ui.SignInPath, url.Values{"email": {emails[who]}, "password": {webtest.Password}})
	if res.Code != http.StatusSeeOther {
		b.t.Fatalf("signing in as %s: status %d", who, res.Code)
	}
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(httptest.NewRequest("GET", path, nil))
}

func (b *browser) post(path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	b.t.Helper()
	for name, values := range b.header {
		r.Header[name] = values
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.h.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return rec
}

// open goes to a page as it is described.
func (b *browser) open(s shown) *httptest.ResponseRecorder {
	b.t.Helper()
	if s.form != nil {
		return b.post(s.path, s.form)
	}
	return b.get(s.path)
}
