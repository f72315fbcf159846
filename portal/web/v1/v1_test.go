package v1_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/store"
	"concierge/portal/store/storetest"
	"concierge/portal/web"
	"concierge/portal/web/v1"
)

const (
	token  = "cnc_5up3r-s3cr3t"
	secret = "k3y-m4t3r14l"
)

// desk answers a few calls and counts them. Any other call is a fault of the test, and panics.
type desk struct {
	api.Desk
	mu      sync.Mutex
	acts    int
	overlap time.Duration
	reason  string
	state   string // of what is claimed; default active
	err     error
	during  func() // runs while an application is made
}

func (d *desk) Me(context.Context) (api.Me, error) { return api.Me{Name: "Ana"}, d.err }

func (d *desk) Resolve(_ context.Context, q api.ResolveQuery) (api.Decision, error) {
	return api.Decision{API: q.API, BaseURL: "https://" + q.Environment + ".example.com"}, d.err
}

func (d *desk) Spec(_ context.Context, q api.SpecQuery) (api.Document, error) {
	return api.Document{Content: []byte(q.Format), ContentType: "application/" + q.Format, ETag: `"` + q.Format + `"`}, d.err
}

func (d *desk) APIs(_ context.Context, q api.APIsQuery) (api.APIList, error) {
	if q.Cursor == "" {
		return api.APIList{Page: api.Page[api.API]{Items: []api.API{{ID: "payments", Versions: []api.Version{{Version: "2", Environments: []string{"test"}}}}}, Next: "more"}}, d.err
	}
	return api.APIList{Page: api.Page[api.API]{Items: []api.API{{ID: "rates"}}}}, d.err
}

func (d *desk) act() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acts++
	return d.acts
}

func (d *desk) acted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.acts
}

func (d *desk) CreateApplication(_ context.Context, n api.NewApplication) (api.Application, error) {
	id := fmt.Sprintf("app_%d", d.act())
	if d.during != nil {
		d.during()
	}
	return api.Application{ID: id, Name: n.Name}, d.err
}

func (d *desk) Application(_ context.Context, id string) (api.Application, error) {
	return api.Application{ID: id, Name: "as it is now"}, d.err
}

func (d *desk) Approve(_ context.Context, id, reason string) (api.Subscription, error) {
	d.reason = reason
	return api.Subscription{ID: id, State: "approved"}, d.err
}

func (d *desk) Claim(context.Context, string) (api.Claim, error) {
	c := api.Claim{Credential: api.Credential{ID: fmt.Sprintf("cre_%d", d.act()), State: d.state}}
	if d.state != "pending" {
		c.State, c.Ready = "active", true
		c.Parts = []api.Part{{In: "header", Name: "X-Api-Key", Value: portal.NewSecret(secret)}}
	}
	return c, d.err
}

func (d *desk) Credential(_ context.Context, id string) (api.Credential, error) {
	return api.Credential{ID: id, State: "active"}, d.err
}

func (d *desk) Rotate(ctx context.Context, id string, overlap time.Duration) (api.Claim, error) {
	d.overlap = overlap
	return d.Claim(ctx, id)
}

func (d *desk) Invite(_ context.Context, n api.NewPerson) (api.Invitation, error) {
	return api.Invitation{Person: api.Person{ID: fmt.Sprintf("per_%d", d.act()), Name: n.Name}, Token: portal.NewSecret(secret)}, d.err
}

func (d *desk) Person(_ context.Context, id string) (api.Person, error) {
	return api.Person{ID: id}, d.err
}

func (d *desk) CreateToken(_ context.Context, n api.NewToken) (api.CreatedToken, error) {
	return api.CreatedToken{Token: api.Token{ID: fmt.Sprintf("tok_%d", d.act()), Name: n.Name}, Value: portal.NewSecret(secret)}, d.err
}

func (d *desk) Token(_ context.Context, id string) (api.Token, error) {
	return api.Token{ID: id}, d.err
}

