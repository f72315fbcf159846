package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/frontend"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/people"
	"concierge/portal/site"
	"concierge/portal/store"
	"concierge/portal/web"
)

// Two words that occur nowhere else. Everything that only the company's own people may learn holds the first; what belongs
// to another organisation, or to administrators, holds the second.
const (
	internalWord = "quokka"
	privateWord  = "numbat"
)

// probe is how a route is asked: its addresses and, where it changes something, what is sent. {api} and the like stand for
// the id of such a thing, {own.api} for one that the caller may have.
type probe struct {
	targets []string
	body    string
	ends    bool // ends what the other routes are tried on, so it is tried last
}

func at(targets ...string) probe { return probe{targets: targets} }

func (p probe) with(body string) probe { p.body = body; return p }

func (p probe) last() probe { p.ends = true; return p }

// probes classifies every route of the portal. A new route has no entry here and fails the test until it has one.
var probes = map[string]probe{
	"GET /healthz":                        at("/healthz"),
	"GET /readyz":                         at("/readyz"),
	"GET /openapi.json":                   at("/openapi.json"),
	"GET " + frontend.Prefix:              at(frontend.Prefix + "app.css"),
	"/":                                   at("/no/such/page", "/apis/{api}/nothing"),
	"POST /worker/v1/enrol":               at("/worker/v1/enrol").with(`{"token":"enrol_nonsense","secret":"worker_abcdefghijklmnopqrstuvwxyz","site":"{gateway}"}`),
	"POST /worker/v1/poll":                at("/worker/v1/poll").with(`{"gateways":[{"id":"{gateway}","kind":"sample","free":4}]}`),
	"POST /worker/v1/renew":               at("/worker/v1/renew").with(`{"calls":[{"id":"call_1","lease":"x"}]}`),
	"POST /worker/v1/return":              at("/worker/v1/return").with(`{"calls":[{"id":"call_1","lease":"x"}]}`),
	"POST /worker/v1/calls/{call}/answer": at("/worker/v1/calls/call_1/answer?part=0&last=true&lease=x").with("nonsense"),

	"/api/":                        at("/api/", "/api/v1/nothing", "/api/v1/apis/{api}/nothing"),
	"GET /.well-known/api-catalog": at("/.well-known/api-catalog"),

	"POST /preferences":        at("/preferences").with("language=en&theme=dark&next=/apis/{api}"),
	"GET /sign-in":             at("/sign-in", "/sign-in?next=/apis/{api}"),
	"POST /sign-in":            at("/sign-in").with("email={email}&password=not-the-password&next=/"),
	"POST /sign-out":           at("/sign-out").last(),
	"GET /invitation/{token}":  at("/invitation/{invitation}"),
	"POST /invitation/{token}": at("/invitation/{invitation}").with("name=Somebody&password=something-long-enough"),
	"GET /{$}":                 at("/"),

	"GET /apis":                  at("/apis", "/apis?q=payments", "/apis?q={api}", "/apis?environment=development", "/apis?tag=money"),
	"GET /apis/suggest":          at("/apis/suggest?q={api}", "/apis/suggest?q=p", "/apis/suggest?q=quo", "/apis/suggest?q=num"),
	"GET /apis/{api}":            at("/apis/{api}", "/apis/{api}?environment=test", "/apis/{own.api}?environment=development", "/apis/{own.api}?version=7", "/apis/{own.api}?environment=production&application={application}"),
	"GET /apis/{api}/operations": at("/apis/{api}/operations?environment=production", "/apis/{own.api}/operations?environment=development", "/apis/{own.api}/operations?environment=test"),
	"GET /apis/{api}/document": at("/apis/{api}/document?environment=production&format=json", "/apis/{api}/document?environment=production&format=yaml",
		"/apis/{own.api}/document?environment=test", "/apis/{own.api}/document?environment=production&application={application}", "/apis/{own.api}/document?version=7", "/apis/{own.api}/document?environment=development"),

	"GET /apis/{api}/guides/{guide}": at("/apis/{api}/guides/{guide}", "/apis/payments/guides/{guide}"),
	"GET /apis/{api}/texts":          at("/apis/{api}/texts", "/apis/payments/texts", "/apis/{own.api}/texts?revision=1", "/apis/payments/texts?from={api}"),
	"POST /apis/{api}/texts":         at("/apis/{api}/texts", "/apis/payments/texts").with("action=preview&audience=internal&revision=0"),
	"GET /apis/{api}/texts/history":  at("/apis/{api}/texts/history", "/apis/payments/texts/history"),
	"POST /apis/{api}/team":          at("/apis/{api}/team").with("team={team}"),
	"GET /apis/{api}/lifecycle":      at("/apis/{api}/lifecycle", "/apis/payments/lifecycle?version=2", "/apis/{own.api}/lifecycle?version=7"),
	"POST /apis/{api}/lifecycle":     at("/apis/{api}/lifecycle?version=7").with("lifecycle=deprecated"),

	"GET /teams":                 at("/teams"),
	"GET /add-team":              at("/add-team"),
	"POST /teams":                at("/teams").with("name=Somebody's&organisation={organisation}"),
	"GET /teams/{team}":          at("/teams/{team}"),
	"POST /teams/{team}/name":    at("/teams/{team}/name").with("name=Somebody"),
	"GET /teams/{team}/delete":   at("/teams/{team}/delete"),
	"POST /teams/{team}/delete":  at("/teams/{team}/delete").last(),
	"POST /teams/{team}/members": at("/teams/{team}/members").with("person={person}&action=add"),
	"GET /apis/{api}/endpoints":  at("/apis/{api}/endpoints", "/apis/{own.api}/endpoints"),
	"GET /apis/{api}/reference":  at("/apis/{api}/reference?environment=production", "/apis/{own.api}/reference?environment=test", "/apis/{own.api}/reference?environment=production&q={api}"),
	"GET /apis/{api}/changes": at("/apis/{api}/changes", "/apis/{api}/changes?from=test&to=production", "/apis/{own.api}/changes", "/apis/{own.api}/changes?from=development&to=production",
		"/apis/{own.api}/changes?from=production&to=production"),
	"GET /apis/{api}/consumers/list": at("/apis/{api}/consumers/list", "/apis/{own.api}/consumers/list"),
	"GET /apis/{api}/documents":      at("/apis/{api}/documents", "/apis/{own.api}/documents"),
	"GET /apis/{api}/consumers":      at("/apis/{api}/consumers", "/apis/{own.api}/consumers"),

	"GET /applications":               at("/applications"),
	"GET /add-application":            at("/add-application"),
	"POST /applications":              at("/applications").with("name=By page"),
	"GET /applications/{application}": at("/applications/{application}"),

	"GET /subscriptions": at("/subscriptions", "/subscriptions?state=rejected"),
	"POST /subscriptions": at("/subscriptions", "/subscriptions?mixed").
		with("api={api}&application={own.application}&environment=production&version=&plan="),
	"GET /subscriptions/{subscription}":         at("/subscriptions/{subscription}"),
	"GET /subscriptions/{subscription}/cancel":  at("/subscriptions/{subscription}/cancel"),
	"POST /subscriptions/{subscription}/cancel": at("/subscriptions/{subscription}/cancel").last(),
	"POST /subscriptions/{subscription}/claim":  at("/subscriptions/{subscription}/claim"),

	"GET /keys":               at("/keys", "/keys?state=active"),
	"GET /keys/{key}":         at("/keys/{key}"),
	"GET /keys/{key}/rotate":  at("/keys/{key}/rotate"),
	"POST /keys/{key}/rotate": at("/keys/{key}/rotate").with("overlap=1h"),
	"GET /keys/{key}/revoke":  at("/keys/{key}/revoke"),
	"POST /keys/{key}/revoke": at("/keys/{key}/revoke").last(),

	"GET /approvals":                         at("/approvals"),
	"POST /approvals/{subscription}/approve": at("/approvals/{subscription}/approve").with("reason=no"),
	"GET /approvals/{subscription}/reject":   at("/approvals/{subscription}/reject"),
	"POST /approvals/{subscription}/reject":  at("/approvals/{subscription}/reject").with("reason=no"),

	"GET /reviews":                     at("/reviews", "/reviews?state=accepted"),
	"GET /accept-renames":              at("/accept-renames", "/accept-renames?gateway={gateway}"),
	"POST /accept-renames":             at("/accept-renames").with("review={review}"),
	"GET /reviews/{review}":            at("/reviews/{review}"),
	"GET /reviews/{review}/accept":     at("/reviews/{review}/accept"),
	"POST /reviews/{review}/accept":    at("/reviews/{review}/accept").last(),
	"GET /reviews/{review}/reject":     at("/reviews/{review}/reject"),
	"POST /reviews/{review}/reject":    at("/reviews/{review}/reject").last(),
	"GET /reviews/{review}/reopen":     at("/reviews/{review}/reopen"),
	"POST /reviews/{review}/reopen":    at("/reviews/{review}/reopen").last(),
	"GET /apis/{api}/composition":      at("/apis/{api}/composition"),
	"GET /apis/{api}/split":            at("/apis/{api}/split", "/apis/{api}/split?deployment=dep_none"),
	"POST /apis/{api}/split":           at("/apis/{api}/split?deployment=dep_none").with("x=y"),
	"POST /apis/{api}/confirm":         at("/apis/{api}/confirm").with("deployment=dep_none"),
	"GET /apis/{api}/join":             at("/apis/{api}/join?into=rates", "/apis/{own.owned}/join?into={api}"),
	"POST /apis/{api}/join":            at("/apis/{api}/join?into={api}", "/apis/{own.owned}/join?into={api}").with("x=y"),
	"GET /apis/{api}/acts/{act}/undo":  at("/apis/{api}/acts/{act}/undo"),
	"POST /apis/{api}/acts/{act}/undo": at("/apis/{api}/acts/{act}/undo"),

	"GET /gateways":                 at("/gateways"),
	"GET /gateways/{gateway}/edit":  at("/gateways/{gateway}/edit"),
	"POST /gateways/{gateway}/edit": at("/gateways/{gateway}/edit").with("kind=sample&address=http://127.0.0.1:1&title=x"),
	"GET /add-gateway":              at("/add-gateway", "/add-gateway?kind=sample"),
	"POST /gateways":                at("/gateways").with("id={gateway}&kind=sample&address=http://127.0.0.1:1"),
	"GET /gateways/{gateway}":       at("/gateways/{gateway}"),
	"POST /gateways/{gateway}/sync": at("/gateways/{gateway}/sync"),

	"POST /gateways/{gateway}/plan":                  at("/gateways/{gateway}/plan"),
	"GET /gateways/{gateway}/runs/{run}":             at("/gateways/{gateway}/runs/{run}"),
	"GET /gateways/{gateway}/runs/{run}/apply":       at("/gateways/{gateway}/runs/{run}/apply"),
	"POST /gateways/{gateway}/runs/{run}/apply":      at("/gateways/{gateway}/runs/{run}/apply"),
	"GET /gateways/{gateway}/runs/{run}/discard":     at("/gateways/{gateway}/runs/{run}/discard"),
	"POST /gateways/{gateway}/runs/{run}/discard":    at("/gateways/{gateway}/runs/{run}/discard"),
	"GET /gateways/{gateway}/documents":              at("/gateways/{gateway}/documents"),
	"GET /deployments/{deployment}/document":         at("/deployments/{deployment}/document"),
	"POST /deployments/{deployment}/document":        at("/deployments/{deployment}/document").with("document=x"),
	"GET /deployments/{deployment}/document/content": at("/deployments/{deployment}/document/content"),
	"GET /deployments/{deployment}/document/remove":  at("/deployments/{deployment}/document/remove"),
	"POST /deployments/{deployment}/document/remove": at("/deployments/{deployment}/document/remove"),

	"GET /gateways/{gateway}/placement":       at("/gateways/{gateway}/placement", "/gateways/{gateway}/placement?deployment={deployment}"),
	"POST /gateways/{gateway}/placement":      at("/gateways/{gateway}/placement").with("do=preview&rule.0.match.path=/x&rule.0.set.environment=test"),
	"GET /gateways/{gateway}/deployments":     at("/gateways/{gateway}/deployments"),
	"GET /unclassified":                       at("/unclassified"),
	"GET /deployments/{deployment}":           at("/deployments/{deployment}"),
	"POST /deployments/{deployment}/override": at("/deployments/{deployment}/override").with("set.audience=partner"),
	"GET /frozen":                             at("/frozen"),
	"GET /frozen/{subscription}/thaw":         at("/frozen/{subscription}/thaw"),
	"POST /frozen/{subscription}/thaw":        at("/frozen/{subscription}/thaw").with("reason=no"),

	"GET /jobs":            at("/jobs", "/jobs?kind=sync&state=failed"),
	"GET /jobs/{job}":      at("/jobs/{job}"),
	"POST /jobs/{job}/run": at("/jobs/{job}/run"),

	"GET /sites":                          at("/sites"),
	"POST /sites":                         at("/sites").with("site={site}"),
	"GET /sites/{site}":                   at("/sites/{site}"),
	"GET /add-worker":                     at("/add-worker", "/add-worker?site={site}"),
	"GET /enrolments/{enrolment}/revoke":  at("/enrolments/{enrolment}/revoke"),
	"POST /enrolments/{enrolment}/revoke": at("/enrolments/{enrolment}/revoke").last(),
	"GET /workers/{worker}/revoke":        at("/workers/{worker}/revoke"),
	"POST /workers/{worker}/revoke":       at("/workers/{worker}/revoke").last(),

	"GET /organisations":                         at("/organisations"),
	"GET /add-organisation":                      at("/add-organisation"),
	"POST /organisations":                        at("/organisations").with("name={organisationname}&audience=partner"),
	"GET /organisations/{organisation}/disable":  at("/organisations/{organisation}/disable"),
	"POST /organisations/{organisation}/disable": at("/organisations/{organisation}/disable"),
	"POST /organisations/{organisation}/enable":  at("/organisations/{organisation}/enable"),

	"GET /people":                   at("/people"),
	"GET /invite-person":            at("/invite-person"),
	"POST /people":                  at("/people").with("name=Somebody&email={email}&organisation={organisation}&roles=developer"),
	"POST /people/{person}/invite":  at("/people/{person}/invite"),
	"GET /people/{person}/roles":    at("/people/{person}/roles"),
	"POST /people/{person}/roles":   at("/people/{person}/roles").with("roles=viewer"),
	"GET /people/{person}/disable":  at("/people/{person}/disable"),
	"POST /people/{person}/disable": at("/people/{person}/disable"),
	"POST /people/{person}/enable":  at("/people/{person}/enable"),

	"GET /account":                        at("/account"),
	"POST /account/tokens":                at("/account/tokens").with("name=By page&days=7"),
	"GET /account/tokens/{token}/revoke":  at("/account/tokens/{token}/revoke"),
	"POST /account/tokens/{token}/revoke": at("/account/tokens/{token}/revoke").last(),

	"GET /api/v1/me":           at("/api/v1/me"),
	"GET /api/v1/environments": at("/api/v1/environments"),
	"GET /api/v1/apis/suggest": at("/api/v1/apis/suggest?q={api}", "/api/v1/apis/suggest?q=p", "/api/v1/apis/suggest?q=quo"),
	"GET /api/v1/apis":         at("/api/v1/apis", "/api/v1/apis?q=quoka", "/api/v1/apis?q=paymnts", "/api/v1/apis?q=/payments", "/api/v1/apis?q=GET+/{api}", "/api/v1/apis?q=payments&environment=production&environment=test", "/api/v1/apis?q={api}", "/api/v1/apis?environment=development", "/api/v1/apis?tag=money", "/api/v1/apis?limit=1", "/api/v1/apis?cursor={api}"),
	"GET /api/v1/apis/{id}":    at("/api/v1/apis/{api}"),
	"GET /api/v1/apis/{id}/spec": at("/api/v1/apis/{api}/spec", "/api/v1/apis/{api}/spec?environment=test", "/api/v1/apis/{own.api}/spec?environment=development",
		"/api/v1/apis/{own.api}/spec?version=7", "/api/v1/apis/{own.api}/spec?environment=test"),
	"GET /api/v1/apis/{id}/difference": at("/api/v1/apis/{api}/difference?from_environment=test&to_environment=production", "/api/v1/apis/{own.api}/difference?from_environment=development&to_environment=production",
		"/api/v1/apis/{own.api}/difference?from_environment=production&to_environment=production", "/api/v1/apis/{own.owned}/difference?from_deployment={deployment}&to_environment=test"),
	"GET /api/v1/apis/{id}/documents":        at("/api/v1/apis/{api}/documents", "/api/v1/apis/{own.api}/documents"),
	"GET /api/v1/apis/{id}/consumers":        at("/api/v1/apis/{api}/consumers", "/api/v1/apis/{own.api}/consumers"),
	"GET /api/v1/reviews":                    at("/api/v1/reviews", "/api/v1/reviews?state=accepted"),
	"GET /api/v1/reviews/{id}":               at("/api/v1/reviews/{review}"),
	"POST /api/v1/reviews/{id}/accept":       at("/api/v1/reviews/{review}/accept").last(),
	"POST /api/v1/reviews/{id}/reject":       at("/api/v1/reviews/{review}/reject").last(),
	"POST /api/v1/reviews/{id}/reopen":       at("/api/v1/reviews/{review}/reopen").last(),
	"GET /api/v1/apis/{id}/composition":      at("/api/v1/apis/{api}/composition"),
	"POST /api/v1/apis/{id}/split":           at("/api/v1/apis/{api}/split", "/api/v1/apis/{own.owned}/split").with(`{"deployments":["{deployment}"]}`),
	"POST /api/v1/apis/{id}/join":            at("/api/v1/apis/{api}/join", "/api/v1/apis/{own.owned}/join").with(`{"into":"{api}"}`),
	"POST /api/v1/apis/{id}/confirm":         at("/api/v1/apis/{api}/confirm", "/api/v1/apis/{own.owned}/confirm").with(`{"deployments":["{deployment}"]}`),
	"POST /api/v1/apis/{id}/acts/{act}/undo": at("/api/v1/apis/{api}/acts/{act}/undo", "/api/v1/apis/{own.owned}/acts/{act}/undo"),

	"GET /api/v1/resolve": at("/api/v1/resolve?api={api}&environment=production", "/api/v1/resolve?api={api}&environment=test", "/api/v1/resolve?api={own.api}&environment=test",
		"/api/v1/resolve?api={own.api}&environment=development", "/api/v1/resolve?api={own.api}&environment=production&version=7",
		"/api/v1/resolve?api={own.api}&environment=production&region={api}", "/api/v1/resolve?api={own.api}&environment=production&application={application}"),

	"GET /api/v1/leaving":                  at("/api/v1/leaving"),
	"GET /api/v1/apis/{id}/guides/{guide}": at("/api/v1/apis/{api}/guides/{guide}", "/api/v1/apis/payments/guides/{guide}"),
	"GET /api/v1/apis/{id}/texts":          at("/api/v1/apis/{api}/texts", "/api/v1/apis/payments/texts", "/api/v1/apis/payments/texts?from={api}", "/api/v1/apis/{own.owned}/texts?from={api}"),
	"PUT /api/v1/apis/{id}/texts":          at("/api/v1/apis/{api}/texts").with(`{"revision":7}`),
	"POST /api/v1/apis/{id}/texts/preview": at("/api/v1/apis/{api}/texts/preview").with(`{"audience":"internal","revision":0}`),
	"GET /api/v1/apis/{id}/texts/history":  at("/api/v1/apis/{api}/texts/history", "/api/v1/apis/payments/texts/history"),
	"PUT /api/v1/apis/{id}/team":           at("/api/v1/apis/{api}/team", "/api/v1/apis/{own.owned}/team").with(`{"team":"{team}"}`),
	"GET /api/v1/apis/{id}/versions/{version}/lifecycle": at("/api/v1/apis/{api}/versions/7/lifecycle", "/api/v1/apis/payments/versions/2/lifecycle",
		"/api/v1/apis/payments/versions/7/lifecycle"),
	"PUT /api/v1/apis/{id}/versions/{version}/lifecycle": at("/api/v1/apis/{api}/versions/7/lifecycle", "/api/v1/apis/{own.owned}/versions/1/lifecycle").
		with(`{"lifecycle":"deprecated","successor":"{api}","deployment":"{deployment}"}`),

	"GET /api/v1/teams":                          at("/api/v1/teams"),
	"POST /api/v1/teams":                         at("/api/v1/teams").with(`{"name":"By API","organisation":"{organisation}"}`),
	"GET /api/v1/teams/{id}":                     at("/api/v1/teams/{team}"),
	"PATCH /api/v1/teams/{id}":                   at("/api/v1/teams/{team}").with(`{"name":"Somebody"}`),
	"DELETE /api/v1/teams/{id}":                  at("/api/v1/teams/{team}").last(),
	"PUT /api/v1/teams/{id}/members/{person}":    at("/api/v1/teams/{team}/members/{person}", "/api/v1/teams/{own.team}/members/{person}"),
	"DELETE /api/v1/teams/{id}/members/{person}": at("/api/v1/teams/{team}/members/{person}", "/api/v1/teams/{own.team}/members/{person}"),

	"GET /api/v1/applications":      at("/api/v1/applications"),
	"POST /api/v1/applications":     at("/api/v1/applications").with(`{"name":"By API"}`),
	"GET /api/v1/applications/{id}": at("/api/v1/applications/{application}"),

	"GET /api/v1/subscriptions": at("/api/v1/subscriptions", "/api/v1/subscriptions?application={application}", "/api/v1/subscriptions?to_decide=true", "/api/v1/subscriptions?frozen=true", "/api/v1/subscriptions?state=rejected"),
	"POST /api/v1/subscriptions": at("/api/v1/subscriptions").
		with(`{"application":"{own.application}","api":"{api}","environment":"production"}`),
	"GET /api/v1/subscriptions/{id}":              at("/api/v1/subscriptions/{subscription}"),
	"DELETE /api/v1/subscriptions/{id}":           at("/api/v1/subscriptions/{subscription}").last(),
	"POST /api/v1/subscriptions/{id}/approve":     at("/api/v1/subscriptions/{subscription}/approve"),
	"POST /api/v1/subscriptions/{id}/reject":      at("/api/v1/subscriptions/{subscription}/reject").with(`{"reason":"no"}`),
	"POST /api/v1/subscriptions/{id}/credentials": at("/api/v1/subscriptions/{subscription}/credentials"),

	"GET /api/v1/credentials":              at("/api/v1/credentials", "/api/v1/credentials?application={application}", "/api/v1/credentials?subscription={subscription}"),
	"GET /api/v1/credentials/{id}":         at("/api/v1/credentials/{key}"),
	"POST /api/v1/credentials/{id}/rotate": at("/api/v1/credentials/{key}/rotate").with(`{"overlap":"1h"}`),
	"DELETE /api/v1/credentials/{id}":      at("/api/v1/credentials/{key}").last(),

	"GET /api/v1/gateway-kinds":                     at("/api/v1/gateway-kinds"),
	"GET /api/v1/gateways":                          at("/api/v1/gateways"),
	"POST /api/v1/gateways":                         at("/api/v1/gateways").with(`{"id":"{gateway}","title":"A","kind":"sample","address":"http://127.0.0.1:1"}`),
	"GET /api/v1/gateways/{id}":                     at("/api/v1/gateways/{gateway}"),
	"PUT /api/v1/gateways/{id}":                     at("/api/v1/gateways/{gateway}").with(`{"id":"{gateway}","kind":"sample","address":"http://127.0.0.1:1"}`),
	"POST /api/v1/gateways/{id}/sync":               at("/api/v1/gateways/{gateway}/sync"),
	"GET /api/v1/gateways/{id}/documents":           at("/api/v1/gateways/{gateway}/documents"),
	"GET /api/v1/deployments/{id}/document":         at("/api/v1/deployments/{deployment}/document"),
	"PUT /api/v1/deployments/{id}/document":         at("/api/v1/deployments/{deployment}/document").with("nonsense"),
	"DELETE /api/v1/deployments/{id}/document":      at("/api/v1/deployments/{deployment}/document"),
	"GET /api/v1/deployments/{id}/document/content": at("/api/v1/deployments/{deployment}/document/content"),
	"GET /api/v1/gateways/{id}/runs":                at("/api/v1/gateways/{gateway}/runs"),
	"GET /api/v1/gateways/{id}/runs/{run}":          at("/api/v1/gateways/{gateway}/runs/{run}"),

	"POST /api/v1/gateways/{id}/runs/{run}/apply":   at("/api/v1/gateways/{gateway}/runs/{run}/apply"),
	"POST /api/v1/gateways/{id}/runs/{run}/discard": at("/api/v1/gateways/{gateway}/runs/{run}/discard"),

	"GET /api/v1/gateways/{id}/rules":          at("/api/v1/gateways/{gateway}/rules"),
	"PUT /api/v1/gateways/{id}/rules":          at("/api/v1/gateways/{gateway}/rules").with(`{"rules":[],"preview":"x"}`),
	"POST /api/v1/gateways/{id}/rules/preview": at("/api/v1/gateways/{gateway}/rules/preview").with(`{"rules":[]}`),
	"GET /api/v1/deployments":                  at("/api/v1/deployments", "/api/v1/deployments?unclassified=true", "/api/v1/deployments?gateway={gateway}"),
	"GET /api/v1/deployments/{id}":             at("/api/v1/deployments/{deployment}"),
	"GET /api/v1/deployments/{id}/override":    at("/api/v1/deployments/{deployment}/override"),
	"PUT /api/v1/deployments/{id}/override":    at("/api/v1/deployments/{deployment}/override").with(`{"base_url":"https://x.example"}`),
	"DELETE /api/v1/deployments/{id}/override": at("/api/v1/deployments/{deployment}/override"),
	"POST /api/v1/subscriptions/{id}/thaw":     at("/api/v1/subscriptions/{subscription}/thaw"),

	"GET /api/v1/jobs":           at("/api/v1/jobs", "/api/v1/jobs?kind=sync&state=failed"),
	"GET /api/v1/jobs/{id}":      at("/api/v1/jobs/{job}"),
	"POST /api/v1/jobs/{id}/run": at("/api/v1/jobs/{job}/run"),

	"GET /api/v1/sites":                    at("/api/v1/sites"),
	"GET /api/v1/sites/{site}":             at("/api/v1/sites/{site}"),
	"POST /api/v1/sites/{site}/enrolments": at("/api/v1/sites/{site}/enrolments"),
	"DELETE /api/v1/enrolments/{id}":       at("/api/v1/enrolments/{enrolment}").last(),
	"DELETE /api/v1/workers/{id}":          at("/api/v1/workers/{worker}").last(),

	"GET /api/v1/organisations":        at("/api/v1/organisations"),
	"POST /api/v1/organisations":       at("/api/v1/organisations").with(`{"name":"{organisationname}","audience":"partner"}`),
	"GET /api/v1/organisations/{id}":   at("/api/v1/organisations/{organisation}"),
	"PATCH /api/v1/organisations/{id}": at("/api/v1/organisations/{organisation}").with(`{"disabled":true}`),

	"GET /api/v1/people":                  at("/api/v1/people"),
	"POST /api/v1/people":                 at("/api/v1/people").with(`{"name":"Somebody","email":"{email}","organisation":"{organisation}"}`),
	"GET /api/v1/people/{id}":             at("/api/v1/people/{person}"),
	"PATCH /api/v1/people/{id}":           at("/api/v1/people/{person}").with(`{"disabled":true}`),
	"POST /api/v1/people/{id}/invitation": at("/api/v1/people/{person}/invitation"),

	"GET /api/v1/tokens":         at("/api/v1/tokens"),
	"POST /api/v1/tokens":        at("/api/v1/tokens").with(`{"name":"By API"}`),
	"GET /api/v1/tokens/{id}":    at("/api/v1/tokens/{token}"),
	"DELETE /api/v1/tokens/{id}": at("/api/v1/tokens/{token}").last(),
}

