package curation

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Service is what owners do. It is safe for concurrent use. Methods that take an access.Caller ask package access first
// and answer portal.ErrNotFound to those who may not.
type Service struct {
	db        DB
	audiences []portal.Audience
	now       func() time.Time
}

// New returns a service for texts marked for these audiences. A nil clock means time.Now.
func New(db DB, audiences []portal.Audience, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{db: db, audiences: slices.Sorted(slices.Values(audiences)), now: now}
}

func (s *Service) time() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Owned is an entry for who may curate it.
type Owned struct {
	catalog.Entry
	Team portal.TeamID
}

// owned loads an entry for a caller who may curate it.
func owned(ctx context.Context, tx Tx, c access.Caller, api portal.APIID) (o Owned, err error) {
	o.Entry, err = tx.Catalog().LoadEntry(ctx, api)
	if err == nil {
		o.Team, err = tx.Curation().Team(ctx, api)
		if errors.Is(err, portal.ErrNotFound) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return o, fmt.Errorf("API %s: %w", api, err)
	case !access.MayCurate(c, access.Owner{Division: o.Division, Team: o.Team}):
		return o, fmt.Errorf("API %s: %w", api, portal.ErrNotFound)
	}
	return o, nil
}

// view reads as the owner of an API.
func (s *Service) view(ctx context.Context, c access.Caller, api portal.APIID, fn func(Tx, Owned) error) error {
	return s.db.View(ctx, func(tx Tx) error {
		o, err := owned(ctx, tx, c, api)
		if err != nil {
			return err
		}
		return fn(tx, o)
	})
}

// change writes as the owner of an API, with its audit event and its note for the routing table.
func (s *Service) change(ctx context.Context, c access.Caller, api portal.APIID, action string, fn func(Tx, Owned) (map[string]string, error)) error {
	return s.db.InTx(ctx, func(tx Tx) error {
		o, err := owned(ctx, tx, c, api)
		if err != nil {
			return err
		}
		detail, err := fn(tx, o)
		if err != nil {
			return err
		}
		tx.Changed(store.ChangedAPI, string(api))
		return tx.Audit().Append(ctx, audit.Event{At: s.time(), Actor: string(c.Person), Action: action, Target: string(api), Organisation: c.Organisation, Detail: detail})
	})
}

// Newest returns the texts as they were saved last; those without any have number 0.
func (s *Service) Newest(ctx context.Context, c access.Caller, api portal.APIID) (r Revision, err error) {
	err = s.view(ctx, c, api, func(tx Tx, _ Owned) error {
		r, err = tx.Curation().Newest(ctx, api)
		if errors.Is(err, portal.ErrNotFound) {
			r, err = Revision{API: api}, nil
		}
		return err
	})
	return r, err
}

// Revision returns one revision. That of an entry that was joined to this one is found too.
func (s *Service) Revision(ctx context.Context, c access.Caller, api, from portal.APIID, number int64) (r Revision, err error) {
	err = s.view(ctx, c, api, func(tx Tx, _ Owned) error {
		if from != "" && from != api {
			joined, err := tx.Curation().JoinedInto(ctx, api)
			if err != nil {
				return err
			}
			if !slices.Contains(joined, from) {
				return fmt.Errorf("texts of API %s: %w", from, portal.ErrNotFound)
			}
			r, err = tx.Curation().Published(ctx, from)
			return err
		}
		r, err = tx.Curation().Revision(ctx, api, number)
		return err
	})
	return r, err
}

// Past is how texts came to be what they are.
type Past struct {
	Revisions []Revision // without texts and guides, the newest first
	Published int64      // number of the revision that consumers read; 0: none
	Joined    []Revision // the published texts of entries that were joined to this one: theirs do not count, but are kept
}

// History returns a page of revisions before a number; 0: from the newest.
func (s *Service) History(ctx context.Context, c access.Caller, api portal.APIID, before int64, limit int) (p Past, err error) {
	err = s.view(ctx, c, api, func(tx Tx, _ Owned) error {
		p = Past{}
		if p.Revisions, err = tx.Curation().History(ctx, api, before, limit); err != nil {
			return err
		}
		switch published, err := tx.Curation().Published(ctx, api); {
		case err == nil:
			p.Published = published.Number
		case !errors.Is(err, portal.ErrNotFound):
			return err
		}
		joined, err := tx.Curation().JoinedInto(ctx, api)
		if err != nil {
			return err
		}
		for _, id := range joined {
			r, err := tx.Curation().Published(ctx, id)
			if err != nil {
				return err
			}
			r.Texts, r.Guides = nil, nil
			p.Joined = append(p.Joined, r)
		}
		return nil
	})
	return p, err
}

