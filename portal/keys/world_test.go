package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/keys"
	"concierge/portal/seal"
	"concierge/portal/store"
	"concierge/portal/store/storetest"
)

// callTimeout is real time, so it is short; everything else waits on the world's clock.
const callTimeout = 60 * time.Millisecond

// world is a key ring on a real database, with gateways and a router that do as they are told.
type world struct {
	folder   string
	db       storetest.DB
	address  string // of the database
	box      *seal.Box
	clock    *clock
	router   *router
	gateways gateways
	log      *lockedBuffer
	policy   keys.Policy

	*keys.Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		folder: t.TempDir(), clock: &clock{t: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)},
		gateways: gateways{}, log: &lockedBuffer{},
	}
	w.address = storetest.Address(t)
	w.db = storetest.OpenAt(t, w.address, slog.New(slog.DiscardHandler))
	var err error
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.box, _, err = seal.Open(filepath.Join(w.folder, "master.key")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []portal.GatewayID{"north", "south", "cards"} {
		w.gateways[id] = newGateway()
	}
	w.router = &router{to: map[string]*portal.Deployment{
		"payments": deployment("north", "payments", portal.Test),
		"loans":    deployment("north", "payments", portal.Production),
	}}
	w.Service = w.service(w.keysDB())
	return w
}

func (w *world) keysDB() keys.DB { return store.Narrow[keys.Tx](w.db) }

