package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/client"
	"concierge/portal/store/storetest"
	"concierge/portal/web"
	"concierge/portal/web/v1"
)

const token = "cnc_5up3r-s3cr3t"

// bench is a stub behind the real HTTP API, and a client of it.
type bench struct {
	desk   *stub
	client *client.Client
	log    *logged
}

// logged is what the portal logged. It is safe for concurrent use.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start serves the API, with around in front of it where it is given.
func start(t *testing.T, around func(http.Handler) http.Handler) bench {
	t.Helper()
	b := bench{desk: &stub{}, log: &logged{}}
	db := storetest.Open(t)
	router := web.NewRouter()
	v1.Register(router, v1.Options{
		Caller: func(_ context.Context, got string, _ time.Time) (access.Caller, error) {
			if got != token {
				return access.Caller{}, portal.ErrDenied
			}
			return access.Caller{Person: "per_1"}, nil
		},
		Desk: func(access.Caller) api.Desk { return b.desk }, Requests: db, Fingerprint: fingerprint, PublicURL: "https://apis.example.com",
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	var h http.Handler = router
	if around != nil {
		h = around(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	b.client = open(t, server.URL, client.Options{})
	return b
}

func open(t *testing.T, address string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(address, portal.NewSecret(token), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// The methods of api.Desk, each with arguments whose every field is set.
var (
	page  = api.Paging{Limit: 7, Cursor: "c/1&2"}
	yes   = true
	roles = []string{"developer"}
	draft = api.RulesDraft{Detect: true, Rules: []api.PlacementRule{{
		Match: api.RuleMatch{Stage: "s", Host: "h", Path: "/p", Tag: "t", Name: "n"}, Set: map[string]string{"region": "eu"}, Public: "https://api.example",
	}}}
	ask = map[string]func(context.Context, api.Desk) (any, error){
		"Me":           func(ctx context.Context, d api.Desk) (any, error) { return d.Me(ctx) },
		"Environments": func(ctx context.Context, d api.Desk) (any, error) { return d.Environments(ctx) },
		"APIs": func(ctx context.Context, d api.Desk) (any, error) {
			return d.APIs(ctx, api.APIsQuery{Paging: page, Q: "pay & go", Filter: api.Filter{
				"environment": {"test", "a,b"}, "tag": {"é"}, "lifecycle": {"active"}, "kind": {"openapi"}, "region": {"eu"}, "division": {"d"}, "audience": {"partner"}, "gateway": {"g"},
			}})
		},
		"SuggestAPIs": func(ctx context.Context, d api.Desk) (any, error) { return d.SuggestAPIs(ctx, "pay & go") },
		"API":         func(ctx context.Context, d api.Desk) (any, error) { return d.API(ctx, "a/b c?d") },
		"Spec": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Spec(ctx, api.SpecQuery{API: "payments", Version: "2", Environment: "test", Format: "yaml", Application: "app_1"})
		},
		"Resolve": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Resolve(ctx, api.ResolveQuery{API: "payments", Version: "2", Environment: "test", Region: "eu", Application: "app_1"})
		},
		"Applications": func(ctx context.Context, d api.Desk) (any, error) { return d.Applications(ctx, page) },
		"Application":  func(ctx context.Context, d api.Desk) (any, error) { return d.Application(ctx, "app_1") },
		"CreateApplication": func(ctx context.Context, d api.Desk) (any, error) {
			return d.CreateApplication(ctx, api.NewApplication{Name: "shop"})
		},
		"Subscriptions": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Subscriptions(ctx, api.SubscriptionsQuery{Paging: page, Application: "app_1", State: "approved", ToDecide: true, Frozen: true})
		},
		"Subscription": func(ctx context.Context, d api.Desk) (any, error) { return d.Subscription(ctx, "sub_1") },
		"Subscribe": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Subscribe(ctx, api.NewSubscription{Application: "app_1", API: "payments", Version: "2", Environment: "test", Plan: "bulk"})
		},
		"Cancel":  func(ctx context.Context, d api.Desk) (any, error) { return d.Cancel(ctx, "sub_1") },
		"Approve": func(ctx context.Context, d api.Desk) (any, error) { return d.Approve(ctx, "sub_1", "known partner") },
		"Reject":  func(ctx context.Context, d api.Desk) (any, error) { return d.Reject(ctx, "sub_1", "wrong plan") },
		"Claim":   func(ctx context.Context, d api.Desk) (any, error) { return d.Claim(ctx, "sub_1") },
		"Credentials": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Credentials(ctx, api.CredentialsQuery{Paging: page, Application: "app_1", Subscription: "sub_1", State: "active"})
		},
		"Credential":   func(ctx context.Context, d api.Desk) (any, error) { return d.Credential(ctx, "cre_1") },
		"Rotate":       func(ctx context.Context, d api.Desk) (any, error) { return d.Rotate(ctx, "cre_1", 90*time.Minute) },
		"Revoke":       func(ctx context.Context, d api.Desk) (any, error) { return d.Revoke(ctx, "cre_1") },
		"GatewayKinds": func(ctx context.Context, d api.Desk) (any, error) { return d.GatewayKinds(ctx) },
		"Gateways":     func(ctx context.Context, d api.Desk) (any, error) { return d.Gateways(ctx, page) },
		"Gateway":      func(ctx context.Context, d api.Desk) (any, error) { return d.Gateway(ctx, "kong-eu") },
		"CreateGateway": func(ctx context.Context, d api.Desk) (any, error) {
			n := api.NewGateway{}
			fill(reflect.ValueOf(&n).Elem(), "new")
			return d.CreateGateway(ctx, n)
		},
		"ChangeGateway": func(ctx context.Context, d api.Desk) (any, error) {
			n := api.NewGateway{}
			fill(reflect.ValueOf(&n).Elem(), "new")
			return d.ChangeGateway(ctx, "kong-eu", n)
		},
		"Sync":               func(ctx context.Context, d api.Desk) (any, error) { return d.Sync(ctx, "kong-eu") },
		"Runs":               func(ctx context.Context, d api.Desk) (any, error) { return d.Runs(ctx, "kong-eu", page) },
		"Run":                func(ctx context.Context, d api.Desk) (any, error) { return d.Run(ctx, "kong-eu", "run_1") },
		"PlanSync":           func(ctx context.Context, d api.Desk) (any, error) { return d.PlanSync(ctx, "kong-eu") },
		"ApplyRun":           func(ctx context.Context, d api.Desk) (any, error) { return d.ApplyRun(ctx, "kong-eu", "run_1") },
		"DiscardRun":         func(ctx context.Context, d api.Desk) (any, error) { return d.DiscardRun(ctx, "kong-eu", "run_1") },
		"OwnDocuments":       func(ctx context.Context, d api.Desk) (any, error) { return d.OwnDocuments(ctx, "payments") },
		"GatewayDocuments":   func(ctx context.Context, d api.Desk) (any, error) { return d.GatewayDocuments(ctx, "kong-eu", page) },
		"DeploymentDocument": func(ctx context.Context, d api.Desk) (any, error) { return d.DeploymentDocument(ctx, "dep_1") },
		"OriginalDocument":   func(ctx context.Context, d api.Desk) (any, error) { return d.OriginalDocument(ctx, "dep_1") },
		"UploadDocument": func(ctx context.Context, d api.Desk) (any, error) {
			return d.UploadDocument(ctx, "dep_1", []byte(strings.Repeat("openapi: 3.0.0\n", 100_000)))
		},
		"RemoveDocument": func(ctx context.Context, d api.Desk) (any, error) { return d.RemoveDocument(ctx, "dep_1") },
		"GatewayRules":   func(ctx context.Context, d api.Desk) (any, error) { return d.GatewayRules(ctx, "kong-eu") },
		"PreviewRules":   func(ctx context.Context, d api.Desk) (any, error) { return d.PreviewRules(ctx, "kong-eu", draft) },
		"SetRules": func(ctx context.Context, d api.Desk) (any, error) {
			return d.SetRules(ctx, "kong-eu", api.RulesChange{RulesDraft: draft, Preview: "0f"})
		},
		"Deployments": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Deployments(ctx, api.DeploymentsQuery{Paging: page, Gateway: "kong-eu", Unclassified: true})
		},
		"Deployment": func(ctx context.Context, d api.Desk) (any, error) { return d.Deployment(ctx, "dep_1") },
		"OverrideDeployment": func(ctx context.Context, d api.Desk) (any, error) {
			return d.OverrideDeployment(ctx, "dep_1", api.Override{Placement: map[string]string{"region": "eu"}, BaseURL: "https://cdn.example"})
		},
		"Thaw": func(ctx context.Context, d api.Desk) (any, error) { return d.Thaw(ctx, "sub_1", "as it was") },
		"Jobs": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Jobs(ctx, api.JobsQuery{Paging: page, Kind: "sync", State: "failed"})
		},
		"Job":              func(ctx context.Context, d api.Desk) (any, error) { return d.Job(ctx, "42") },
		"RunJob":           func(ctx context.Context, d api.Desk) (any, error) { return d.RunJob(ctx, "42") },
		"Leaving":          func(ctx context.Context, d api.Desk) (any, error) { return d.Leaving(ctx) },
		"VersionLifecycle": func(ctx context.Context, d api.Desk) (any, error) { return d.VersionLifecycle(ctx, "a/b", "2 x") },
		"SetVersionLifecycle": func(ctx context.Context, d api.Desk) (any, error) {
			n := api.NewLifecycle{}
			fill(reflect.ValueOf(&n).Elem(), "new")
			n.Lifecycle = "retired"
			return d.SetVersionLifecycle(ctx, "payments", "-", n)
		},
		"Guide": func(ctx context.Context, d api.Desk) (any, error) { return d.Guide(ctx, "payments", "gde_1") },
		"Texts": func(ctx context.Context, d api.Desk) (any, error) { return d.Texts(ctx, "payments", 7, "api_2") },
		"SaveTexts": func(ctx context.Context, d api.Desk) (any, error) {
			n := api.NewTexts{}
			fill(reflect.ValueOf(&n).Elem(), "new")
			return d.SaveTexts(ctx, "payments", n)
		},
		"PreviewTexts": func(ctx context.Context, d api.Desk) (any, error) {
			n := api.NewTexts{}
			fill(reflect.ValueOf(&n).Elem(), "new")
			return d.PreviewTexts(ctx, "payments", "partner", n)
		},
		"TextsHistory": func(ctx context.Context, d api.Desk) (any, error) { return d.TextsHistory(ctx, "payments") },
		"AssignTeam":   func(ctx context.Context, d api.Desk) (any, error) { return d.AssignTeam(ctx, "payments", "team_1") },
		"Teams":        func(ctx context.Context, d api.Desk) (any, error) { return d.Teams(ctx) },
		"Team":         func(ctx context.Context, d api.Desk) (any, error) { return d.Team(ctx, "team_1") },
		"CreateTeam": func(ctx context.Context, d api.Desk) (any, error) {
			return d.CreateTeam(ctx, api.NewTeam{Name: "Cards", Organisation: "org_1"})
		},
		"RenameTeam": func(ctx context.Context, d api.Desk) (any, error) {
			return d.RenameTeam(ctx, "team_1", api.TeamChange{Name: "Cards"})
		},
		"DeleteTeam": func(ctx context.Context, d api.Desk) (any, error) { return nil, d.DeleteTeam(ctx, "team_1") },
		"SetTeamMember": func(ctx context.Context, d api.Desk) (any, error) {
			return d.SetTeamMember(ctx, "team_1", "per_1", true)
		},
		"Reviews": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Reviews(ctx, api.ReviewsQuery{Paging: page, State: "open"})
		},
		"Review":       func(ctx context.Context, d api.Desk) (any, error) { return d.Review(ctx, "rev_1") },
		"AcceptReview": func(ctx context.Context, d api.Desk) (any, error) { return d.AcceptReview(ctx, "rev_1") },
		"RejectReview": func(ctx context.Context, d api.Desk) (any, error) { return d.RejectReview(ctx, "rev_1") },
		"ReopenReview": func(ctx context.Context, d api.Desk) (any, error) { return d.ReopenReview(ctx, "rev_1") },
		"Composition":  func(ctx context.Context, d api.Desk) (any, error) { return d.Composition(ctx, "pay") },
		"SplitAPI": func(ctx context.Context, d api.Desk) (any, error) {
			return d.SplitAPI(ctx, "pay", api.Chosen{Deployments: []string{"dep_1"}})
		},
		"JoinAPI": func(ctx context.Context, d api.Desk) (any, error) {
			return d.JoinAPI(ctx, "pay", api.Target{Into: "payments"})
		},
		"ConfirmAPI": func(ctx context.Context, d api.Desk) (any, error) {
			return d.ConfirmAPI(ctx, "pay", api.Chosen{Deployments: []string{"dep_1"}})
		},
		"UndoEntryAct":    func(ctx context.Context, d api.Desk) (any, error) { return d.UndoEntryAct(ctx, "pay", "eac_1") },
		"Sites":           func(ctx context.Context, d api.Desk) (any, error) { return d.Sites(ctx) },
		"Site":            func(ctx context.Context, d api.Desk) (any, error) { return d.Site(ctx, "paris") },
		"CreateEnrolment": func(ctx context.Context, d api.Desk) (any, error) { return d.CreateEnrolment(ctx, "paris") },
		"RevokeEnrolment": func(ctx context.Context, d api.Desk) (any, error) { return nil, d.RevokeEnrolment(ctx, "enr_1") },
		"Difference": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Difference(ctx, api.DifferenceQuery{API: "payments", From: api.SideQuery{Version: "2", Environment: "test"}, To: api.SideQuery{Deployment: "dep_1"}})
		},
		"Consumers": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Consumers(ctx, api.ConsumersQuery{Paging: page, API: "payments", Version: "-", Environment: "test", State: "approved"})
		},
		"RevokeWorker": func(ctx context.Context, d api.Desk) (any, error) { return d.RevokeWorker(ctx, "wrk_1") },
		"Organisations": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Organisations(ctx, page)
		},
		"Organisation": func(ctx context.Context, d api.Desk) (any, error) { return d.Organisation(ctx, "org_1") },
		"CreateOrganisation": func(ctx context.Context, d api.Desk) (any, error) {
			return d.CreateOrganisation(ctx, api.NewOrganisation{Name: "Acme", Audience: "partner", Division: "retail", Region: "eu"})
		},
		"SetOrganisationDisabled": func(ctx context.Context, d api.Desk) (any, error) {
			return d.SetOrganisationDisabled(ctx, "org_1", true)
		},
		"People": func(ctx context.Context, d api.Desk) (any, error) { return d.People(ctx, page) },
		"Person": func(ctx context.Context, d api.Desk) (any, error) { return d.Person(ctx, "per_2") },
		"Invite": func(ctx context.Context, d api.Desk) (any, error) {
			return d.Invite(ctx, api.NewPerson{Name: "Ana", Email: "ana@example.com", Organisation: "org_1", Roles: roles})
		},
		"Reinvite": func(ctx context.Context, d api.Desk) (any, error) { return d.Reinvite(ctx, "per_2") },
		"ChangePerson": func(ctx context.Context, d api.Desk) (any, error) {
			return d.ChangePerson(ctx, "per_2", api.PersonChange{Disabled: &yes, Roles: &roles})
		},
		"Tokens": func(ctx context.Context, d api.Desk) (any, error) { return d.Tokens(ctx) },
		"Token":  func(ctx context.Context, d api.Desk) (any, error) { return d.Token(ctx, "tok_1") },
		"CreateToken": func(ctx context.Context, d api.Desk) (any, error) {
			return d.CreateToken(ctx, api.NewToken{Name: "laptop", Days: 30})
		},
		"RevokeToken": func(ctx context.Context, d api.Desk) (any, error) { return nil, d.RevokeToken(ctx, "tok_1") },
	}
)