// Published is what consumers may read of, each their part: the newest published texts, with the guides' bodies. It asks
// nobody's leave: whoever shows it asks routing.Curate. Without any it is the zero Revision.
func (s *Service) Published(ctx context.Context, api portal.APIID) (r Revision, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		r, err = tx.Curation().Published(ctx, api)
		if errors.Is(err, portal.ErrNotFound) {
			r, err = Revision{API: api}, nil
		}
		return err
	})
	return r, err
}

// Draft is what somebody wants to save.
type Draft struct {
	Base    int64 // number of the revision that they started from; 0: there was none
	Publish bool
	Texts   []portal.AudienceText
	Guides  []portal.Guide // one without an id is new
}

// Save adds a revision. Errors: portal.ConflictError names the newest revision where it is not the one that the draft was
// started from; portal.ErrInvalid says what is wrong.
func (s *Service) Save(ctx context.Context, c access.Caller, api portal.APIID, d Draft) (r Revision, err error) {
	d, err = s.clean(d)
	if err != nil {
		return r, err
	}
	action := "api.texts.draft"
	if d.Publish {
		action = "api.texts.publish"
	}
	err = s.change(ctx, c, api, action, func(tx Tx, _ Owned) (map[string]string, error) {
		newest, err := tx.Curation().Newest(ctx, api)
		if err != nil && !errors.Is(err, portal.ErrNotFound) {
			return nil, err
		}
		if newest.Number != d.Base {
			return nil, &portal.ConflictError{Kind: "revision", ID: strconv.FormatInt(newest.Number, 10),
				Err: told.TextsOvertaken.With()}
		}
		r = Revision{API: api, Number: d.Base + 1, Published: d.Publish, Texts: d.Texts, Guides: d.Guides, Author: c.Person, At: s.time()}
		return map[string]string{"revision": strconv.FormatInt(r.Number, 10)}, tx.Curation().AddRevision(ctx, r)
	})
	return r, err
}

// Limits of texts.
const (
	maxSummary = 500 // characters, as all but MaxBody
	maxField   = 200
	maxHref    = 1000
	maxTag     = 50
	maxList    = 20
	MaxBody    = 64 << 10 // bytes of one guide, as many as are rendered
	maxBodies  = 192 << 10
)