// ids are things by their kind, such as "api" or "key".
type ids map[string]string

// somebody asks, by cookie or by token.
type somebody struct {
	name          string
	email         string
	token, cookie string
	person        portal.PersonID
	organisation  portal.OrganisationID

	hidden    []string // the words that they may not meet
	own       ids
	forbidden ids // things that are there, and not for them
}

// reply is a whole answer.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, r.status)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(r.header[name], " | "))
	}
	return b.String() + "\n" + r.body
}

// holds returns the first of the words that is somewhere in the answer, as it is or percent-encoded.
func (r reply) holds(words []string) string {
	text := strings.ToLower(r.String())
	if decoded, err := url.QueryUnescape(text); err == nil {
		text += decoded
	}
	for _, w := range words {
		if strings.Contains(text, w) {
			return w
		}
	}
	return ""
}

var requestID = regexp.MustCompile(`"request_id":"[a-z0-9]*",?`)

// like is the answer without what differs between any two requests, and without what was asked for.
func (r reply) like(asked ids) string {
	r.header = r.header.Clone()
	for _, name := range []string{"X-Request-Id", "Content-Length"} {
		r.header.Del(name)
	}
	text := requestID.ReplaceAllString(r.String(), "")
	values := slices.SortedFunc(maps.Values(asked), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, id := range values {
		for _, form := range []string{url.QueryEscape(url.QueryEscape(id)), url.QueryEscape(id), id} {
			text = strings.ReplaceAll(text, form, "ASKED")
		}
	}
	return text
}

// ask sends one request. Pages get the cookie and what a browser says of a request from the same site; the API gets the
// token; both surfaces get nothing else. A call that comes too soon for its token is made again.
func (s *server) ask(who somebody, surface web.Surface, method, target, body string, change ...func(*http.Request)) reply {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, content)
	switch surface {
	case web.SurfaceAPI:
		if who.token != "" {
			r.Header.Set("Authorization", "Bearer "+who.token)
		}
		r.Header.Set("Content-Type", "application/json")
	case web.SurfacePage:
		if who.cookie != "" {
			r.Header.Set("Cookie", who.cookie)
		}
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if surface == web.SurfaceAPI && w.Code == http.StatusTooManyRequests {
		time.Sleep(50 * time.Millisecond)
		return s.ask(who, surface, method, target, body, change...)
	}
	return reply{w.Code, w.Result().Header, w.Body.String()}
}

// must calls the API and returns its answer, which has to be a success.
func (s *server) must(t *testing.T, who somebody, method, target string, body any) map[string]any {
	t.Helper()
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	r := s.ask(who, web.SurfaceAPI, method, target, text)
	if r.status/100 != 2 {
		t.Fatalf("%s: %s %s: %s", who.name, method, target, r)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil && r.body != "" {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer
}

// openPortal opens a portal over sample gateways with everything in dir, and reads the gateways once.
func openPortal(t *testing.T, dir string, gateways ...ingest.Registration) *server {
	t.Helper()
	c, err := parseConfig(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Database, c.KeyFile = testDatabase(t, filepath.Join(dir, "concierge.db")), filepath.Join(dir, "concierge.key")
	s, err := open(t.Context(), c, gateways, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, g := range gateways {
		s.syncNow(t, g.ID)
	}
	return s
}

// syncNow reads one gateway and returns how that went.
func (s *server) syncNow(t *testing.T, id portal.GatewayID) catalog.Run {
	t.Helper()
	run, err := s.ingest.Sync(t.Context(), id, "system:test")
	if err != nil {
		t.Fatal(err)
	}
	if run, err = s.ingest.Wait(t.Context(), id, run.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.live.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return run
}

// enter makes a person and signs them in.
func (s *server) enter(t testing.TB, name, email string, o people.NewOrganisation, roles ...access.Role) somebody {
	t.Helper()
	password := portal.NewSecret(portal.NewID("pw"))
	c, token, err := s.people.Seed(t.Context(), people.Seed{Organisation: o, Name: name, Email: email, Password: password, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.live.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	who := somebody{name: name, email: email, token: token.Reveal(), person: c.Person, organisation: c.Organisation, own: ids{}}
	who.cookie = s.signIn(t, email, password.Reveal())
	return who
}

func (s *server) signIn(t testing.TB, email, password string) string {
	t.Helper()
	r := s.ask(somebody{}, web.SurfacePage, "POST", "/sign-in", url.Values{"email": {email}, "password": {password}}.Encode())
	if r.status != http.StatusSeeOther {
		t.Fatalf("signing in as %s: %s", email, r)
	}
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	return cookie
}

// registeredSample starts one and says how it is registered.
func registeredSample(t *testing.T, o gateway.Options, r catalog.Gateway) (*gateway.Gateway, ingest.Registration) {
	t.Helper()
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	r.Kind, r.Address, r.Site, r.AllowPrivate, r.Source = "sample", g.AdminURL(), portal.SiteLocal, []string{"127.0.0.0/8"}, catalog.FromConfiguration
	return g, ingest.Registration{Gateway: r, Credentials: map[string]portal.Secret{"token": g.AdminToken()}}
}

// canaries is a portal in which everything that is not for everybody holds one of the two words.
type canaries struct {
	*server
	shown                                      []string // planted where those who may see it are shown it
	secret                                     []string // addresses and the like that hold no word
	partner, rival, insider, dev, owner, admin somebody
	missing                                    ids
}

// internal plants a word for the company's own people, private one for an organisation or for administrators.
func (w *canaries) internal(place string) string { return w.plant(internalWord + place) }
func (w *canaries) private(place string) string  { return w.plant(privateWord + place) }

func (w *canaries) plant(word string) string {
	w.shown = append(w.shown, word)
	return word
}

const innerHost = "quokkahost.corp:8443"

// partnerDocument is for partners, but was copied from inside.
const partnerDocument = `
openapi: 3.1.0
info:
  title: Payments
  version: 2.0.0
  description: Ask for [help](https://quokkawiki.corp/help); the old address was ` + innerHost + `.
  x-owner: quokkateam
servers: [{url: "https://` + innerHost + `/payments", description: quokka server}]
externalDocs: {url: "https://quokkawiki.corp/payments"}
paths:
  /payments:
    servers: [{url: "https://quokkapath.corp"}]
    get:
      summary: List payments
      operationId: listPayments
      x-backend: {url: "https://quokkabackend.corp"}
      servers: [{url: "https://quokkaop.corp"}]
      responses:
        "200":
          description: The payments
          links: {next: {operationId: listPayments, server: {url: "https://quokkalink.corp"}}}
      callbacks:
        paid: {"{$request.body#/url}": {post: {servers: [{url: "https://quokkacallback.corp"}], responses: {"200": {description: ok}}}}}
`

func openCanaries(t *testing.T) *canaries {
	w := &canaries{}
	division := portal.Division(internalWord + "division")
	innerDocument := fmt.Appendf(nil, `
openapi: 3.1.0
info: {title: %s, version: 1.0.0, description: %s, x-team: quokkateam}
servers: [{url: "https://quokkaserver.corp"}]
paths:
  /%s:
    get: {summary: %s, operationId: %s, responses: {"200": {description: %s}}}
`, w.internal("doctitle"), w.internal("docdescription"), w.internal("docpath"), w.internal("docsummary"), w.internal("docoperation"), w.internal("docresponse"))

	edge, edgeAt := registeredSample(t, gateway.Options{Name: "numbatedgename", APIs: []gateway.API{
		{
			Name: "payments", Path: "/payments/v2", Title: "Payments", Summary: "Pay and be paid", Version: "2.0.0", Entry: "payments", Tags: []string{"money"},
			Backend:  "http://" + w.private("backend") + ".svc:8080/payments",
			Document: []byte(partnerDocument),
		},
		{
			Name: "rates", Path: "/rates", Title: "Rates", Summary: "For everybody", Version: "1.0.0", Tags: []string{"money"},
			Words: map[portal.Axis]string{portal.AxisAudience: string(portal.Public)},
		},
	}}, catalog.Gateway{
		ID: "edge", Title: w.private("edgetitle"), Division: division,
		Defaults: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisEnvironment: "production", portal.AxisDivision: string(division)},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Partner, portal.Public}},
	})
	inner, innerAt := registeredSample(t, gateway.Options{Name: "numbatinnername", APIs: []gateway.API{
		{
			Name: "secret", Path: "/" + w.internal("path"), Stages: []string{internalWord + "stage"}, Title: w.internal("title"), Summary: w.internal("summary"),
			Description: w.internal("description"), Version: "7.0.0-" + internalWord, Tags: []string{w.internal("tag"), "money"}, Owner: w.internal("owner"),
			Plans:          []gateway.Plan{{ID: w.internal("plan"), Title: w.internal("plantitle")}},
			Authentication: portal.Authentication{Type: "apiKey", In: "header", Name: w.internal("header")},
			Document:       innerDocument, Backend: privateWord + "backend.svc:8080",
		},
		{
			Name: "undocumented", Title: w.internal("undocumented"), Version: "1.0.0", Stages: []string{internalWord + "stage"},
		},
	}}, catalog.Gateway{
		ID: portal.GatewayID(w.internal("gateway")), Title: w.private("innertitle"), Division: division,
		Defaults: map[portal.Axis]string{
			portal.AxisAudience: "internal", portal.AxisEnvironment: "production", portal.AxisDivision: string(division), portal.AxisRegion: w.internal("region"),
			portal.AxisHosting: w.private("hosting"),
		},
		Bounds: portal.Bounds{Audiences: []portal.Audience{portal.Internal}},
		Rules:  []catalog.Rule{{Public: "https://" + innerHost}},
	})
	w.plant("quokkahost.corp")
	lab, labAt := registeredSample(t, gateway.Options{}, catalog.Gateway{
		ID: "lab", Title: w.private("labtitle"), Division: division, Defaults: map[portal.Axis]string{portal.AxisDivision: string(division)},
		Bounds: portal.Bounds{Audiences: []portal.Audience{portal.Internal, portal.Partner}, Environments: []portal.Environment{portal.Development, portal.Test}},
		Rules: []catalog.Rule{
			{Match: catalog.Match{Stage: "outside"}, Set: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisEnvironment: "test"}},
			{Match: catalog.Match{Stage: internalWord + "lab"}, Set: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "test"}},
			{Match: catalog.Match{Stage: internalWord + "dev"}, Set: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "development"}},
		},
	})
	// All its stages share one host, so only the path tells which address is whose.
	inside := lab.PublicURL() + "/" + internalWord + "lab/payments/v2"
	err := lab.Add(gateway.API{
		Name: "payments-lab", Path: "/payments/v2", Title: "Payments", Summary: "Pay and be paid", Version: "2.1.0", Entry: "payments",
		Stages:   []string{"outside", internalWord + "lab", internalWord + "dev"},
		Document: []byte(strings.Replace(partnerDocument, "Ask for", "Staff use "+inside+" and "+strings.TrimPrefix(inside, "http://")+". Ask for", 1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.plant(internalWord + "lab")
	w.plant(internalWord + "dev")
	nowhere, nowhereAt := registeredSample(t, gateway.Options{APIs: []gateway.API{
		{Name: "unplaced", Title: "numbatunplaced", Summary: "numbatunplaced", Version: "1"},
	}}, catalog.Gateway{ID: portal.GatewayID(w.private("nowhere")), Title: "numbatnowhere", Division: division})

	_, ownedAt := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "owned", Title: "Owned", Version: "1.0.0", Entry: "owned"}}}, catalog.Gateway{
		ID: "owned", Title: "Owned", Division: "elsewhere",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "test", portal.AxisDivision: "elsewhere"},
	})

	w.server = openPortal(t, t.TempDir(), edgeAt, innerAt, labAt, nowhereAt, ownedAt)
	// Added last: an entry is named after the title that is read first, and the partner's name for it is to be the plain one.
	err = inner.Add(gateway.API{
		Name: "inside", Path: "/inside", Stages: []string{internalWord + "stage"}, Title: w.internal("sametitle"), Summary: w.internal("samesummary"),
		Description: w.internal("samedescription"), Version: "7.1.0", Entry: "payments", Tags: []string{w.internal("sametag")}, Owner: w.internal("sameowner"),
		Plans: []gateway.Plan{{ID: w.internal("sameplan"), Title: w.internal("sameplantitle")}}, Document: innerDocument,
	})
	if err != nil {
		t.Fatal(err)
	}
	if run := w.syncNow(t, innerAt.ID); !run.State.Good() {
		t.Fatalf("the sync %s: %s", run.State, run.Error)
	}
	for _, g := range []*gateway.Gateway{inner, nowhere} {
		w.secret = append(w.secret, strings.TrimPrefix(g.PublicURL(), "http://"))
	}
	for _, g := range []*gateway.Gateway{inner, nowhere, edge, lab} {
		w.secret = append(w.secret, strings.TrimPrefix(g.AdminURL(), "http://"))
	}

	partners := people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}
	w.partner = w.enter(t, "Petra", "petra@brightmart.example", partners, access.OrganisationAdmin, access.Developer)
	w.rival = w.enter(t, w.private("rivalname"), w.private("rivalmail")+"@rival.example",
		people.NewOrganisation{Name: w.private("rivalorganisation"), Audience: portal.Partner}, access.OrganisationAdmin, access.Developer)
	w.insider = w.enter(t, w.private("insidername"), w.private("insidermail")+"@alpenglow.example",
		people.NewOrganisation{Name: w.private("insiderorganisation"), Audience: portal.Internal, Division: division}, access.OrganisationAdmin, access.Developer)
	w.dev = w.enter(t, w.internal("devname"), w.internal("devmail")+"@alpenglow.example",
		people.NewOrganisation{Name: w.internal("devorganisation"), Audience: portal.Internal, Division: "elsewhere"}, access.OrganisationAdmin, access.Developer)
	w.owner = w.enter(t, w.internal("ownername"), w.internal("ownermail")+"@alpenglow.example",
		people.NewOrganisation{Name: w.internal("ownerorganisation"), Audience: portal.Internal, Division: "elsewhere"}, access.DivisionAdministrator, access.APIOwner, access.Developer)
	w.admin = w.enter(t, w.internal("adminname"), w.internal("adminmail")+"@alpenglow.example",
		people.NewOrganisation{Name: w.internal("hq"), Audience: portal.Internal}, access.PlatformAdministrator, access.Developer)
	w.plant(string(division))

	for _, o := range []struct {
		who             *somebody
		app, api, claim string
	}{
		{&w.partner, "Shop", "payments", "test"},
		{&w.rival, w.private("rivalapplication"), "payments", "test"},
		{&w.insider, w.private("insiderapplication"), "quokkatitle", "production"},
		{&w.dev, "dev-app", "payments", "test"},
		{&w.owner, "owner-app", "payments", "test"},
	} {
		w.equip(t, o.who, o.app, o.api, o.claim)
	}
	// A rejected one, with a reason that is for whoever asked.
	rejected := w.request(t, w.insider, w.insider.own["application"], "payments", "production")
	w.must(t, w.admin, "POST", "/api/v1/subscriptions/"+rejected+"/reject", map[string]any{"reason": w.private("reason")})

	saved := w.must(t, w.admin, "PUT", "/api/v1/apis/payments/texts", map[string]any{"revision": 0, "publish": true,
		"texts": []any{
			map[string]any{
				"audience": "internal",
				"contact":  map[string]string{"name": w.internal("contactname"), "email": w.internal("contactmail") + "@alpenglow.example", "url": "https://" + w.internal("contactpage") + ".example", "chat": w.internal("chat")},
				"links":    []any{map[string]string{"title": w.internal("linktitle"), "href": "https://" + w.internal("linkhref") + ".example"}},
			},
			map[string]any{
				"audience": "partner", "summary": "Pay and be paid, not at " + innerHost, "tags": []string{"money"},
				"links": []any{map[string]string{"title": "Help", "href": "https://" + innerHost + "/help"}},
			},
		},
		"guides": []any{
			map[string]string{"title": w.internal("guidetitle"), "audience": "internal", "body": w.internal("guidebody")},
			map[string]string{"title": "Start", "audience": "partner", "body": "Not at https://" + innerHost + "/start"},
		},
	})
	w.must(t, w.admin, "PUT", "/api/v1/apis/payments/texts", map[string]any{"revision": 1, "guides": []any{map[string]string{"title": w.internal("draft"), "audience": "partner"}}})
	w.must(t, w.admin, "PUT", "/api/v1/apis/quokkaundocumented/texts", map[string]any{"revision": 0, "publish": true, "texts": []any{map[string]any{
		"audience": "internal", "summary": w.internal("curatedsummary"), "tags": []string{w.internal("curatedtag")},
	}}})
	w.must(t, w.admin, "PUT", "/api/v1/apis/payments/versions/7/lifecycle", map[string]any{"lifecycle": "deprecated", "note": w.internal("note"), "successor": "quokkatitle"})
	w.must(t, w.admin, "PUT", "/api/v1/apis/payments/versions/2/lifecycle", map[string]any{"lifecycle": "active", "note": w.internal("activenote")})
	team := w.must(t, w.admin, "POST", "/api/v1/teams", map[string]any{"name": w.private("team"), "organisation": string(w.insider.organisation)})["id"].(string)
	for _, who := range []*somebody{&w.insider, &w.rival, &w.partner, &w.dev, &w.owner} {
		who.own["team"], who.own["guide"] = team, saved["guides"].([]any)[0].(map[string]any)["id"].(string)
	}
	partnerGuide := saved["guides"].([]any)[1].(map[string]any)["id"].(string)
	if r := w.ask(w.partner, web.SurfaceAPI, "GET", "/api/v1/apis/payments/guides/"+partnerGuide, ""); r.status != http.StatusOK {
		t.Fatalf("a partner's guide: %s", r)
	}

	w.insider.own["gateway"], w.insider.own["run"] = internalWord+"gateway", w.lastRun(t, internalWord+"gateway")
	w.rival.own["gateway"], w.rival.own["run"] = "edge", w.lastRun(t, "edge")
	w.partner.own["gateway"], w.partner.own["run"] = "edge", w.lastRun(t, "edge")
	w.dev.own["gateway"], w.dev.own["run"] = "lab", w.lastRun(t, "lab")
	w.owner.own["team"] = w.must(t, w.owner, "POST", "/api/v1/teams", map[string]any{"name": "Elsewhere"})["id"].(string)
	w.owner.own["gateway"], w.owner.own["run"] = "lab", w.dev.own["run"]
	for _, who := range []*somebody{&w.insider, &w.rival, &w.partner, &w.dev, &w.owner} {
		who.own["owned"] = "owned"
		who.own["deployment"] = w.deploymentOf(t, who.own["gateway"])
	}
	site := w.private("site")
	worker := w.enrol(t, site, w.private("worker"))
	review := "rev_none"
	if open := w.must(t, w.admin, "GET", "/api/v1/reviews", nil)["items"].([]any); len(open) > 0 {
		review = open[0].(map[string]any)["id"].(string)
	}
	enrolment := w.must(t, w.admin, "POST", "/api/v1/sites/"+site+"/enrolments", nil)["id"].(string)
	for _, who := range []*somebody{&w.insider, &w.rival, &w.partner, &w.dev, &w.owner} {
		who.own["job"], who.own["site"], who.own["enrolment"], who.own["worker"] = "777777", site, enrolment, worker
		who.own["review"], who.own["act"] = review, "eac_none"
	}
	w.admin.own = w.insider.own
	w.dev.forbidden = maps.Clone(w.insider.own)
	w.dev.forbidden["api"], w.dev.forbidden["guide"] = "numbatunplaced", "gde_other" // a guide for internal people is theirs too
	w.owner.forbidden = w.dev.forbidden
	w.partner.forbidden, w.insider.forbidden, w.admin.forbidden = w.insider.own, nil, nil
	w.partner.hidden = append([]string{internalWord, privateWord}, w.secret...)
	w.dev.hidden = append([]string{privateWord}, w.secret[1:]...)
	w.owner.hidden = w.dev.hidden
	w.missing = ids{
		"api": "no-such-api", "application": "app_missing", "subscription": "sub_missing", "key": "cred_missing", "gateway": "no-such-gateway", "run": "run_missing", "deployment": "dep_missing",
		"team": "team_missing", "guide": "gde_missing", "job": "9999999", "site": "no-such-site", "enrolment": "enr_missing", "worker": "wrk_missing",
		"review": "rev_missing", "act": "eac_missing",
		"organisation": "org_missing", "person": "per_missing", "token": "tok_missing", "invitation": "inv_missing", "email": "missing@nowhere.example", "organisationname": "Nowhere",
	}
	return w
}