// plain makes what holds secrets comparable.
func plain(v any) any {
	switch v := v.(type) {
	case api.Claim:
		return []any{v.Reveal(), v.Ready, v.Authentication}
	case api.Invitation:
		return []any{v.Person, v.Token.Reveal(), v.Expires}
	case api.CreatedToken:
		return []any{v.Token, v.Value.Reveal()}
	case api.CreatedEnrolment:
		return []any{v.Enrolment, v.Token.Reveal()}
	}
	return v
}

func TestEveryMethodRoundTrips(t *testing.T) {
	b := start(t, nil)
	for m := range reflect.TypeFor[api.Desk]().Methods() {
		t.Run(m.Name, func(t *testing.T) {
			do := ask[m.Name]
			if do == nil {
				t.Fatal("the test does not ask it")
			}
			want, err := do(t.Context(), b.desk)
			if err != nil {
				t.Fatal(err)
			}
			asked := b.desk.taken()
			got, err := do(t.Context(), b.client)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(plain(got), plain(want)) {
				t.Errorf("got  %+v\nwant %+v", plain(got), plain(want))
			}
			if through := b.desk.taken(); !reflect.DeepEqual(through, asked) {
				t.Errorf("the desk was asked %q, want %q", through, asked)
			}
		})
	}
	if said := b.log.String(); strings.Contains(said, token) || strings.Contains(said, "secret-") {
		t.Errorf("a secret was logged: %s", said)
	}
}