func (d *desk) CreateEnrolment(_ context.Context, site string) (api.CreatedEnrolment, error) {
	return api.CreatedEnrolment{Enrolment: api.Enrolment{ID: fmt.Sprintf("enr_%d", d.act()), Site: site}, Token: portal.NewSecret(secret)}, d.err
}

// Site has the enrolment until it is used.
func (d *desk) Site(_ context.Context, name string) (api.Site, error) {
	s := api.Site{Name: name, Enrolments: []api.Enrolment{{ID: "enr_1", Site: name}}}
	if d.state == "used" {
		s.Enrolments = nil
	}
	return s, d.err
}

func (d *desk) RunJob(_ context.Context, id string) (api.Job, error) {
	d.act()
	return api.Job{ID: id, State: "available"}, d.err
}

func (d *desk) Job(_ context.Context, id string) (api.Job, error) {
	return api.Job{ID: id, State: "completed"}, d.err
}

// bench is the API over a desk, with a clock of its own.
type bench struct {
	t      *testing.T
	desk   *desk
	router *web.Router
	db     storetest.DB
	log    *bytes.Buffer
	now    time.Time
}

func start(t *testing.T, change func(*v1.Options)) *bench {
	t.Helper()
	b := &bench{t: t, desk: &desk{}, router: web.NewRouter(), log: &bytes.Buffer{}, now: time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)}
	b.db = storetest.Open(t)
	o := v1.Options{
		Caller: func(_ context.Context, got string, _ time.Time) (access.Caller, error) {
			person, ok := strings.CutPrefix(got, token)
			if !ok {
				return access.Caller{}, portal.ErrDenied
			}
			return access.Caller{Person: portal.PersonID("per_1" + person), Organisation: "org_1"}, nil
		},
		Desk: func(access.Caller) api.Desk { return b.desk }, Requests: b.db, Fingerprint: fingerprint, PublicURL: "https://apis.example.com",
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: func() time.Time { return b.now },
	}
	if change != nil {
		change(&o)
	}
	v1.Register(b.router, o)
	return b
}

// ask sends one request with the token. headers are names and values in turn.
func (b *bench) ask(method, path, body string, headers ...string) *http.Response {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.router.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// problem holds the answer to what every problem promises, and returns it.
func (b *bench) problem(r *http.Response, status int, slug string) api.Problem {
	b.t.Helper()
	var p api.Problem
	body := text(b.t, r)
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		b.t.Fatalf("%v: %s", err, body)
	}
	if r.StatusCode != status || p.Status != status || p.Type != "/problems/"+slug || p.Title == "" {
		b.t.Errorf("status %d, %s; want %d, %s", r.StatusCode, body, status, slug)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		b.t.Errorf("content type %q", got)
	}
	return p
}

func TestTokenIsNeeded(t *testing.T) {
	b := start(t, nil)
	for _, route := range b.router.Routes() {
		if route.Access == web.AccessAnonymous {
			continue
		}
		path := strings.NewReplacer("{id}", "x", "{run}", "y", "{site}", "z").Replace(route.Pattern)
		method := route.Method
		if method == "" {
			method = http.MethodGet
		}
		for _, given := range []string{"", "Bearer wrong", "Basic " + token, token} {
			r := b.ask(method, path, "", "Authorization", given)
			b.problem(r, http.StatusUnauthorized, "unauthorized")
			if r.Header.Get("WWW-Authenticate") == "" || r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v", route, r.Header)
			}
		}
	}
	if r := b.ask(http.MethodGet, "/api/v1/me?token="+token, "", "Authorization", ""); r.StatusCode != http.StatusUnauthorized {
		t.Error("a token in the query is accepted")
	}
}

func TestRateLimit(t *testing.T) {
	b := start(t, func(o *v1.Options) { o.Limits = v1.NewLimits(0.5, 2, nil, o.Log) })
	for range 2 {
		if r := b.ask(http.MethodGet, "/api/v1/me", ""); r.StatusCode != http.StatusOK {
			t.Fatal(r.StatusCode)
		}
	}
	r := b.ask(http.MethodGet, "/api/v1/me", "")
	b.problem(r, http.StatusTooManyRequests, "too-many-requests")
	if got := r.Header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q", got)
	}
	if r := b.ask(http.MethodGet, "/api/v1/me", "", "Authorization", "Bearer "+token+"-other"); r.StatusCode != http.StatusOK {
		t.Error("another token is limited too")
	}
	b.now = b.now.Add(2 * time.Second)
	if r := b.ask(http.MethodGet, "/api/v1/me", ""); r.StatusCode != http.StatusOK {
		t.Errorf("after Retry-After: %d", r.StatusCode)
	}
}