// equip gives somebody an application, a live key, an approved subscription without a key, a token and the ids of all that.
func (w *canaries) equip(t *testing.T, who *somebody, application, api, environment string) {
	t.Helper()
	app := w.must(t, *who, "POST", "/api/v1/applications", map[string]any{"name": application})["id"].(string)
	held := w.request(t, *who, app, api, environment)
	if environment == "production" {
		w.must(t, w.admin, "POST", "/api/v1/subscriptions/"+held+"/approve", nil)
	}
	key := w.must(t, *who, "POST", "/api/v1/subscriptions/"+held+"/credentials", nil)["id"].(string)
	second := w.must(t, *who, "POST", "/api/v1/applications", map[string]any{"name": application + " two"})["id"].(string)
	asked := w.request(t, *who, second, "payments", "production")
	w.must(t, w.admin, "POST", "/api/v1/subscriptions/"+asked+"/approve", map[string]any{"reason": "welcome"})
	waiting := w.request(t, *who, app, "rates", "production")
	token := w.must(t, *who, "POST", "/api/v1/tokens", map[string]any{"name": application + " token"})["id"].(string)
	if _, ok := who.own["waiting"]; ok {
		t.Fatal("equipped twice")
	}
	who.own = ids{
		"api": api, "application": app, "subscription": asked, "waiting": waiting, "key": key, "token": token, "organisation": string(who.organisation),
		"person": string(who.person), "invitation": "inv_none", "email": who.email, "organisationname": who.name,
	}
}