func TestErrorsArriveAsTheKindThatTheyLeftAs(t *testing.T) {
	b := start(t, nil)
	kinds := []error{portal.ErrNotFound, portal.ErrDenied, portal.ErrUnavailable, portal.ErrConflict, portal.ErrUnsupported, portal.ErrInvalid}
	const inside = "canary-inside"
	// Later than a client waits for: it tries what comes back sooner again.
	later := func(err error) error { return &portal.RetryAfterError{After: 30 * time.Second, Err: err} }
	for name, tc := range map[string]struct {
		err  error
		want error // nil: no kind
	}{
		"not found":                {portal.ErrNotFound, portal.ErrNotFound},
		"denied":                   {portal.ErrDenied, portal.ErrDenied},
		"unavailable":              {later(portal.ErrUnavailable), portal.ErrUnavailable},
		"conflict":                 {portal.ErrConflict, portal.ErrConflict},
		"unsupported":              {portal.ErrUnsupported, portal.ErrUnsupported},
		"invalid":                  {portal.ErrInvalid, portal.ErrInvalid},
		"gateway down":             {&portal.GatewayError{Gateway: "kong-eu", Op: "Issue", Err: later(errors.Join(portal.ErrUnavailable, errors.New(inside)))}, portal.ErrUnavailable},
		"gateway refuses us":       {&portal.GatewayError{Gateway: "kong-eu", Op: "Issue", Err: later(errors.Join(portal.ErrDenied, errors.New(inside)))}, portal.ErrUnavailable},
		"gateway cannot":           {&portal.GatewayError{Gateway: "kong-eu", Op: "Issue", Err: errors.Join(portal.ErrUnsupported, errors.New(inside))}, portal.ErrUnsupported},
		"no endpoint":              {&portal.NoEndpointError{API: "payments", Environments: []portal.Environment{"test"}}, portal.ErrNotFound},
		"conflict with a thing":    {&portal.ConflictError{Kind: "credential", ID: "cre_9", Err: errors.New("a claim is open")}, portal.ErrConflict},
		"of no kind, told to none": {errors.New(inside), nil},
	} {
		t.Run(name, func(t *testing.T) {
			b.desk.fail(tc.err)
			for method, do := range ask {
				_, err := do(t.Context(), b.client)
				if err == nil {
					t.Fatalf("%s: no error", method)
				}
				for _, kind := range kinds {
					if errors.Is(err, kind) != (kind == tc.want) {
						t.Errorf("%s: %v: is %v: %t", method, err, kind, errors.Is(err, kind))
					}
				}
				if said := err.Error(); strings.Contains(said, token) || strings.Contains(said, inside) {
					t.Errorf("%s: the error says too much: %s", method, said)
				}
				var p *api.Problem
				if !errors.As(err, &p) || p.Status < 400 {
					t.Errorf("%s: %v is no problem", method, err)
				}
			}
		})
	}

	b.desk.fail(&portal.NoEndpointError{API: "payments", Environments: []portal.Environment{"test", "production"}})
	var none *portal.NoEndpointError
	if _, err := b.client.Resolve(t.Context(), api.ResolveQuery{API: "payments", Environment: "x"}); !errors.As(err, &none) || len(none.Environments) != 2 {
		t.Errorf("%v does not say where there is an endpoint", err)
	}
	b.desk.fail(&portal.ConflictError{Kind: "credential", ID: "cre_9", Err: errors.New("a claim is open")})
	var conflict *portal.ConflictError
	if _, err := b.client.Claim(t.Context(), "sub_1"); !errors.As(err, &conflict) || conflict.ID != "cre_9" {
		t.Errorf("%v does not say what is in the way", err)
	}
	b.desk.fail(later(portal.ErrUnavailable))
	var after *portal.RetryAfterError
	if _, err := b.client.Me(t.Context()); !errors.As(err, &after) || after.After != 30*time.Second {
		t.Errorf("%v does not say when to come back", err)
	}
	if strings.Contains(b.log.String(), token) {
		t.Error("the token was logged")
	}
}

