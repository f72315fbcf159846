// Package desk answers api.Desk from the stores: it puts catalog, routing, keys and people together for one caller. It
// holds no rules of its own; those are in the packages that it asks, and who may do what is in package access.
package desk

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/curation"
	"concierge/portal/difference"
	"concierge/portal/document"
	"concierge/portal/ingest"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/search"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Parts are what a Desk is made of. All are needed but Now, Jobs, Sites and Log.
type Parts struct {
	DB       store.DB
	Live     *routing.Live
	Keys     *keys.Service
	Policy   keys.Policy
	People   *people.Service
	Curation *curation.Service
	Ingest   *ingest.Service
	Gateways *ingest.Gateways
	Kinds    map[string]connectors.Kind
	Sealer   Sealer
	Jobs     JobBoard  // nil: this portal shows no jobs
	Sites    SiteBoard // nil: every gateway is reached from the portal's own process
	Search   *search.Index
	Log      *slog.Logger // nil discards
	Now      func() time.Time
}

// Sealer seals cursors.
type Sealer interface {
	Seal(table, row, column string, plaintext []byte) ([]byte, error)
	Unseal(table, row, column string, sealed []byte) ([]byte, error)
}

// Service makes a Desk for each caller. It is safe for concurrent use.
type Service struct {
	Parts
	catalog     catalog.DB
	people      people.DB
	differences *difference.Comparer
}

// New returns the desk.
func New(p Parts) *Service {
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Service{Parts: p, catalog: store.Narrow[catalog.Tx](p.DB), people: store.Narrow[people.Tx](p.DB), differences: difference.NewComparer(difference.Options{Log: p.Log})}
}

// For returns the whole service as one caller.
func (s *Service) For(c access.Caller) api.Desk { return &desk{s, c} }

type desk struct {
	*Service
	caller access.Caller
}

var _ api.Desk = (*desk)(nil)

// answerGrid is how long an answer of Resolve holds at most: answers end on whole multiples of it, so that the same
// answer keeps its validator.
const answerGrid = 5 * time.Minute

func (d *desk) Me(context.Context) (api.Me, error) {
	me := api.Me{
		ID: string(d.caller.Person), Name: d.caller.Name, Email: d.caller.Email,
		Organisation: d.caller.OrganisationName, OrganisationID: string(d.caller.Organisation),
		Audience: string(d.caller.Audience), Roles: []string{},
	}
	for _, r := range access.Roles {
		if d.caller.Has(r) {
			me.Roles = append(me.Roles, string(r))
		}
	}
	return me, nil
}

func (d *desk) consumer() portal.Consumer { return d.caller.Consumer("") }

func (d *desk) Environments(context.Context) ([]string, error) {
	return texts(d.Live.Table().Environments(d.consumer())), nil
}

func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, t := range in {
		out[i] = string(t)
	}
	return out
}

// summary shows an entry. Its texts come from gateways and documents, and name no host that is not for the caller.
func (d *desk) summary(table *routing.Table, v routing.EntryView) api.API {
	allowed, hidden := d.hosts(table, v.ID)
	a := api.API{ID: v.Name, Title: v.Title, Summary: document.Text(v.Summary, allowed, hidden), Tags: slices.Clone(v.Tags), Owner: v.Owner, Versions: make([]api.Version, len(v.Versions))}
	if len(v.Curated.Tags) > 0 {
		a.Tags = scrubbed(v.Curated, hidden).Tags
	}
	if a.Tags == nil {
		a.Tags = []string{}
	}
	for i, line := range v.Versions {
		a.Versions[i] = api.Version{
			Version: line.Line, Lifecycle: string(line.Lifecycle), Environments: texts(line.Environments),
			EndOfLife: d.ending(table, v.ID, line.Lifecycle, line.Deprecated, line.Sunset, line.Successor),
		}
	}
	return a
}

func (d *desk) API(ctx context.Context, id string) (api.API, error) {
	v, table, err := routing.Find(ctx, d.Live, func(t *routing.Table) (routing.EntryView, error) { return t.API(d.consumer(), id) })
	if err != nil {
		return api.API{}, err
	}
	a := d.summary(table, v)
	allowed, hidden := d.hosts(table, v.ID)
	a.Description = document.Text(v.Description, allowed, hidden)
	a.Governed = d.governs(table, v.ID)
	a.Links = []api.Link{{Rel: "describedby", Href: "/api/v1/apis/" + url.PathEscape(a.ID) + "/spec"}}
	d.curate(&a, v.Curated, hidden)
	if entry, ok := table.Entry(v.ID); ok {
		a.CanCurate = access.MayCurate(d.caller, access.Owner{Division: entry.Owner, Team: entry.Team})
	}
	return a, nil
}