func (s *Service) clean(d Draft) (Draft, error) {
	var problems []error
	say := func(s told.Sentence, values ...any) { problems = append(problems, s.With(values...)) }
	line := func(what, text string, most int) string {
		text = strings.TrimSpace(text)
		if utf8.RuneCountInString(text) > most || strings.ContainsFunc(text, unicode.IsControl) || !utf8.ValidString(text) {
			say(told.LineLong, what, most)
		}
		return text
	}
	href := func(what, text string) string {
		text = line(what, text, maxHref)
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil) {
			say(told.LinkStarts, what)
		}
		return text
	}
	audience := func(what string, a portal.Audience) {
		if !slices.Contains(s.audiences, a) {
			say(told.AudienceMark, what, s.audiences, a)
		}
	}
	if len(d.Texts) > len(s.audiences) {
		say(told.TextsMany)
	}
	seen := map[portal.Audience]bool{}
	var texts []portal.AudienceText
	for _, t := range d.Texts {
		audience(told.AText, t.Audience)
		if seen[t.Audience] {
			say(told.TextTwice, t.Audience)
		}
		seen[t.Audience] = true
		clean := portal.AudienceText{Audience: t.Audience, Summary: line(told.ASummary, t.Summary, maxSummary), Contact: portal.Contact{
			Name: line(told.AContactName, t.Contact.Name, maxField), Email: line(told.AContactEmail, t.Contact.Email, maxField),
			URL: href(told.AContactPage, t.Contact.URL), Chat: line(told.AContactChat, t.Contact.Chat, maxField),
		}}
		if e := clean.Contact.Email; e != "" {
			if a, err := mail.ParseAddress(e); err != nil || a.Address != e {
				say(told.ContactEmail)
			}
		}
		for _, tag := range t.Tags {
			if tag = line(told.ATag, tag, maxTag); tag != "" && !slices.Contains(clean.Tags, tag) {
				clean.Tags = append(clean.Tags, tag)
			}
		}
		for _, l := range t.Links {
			l = portal.TextLink{Title: line(told.ALinkTitle, l.Title, maxField), Href: href(told.ALink, l.Href)}
			switch {
			case l == portal.TextLink{}:
			case l.Title == "" || l.Href == "":
				say(told.LinkHalf)
			default:
				clean.Links = append(clean.Links, l)
			}
		}
		if len(clean.Tags) > maxList || len(clean.Links) > maxList {
			say(told.ListsLong, maxList, maxList)
		}
		if clean.Summary != "" || !clean.Contact.IsZero() || len(clean.Tags)+len(clean.Links) > 0 {
			texts = append(texts, clean)
		}
	}
	var guides []portal.Guide
	ids, size := map[string]bool{}, 0
	for _, g := range d.Guides {
		g.Title = line(told.AGuideTitle, g.Title, maxField)
		g.Body = strings.ReplaceAll(g.Body, "\r\n", "\n")
		if g.Title == "" && strings.TrimSpace(g.Body) == "" {
			continue
		}
		audience(told.AGuide, g.Audience)
		size += len(g.Body)
		switch {
		case g.Title == "":
			say(told.GuideTitle)
		case len(g.Body) > MaxBody || !utf8.ValidString(g.Body) || strings.ContainsRune(g.Body, 0):
			say(told.GuideLong, g.Title, MaxBody)
		case g.ID == "":
			g.ID = portal.NewID("gde")
		case !guideID(g.ID) || ids[g.ID]:
			say(told.GuideTwice, g.Title)
		}
		ids[g.ID] = true
		guides = append(guides, g)
	}
	if len(guides) > maxList || size > maxBodies {
		say(told.GuidesMany, maxList, maxBodies)
	}
	if len(problems) > 0 {
		return d, fmt.Errorf("%w: %w", errors.Join(problems...), portal.ErrInvalid)
	}
	d.Texts, d.Guides = texts, guides
	return d, nil
}

