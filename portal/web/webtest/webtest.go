// Package webtest is a small world to look at the pages with: an in-memory api.Desk for several people, their accounts
// and their sessions. It keeps promises only as far as pages can tell; the real desk is in portal/desk. Its data are
// the same at every start, so that golden files and screenshots are too.
package webtest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/people"
	"concierge/portal/told"
)

// Password of everybody in the world.
const Password = "correct horse battery"

// The people to sign in as. Newcomer has nothing yet; every list of theirs is empty.
const (
	Partner       portal.PersonID = "per_ana"
	Developer     portal.PersonID = "per_jonas"
	Division      portal.PersonID = "per_claire"
	Administrator portal.PersonID = "per_sam"
	Newcomer      portal.PersonID = "per_lea"
)

// Tokens of links that work: somebody's invitation, and the first administrator's.
const (
	Invitation = "inv-test-4b1d9a"
	FirstLink  = "first-test-77c0e2"
)

// Epoch is the time that Fixed tells, and around which the world's past lies.
var Epoch = time.Date(2026, time.November, 20, 9, 30, 0, 0, time.UTC)

// Fixed is a clock that stands still.
func Fixed() time.Time { return Epoch }

// World is everything there is. It is safe for concurrent use.
type World struct {
	mu            sync.Mutex
	now           func() time.Time
	serial        int
	organisations []api.Organisation
	people        []*person
	deployments   []deployment
	applications  []api.Application
	subscriptions []api.Subscription
	credentials   []api.Credential
	gateways      []api.Gateway
	runs          []api.Run
	rules         map[string]api.RulesDraft // by gateway
	placed        []api.PlacedDeployment
	jobs          []api.Job
	reviews       []api.Review
	compositions  []api.Composition
	workers       []api.Worker
	enrolments    []api.Enrolment
	documents     []api.DeploymentDocument
	waiting       map[string]int // calls, by site
	tokens        map[string][]api.Token
	invitations   map[string]string // token to person
	sessions      map[string]map[any]any
	curation      curation
	patience      map[string]int // how often a thing is asked for before it is done
}

type person struct {
	api.Person
	password string
}

// New returns the world at its beginning. now is asked whenever something happens.
func New(now func() time.Time) *World {
	w := &World{
		now: now, tokens: map[string][]api.Token{}, invitations: map[string]string{},
		sessions: map[string]map[any]any{}, patience: map[string]int{},
	}
	w.fill()
	return w
}

// Desk is the world as one person sees it. ErrDenied for nobody and for somebody who is disabled.
func (w *World) Desk(_ context.Context, id portal.PersonID, _ portal.OrganisationID) (api.Desk, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(string(id))
	if p == nil || p.State != "active" {
		return nil, fmt.Errorf("person %q: %w", id, portal.ErrDenied)
	}
	return &desk{world: w, id: string(id)}, nil
}

func (w *World) person(id string) *person {
	for _, p := range w.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (w *World) organisation(id string) api.Organisation {
	for _, o := range w.organisations {
		if o.ID == id {
			return o
		}
	}
	return api.Organisation{}
}

func (w *World) next(prefix string) string {
	w.serial++
	return fmt.Sprintf("%s_%04d", prefix, w.serial)
}

// SignIn is part of web.Accounts.
func (w *World) SignIn(_ context.Context, email string, password portal.Secret, _ netip.Addr) (access.Caller, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.people {
		if strings.EqualFold(p.Email, email) && p.State == "active" && p.password == password.Reveal() {
			return caller(p), nil
		}
	}
	return access.Caller{}, fmt.Errorf("signing in: %w", portal.ErrDenied)
}

func caller(p *person) access.Caller {
	return access.Caller{Person: portal.PersonID(p.ID), Organisation: portal.OrganisationID(p.OrganisationID)}
}

// LookUpLink is part of web.Accounts.
func (w *World) LookUpLink(_ context.Context, token portal.Secret) (people.Person, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if token.Reveal() == FirstLink {
		return people.Person{}, nil
	}
	p := w.person(w.invitations[token.Reveal()])
	if p == nil {
		return people.Person{}, portal.ErrNotFound
	}
	return people.Person{
		ID: portal.PersonID(p.ID), Name: p.Name, Email: p.Email,
		Memberships: []people.Membership{{Organisation: people.Organisation{Name: p.Organisation}}},
	}, nil
}

// AcceptInvitation is part of web.Accounts.
func (w *World) AcceptInvitation(_ context.Context, token portal.Secret, name string, password portal.Secret) (access.Caller, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(w.invitations[token.Reveal()])
	if p == nil {
		return access.Caller{}, portal.ErrNotFound
	}
	if len(password.Reveal()) < people.MinPasswordLength {
		return access.Caller{}, told.PasswordShort.As(portal.ErrInvalid, people.MinPasswordLength)
	}
	delete(w.invitations, token.Reveal())
	p.Name, p.password, p.State = name, password.Reveal(), "active"
	return caller(p), nil
}

// SetUp is part of web.Accounts. The world has an administrator already, who stays the only one.
func (w *World) SetUp(_ context.Context, token portal.Secret, _ people.Setup) (access.Caller, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if token.Reveal() != FirstLink {
		return access.Caller{}, portal.ErrNotFound
	}
	return caller(w.person(string(Administrator))), nil
}

// desk is the world as one person.
type desk struct {
	world *World
	id    string
}

// enter locks the world and says who acts.
func (d *desk) enter() (*World, *person, func()) {
	d.world.mu.Lock()
	return d.world, d.world.person(d.id), d.world.mu.Unlock
}

func (p *person) is(roles ...string) bool {
	return slices.ContainsFunc(p.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

func page[T any](items []T, p api.Paging) (api.Page[T], error) {
	from := 0
	if p.Cursor != "" {
		n, err := strconv.Atoi(p.Cursor)
		if err != nil || n < 0 || n > len(items) {
			return api.Page[T]{}, fmt.Errorf("the cursor is not one of ours: %w", portal.ErrInvalid)
		}
		from = n
	}
	limit := p.Limit
	if limit == 0 {
		limit = 50
	}
	to := min(from+limit, len(items))
	found := api.Page[T]{Items: slices.Clone(items[from:to])}
	if to < len(items) {
		found.Next = strconv.Itoa(to)
	}
	return found, nil
}

var errNotYours = errors.New("it is not yours")

func missing(what, id string) error { return fmt.Errorf("%s %q: %w", what, id, portal.ErrNotFound) }