func (w *canaries) request(t *testing.T, who somebody, application, api, environment string) string {
	t.Helper()
	return w.must(t, who, "POST", "/api/v1/subscriptions", map[string]any{"application": application, "api": api, "environment": environment})["id"].(string)
}

// enrol lets a worker of that name join a site, and returns its id.
func (w *canaries) enrol(t *testing.T, site, name string) string {
	t.Helper()
	token := w.must(t, w.admin, "POST", "/api/v1/sites/"+site+"/enrolments", nil)["token"].(string)
	body, err := json.Marshal(map[string]string{"token": token, "secret": portal.NewID("worker"), "site": site, "name": name})
	if err != nil {
		t.Fatal(err)
	}
	r := w.ask(somebody{}, web.SurfaceWorker, "POST", "/worker/v1/enrol", string(body))
	var joined struct{ Worker string }
	if err := json.Unmarshal([]byte(r.body), &joined); err != nil || joined.Worker == "" {
		t.Fatalf("joining %s: %s", site, r)
	}
	return joined.Worker
}

// deploymentOf returns a deployment of a gateway.
func (w *canaries) deploymentOf(t *testing.T, gateway string) string {
	t.Helper()
	var found []catalog.Record
	err := w.db.View(t.Context(), func(tx store.Tx) (err error) {
		found, err = tx.(catalog.Tx).Catalog().Records(t.Context(), portal.GatewayID(gateway))
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("deployments of %s: %d, %v", gateway, len(found), err)
	}
	return string(found[0].Deployment.ID)
}

func (w *canaries) lastRun(t *testing.T, gateway string) string {
	t.Helper()
	items := w.must(t, w.admin, "GET", "/api/v1/gateways/"+gateway+"/runs", nil)["items"].([]any)
	return items[0].(map[string]any)["id"].(string)
}

var placeholder = regexp.MustCompile(`\{(own\.)?([a-z]+)\}`)

// fill puts ids into a target or a body. used are those that were put in, but for the caller's own.
func fill(text string, asked, own, used ids) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		m := placeholder.FindStringSubmatch(p)
		if m[1] != "" {
			return own[m[2]]
		}
		used[m[2]] = asked[m[2]]
		return asked[m[2]]
	})
}