// A repeated POST answers the same thing, without carrying it out again and without the secret.
func TestRepeatedPosts(t *testing.T) {
	for name, tc := range map[string]struct{ path, body, other, id string }{
		"application": {"/api/v1/applications", `{"name":"shop"}`, `{"name":"store"}`, `"id":"app_1"`},
		"claim":       {"/api/v1/subscriptions/sub_1/credentials", "", "", `"id":"cre_1"`},
		"rotation":    {"/api/v1/credentials/cre_0/rotate", `{"overlap":"1h"}`, `{"overlap":"2h"}`, `"id":"cre_1"`},
		"invitation":  {"/api/v1/people", `{"name":"Jo","email":"jo@example.com","organisation":"org_1"}`, `{"name":"Al","email":"jo@example.com","organisation":"org_1"}`, `"id":"per_1"`},
		"enrolment":   {"/api/v1/sites/paris/enrolments", "", "", `"id":"enr_1"`},
		"token":       {"/api/v1/tokens", `{"name":"laptop"}`, `{"name":"server"}`, `"id":"tok_1"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, nil)
			first := b.ask(http.MethodPost, tc.path, tc.body, "Idempotency-Key", "k1")
			body := text(t, first)
			if first.StatusCode != http.StatusCreated || !strings.Contains(body, tc.id) {
				t.Fatalf("%d %s", first.StatusCode, body)
			}
			if name != "application" && (!strings.Contains(body, secret) || first.Header.Get("Cache-Control") != "no-store") {
				t.Errorf("the first answer: %s, %v", body, first.Header)
			}
			again := b.ask(http.MethodPost, tc.path, tc.body, "Idempotency-Key", "k1")
			body = text(t, again)
			if again.StatusCode != http.StatusCreated || !strings.Contains(body, tc.id) || strings.Contains(body, secret) {
				t.Errorf("repeated: %d %s", again.StatusCode, body)
			}
			if (name == "claim" || name == "rotation") && !strings.Contains(body, "rotate this credential") {
				t.Errorf("it does not say how to replace the credential: %s", body)
			}
			if b.desk.acted() != 1 {
				t.Errorf("carried out %d times", b.desk.acted())
			}
			if tc.other != "" {
				p := b.problem(b.ask(http.MethodPost, tc.path, tc.other, "Idempotency-Key", "k1"), http.StatusUnprocessableEntity, "invalid")
				if !strings.Contains(p.Detail, "another body") {
					t.Errorf("it does not say why: %q", p.Detail)
				}
			}
			for _, headers := range [][]string{{"Idempotency-Key", "k2"}, {"Idempotency-Key", "k1", "Authorization", "Bearer " + token + "-other"}, nil} {
				acts := b.desk.acted()
				if r := b.ask(http.MethodPost, tc.path, tc.body, headers...); r.StatusCode != http.StatusCreated || b.desk.acted() != acts+1 {
					t.Errorf("%q: %d, carried out %d times more", headers, r.StatusCode, b.desk.acted()-acts)
				}
			}
			if said := b.log.String(); strings.Contains(said, secret) || strings.Contains(said, token) {
				t.Errorf("a secret was logged: %s", said)
			}
		})
	}
}

// The token of an enrolment is in the first answer only; once it is used, a repeated request says so.
func TestRepeatedEnrolmentThatWasUsed(t *testing.T) {
	b := start(t, nil)
	const path = "/api/v1/sites/paris/enrolments"
	if r := b.ask(http.MethodPost, path, "", "Idempotency-Key", "k1"); r.StatusCode != http.StatusCreated {
		t.Fatal(r.StatusCode)
	}
	b.desk.state = "used"
	p := b.problem(b.ask(http.MethodPost, path, "", "Idempotency-Key", "k1"), http.StatusConflict, "conflict")
	if p.Conflict != "enr_1" || !strings.Contains(p.Detail, "new Idempotency-Key") || b.desk.acted() != 1 {
		t.Errorf("%+v, carried out %d times", p, b.desk.acted())
	}
}

// A job is told to run once for one key, and a repeated request tells how it stands.
func TestRepeatedRunOfAJob(t *testing.T) {
	b := start(t, nil)
	for i, want := range []string{"available", "completed"} {
		r := b.ask(http.MethodPost, "/api/v1/jobs/7/run", "", "Idempotency-Key", "k1")
		if body := text(t, r); r.StatusCode != http.StatusAccepted || !strings.Contains(body, want) || b.desk.acted() != 1 {
			t.Errorf("time %d: %d %s, carried out %d times", i+1, r.StatusCode, body, b.desk.acted())
		}
	}
}

// Who may not see the thing any more does not get it by repeating a request.
func TestRepeatedPostAsksForAccessAgain(t *testing.T) {
	b := start(t, nil)
	b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", "k1")
	b.desk.err = portal.ErrNotFound
	b.problem(b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", "k1"), http.StatusNotFound, "not-found")
}

// What failed, and what waits for its gateway, is tried anew under the same key.
func TestRepeatedPostOfWhatIsNotThereYet(t *testing.T) {
	b := start(t, nil)
	b.desk.err = portal.ErrUnavailable
	b.problem(b.ask(http.MethodPost, "/api/v1/subscriptions/sub_1/credentials", "", "Idempotency-Key", "k1"), http.StatusServiceUnavailable, "unavailable")
	b.desk.err, b.desk.state = nil, "pending"
	if r := b.ask(http.MethodPost, "/api/v1/subscriptions/sub_1/credentials", "", "Idempotency-Key", "k1"); r.StatusCode != http.StatusAccepted {
		t.Errorf("pending: %d", r.StatusCode)
	}
	b.desk.state = ""
	r := b.ask(http.MethodPost, "/api/v1/subscriptions/sub_1/credentials", "", "Idempotency-Key", "k1")
	if body := text(t, r); r.StatusCode != http.StatusCreated || !strings.Contains(body, secret) {
		t.Errorf("ready: %d %s", r.StatusCode, body)
	}
}

// away is a store of requests whose database goes away when a request has come to nothing, and comes back.
type away struct {
	store.Requests
	failures atomic.Int64 // left
}

func (a *away) DropRequest(ctx context.Context, r store.Request) error {
	if a.failures.Add(-1) >= 0 {
		return portal.ErrUnavailable
	}
	return a.Requests.DropRequest(ctx, r)
}

// What failed because the database went away is tried anew under the same key as soon as it is back, long before the
// lease of the first attempt ends.
func TestRepeatedPostOnceTheDatabaseIsBack(t *testing.T) {
	var requests *away
	b := start(t, func(o *v1.Options) {
		requests = &away{Requests: o.Requests}
		o.Requests = requests
	})
	requests.failures.Store(2)
	b.desk.err = portal.ErrUnavailable
	ask := func() *http.Response {
		return b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", "k1")
	}
	b.problem(ask(), http.StatusServiceUnavailable, "unavailable")
	b.desk.err = nil
	b.problem(ask(), http.StatusConflict, "conflict")
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if r := ask(); r.StatusCode == http.StatusCreated {
			return
		} else if time.Since(began) > 20*time.Second {
			t.Fatalf("its key is still reserved: %d", r.StatusCode)
		}
	}
}

func TestRepeatedPostWhileTheFirstRuns(t *testing.T) {
	b := start(t, nil)
	b.desk.during = func() {
		r := b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", "k1")
		b.problem(r, http.StatusConflict, "conflict")
		if got := r.Header.Get("Retry-After"); got != "60" {
			t.Errorf("Retry-After %q", got)
		}
	}
	if r := b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", "k1"); r.StatusCode != http.StatusCreated {
		t.Fatal(r.StatusCode)
	}
	if b.desk.acted() != 1 {
		t.Errorf("carried out %d times", b.desk.acted())
	}
}

// The portal was killed while it worked on the request: before its first commit the request is carried out anew once its
// lease has ended, after it never.
func TestRepeatedPostAfterACrash(t *testing.T) {
	for name, acted := range map[string]bool{"before acting": false, "after acting": true} {
		t.Run(name, func(t *testing.T) {
			b := start(t, nil)
			b.desk.during = func() { // a panic leaves the record as a kill does
				b.desk.during = nil
				if acted {
					k := store.RequestKey{Caller: "per_1 org_1", Method: "POST", Path: "/api/v1/applications", Key: "k1"}
					if err := b.db.InTx(store.WithRequest(t.Context(), k), func(store.Tx) error { return nil }); err != nil {
						t.Error(err)
					}
				}
				panic(http.ErrAbortHandler)
			}
			func() {
				defer func() { _ = recover() }()
				b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", "k1")
			}()
			again := func() *http.Response {
				return b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", "k1")
			}
			if r := again(); r.StatusCode != http.StatusConflict || r.Header.Get("Retry-After") == "" {
				t.Errorf("within the lease: %d, %v", r.StatusCode, r.Header)
			}
			b.now = b.now.Add(2 * time.Minute)
			r := again()
			if !acted {
				if r.StatusCode != http.StatusCreated || b.desk.acted() != 2 {
					t.Errorf("after the lease: %d, carried out %d times", r.StatusCode, b.desk.acted())
				}
				return
			}
			p := b.problem(r, http.StatusConflict, "conflict")
			if r.Header.Get("Retry-After") != "" || !strings.Contains(p.Detail, "answer was lost") || b.desk.acted() != 1 {
				t.Errorf("after the lease: %q, %v, carried out %d times", p.Detail, r.Header, b.desk.acted())
			}
		})
	}
}

func TestBodiesThatMayBeLeftOut(t *testing.T) {
	b := start(t, nil)
	for _, body := range []string{"", "{}"} {
		if r := b.ask(http.MethodPost, "/api/v1/subscriptions/sub_1/approve", body); r.StatusCode != http.StatusOK || b.desk.reason != "" {
			t.Errorf("approve %q: %d %s", body, r.StatusCode, text(t, r))
		}
		if r := b.ask(http.MethodPost, "/api/v1/credentials/cre_1/rotate", body); r.StatusCode != http.StatusCreated || b.desk.overlap != 24*time.Hour {
			t.Errorf("rotate %q: %d, %s", body, r.StatusCode, b.desk.overlap)
		}
	}
	b.ask(http.MethodPost, "/api/v1/subscriptions/sub_1/approve", `{"reason":"known"}`)
	b.ask(http.MethodPost, "/api/v1/credentials/cre_1/rotate", `{"overlap":"90m"}`)
	if b.desk.reason != "known" || b.desk.overlap != 90*time.Minute {
		t.Errorf("got %q, %s", b.desk.reason, b.desk.overlap)
	}
}

func TestValidators(t *testing.T) {
	b := start(t, nil)
	for name, path := range map[string]string{
		"resolve":     "/api/v1/resolve?api=payments&environment=test",
		"document":    "/api/v1/apis/payments/spec?environment=test",
		"api-catalog": "/.well-known/api-catalog",
	} {
		first := b.ask(http.MethodGet, path, "")
		tag := first.Header.Get("ETag")
		if first.StatusCode != http.StatusOK || tag == "" || text(t, first) == "" {
			t.Fatalf("%s: %d, %v", name, first.StatusCode, first.Header)
		}
		if first.Header.Get("Cache-Control") != "private" || !strings.Contains(first.Header.Get("Vary"), "Authorization") {
			t.Errorf("%s: headers %v", name, first.Header)
		}
		for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			r := b.ask(http.MethodGet, path, "", "If-None-Match", match)
			if r.StatusCode != http.StatusNotModified || text(t, r) != "" || r.Header.Get("ETag") != tag {
				t.Errorf("%s: If-None-Match %s: %d, %v", name, match, r.StatusCode, r.Header)
			}
		}
		if r := b.ask(http.MethodGet, path, "", "If-None-Match", `"x"`); r.StatusCode != http.StatusOK {
			t.Errorf("%s: another tag: %d", name, r.StatusCode)
		}
	}
	other := b.ask(http.MethodGet, "/api/v1/resolve?api=payments&environment=production", "")
	if first := b.ask(http.MethodGet, "/api/v1/resolve?api=payments&environment=test", ""); other.Header.Get("ETag") == first.Header.Get("ETag") {
		t.Error("two answers have one tag")
	}
	if r := b.ask(http.MethodGet, "/api/v1/apis/payments/spec", "", "Accept", "application/yaml"); text(t, r) != "yaml" {
		t.Errorf("asked for YAML, got %s", r.Header.Get("Content-Type"))
	}
	if body := text(t, b.ask(http.MethodGet, "/.well-known/api-catalog", "")); !strings.Contains(body, "/apis/payments/spec?environment=test&version=2") && !strings.Contains(body, `/apis/payments/spec?environment=test\u0026version=2`) || !strings.Contains(body, "/apis/rates") {
		t.Errorf("the link set is not whole: %s", body)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	b := start(t, nil)
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
		slug, says         string
	}{
		"unknown field":   {"POST", "/api/v1/applications", `{"name":"shop","colour":"red"}`, 422, "invalid", "colour"},
		"missing field":   {"POST", "/api/v1/applications", `{}`, 422, "invalid", "name"},
		"too long":        {"POST", "/api/v1/applications", `{"name":"` + strings.Repeat("x", 101) + `"}`, 422, "invalid", "body.name"},
		"wrong type":      {"POST", "/api/v1/applications", `{"name":1}`, 422, "invalid", "body.name"},
		"no JSON":         {"POST", "/api/v1/applications", `{"name"`, 400, "invalid", ""},
		"no body":         {"POST", "/api/v1/applications", "", 400, "invalid", ""},
		"oversized":       {"POST", "/api/v1/applications", `{"name":"` + strings.Repeat("x", 300<<10) + `"}`, 413, "invalid", ""},
		"no duration":     {"POST", "/api/v1/credentials/cre_1/rotate", `{"overlap":"a day"}`, 422, "invalid", "body.overlap"},
		"page too large":  {"GET", "/api/v1/apis?limit=201", "", 422, "invalid", "limit"},
		"unknown state":   {"GET", "/api/v1/credentials?state=lost", "", 422, "invalid", "state"},
		"nothing there":   {"GET", "/api/v1/nothing", "", 404, "not-found", ""},
		"not that method": {"PUT", "/api/v1/me", "", 404, "not-found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := b.problem(b.ask(tc.method, tc.path, tc.body), tc.status, tc.slug)
			if said := fmt.Sprint(p.Detail, p.Errors); !strings.Contains(said, tc.says) {
				t.Errorf("%s does not say %q", said, tc.says)
			}
		})
	}
	if b.desk.acted() != 0 {
		t.Error("something was carried out")
	}
	if r := b.ask(http.MethodPost, "/api/v1/applications", `{"name":"shop"}`, "Idempotency-Key", strings.Repeat("k", 201)); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a key of 201 characters: %d", r.StatusCode)
	}
}

// Errors of the desk: what the caller may know is in the problem, what nobody may is in the log only.
func TestProblems(t *testing.T) {
	b := start(t, nil)
	const inside = "canary-inside"
	for name, tc := range map[string]struct {
		err    error
		status int
		slug   string
		after  string
		logged bool
	}{
		"not found":   {fmt.Errorf("%s: %w", inside, portal.ErrNotFound), 404, "not-found", "", false},
		"no endpoint": {&portal.NoEndpointError{API: "payments", Environments: []portal.Environment{"test"}}, 404, "no-endpoint", "", false},
		"later":       {&portal.RetryAfterError{After: 1500 * time.Millisecond, Err: fmt.Errorf("%s: %w", inside, portal.ErrUnavailable)}, 503, "unavailable", "2", true},
		"much later":  {&portal.RetryAfterError{After: time.Minute, Err: fmt.Errorf("%s: %w", inside, portal.ErrUnavailable)}, 503, "unavailable", "60", true},
		"unavailable": {fmt.Errorf("%s: %w", inside, portal.ErrUnavailable), 503, "unavailable", "2", true},
		"gateway":     {&portal.GatewayError{Gateway: "kong-eu", Op: "Issue", Err: fmt.Errorf("%s: %w", inside, portal.ErrDenied)}, 503, "gateway", "2", true},
		"no kind":     {fmt.Errorf("reading %s", inside), 500, "internal", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			b.desk.err = tc.err
			for _, ask := range [][3]string{{"GET", "/api/v1/me", ""}, {"GET", "/api/v1/resolve?api=payments&environment=test", ""}, {"POST", "/api/v1/applications", `{"name":"shop"}`}} {
				b.log.Reset()
				r := b.ask(ask[0], ask[1], ask[2])
				p := b.problem(r, tc.status, tc.slug)
				if r.Header.Get("Retry-After") != tc.after {
					t.Errorf("%s: Retry-After %q", ask[1], r.Header.Get("Retry-After"))
				}
				if said := fmt.Sprintf("%+v", p); strings.Contains(said, inside) {
					t.Errorf("%s: it says too much: %s", ask[1], said)
				}
				if tc.slug == "no-endpoint" && !slices.Equal(p.Environments, []string{"test"}) {
					t.Errorf("%s: environments %q", ask[1], p.Environments)
				}
				if tc.logged && !strings.Contains(b.log.String(), inside) {
					t.Errorf("%s: not logged", ask[1])
				}
			}
		})
	}
}

// The document is OpenAPI 3.1, needs no token, and describes every route of the API and nothing else.
func TestDocument(t *testing.T) {
	b := start(t, nil)
	r := b.ask(http.MethodGet, "/openapi.json", "", "Authorization", "")
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/json" {
		t.Fatal(r.StatusCode, r.Header)
	}
	document, err := libopenapi.NewDocument([]byte(text(t, r)))
	if err != nil {
		t.Fatal(err)
	}
	if v := document.GetVersion(); !strings.HasPrefix(v, "3.1.") {
		t.Errorf("it is OpenAPI %s", v)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	ids := map[string]bool{}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			described = append(described, path+" "+strings.ToUpper(method))
			if op.OperationId == "" || op.Summary == "" || ids[op.OperationId] {
				t.Errorf("%s %s: id %q, summary %q", method, path, op.OperationId, op.Summary)
			}
			ids[op.OperationId] = true
			named := 0
			for _, p := range op.Parameters {
				if p.In == "path" {
					named++
				}
				if method == "post" && p.Name == "Idempotency-Key" {
					ids["key "+op.OperationId] = true
				}
			}
			if named != strings.Count(path, "{") {
				t.Errorf("%s %s: %d parameters of the path are described", method, path, named)
			}
			if method == "post" && !ids["key "+op.OperationId] {
				t.Errorf("POST %s takes no Idempotency-Key", path)
			}
			if op.Responses.Default == nil || op.Responses.Default.Content.GetOrZero("application/problem+json") == nil {
				t.Errorf("%s %s: its problems are not described", method, path)
			}
		}
	}
	var served []string
	for _, route := range b.router.Routes() {
		if route.Surface != web.SurfaceAPI {
			t.Errorf("%s is on surface %s", route, route.Surface)
		}
		if route.Pattern != "/openapi.json" && route.Pattern != "/api/" {
			served = append(served, route.Pattern+" "+route.Method)
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described %q\nserved    %q", described, served)
	}
	if len(served) < 35 {
		t.Errorf("only %d routes", len(served))
	}
}

// fingerprint stands in for the sealed key's.
func fingerprint(purpose string, data []byte) string {
	sum := sha256.Sum256(append([]byte(purpose), data...))
	return hex.EncodeToString(sum[:])
}