// What is empty, or leads up the path, is no id of anything and is not asked for.
func TestIdsThatAreNone(t *testing.T) {
	b := start(t, nil)
	for _, id := range []string{"", ".", ".."} {
		if _, err := b.client.API(t.Context(), id); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if calls := b.desk.taken(); len(calls) != 0 {
		t.Errorf("the desk was asked %q", calls)
	}
}

// An answer that was lost on its way is asked for again under the same key: the portal acts once, and the client says
// that nobody has the secret.
func TestLostAnswerOfAClaim(t *testing.T) {
	var mu sync.Mutex
	var keys []string
	b := start(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			first := len(keys) == 1
			mu.Unlock()
			if first {
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	})
	claim, err := b.client.Claim(t.Context(), "sub_1")
	if err != nil {
		t.Fatal(err)
	}
	if claim.Ready || len(claim.Parts) != 0 || claim.Note == "" || claim.ID == "" {
		t.Errorf("got %+v, want the credential without its secret and a note", claim)
	}
	if calls := b.desk.taken(); len(calls) != 2 || !strings.HasPrefix(calls[0], "Claim ") || !strings.HasPrefix(calls[1], "Credential ") {
		t.Errorf("the desk was asked %q, want one claim and then the credential", calls)
	}
	if _, err := b.client.Claim(t.Context(), "sub_1"); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] == keys[2] {
		t.Errorf("keys %q: want the first two alike and the third fresh", keys)
	}
}

// fingerprint stands in for the sealed key's.
func fingerprint(purpose string, data []byte) string {
	sum := sha256.Sum256(append([]byte(purpose), data...))
	return hex.EncodeToString(sum[:])
}