// each runs f for every way to ask the routes that are chosen, with the ids put in. Routes that end things come last.
func (w *canaries) each(t *testing.T, chosen func(web.Route) bool, asked, own ids, f func(r web.Route, target, body string, used ids)) {
	t.Helper()
	routes := w.router.Routes()
	slices.SortStableFunc(routes, func(a, b web.Route) int {
		switch ends := probes[b.String()].ends; {
		case probes[a.String()].ends == ends:
			return 0
		case ends:
			return -1
		}
		return 1
	})
	for _, r := range routes {
		p := probes[r.String()]
		if !chosen(r) {
			continue
		}
		for _, target := range p.targets {
			used := ids{}
			f(r, fill(target, asked, own, used), fill(p.body, asked, own, used), used)
		}
	}
}

func everything(web.Route) bool { return true }
func reads(r web.Route) bool    { return !r.Mutates }
func changes(r web.Route) bool  { return r.Mutates }

func method(r web.Route) string { return cmp.Or(r.Method, "GET") }

func TestEveryRouteIsClassified(t *testing.T) {
	s := openPortal(t, t.TempDir())
	known := map[string]bool{}
	for _, r := range s.router.Routes() {
		known[r.String()] = true
		p, ok := probes[r.String()]
		if !ok || len(p.targets) == 0 {
			t.Errorf("%s is in no table: say in probes how to ask it", r)
			continue
		}
		for _, target := range p.targets {
			req := httptest.NewRequest(method(r), strings.ReplaceAll(target, "{", "x"), nil)
			if got, _ := s.router.Match(req); got.String() != r.String() {
				t.Errorf("%s: %s leads to %s", r, target, got)
			}
		}
	}
	for name := range probes {
		if !known[name] {
			t.Errorf("%s is not a route any more", name)
		}
	}
}