// service is another replica, on a database of its own choosing.
func (w *world) service(db keys.DB) *keys.Service {
	return keys.NewService(db, w.router, w.gateways, w.box, keys.Options{
		Policy: w.policy, CallTimeout: callTimeout, Now: w.clock.now, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

func deployment(g portal.GatewayID, division portal.Division, env portal.Environment) *portal.Deployment {
	return &portal.Deployment{
		ID: portal.DeploymentID("dep_" + string(g)), Gateway: g, RemoteID: "r1", API: "api_1", Line: "2",
		Plans: []portal.Plan{{ID: "basic", Approval: portal.Automatic}, {ID: "gold", Approval: portal.Automatic}},
		Placement: portal.Placement{
			portal.AxisEnvironment: {Value: string(env)}, portal.AxisDivision: {Value: string(division)},
		},
	}
}

func caller(person portal.PersonID, org portal.OrganisationID, division portal.Division, roles ...access.Role) access.Caller {
	audience := portal.Partner
	if division != "" {
		audience = portal.Internal
	}
	return access.Caller{Person: person, Organisation: org, OrganisationName: "Org " + string(org), Audience: audience, Division: division, Roles: roles}
}

// The people of the tests.
var (
	ann       = caller("per_ann", "org_a", "", access.Developer)
	vic       = caller("per_vic", "org_a", "", access.Viewer)
	stranger  = caller("per_str", "org_b", "", access.Developer, access.OrganisationAdmin)
	paymaster = caller("per_pay", "org_i", "payments", access.DivisionAdministrator)
	cardman   = caller("per_car", "org_j", "cards", access.DivisionAdministrator)
	root      = caller("per_root", "org_i", "hq", access.PlatformAdministrator, access.Developer)
)

// subscribed gives Ann an application with an approved subscription.
func (w *world) subscribed(t *testing.T) keys.Subscription {
	t.Helper()
	sub := w.requested(t, ann, "payments")
	if sub.State != keys.Approved {
		t.Fatalf("the subscription is %s", sub.State)
	}
	return sub
}

func (w *world) requested(t *testing.T, c access.Caller, api string) keys.Subscription {
	t.Helper()
	app, err := w.CreateApplication(t.Context(), c, "shop")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := w.Subscribe(t.Context(), c, keys.SubscribeRequest{Application: app.ID, API: api})
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func (w *world) claimed(t *testing.T, sub keys.Subscription) keys.Claimed {
	t.Helper()
	got, err := w.Claim(t.Context(), ann, sub.ID)
	if err != nil || !got.Ready {
		t.Fatalf("claiming: ready %v, %v", got.Ready, err)
	}
	if !w.gateways[got.Credential.Gateway].works(secret(got)) {
		t.Fatal("the key that was claimed does not work")
	}
	return got
}

func secret(c keys.Claimed) string {
	for _, p := range c.Parts {
		if !p.Public {
			return p.Value.Reveal()
		}
	}
	return ""
}

func (w *world) state(t *testing.T, id portal.CredentialID) keys.CredentialState {
	t.Helper()
	return w.credential(t, id).State
}

func (w *world) credential(t *testing.T, id portal.CredentialID) (c keys.Credential) {
	t.Helper()
	if err := w.keysDB().View(t.Context(), func(tx keys.Tx) (err error) {
		c, err = tx.Keys().Credential(t.Context(), id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// ring lists a subscription's credentials, newest first.
func (w *world) ring(t *testing.T, sub portal.SubscriptionID) (all []keys.Credential) {
	t.Helper()
	if err := w.keysDB().View(t.Context(), func(tx keys.Tx) (err error) {
		all, err = tx.Keys().Credentials(t.Context(), keys.CredentialFilter{Subscription: sub}, keys.Page{Limit: 100})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// actions lists what the audit tells of a target, oldest first.
func (w *world) actions(t *testing.T, target string) (actions []string) {
	t.Helper()
	for _, e := range w.events(t, target) {
		actions = append(actions, e.Action)
	}
	slices.Reverse(actions)
	return actions
}

func (w *world) events(t *testing.T, target string) (events []audit.Event) {
	t.Helper()
	if err := w.keysDB().View(t.Context(), func(tx keys.Tx) (err error) {
		events, err = tx.Audit().Events(t.Context(), target, 1000)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return events
}

func (w *world) sweep(t *testing.T) {
	t.Helper()
	if err := w.SweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// settle sweeps on healthy gateways until nothing is left to do, then holds the world against the promises of the package.
func (w *world) settle(t *testing.T) {
	t.Helper()
	for _, problem := range w.settled(t.Context(), w.Service, "") {
		t.Error(problem)
	}
}

func (w *world) settled(ctx context.Context, s *keys.Service, app portal.ApplicationID) (problems []string) {
	for _, g := range w.gateways {
		g.heal()
	}
	for range 2 { // the second finds what came back while the first looked
		for range 12 {
			w.clock.advance(6 * time.Minute) // longer than any back-off
			if err := s.SweepOnce(ctx); err != nil {
				return append(problems, err.Error())
			}
		}
		for id := range w.gateways {
			if err := s.Reconcile(ctx, id); err != nil {
				return append(problems, err.Error())
			}
		}
	}
	return w.problems(ctx, app)
}

// problems holds the database against the gateways: the credentials of an application, or all where it is empty.
func (w *world) problems(ctx context.Context, app portal.ApplicationID) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	err := w.keysDB().View(ctx, func(tx keys.Tx) error {
		acts, err := tx.Keys().DueActs(ctx, "", w.clock.now().Add(100*365*24*time.Hour), 1000)
		if err != nil {
			return err
		}
		for _, a := range acts {
			c, err := tx.Keys().Credential(ctx, a.Credential)
			if err != nil {
				return err
			}
			if a.Phase != keys.PhaseWaiting || c.State != keys.Pending {
				say("%s of %s (%s) is open: %s, %s", a.Kind, c.ID, c.State, a.Phase, a.Error)
			}
		}
		for id, g := range w.gateways {
			for _, mark := range g.working() {
				if mark.Subscription == "" {
					continue // made by hand
				}
				c, err := tx.Keys().Credential(ctx, mark.Credential)
				if errors.Is(err, portal.ErrNotFound) {
					say("a key works on %s that nobody knows: %s", id, mark.Credential)
					continue
				}
				if err != nil {
					return err
				}
				if !c.State.Live() || c.Gateway != id {
					say("the key of %s works on %s, and is %s here", c.ID, id, c.State)
				}
			}
		}
		all, err := tx.Keys().Credentials(ctx, keys.CredentialFilter{Application: app}, keys.Page{Limit: 1000})
		if err != nil {
			return err
		}
		held := map[string]int{}
		tells := map[keys.CredentialState]string{
			keys.Pending: "credential.issue.intent", keys.Active: "credential.issue.done", keys.Retiring: "credential.retire",
			keys.Revoking: "credential.revoke.intent", keys.Revoked: "credential.revoke.done", keys.Failed: "credential.issue.failed",
		}
		for _, c := range all {
			held[string(c.Subscription)+" "+string(c.State)]++
			if c.State.Live() && !w.gateways[c.Gateway].has(c.ID) {
				say("%s is %s here and absent from %s", c.ID, c.State, c.Gateway)
			}
			events, err := tx.Audit().Events(ctx, string(c.ID), 1000)
			if err != nil {
				return err
			}
			var told []string
			for _, e := range events {
				told = append(told, e.Action)
			}
			if !slices.Contains(told, tells[c.State]) || !slices.Contains(told, "credential.issue.intent") {
				say("%s is %s, and the audit says %v", c.ID, c.State, told)
			}
		}
		for of, n := range held {
			if n > 1 && (strings.HasSuffix(of, "pending") || strings.HasSuffix(of, "active") || strings.HasSuffix(of, "retiring")) {
				say("subscription %s: %d times", of, n)
			}
		}
		return nil
	})
	if err != nil {
		say("looking: %v", err)
	}
	return problems
}

// clock moves by a microsecond whenever it is read, so that events keep their order.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(time.Microsecond)
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// router sends everybody who asks for an API, by name or id, to one deployment.
type router struct {
	mu sync.Mutex
	to map[string]*portal.Deployment
}

func (r *router) Decide(_ context.Context, c portal.Consumer, api, version string, env portal.Environment) (keys.Decided, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for slug, d := range r.to {
		if slug == api || (string(d.API) == api && d.Placement.Environment() == env) {
			return keys.Decided{Slug: slug, Deployment: d}, nil
		}
	}
	return keys.Decided{}, fmt.Errorf("API %q: %w", api, portal.ErrNotFound)
}

func (r *router) send(api string, d *portal.Deployment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to[api] = d
}

type gateways map[portal.GatewayID]*gateway

func (g gateways) Issuer(_ context.Context, id portal.GatewayID) (connectors.Issuer, connectors.Capabilities, error) {
	gw, ok := g[id]
	if !ok {
		return nil, connectors.Capabilities{}, fmt.Errorf("gateway %s: %w", id, portal.ErrNotFound)
	}
	return gw, gw.capabilities(), nil
}

func (gateways) AcceptsReach(context.Context, portal.GatewayID) (bool, error) { return false, nil }

func (g gateways) Issuing(context.Context) (ids []portal.GatewayID, err error) {
	for id := range g {
		ids = append(ids, id)
	}
	return ids, nil
}

// lockedBuffer takes log lines from anywhere.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// faultyDB fails transactions: the one that fail says yes to, counted from 1.
type faultyDB struct {
	keys.DB
	mu   sync.Mutex
	n    int
	fail func(n int) bool
}

var errDisk = fmt.Errorf("the disk is gone: %w", portal.ErrUnavailable)

func (f *faultyDB) InTx(ctx context.Context, fn func(keys.Tx) error) error {
	f.mu.Lock()
	f.n++
	fail := f.fail(f.n)
	f.mu.Unlock()
	return f.DB.InTx(ctx, func(tx keys.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if fail {
			return errDisk // as late as can be: nothing of it may stay
		}
		return nil
	})
}

// deafDB refuses the audit events of one action.
type deafDB struct {
	keys.DB
	action string
}

var errAudit = errors.New("the audit is full")

func (d deafDB) InTx(ctx context.Context, fn func(keys.Tx) error) error {
	return d.DB.InTx(ctx, func(tx keys.Tx) error { return fn(deafTx{tx, d.action}) })
}

type deafTx struct {
	keys.Tx
	action string
}

func (d deafTx) Audit() audit.Store { return deafAudit{d.Tx.Audit(), d.action} }

type deafAudit struct {
	audit.Store
	action string
}

func (d deafAudit) Append(ctx context.Context, e audit.Event) error {
	if e.Action == d.action {
		return errAudit
	}
	return d.Store.Append(ctx, e)
}

// dump is the key ring as the database has it.
func (w *world) dump(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := w.keysDB().View(t.Context(), func(tx keys.Tx) error {
		all := keys.Page{Limit: 1000}
		apps, err1 := tx.Keys().Applications(t.Context(), "", all)
		subs, err2 := tx.Keys().Subscriptions(t.Context(), keys.SubscriptionFilter{}, all)
		creds, err3 := tx.Keys().Credentials(t.Context(), keys.CredentialFilter{}, all)
		acts, err4 := tx.Keys().DueActs(t.Context(), "", w.clock.now().Add(1000*time.Hour), 1000)
		fmt.Fprintf(&b, "%v\n%v\n%v\n%v", apps, subs, creds, acts)
		return errors.Join(err1, err2, err3, err4)
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
