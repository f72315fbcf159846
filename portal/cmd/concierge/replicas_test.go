package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/ingest"
	"concierge/portal/people"
	"concierge/portal/store/postgres/postgrestest"
	v1 "concierge/portal/web/v1"
)

// together is some replicas on one database, behind a load balancer that hands every request to the next one.
type together struct {
	replicas []running
	database string
	balancer string
}

// replicaConfig is the configuration of one of several replicas.
func replicaConfig(t testing.TB, database, keyFile string) config {
	t.Helper()
	c, err := parseConfig(nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.Database, c.KeyFile, c.PublicURL = database, keyFile, "http://portal.example.com"
	c.Approval = []approvalConfig{{Approval: portal.Automatic}}
	return c
}

func startReplicas(t testing.TB, n int, database string, gateways ...ingest.Registration) together {
	t.Helper()
	all, key := together{database: database}, filepath.Join(t.TempDir(), "concierge.key")
	for range n {
		s, err := open(t.Context(), replicaConfig(t, database, key), gateways, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
		if err != nil {
			t.Fatal(err)
		}
		served := httptest.NewServer(s.handler)
		t.Cleanup(func() {
			served.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		all.replicas = append(all.replicas, running{s, served.URL})
	}
	var next atomic.Uint64
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.replicas[next.Add(1)%uint64(n)].handler.ServeHTTP(w, r)
	}))
	t.Cleanup(balancer.Close)
	all.balancer = balancer.URL
	return all
}

// rounds is how often the whole path is walked, by all clients together.
const rounds = 120

// TestReplicasReadWhatWasWritten walks the whole path hundreds of times, each call on another replica than the one before
// and at once: every answer rests on all that was answered before. That must hold without notifications too, which are
// late at times.
func TestReplicasReadWhatWasWritten(t *testing.T) {
	t.Run("told", func(t *testing.T) { readWhatWasWritten(t, postgrestest.New(t)) })
	t.Run("deaf", func(t *testing.T) {
		database := postgrestest.New(t)
		deafen(t, database)
		readWhatWasWritten(t, database)
	})
}

// deafen makes a database whose notifications reach nobody.
func deafen(t *testing.T, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range []string{
		`CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS ''`,
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func readWhatWasWritten(t *testing.T, database string) {
	_, registration := paymentsGateway(t)
	all := startReplicas(t, 3, database, registration)
	all.replicas[0].sync(t, "sample")
	clients := make([]client, 4)
	for i := range clients {
		clients[i] = all.replicas[0].person(t, fmt.Sprintf("person-%d@brightmart.example", i), partners, access.Developer)
		clients[i].url = all.balancer
	}
	e := endpoint{"payments", "1", "production"}
	var calls atomic.Int64
	var group sync.WaitGroup
	for _, owner := range clients {
		group.Go(func() {
			for n := range rounds / len(clients) {
				token := post[api.CreatedTokenBody](owner, "/tokens", api.NewToken{Name: fmt.Sprint("round ", n)})
				c := client{t, all.balancer, token.Value} // known to one replica alone
				app := post[api.Application](c, "/applications", api.NewApplication{Name: fmt.Sprint("app ", n)})
				get[api.Application](c, "/applications/"+app.ID)
				sub := post[api.Subscription](c, "/subscriptions", api.NewSubscription{Application: app.ID, API: e.api, Version: e.version, Environment: e.environment})
				if got := get[api.Subscription](c, "/subscriptions/"+sub.ID); got.State != "approved" || got.API != "payments" {
					t.Errorf("the subscription is %+v", got)
				}
				claimed := c.claim(sub.ID)
				bound := get[api.Decision](c, "/resolve?"+url.Values{"api": {e.api}, "environment": {e.environment}, "application": {app.ID}}.Encode())
				if bound.BaseURL != claimed.BaseURL || slices.ContainsFunc(bound.Why, func(r api.Reason) bool { return strings.Contains(r.Text, "newcomer") }) {
					t.Errorf("the binding is not known: %s, claimed at %s: %+v", bound.BaseURL, claimed.BaseURL, bound.Why)
				}
				second := post[api.ClaimBody](c, "/credentials/"+claimed.ID+"/rotate", v1.RotationBody{Overlap: "1h"})
				if got := get[api.Credential](c, "/credentials/"+claimed.ID); got.State != "retiring" {
					t.Errorf("the first key is %s", got.State)
				}
				for _, id := range []string{claimed.ID, second.ID} {
					c.revoke(id)
				}
				ask[api.Subscription](c, http.MethodDelete, "/subscriptions/"+sub.ID, nil, http.StatusOK)
				if a := c.send(http.MethodDelete, "/api/v1/tokens/"+token.ID, nil); a.status/100 != 2 {
					t.Errorf("revoking the token: %d %s", a.status, a.body)
				}
				calls.Add(13)
			}
		})
	}
	group.Wait()
	t.Logf("%d rounds, at least %d calls on 3 replicas", rounds, calls.Load())
}

// tokensMade is how many tokens TestChangesReachAllReplicas makes and revokes.
const tokensMade = 150

// TestChangesReachAllReplicas measures how long a change takes from its commit to the tables of the other replicas. The
// figures are for reading: they are the machine's as much as ours. What must hold is that replicas are told: without that they
// look every five seconds, and half of the changes would take longer than two and a half.
func TestChangesReachAllReplicas(t *testing.T) {
	all := startReplicas(t, 3, postgrestest.New(t))
	writer := all.replicas[0]
	ann, _, err := writer.people.Seed(t.Context(), people.Seed{
		Organisation: partners, Name: "Ann", Email: "ann@brightmart.example", Roles: []access.Role{access.Developer}, Password: portal.NewSecret(portal.NewID("pass")),
	})
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for n := range tokensMade {
		made, value, err := writer.people.CreateToken(t.Context(), ann, people.NewToken{Name: fmt.Sprint("token ", n)})
		if err != nil {
			t.Fatal(err)
		}
		hash, _ := people.ParseToken(value.Reveal())
		known := func(r running) bool {
			_, ok := r.live.Table().CallerByToken(hash, time.Now())
			return ok
		}
		took = append(took, all.until(t, known, true))
		if err := writer.people.RevokeToken(t.Context(), ann, made.ID); err != nil {
			t.Fatal(err)
		}
		took = append(took, all.until(t, known, false))
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d changes, visible on the other two replicas after: p50 %s, p99 %s, most %s", len(took), p50, p99, took[len(took)-1])
	if p50 > time.Second {
		t.Errorf("p50 is %s: the other replicas are not told", p50)
	}
}

// until waits until all replicas but the first know, or know no more. It gives up long after the version would have told.
func (all together) until(t testing.TB, known func(running) bool, want bool) time.Duration {
	t.Helper()
	start := time.Now()
	for slices.ContainsFunc(all.replicas[1:], func(r running) bool { return known(r) != want }) {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("not seen on all replicas after %s", time.Since(start))
		}
		time.Sleep(200 * time.Microsecond)
	}
	return time.Since(start)
}

// TestRevokedTokens are refused at once where they were revoked, and soon on the other replicas, by their API.
func TestRevokedTokens(t *testing.T) {
	all := startReplicas(t, 3, postgrestest.New(t))
	for range 20 {
		c := all.replicas[0].person(t, "ann@brightmart.example", partners, access.Developer)
		tokens := post[api.CreatedTokenBody](c, "/tokens", api.NewToken{Name: "other"})
		revoked := client{t, c.url, tokens.Value}
		for _, r := range all.replicas {
			get[api.Me](client{t, r.url, tokens.Value}, "/me") // known everywhere
		}
		c.send(http.MethodDelete, "/api/v1/tokens/"+tokens.ID, nil)
		if a := revoked.send(http.MethodGet, "/api/v1/me", nil); a.status != http.StatusUnauthorized {
			t.Fatalf("on the replica that revoked it: %d", a.status)
		}
		for _, r := range all.replicas[1:] {
			within(t, refusedWithin, "a revoked token on another replica", func() int {
				return client{t, r.url, tokens.Value}.send(http.MethodGet, "/api/v1/me", nil).status
			}, refused)
		}
	}
}

// TestMissedNotifications: a change that nobody was told of, and one that was told while no replica could hear.
func TestMissedNotifications(t *testing.T) {
	all := startReplicas(t, 3, postgrestest.New(t))
	conn, err := pgx.Connect(t.Context(), all.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	token := func(email string) [32]byte {
		t.Helper()
		hash, _ := people.ParseToken(all.replicas[0].person(t, email, partners, access.Developer).token)
		return hash
	}
	knows := func(hash [32]byte) func(running) bool {
		return func(r running) bool {
			_, ok := r.live.Table().CallerByToken(hash, time.Now())
			return ok
		}
	}
	hash := token("ann@brightmart.example")
	all.until(t, knows(hash), true)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO changes (kind, id) SELECT 'person', person FROM tokens`,
		`DELETE FROM tokens`,
	} {
		if _, err := tx.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("a change that nobody was told of is seen after %s", all.until(t, knows(hash), false).Round(time.Millisecond))

	if _, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'concierge listener' AND datname = current_database()`); err != nil {
		t.Fatal(err)
	}
	deaf := token("bob@brightmart.example")
	t.Logf("one that was told to the deaf is seen after %s", all.until(t, knows(deaf), true).Round(time.Millisecond))
}

// TestReplicasAnswerAlike: the same body and validator for the same question, whoever answers.
func TestReplicasAnswerAlike(t *testing.T) {
	_, registration := paymentsGateway(t)
	all := startReplicas(t, 3, postgrestest.New(t), registration)
	all.replicas[0].sync(t, "sample")
	c := all.replicas[0].person(t, "petra@brightmart.example", partners, access.Developer)
	path := "/api/v1/resolve?" + endpoint{"payments", "1", "production"}.query()
	for try := 0; ; try++ {
		var answers []answer
		for _, r := range all.replicas {
			answers = append(answers, client{t, r.url, c.token}.send(http.MethodGet, path, nil))
		}
		first := answers[0]
		alike := !slices.ContainsFunc(answers, func(a answer) bool {
			return a.status != http.StatusOK || !bytes.Equal(a.body, first.body) || a.header.Get("ETag") != first.header.Get("ETag")
		})
		if alike {
			for _, r := range all.replicas {
				if a := (client{t, r.url, c.token}).send(http.MethodGet, path, nil, "If-None-Match", first.header.Get("ETag")); a.status != http.StatusNotModified && try > 0 {
					t.Errorf("the validator of another replica: %d", a.status)
				}
			}
			return
		}
		if try == 1 { // once the answer's time may have ended between two of them
			t.Fatalf("answers differ: %s\n%s\n%s", answers[0].body, answers[1].body, answers[2].body)
		}
	}
}

// TestIdempotencyKeyOnTwoReplicas sends the same request to all replicas at once, many times.
func TestIdempotencyKeyOnTwoReplicas(t *testing.T) {
	all := startReplicas(t, 3, postgrestest.New(t))
	c := all.replicas[0].person(t, "petra@brightmart.example", partners, access.Developer)
	const keys = 30
	for n := range keys {
		var group sync.WaitGroup
		made := make([]answer, len(all.replicas))
		for i, r := range all.replicas {
			group.Go(func() {
				for {
					a, err := client{t, r.url, c.token}.try(http.MethodPost, "/api/v1/applications", api.NewApplication{Name: "once"}, "Idempotency-Key", fmt.Sprint("key-", n))
					if err != nil {
						t.Error(err)
						return
					}
					if made[i] = a; a.status != http.StatusConflict && a.status != http.StatusServiceUnavailable { // it still runs
						return
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		group.Wait()
		for _, a := range made {
			if a.status != http.StatusCreated || !bytes.Equal(a.body, made[0].body) {
				t.Errorf("key %d: %d %s, and %s", n, a.status, a.body, made[0].body)
			}
		}
	}
	if page := get[api.Page[api.Application]](c, "/applications?limit=100"); len(page.Items) != keys {
		t.Errorf("%d applications of %d keys", len(page.Items), keys)
	}
}

// TestReplicasLimitTogether calls all replicas with one token as fast as it goes: together they let through one limit.
func TestReplicasLimitTogether(t *testing.T) {
	all := startReplicas(t, 3, postgrestest.New(t))
	c := all.replicas[0].person(t, "petra@brightmart.example", partners, access.Developer)
	var passed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, r := range all.replicas {
		group.Go(func() {
			for ctx.Err() == nil {
				if a, err := (client{t, r.url, c.token}).try(http.MethodGet, "/api/v1/me", nil); err == nil && a.status == http.StatusOK {
					passed.Add(1)
				}
				time.Sleep(4 * time.Millisecond) // 250 a second at most, over the limit on each
			}
		})
	}
	defer group.Wait()
	defer stop()
	const limit, bound = 200, 250
	per := 0.0
	for start := time.Now(); time.Since(start) < 30*time.Second; {
		from, before := time.Now(), passed.Load()
		time.Sleep(time.Second)
		if per = float64(passed.Load()-before) / time.Since(from).Seconds(); per <= bound {
			t.Logf("%.0f calls a second on 3 replicas after %s; the limit is %d", per, time.Since(start).Round(time.Second), limit)
			return
		}
	}
	t.Errorf("%.0f calls a second on 3 replicas; the limit is %d", per, limit)
}

// TestReplicasStartTogether on an empty database: with one key file all run and one link works; with a key file each, one
// runs and the others say what to do.
func TestReplicasStartTogether(t *testing.T) {
	const n = 3
	_, registration := paymentsGateway(t)
	start := func(keyFile func() string) (servers []*server, errs []error) {
		database := postgrestest.New(t)
		var mu sync.Mutex
		var group sync.WaitGroup
		for range n {
			c := replicaConfig(t, database, keyFile())
			group.Go(func() {
				s, err := open(t.Context(), c, []ingest.Registration{registration}, slog.New(slog.DiscardHandler))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, err)
					return
				}
				servers = append(servers, s)
				t.Cleanup(func() { _ = s.Close() })
			})
		}
		group.Wait()
		return servers, errs
	}
	t.Run("one key file", func(t *testing.T) {
		key := filepath.Join(t.TempDir(), "concierge.key")
		servers, errs := start(func() string { return key })
		if len(servers) != n {
			t.Fatalf("%d of %d run: %v", len(servers), n, errs)
		}
		var links []portal.Secret
		for _, s := range servers {
			switch token, _, err := s.people.FirstLink(t.Context(), s.config.shownTogether()); {
			case err == nil:
				links = append(links, token)
			case !errors.Is(err, people.ErrFirstLinkShown):
				t.Error(err)
			}
		}
		if len(links) != 1 {
			t.Fatalf("%d links are shown", len(links))
		}
		if _, err := servers[n-1].people.LookUpLink(t.Context(), links[0]); err != nil {
			t.Errorf("the link that is shown: %v", err)
		}
	})
	t.Run("a key file each", func(t *testing.T) {
		folders := 0
		servers, errs := start(func() string {
			folders++
			return filepath.Join(t.TempDir(), fmt.Sprint("replica-", folders, ".key"))
		})
		if len(servers) != 1 || len(errs) != n-1 {
			t.Fatalf("%d of %d run: %v", len(servers), n, errs)
		}
		for _, err := range errs {
			if !errors.Is(err, portal.ErrInvalid) && !errors.Is(err, portal.ErrNotFound) || !strings.Contains(err.Error(), "key file") {
				t.Errorf("it does not say what to do: %v", err)
			}
		}
	})
}

// TestReplicasThatAreConfiguredOtherwise say what differs.
func TestReplicasThatAreConfiguredOtherwise(t *testing.T) {
	_, registration := paymentsGateway(t)
	database, key := postgrestest.New(t), filepath.Join(t.TempDir(), "concierge.key")
	begin := func(c config, gateways ...ingest.Registration) string {
		t.Helper()
		var logged bytes.Buffer
		s, err := open(t.Context(), c, gateways, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn})))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return logged.String()
	}
	c := replicaConfig(t, database, key)
	for range 2 {
		if logged := begin(c, registration); strings.Contains(logged, "configur") {
			t.Errorf("the same configuration: %s", logged)
		}
	}
	c.Approval = nil
	if logged := begin(c); !strings.Contains(logged, "differ=[approval]") || !strings.Contains(logged, "gateways=[sample]") {
		t.Errorf("another configuration: %s", logged)
	}
}

// TestReplicasWithoutTheirDatabase answer what is in the table, and nothing wrong about the rest.
func TestReplicasWithoutTheirDatabase(t *testing.T) {
	server := postgrestest.Start(t)
	_, registration := paymentsGateway(t)
	all := startReplicas(t, 2, server.Database(t), registration)
	all.replicas[0].sync(t, "sample")
	c := all.replicas[0].person(t, "petra@brightmart.example", partners, access.Developer)
	e := endpoint{"payments", "1", "production"}
	sub := c.subscribe(e)
	c.claim(sub.ID)
	bound := "/api/v1/resolve?" + url.Values{"api": {e.api}, "environment": {e.environment}, "application": {sub.Application}}.Encode()
	c.url = all.replicas[1].url
	if a := c.send(http.MethodGet, bound, nil); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	server.Kill()
	stranger := client{t, c.url, newTokenOfNobody(t)}
	for what, got := range map[string]int{
		"an endpoint":                 c.send(http.MethodGet, "/api/v1/resolve?"+e.query(), nil).status - http.StatusOK,
		"that of an application":      c.send(http.MethodGet, bound, nil).status - http.StatusOK,
		"an API that may be there":    c.send(http.MethodGet, "/api/v1/resolve?api=new&environment=production", nil).status - http.StatusServiceUnavailable,
		"a token that may be there":   stranger.send(http.MethodGet, "/api/v1/me", nil).status - http.StatusServiceUnavailable,
		"a token that is none at all": client{t, c.url, "x"}.send(http.MethodGet, "/api/v1/me", nil).status - http.StatusUnauthorized,
	} {
		if got != 0 {
			t.Errorf("without the database, %s: %+d from the status that is right", what, got)
		}
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	took := within(t, 30*time.Second, "a token of nobody, once the database is back", func() int { return stranger.send(http.MethodGet, "/api/v1/me", nil).status }, refused)
	t.Logf("right again %s after the database was back", took.Round(time.Millisecond))
}

// newTokenOfNobody is a token of the right form.
func newTokenOfNobody(t testing.TB) string {
	t.Helper()
	r := run(t)
	return r.person(t, "nobody@elsewhere.example", people.NewOrganisation{Name: "Elsewhere", Audience: portal.Partner}, access.Developer).token
}