// TestNoLeak crosses every route with everybody. What is not for somebody is in no answer to them, and asking for it is
// answered as asking for what does not exist.
func TestNoLeak(t *testing.T) {
	w := openCanaries(t)
	anonymous := somebody{name: "anonymous", hidden: w.partner.hidden, own: w.partner.own, forbidden: w.insider.own}

	t.Run("those who may see it do", func(t *testing.T) {
		var seen strings.Builder
		for _, who := range []somebody{w.insider, w.admin, w.rival, w.dev, w.owner} {
			w.each(t, reads, who.own, who.own, func(r web.Route, target, _ string, _ ids) {
				seen.WriteString(strings.ToLower(w.ask(who, r.Surface, method(r), target, "").String()))
			})
		}
		for _, approve := range []string{w.insider.own["waiting"]} {
			seen.WriteString(w.ask(w.admin, web.SurfacePage, "GET", "/approvals/"+approve+"/reject", "").String())
		}
		for _, e := range []string{"test", "development"} {
			for _, who := range []somebody{w.insider, w.admin} {
				seen.WriteString(w.ask(who, web.SurfaceAPI, "GET", "/api/v1/resolve?api=payments&environment="+e, "").String())
			}
		}
		for _, page := range []string{"/apis/payments?environment=production", "/apis/payments/operations?environment=production&version=7", "/subscriptions?state=rejected"} {
			seen.WriteString(w.ask(w.insider, web.SurfacePage, "GET", page, "").String())
		}
		for _, s := range w.must(t, w.insider, "GET", "/api/v1/subscriptions?state=rejected", nil)["items"].([]any) {
			seen.WriteString(fmt.Sprint(s))
		}
		all := strings.ToLower(seen.String())
		for _, word := range w.shown {
			if !strings.Contains(all, word) {
				t.Errorf("%s is planted, and nobody who may see it is shown it", word)
			}
		}
	})

	for _, who := range []somebody{anonymous, w.partner, w.dev, w.owner} {
		t.Run(who.name+" is told of nothing", func(t *testing.T) {
			for _, asked := range []ids{who.forbidden, w.missing, w.rival.own} {
				w.each(t, everything, asked, who.own, func(r web.Route, target, body string, used ids) {
					if asked["api"] != "" && r.Mutates && asked["api"] == who.own["api"] && strings.HasSuffix(r.Pattern, "/subscriptions") {
						return // that is asking for oneself
					}
					got := w.ask(who, r.Surface, method(r), target, body)
					w.check(t, who, r, target, used, got)
				})
			}
			w.each(t, reads, who.own, who.own, func(r web.Route, target, _ string, used ids) {
				w.check(t, who, r, target, used, w.ask(who, r.Surface, method(r), target, ""))
			})
		})
		t.Run(who.name+" cannot tell forbidden from missing", func(t *testing.T) {
			type question struct{ route, target, body string }
			var answers [2][]string
			var questions []question
			for i, asked := range []ids{who.forbidden, w.missing} {
				w.each(t, everything, asked, who.own, func(r web.Route, target, body string, used ids) {
					if len(used) == 0 || r.Pattern == "/sign-in" || strings.HasPrefix(r.Pattern, "/invitation/") {
						return
					}
					answers[i] = append(answers[i], w.ask(who, r.Surface, method(r), target, body).like(used))
					if i == 0 {
						questions = append(questions, question{r.String(), target, body})
					}
				})
			}
			for i, q := range questions {
				if answers[0][i] != answers[1][i] {
					t.Errorf("%s: %s %s answers\n%s\nand for what is missing\n%s", q.route, q.target, q.body, answers[0][i], answers[1][i])
				}
			}
		})
	}

	t.Run("a search for what is hidden finds what nonsense finds", func(t *testing.T) {
		words := append(slices.Clone(w.shown), w.secret...)
		for _, who := range []somebody{w.partner, w.dev, w.owner} {
			for _, word := range words {
				if !slices.ContainsFunc(who.hidden, func(h string) bool { return strings.Contains(word, h) }) {
					continue
				}
				for _, parameter := range []string{"q", "tag", "environment"} {
					for surface, path := range map[web.Surface]string{web.SurfaceAPI: "/api/v1/apis", web.SurfacePage: "/apis"} {
						found := w.ask(who, surface, "GET", path+"?"+parameter+"="+url.QueryEscape(word), "").like(ids{"word": word})
						if nothing := w.ask(who, surface, "GET", path+"?"+parameter+"=nonsense", "").like(ids{"word": "nonsense"}); found != nothing {
							t.Errorf("%s: %s=%s answers\n%s\nnonsense\n%s", who.name, parameter, word, found, nothing)
						}
					}
				}
			}
		}
	})

	t.Run("what only others have is as unknown as what nobody has", func(t *testing.T) {
		for _, p := range []struct{ target, hidden, nonsense string }{
			{"/api/v1/resolve?api=payments&environment={x}", "development", "nonsense"},
			{"/api/v1/resolve?api=payments&environment=production&version={x}", "7", "99"},
			{"/api/v1/resolve?api=payments&environment=production&region={x}", "quokkaregion", "nonsense"},
			{"/api/v1/apis/payments/spec?environment={x}", "development", "nonsense"},
			{"/api/v1/apis?environment={x}", "development", "nonsense"},
			{"/apis/payments/document?version={x}", "7", "99"},
		} {
			surface := web.SurfacePage
			if strings.HasPrefix(p.target, "/api/") {
				surface = web.SurfaceAPI
			}
			a := w.ask(w.partner, surface, "GET", strings.ReplaceAll(p.target, "{x}", p.hidden), "").like(ids{"x": p.hidden})
			b := w.ask(w.partner, surface, "GET", strings.ReplaceAll(p.target, "{x}", p.nonsense), "").like(ids{"x": p.nonsense})
			// 7 and 99 are also parts of other numbers in an answer, but not of a refusal.
			if a != b {
				t.Errorf("%s: %s answers\n%s\n%s answers\n%s", p.target, p.hidden, a, p.nonsense, b)
			}
		}
		for _, plan := range []string{"quokkasameplan", "nonsense"} {
			r := w.ask(w.partner, web.SurfaceAPI, "POST", "/api/v1/subscriptions",
				fmt.Sprintf(`{"application":%q,"api":"payments","environment":"test","plan":%q}`, w.partner.own["application"], plan))
			if r.status/100 == 2 {
				t.Errorf("plan %s: %s", plan, r)
			}
		}
	})

	t.Run("documents as served", func(t *testing.T) {
		for _, accept := range []string{"application/json", "application/yaml"} {
			for _, environment := range []string{"production", "test"} {
				r := w.ask(w.partner, web.SurfaceAPI, "GET", "/api/v1/apis/payments/spec?environment="+environment, "", func(r *http.Request) { r.Header.Set("Accept", accept) })
				if r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), accept) {
					t.Errorf("%s, %s: %s", environment, accept, r)
				}
				if word := r.holds(w.partner.hidden); word != "" {
					t.Errorf("%s, %s holds %s:\n%s", environment, accept, word, r)
				}
			}
		}
	})

	t.Run("cursors are their caller's and their list's", func(t *testing.T) {
		next := func(who somebody, target string) string {
			cursor, _ := w.must(t, who, "GET", target, nil)["next"].(string)
			if cursor == "" {
				t.Fatalf("%s: %s has no second page", who.name, target)
			}
			return url.QueryEscape(cursor)
		}
		for _, list := range []string{"apis", "applications", "subscriptions"} {
			cursor := next(w.partner, "/api/v1/"+list+"?limit=1")
			if r := w.ask(w.partner, web.SurfaceAPI, "GET", "/api/v1/"+list+"?limit=1&cursor="+cursor, ""); r.status != http.StatusOK {
				t.Errorf("%s: the caller's own cursor: %s", list, r)
			}
			if r := w.ask(w.rival, web.SurfaceAPI, "GET", "/api/v1/"+list+"?limit=1&cursor="+cursor, ""); r.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: another caller's cursor: %s", list, r)
			}
			if r := w.ask(w.partner, web.SurfaceAPI, "GET", "/api/v1/credentials?limit=1&cursor="+cursor, ""); r.status != http.StatusUnprocessableEntity {
				t.Errorf("credentials with a cursor of %s: %s", list, r)
			}
		}
		for _, list := range []string{"gateways", "organisations", "people"} {
			cursor := next(w.admin, "/api/v1/"+list+"?limit=1")
			if r := w.ask(w.partner, web.SurfaceAPI, "GET", "/api/v1/"+list+"?limit=1&cursor="+cursor, ""); r.status != http.StatusNotFound {
				t.Errorf("%s with an administrator's cursor: %s", list, r)
			}
		}
	})

	t.Run("another site changes nothing", func(t *testing.T) {
		elsewhere := map[string]func(*http.Request){
			"cross-site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"same-site":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"origin": func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example")
			},
		}
		for name, change := range elsewhere {
			w.each(t, changes, w.partner.own, w.partner.own, func(r web.Route, target, body string, _ ids) {
				if r.Surface != web.SurfacePage {
					return
				}
				if got := w.ask(w.partner, r.Surface, method(r), target, body, change); got.status != http.StatusForbidden {
					t.Errorf("%s from elsewhere (%s): %s", r, name, got)
				}
			})
		}
	})

	t.Run("a session is no token and a token no session", func(t *testing.T) {
		for _, r := range w.router.Routes() {
			target := fill(probes[r.String()].targets[0], w.admin.own, w.admin.own, ids{})
			switch {
			case r.Surface == web.SurfaceAPI && r.Access != web.AccessAnonymous:
				got := w.ask(somebody{}, r.Surface, method(r), target, "", func(q *http.Request) { q.Header.Set("Cookie", w.admin.cookie) })
				if got.status != http.StatusUnauthorized {
					t.Errorf("%s with a cookie: %s", r, got)
				}
				if got := w.ask(somebody{}, r.Surface, method(r), target+"?access_token="+w.admin.token, ""); got.status != http.StatusUnauthorized {
					t.Errorf("%s with a token in its address: %s", r, got)
				}
			case r.Surface == web.SurfacePage && r.Access != web.AccessAnonymous:
				got := w.ask(somebody{}, r.Surface, method(r), target, "", func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+w.admin.token) })
				if got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), "/sign-in") {
					t.Errorf("%s with a token: %s", r, got)
				}
			}
		}
	})

	t.Run("nobody is a worker", func(t *testing.T) {
		workers := 0
		for _, r := range w.router.Routes() {
			if (r.Surface == web.SurfaceWorker) != strings.HasPrefix(r.Pattern, site.Prefix) {
				t.Errorf("%s: what workers ask is below %s, and nothing else is", r, site.Prefix)
			}
			if r.Surface != web.SurfaceWorker {
				continue
			}
			workers++
			p := probes[r.String()]
			for name, change := range map[string]func(*http.Request){
				"nothing":   func(*http.Request) {},
				"a token":   func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+w.admin.token) },
				"a session": func(q *http.Request) { q.Header.Set("Cookie", w.admin.cookie) },
			} {
				got := w.ask(somebody{}, r.Surface, r.Method, p.targets[0], fill(p.body, w.admin.own, w.admin.own, ids{}), change)
				if got.status != http.StatusUnauthorized {
					t.Errorf("%s with %s: %s", r, name, got)
				}
				w.check(t, somebody{}, r, p.targets[0], ids{}, got)
			}
		}
		if workers == 0 {
			t.Error("no route is for workers, so nothing is shown")
		}
	})

	// The last: it uses up what the partner has.
	t.Run("what a partner does tells them nothing", func(t *testing.T) {
		did := map[string]int{}
		w.each(t, changes, w.partner.own, w.partner.own, func(r web.Route, target, body string, used ids) {
			got := w.ask(w.partner, r.Surface, method(r), target, body)
			w.check(t, w.partner, r, target, used, got)
			if got.status/100 < 4 {
				did[r.String()]++
			}
		})
		for _, r := range []string{
			"POST /applications", "POST /api/v1/subscriptions/{id}/credentials", "POST /keys/{key}/rotate", "POST /account/tokens",
			"POST /keys/{key}/revoke", "POST /subscriptions/{subscription}/cancel", "DELETE /api/v1/credentials/{id}",
		} {
			if did[r] == 0 {
				t.Errorf("%s was not carried out, so nothing is shown", r)
			}
		}
	})
}