func guideID(id string) bool {
	return len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// Assign gives an API to a team of an organisation of its division, or, where the team is empty, takes it away. It is for
// administrators of the API's division; a platform administrator may name any internal team.
func (s *Service) Assign(ctx context.Context, c access.Caller, api portal.APIID, team portal.TeamID) error {
	return s.change(ctx, c, api, "api.team.assign", func(tx Tx, o Owned) (map[string]string, error) {
		if !access.MayAssign(c, o.Division) {
			return nil, fmt.Errorf("only an administrator of its division gives an API to a team: %w", portal.ErrDenied)
		}
		if team != "" {
			t, err := tx.People().Team(ctx, team)
			if err != nil && !errors.Is(err, portal.ErrNotFound) {
				return nil, err
			}
			in := t.Organisation
			if err != nil || in.Audience != portal.Internal || in.Division != o.Division && !c.Has(access.PlatformAdministrator) {
				return nil, told.TeamElsewhere.As(portal.ErrInvalid)
			}
		}
		return map[string]string{"was": string(o.Team), "is": string(team)}, tx.Curation().SetTeam(ctx, api, team)
	})
}

// Change asks for a decision about a lifecycle. An empty Lifecycle takes the person's decision away: what gateway and
// document say counts again.
type Change struct {
	Line       string
	Deployment portal.DeploymentID // empty: the whole line
	Lifecycle  portal.Lifecycle
	Since      time.Time // zero: now
	Sunset     time.Time
	Successor  string
	Note       string
}

// Decide says where a line of an API, or one deployment of it, stands in its life. Errors: portal.ErrInvalid,
// portal.ErrNotFound where the API has no such line or deployment.
func (s *Service) Decide(ctx context.Context, c access.Caller, api portal.APIID, ch Change) error {
	action := "api.lifecycle.decide"
	if ch.Lifecycle == "" {
		action = "api.lifecycle.undecide"
	}
	if err := ch.check(); err != nil {
		return err
	}
	return s.change(ctx, c, api, action, func(tx Tx, o Owned) (map[string]string, error) {
		var covers []portal.DeploymentID
		for _, d := range o.Deployments {
			if d.Line == ch.Line && (ch.Deployment == "" || ch.Deployment == d.ID) {
				covers = append(covers, d.ID)
			}
		}
		scope := Scope{API: api, Line: ch.Line}
		detail := map[string]string{"line": ch.Line, "lifecycle": string(ch.Lifecycle), "successor": ch.Successor, "note": ch.Note}
		if !ch.Sunset.IsZero() {
			detail["sunset"] = ch.Sunset.UTC().Format(time.RFC3339)
		}
		if ch.Deployment != "" {
			if !slices.ContainsFunc(o.Deployments, func(d portal.Deployment) bool { return d.ID == ch.Deployment }) {
				return nil, fmt.Errorf("deployment %s of API %s: %w", ch.Deployment, api, portal.ErrNotFound)
			}
			scope, detail["deployment"] = Scope{Deployment: ch.Deployment}, string(ch.Deployment)
		}
		if ch.Lifecycle == "" {
			return detail, tx.Curation().Undecide(ctx, scope)
		}
		if len(covers) == 0 {
			return nil, fmt.Errorf("line %q of API %s: %w", ch.Line, api, portal.ErrNotFound)
		}
		if ch.Deployment != "" {
			covers = nil
		}
		d := Decision{
			Scope: scope, Lifecycle: ch.Lifecycle, Since: ch.Since, Sunset: ch.Sunset, Successor: ch.Successor, Note: ch.Note,
			Actor: c.Person, At: s.time(),
		}
		if d.Since.IsZero() {
			d.Since = d.At
		}
		return detail, tx.Curation().Decide(ctx, d, covers)
	})
}

func (ch *Change) check() error {
	ch.Note, ch.Successor = strings.TrimSpace(ch.Note), portal.ParseSuccessor(ch.Successor).String()
	ch.Since, ch.Sunset = ch.Since.UTC().Truncate(time.Microsecond), ch.Sunset.UTC().Truncate(time.Microsecond)
	switch {
	case ch.Lifecycle != "" && !slices.Contains(portal.Lifecycles, ch.Lifecycle):
		return told.NoLifecycle.As(portal.ErrInvalid, ch.Lifecycle, portal.Lifecycles)
	case !ch.Lifecycle.Ending() && (!ch.Sunset.IsZero() || ch.Successor != ""):
		return told.NoEndActive.As(portal.ErrInvalid)
	case !ch.Sunset.IsZero() && ch.Sunset.Year() < 1971:
		return told.SunsetDay.As(portal.ErrInvalid)
	case utf8.RuneCountInString(ch.Note) > maxSummary || utf8.RuneCountInString(ch.Successor) > maxField:
		return told.NoteLong.As(portal.ErrInvalid, maxSummary, maxField)
	}
	return nil
}

// Standing is the lifecycle of an API's deployments, with the layers, and what persons decided.
type Standing struct {
	Owned
	Deployments []portal.Deployment // with the decisions laid over
	Decisions   []Decision
	Users       []User // of the line or deployment that was asked for, up to a limit; those whom the owner may name
	Usage       Usage  // of all: whoever decides about the line decides for the consumers of every division
}

// names reports whether an owner may learn who somebody is that uses their API.
func (o Owned) names(c access.Caller, u User) bool {
	return slices.ContainsFunc(o.Deployments, func(d portal.Deployment) bool {
		return d.ID == u.Deployment && access.MaySeeConsumers(c, access.Owner{Division: o.Division, Team: o.Team}, d.Placement.Division()) &&
			(d.Placement.Classified() || access.MayGovern(c, d.Placement.Division()))
	})
}

// Standing is for owners. An empty line or deployment means all.
func (s *Service) Standing(ctx context.Context, c access.Caller, api portal.APIID, line string, deployment portal.DeploymentID, limit int) (st Standing, err error) {
	err = s.view(ctx, c, api, func(tx Tx, o Owned) error {
		layer, err := tx.Curation().Layer(ctx, api)
		if err != nil {
			return err
		}
		st = Standing{Owned: o, Deployments: layer.Lay(api, o.Deployments), Decisions: layer.Decisions}
		if st.Usage, err = tx.Curation().Usage(ctx, api, line, deployment); err != nil {
			return err
		}
		users, err := tx.Curation().Users(ctx, api, line, deployment, limit)
		st.Users = slices.DeleteFunc(users, func(u User) bool { return !o.names(c, u) })
		return err
	})
	return st, err
}