func (d *desk) Resolve(ctx context.Context, q api.ResolveQuery) (api.Decision, error) {
	if q.API == "" || q.Environment == "" {
		return api.Decision{}, fmt.Errorf("api and environment are both needed: %w", portal.ErrInvalid)
	}
	if q.Application != "" {
		if err := d.bound(ctx, portal.ApplicationID(q.Application)); err != nil {
			return api.Decision{}, err
		}
	}
	type explained struct {
		routing.Result
		why []api.Reason
	}
	result, table, err := routing.Find(ctx, d.Live, func(t *routing.Table) (e explained, err error) {
		e.Result, e.why, err = t.Explain(d.caller.Consumer(portal.ApplicationID(q.Application)), routing.Request{
			API: q.API, Version: q.Version, Environment: portal.Environment(q.Environment), Region: portal.Region(q.Region),
		})
		return e, err
	})
	if err != nil {
		return api.Decision{}, err
	}
	to := result.Deployment
	decision := api.Decision{
		API: result.Name, Title: to.Title, Version: to.Line, Environment: string(to.Placement.Environment()),
		BaseURL: to.BaseURL, Gateway: string(to.Gateway), Region: string(to.Placement.Region()),
		Authentication: to.Authentication, Plans: d.plans(result.Name, to), Lifecycle: string(to.Lifecycle), Kind: to.Kind, EndOfLife: d.endingOf(table, to),
		Try: to.Try, KeysRefused: d.refused(to), Why: result.why, Expires: d.Now().UTC().Truncate(answerGrid).Add(answerGrid),
	}
	if to.Sunset.After(d.Now()) && to.Sunset.Before(decision.Expires) {
		decision.Expires = to.Sunset
	}
	return decision, nil
}

// bound makes sure that an application is the caller's, and that the table has its bindings as they are now: where it got
// a key through another replica a moment ago, its endpoint is that key's. Without the database the table's word counts.
func (d *desk) bound(ctx context.Context, id portal.ApplicationID) error {
	err := d.Live.Refresh(ctx)
	if err == nil {
		_, err = d.Keys.Application(ctx, d.caller, id)
	}
	if errors.Is(err, portal.ErrUnavailable) {
		if app, ok := d.Live.Table().Application(id); ok && access.MayUseApplications(d.caller, app.Organisation) {
			return nil
		}
	}
	return err
}

// plans are the deployment's, with the approval that the portal's policy asks for.
func (d *desk) plans(slug string, to *portal.Deployment) []portal.Plan {
	plans := slices.Clone(to.Plans)
	for i := range plans {
		plans[i].Approval = d.Policy.Approval(slug, to, plans[i])
		if plans[i].Limits == nil {
			plans[i].Limits = []string{}
		}
	}
	return plans
}

// refused says why no key can be had. The gateway's own reason may name other APIs, so it is for those who govern this one.
func (d *desk) refused(to *portal.Deployment) string {
	if to.IssueRefused == "" || access.MayGovern(d.caller, to.Placement.Division()) {
		return to.IssueRefused
	}
	return told.NoteKeysHidden.With().Error()
}

func (d *desk) Spec(ctx context.Context, q api.SpecQuery) (api.Document, error) {
	if q.Application != "" {
		if err := d.bound(ctx, portal.ApplicationID(q.Application)); err != nil {
			return api.Document{}, err
		}
	}
	who := d.caller.Consumer(portal.ApplicationID(q.Application))
	result, table, err := routing.Find(ctx, d.Live, func(t *routing.Table) (routing.Result, error) {
		env := portal.Environment(q.Environment)
		if env == "" { // the most that the caller has, in configured order
			for _, e := range slices.Backward(t.Environments(who)) {
				if r, err := t.Resolve(who, routing.Request{API: q.API, Version: q.Version, Environment: e}); err == nil {
					return r, nil
				}
			}
		}
		return t.Resolve(who, routing.Request{API: q.API, Version: q.Version, Environment: env})
	})
	if err != nil {
		return api.Document{}, err
	}
	format := document.JSON
	if q.Format == "yaml" {
		format = document.YAML
	}
	content, format, err := d.document(ctx, table, result, format)
	if err != nil {
		return api.Document{}, err
	}
	contentType, _ := format.Media()
	sum := sha256.Sum256(content)
	return api.Document{
		Content: content, ContentType: contentType, ETag: `"` + hex.EncodeToString(sum[:16]) + `"`,
		API: result.Name, Version: result.Deployment.Line, EndOfLife: d.endingOf(table, result.Deployment),
	}, nil
}