// check looks at one answer: it holds none of the words, but for those that the question held, and has the headers of its
// surface.
func (w *canaries) check(t *testing.T, who somebody, r web.Route, target string, asked ids, got reply) {
	t.Helper()
	text := got.like(asked)
	if word := (reply{body: text}).holds(who.hidden); word != "" {
		t.Errorf("%s: %s (%s) tells %s:\n%s", who.name, r, target, word, text)
	}
	if got.status == http.StatusTooManyRequests && r.Pattern != "/sign-in" || got.status >= 500 {
		t.Errorf("%s: %s (%s): %s", who.name, r, target, got)
	}
	want := map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
	switch r.Surface {
	case web.SurfacePage:
		want["Cache-Control"] = "private, no-store"
		want["Cross-Origin-Opener-Policy"] = "same-origin"
		want["Vary"] = "Cookie, Accept-Language"
		if csp := got.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy is %q", r, csp)
		}
	case web.SurfaceAPI:
		if r.Access == web.AccessAnonymous {
			break
		}
		kept := strings.Join(got.header["Cache-Control"], ", ")
		if !strings.Contains(kept, "private") && !strings.Contains(kept, "no-store") || r.Method == "POST" && !strings.Contains(kept, "no-store") {
			t.Errorf("%s: Cache-Control is %q", r, kept)
		}
		want["Vary"] = "Authorization, Accept"
	}
	if r.Surface == web.SurfaceWorker {
		want["Cache-Control"] = "no-store"
	}
	for name, value := range want {
		if got.header.Get(name) != value {
			t.Errorf("%s: %s is %q, want %q", r, name, got.header.Get(name), value)
		}
	}
	if got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%s lets other sites read", r)
	}
	if loc, err := url.Parse(got.header.Get("Location")); err != nil || loc.Host != "" {
		t.Errorf("%s leads elsewhere: %s", r, loc)
	}
}