// document returns a deployment's description as the caller sees it, in the format wanted where its kind has a choice.
func (d *desk) document(ctx context.Context, table *routing.Table, result routing.Result, format document.Format) ([]byte, document.Format, error) {
	allowed, hidden := d.hosts(table, result.API)
	s, err := d.documentFor(ctx, result.Deployment, format, allowed, hidden)
	return s.content, s.format, err
}

// served is a description as it leaves the portal.
type served struct {
	content    []byte
	format     document.Format
	operations []document.Operation // of a kind that is not OpenAPI
}

// documentFor is a deployment's description, in which hosts that are allowed may be named and what is hidden may not.
func (d *desk) documentFor(ctx context.Context, to *portal.Deployment, format document.Format, allowed, hidden []string) (served, error) {
	if to.Document == "" {
		var record catalog.Record
		err := d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
			record, err = tx.Catalog().Record(ctx, to.ID)
			return err
		})
		if err != nil {
			return served{}, err
		}
		o := document.SynthesiseOptions{Title: to.Title, Version: to.Version, BaseURL: to.BaseURL, Key: &to.Authentication, Format: format}
		for _, op := range record.Discovered.Operations {
			o.Operations = append(o.Operations, document.Route{Method: op.Method, Path: op.Path})
		}
		content, err := document.Synthesise(o)
		return served{content: content, format: format}, err
	}
	var stored catalog.Document
	o := document.ServeOptions{BaseURL: to.BaseURL, Format: format, Key: &to.Authentication}
	err := d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		stored, err = tx.Catalog().Document(ctx, to.Document)
		return err
	})
	if err != nil {
		return served{}, err
	}
	if !stored.Description.Format.Tree() {
		format = stored.Description.Format
	}
	o.AllowedHosts, o.Hidden = allowed, hidden
	content, err := document.Serve(stored.Content, o)
	s := served{content: content, format: format}
	if kind := stored.Description.Kind; kind != document.OpenAPI && kind != "" {
		s.operations = stored.Description.Operations
	}
	return s, err
}

// hosts says which hosts texts about an entry may name to the caller and which not.
func (d *desk) hosts(table *routing.Table, id portal.APIID) (allowed, hidden []string) {
	return table.Hosts(d.consumer(), id)
}

// host is the host, with its port, of an address; empty where there is none.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// limit is what a list's limit means.
func limit(n int) int {
	if n <= 0 {
		return 50
	}
	return min(n, 200)
}

// sealCursor makes the place in a list opaque and the caller's own. A zero place is the end.
func sealCursor[T comparable](d *desk, list string, place T) (string, error) {
	var end T
	if place == end {
		return "", nil
	}
	b, err := marshal(place)
	if err != nil {
		return "", err
	}
	sealed, err := d.Sealer.Seal("cursor", string(d.caller.Person)+" "+string(d.caller.Organisation), list, b)
	if err != nil {
		return "", fmt.Errorf("sealing a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

func openCursor[T any](d *desk, list, cursor string) (place T, err error) {
	if cursor == "" {
		return place, nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		sealed, err = d.Sealer.Unseal("cursor", string(d.caller.Person)+" "+string(d.caller.Organisation), list, sealed)
	}
	if err == nil {
		err = unmarshal(sealed, &place)
	}
	if err != nil {
		return place, fmt.Errorf("cursor is not one of this list; start again without it: %w", portal.ErrInvalid)
	}
	return place, nil
}

// who names people and organisations for lists, each looked up once.
type who struct {
	people        map[portal.PersonID]string
	organisations map[portal.OrganisationID]string
}

func (d *desk) who(ctx context.Context, subs []keys.Subscription) (who, error) {
	w := who{map[portal.PersonID]string{}, map[portal.OrganisationID]string{d.caller.Organisation: d.caller.OrganisationName}}
	err := d.people.View(ctx, func(tx people.Tx) error {
		for _, s := range subs {
			if _, ok := w.organisations[s.Organisation]; !ok {
				o, err := tx.People().Organisation(ctx, s.Organisation)
				if err != nil {
					return err
				}
				w.organisations[s.Organisation] = o.Name
			}
			for _, id := range []portal.PersonID{s.RequestedBy, portal.PersonID(s.DecidedBy)} {
				if _, ok := w.people[id]; ok || id == "" || strings.HasPrefix(string(id), "system:") {
					continue
				}
				p, err := tx.People().Person(ctx, id)
				if err != nil {
					return err
				}
				w.people[id] = p.Name
			}
		}
		return nil
	})
	return w, err
}
