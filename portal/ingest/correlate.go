package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/document"
)

// AutomaticActor is who joins what nobody joined.
const AutomaticActor = "system:correlation"

// facts are what a record tells about which API it is.
func facts(r catalog.Record) correlate.Deployment {
	d := correlate.Deployment{
		Explicit: r.Explicit(), Title: r.Deployment.Title, Version: r.Deployment.Version, BaseURL: r.Deployment.BaseURL, Owner: r.Deployment.Owner,
		Servers: r.Described.Servers,
	}
	if t := r.Described.Title; t != "" && t != d.Title {
		d.Names = append(d.Names, t)
	}
	// What cannot be read any more is left out: the document is read again when it changes.
	_ = d.Shape.UnmarshalText([]byte(r.Described.Shape))
	for _, o := range r.Discovered.Operations {
		d.Routes = append(d.Routes, correlate.Operation{Method: o.Method, Path: o.Path})
	}
	return d
}

const (
	// sketchBatch is how many records of an earlier version of the portal are read again in one transaction.
	sketchBatch = 200
	// bulk is how many new deployments are compared with everything in memory, instead of one after the other by look-ups.
	bulk = 500
)

// sketchAll makes the sketches of deployments that have none of the present form: they are of an earlier version of the
// portal. A process does it once, before the first plan that it applies.
func (s *Service) sketchAll(ctx context.Context) error {
	s.sketching.Lock()
	defer s.sketching.Unlock()
	for !s.sketched {
		var left int
		err := s.db.InTx(ctx, func(tx catalog.Tx) error {
			ids, err := tx.Catalog().Unsketched(ctx, sketchBatch)
			if err != nil {
				return err
			}
			left = len(ids)
			sketches := make([]catalog.Sketched, 0, len(ids))
			for _, id := range ids {
				sketch, err := s.sketchKept(ctx, tx.Catalog(), id)
				if err != nil {
					return err
				}
				sketches = append(sketches, sketch)
			}
			return tx.Catalog().PutSketches(ctx, sketches)
		})
		if err != nil {
			return fmt.Errorf("preparing what is in the catalog for comparison: %w", err)
		}
		s.sketched = left < sketchBatch
	}
	return nil
}

// sketchKept makes the sketch of a record as it is kept; where its document was read before shapes were, from the document.
func (s *Service) sketchKept(ctx context.Context, st catalog.Store, id portal.DeploymentID) (catalog.Sketched, error) {
	r, err := st.Record(ctx, id)
	if err != nil {
		return catalog.Sketched{}, err
	}
	if r.Described.Shape == "" && r.Deployment.Document != "" {
		doc, err := st.Document(ctx, r.Deployment.Document)
		if err != nil {
			return catalog.Sketched{}, err
		}
		if d, err := document.Describe(doc.Content, s.opts.Documents); err == nil { // else it tells nothing
			r.Described.Shape = shape(d.Operations)
		}
	}
	return catalog.Sketched{Deployment: id, Sketch: correlate.New(facts(r))}, nil
}

// index is the database as correlation sees it, without what is placed at the time.
type index struct {
	ctx   context.Context
	store catalog.Store
}

func (x index) Near(keys []string) ([]correlate.Member, error) { return x.store.Near(x.ctx, keys) }

// nearby returns what a number of new deployments are compared with.
func (a *applier) nearby(ctx context.Context, fresh int) (correlate.Index, error) {
	if fresh < bulk {
		return index{ctx, a.store}, nil
	}
	all, err := a.store.Members(ctx)
	if err != nil {
		return nil, err
	}
	var memory correlate.Memory
	for _, m := range all {
		memory.Put(m)
	}
	return &memory, nil
}

// place joins what is new: within its owner division at once where that is sure, by a question to a person where it may be.
func (a *applier) place(ctx context.Context, fresh []catalog.Record) error {
	if len(fresh) == 0 {
		return nil
	}
	members := make([]correlate.Member, len(fresh))
	sketches := make([]catalog.Sketched, len(fresh))
	for i := range fresh {
		d := &fresh[i].Deployment
		d.ID = portal.DeploymentID(portal.NewID("dep"))
		sketches[i] = catalog.Sketched{Deployment: d.ID, Sketch: correlate.New(facts(fresh[i]))}
		members[i] = correlate.Member{ID: string(d.ID), Division: string(d.Placement.Division()), Sketch: sketches[i].Sketch}
	}
	near, err := a.nearby(ctx, len(fresh))
	if err != nil {
		return err
	}
	isFresh := make(map[string]bool, len(fresh))
	for _, m := range members {
		isFresh[m.ID] = true
	}
	decided := remembered{ctx: ctx, store: a.store, fresh: isFresh}
	result, err := correlate.Place(members, near, decided.apart)
	if err = errors.Join(err, decided.err); err != nil {
		return err
	}
	for _, j := range result.Joins {
		if err := a.joined(ctx, fresh, j); err != nil {
			return err
		}
	}
	if err := a.store.PutSketches(ctx, sketches); err != nil {
		return err
	}
	for _, pair := range result.Reviews {
		if err := a.ask(ctx, pair); err != nil {
			return err
		}
	}
	return nil
}

// remembered asks what people decided; what is new nobody has decided about.
type remembered struct {
	ctx   context.Context
	store catalog.Store
	fresh map[string]bool
	err   error
}

// apart returns what a person keeps apart from a deployment; of entries it is told by their deployments.
func (d *remembered) apart(id string) []string {
	if d.err != nil || d.fresh[id] || strings.HasPrefix(id, "api_") {
		return nil
	}
	var all []catalog.Decided
	if all, d.err = d.store.Decisions(d.ctx, portal.DeploymentID(id)); d.err != nil {
		return nil
	}
	var kept []string
	for _, x := range all {
		if x.Verdict == catalog.Apart {
			kept = append(kept, string(x.Other), string(x.Entry))
		}
	}
	return kept
}

// joined adds new deployments to their entry, or makes one for them.
func (a *applier) joined(ctx context.Context, fresh []catalog.Record, j correlate.Joined) error {
	records := make([]catalog.Record, len(j.Members))
	for k, i := range j.Members {
		records[k] = fresh[i]
	}
	division := records[0].Deployment.Placement.Division()
	to := portal.APIID(j.Entry)
	if j.Explicit != "" {
		named, err := a.named(ctx, division, j.Explicit, to)
		if err != nil {
			return err
		}
		to = named
	}
	if to == "" {
		made, err := a.entry(ctx, division, j.Explicit, records)
		if err != nil {
			return err
		}
		to = made
	}
	a.touched[to] = true
	why := catalog.Joining{At: a.now, Actor: AutomaticActor, Score: j.Score, Reasons: j.Reasons}
	for _, r := range records {
		r.Deployment.API, r.Created, r.Changed, r.Joining = to, a.now, a.now, why
		at, err := a.counts(ctx, to, r.Deployment)
		if err != nil {
			return err
		}
		r.Joining.Since, r.Deployment.Since = at, at
		since(&portal.Deployment{}, &r.Deployment, a.now)
		if err := a.store.AddRecord(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// named returns the entry of a division that an explicit id names: one that has it, else one that has none and answers to
// it, else the one suggested where it has none. Empty: there is none yet.
func (a *applier) named(ctx context.Context, division portal.Division, explicit string, suggested portal.APIID) (portal.APIID, error) {
	e, err := a.store.EntryByExplicit(ctx, division, explicit)
	if err == nil || !errors.Is(err, portal.ErrNotFound) {
		return e.ID, err
	}
	e, err = a.store.EntryBySlug(ctx, catalog.Slug(explicit))
	if err == nil && (e.Division != division || e.Explicit != "") {
		err = portal.ErrNotFound
	}
	if errors.Is(err, portal.ErrNotFound) && suggested != "" {
		e, err = a.store.LoadEntry(ctx, suggested)
		if err == nil && (e.Division != division || e.Explicit != "") {
			err = portal.ErrNotFound
		}
	}
	switch {
	case errors.Is(err, portal.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	a.touched[e.ID] = true
	return e.ID, a.store.SetExplicit(ctx, e.ID, explicit)
}

// before is what was in an entry when a plan began to be applied.
type before struct {
	catalog.Entry
	subscribed  int
	environment map[portal.Environment]bool // of its deployments
}

// was returns an entry as it was before the plan.
func (a *applier) was(ctx context.Context, id portal.APIID) (*before, error) {
	if b := a.before[id]; b != nil {
		return b, nil
	}
	e, err := a.store.LoadEntry(ctx, id)
	if err != nil {
		return nil, err
	}
	b := &before{Entry: e, environment: map[portal.Environment]bool{}}
	for _, d := range e.Deployments {
		b.environment[d.Placement.Environment()] = true
	}
	if b.subscribed, err = a.store.Subscribed(ctx, id); err != nil {
		return nil, err
	}
	a.before[id] = b
	return b, nil
}

// counts says from when on a deployment counts in an entry that it is joined to automatically. It is settled at once where
// nothing was there before it in its environment, and where an estate is set up together: in the first good sync of a
// gateway that was registered before the entry was made, as long as nobody has subscribed to that.
func (a *applier) counts(ctx context.Context, to portal.APIID, d portal.Deployment) (time.Time, error) {
	b, err := a.was(ctx, to)
	if err != nil {
		return time.Time{}, err
	}
	env := d.Placement.Environment()
	if env == "" && len(b.Deployments) > 0 || b.environment[env] {
		setUp, err := a.settingUp(ctx, d.Gateway, b)
		if err != nil || !setUp {
			return a.now, err
		}
	}
	return time.Time{}, nil
}

func (a *applier) settingUp(ctx context.Context, gateway portal.GatewayID, b *before) (bool, error) {
	if b.subscribed > 0 {
		return false, nil
	}
	st, err := a.store.Standing(ctx, gateway)
	if err != nil || st.LastGood != nil {
		return false, err
	}
	g, err := a.store.Gateway(ctx, gateway)
	return err == nil && !g.Created.After(b.Created), err
}

// ask puts a question to a person, unless the two entries are one by now or were asked about before.
func (a *applier) ask(ctx context.Context, pair correlate.Pair) error {
	one, err := a.store.Record(ctx, portal.DeploymentID(pair.A))
	if err != nil {
		return err
	}
	other, err := a.store.Record(ctx, portal.DeploymentID(pair.B))
	if err != nil || one.Deployment.API == other.Deployment.API {
		return err
	}
	asked, err := a.store.ReviewsBetween(ctx, one.Deployment.API, other.Deployment.API)
	if err != nil || len(asked) > 0 {
		return err
	}
	_, err = a.store.AddReview(ctx, catalog.Review{
		ID: portal.NewID("rev"), Kind: catalog.ReviewJoin, A: min(one.Deployment.ID, other.Deployment.ID), B: max(one.Deployment.ID, other.Deployment.ID),
		Score: pair.Score, Reasons: pair.Reasons, State: catalog.ReviewOpen, Opened: a.now,
	})
	return err
}

// rejoin follows a deployment whose explicit id now names another entry of its division. Where that would change what
// somebody has subscribed to, or a person decided otherwise, it stays and a person is asked.
func (a *applier) rejoin(ctx context.Context, r catalog.Record) error {
	explicit, division, from := r.Explicit(), r.Deployment.Placement.Division(), r.Deployment.API
	own, err := a.was(ctx, from)
	if err != nil {
		return err
	}
	suggested := from
	if own.Division != division {
		suggested = ""
	}
	to, err := a.named(ctx, division, explicit, suggested)
	if err != nil || to == from {
		return err
	}
	decisions, err := a.store.Decisions(ctx, r.Deployment.ID)
	if err != nil {
		return err
	}
	for _, d := range decisions {
		if d.Verdict == catalog.Together && d.Entry == from || d.Verdict == catalog.Apart && d.Entry == to {
			return nil
		}
	}
	because := []correlate.Reason{{Code: correlate.SameID, Args: []string{explicit}}}
	if own.subscribed > 0 || own.Division != division {
		if to == "" {
			return nil
		}
		there, err := a.store.LoadEntry(ctx, to)
		if err != nil || len(there.Deployments) == 0 {
			return err
		}
		return a.ask(ctx, correlate.Pair{A: string(r.Deployment.ID), B: string(there.Deployments[0].ID), Score: 1, Reasons: because})
	}
	if to == "" {
		if to, err = a.entry(ctx, division, explicit, []catalog.Record{r}); err != nil {
			return err
		}
	}
	at, err := a.counts(ctx, to, r.Deployment)
	if err != nil {
		return err
	}
	return a.move(ctx, r, to, catalog.Joining{Since: at, At: a.now, Actor: AutomaticActor, Score: 1, Reasons: because})
}

// move takes a record to another entry. The one that it leaves goes on answering there, if nothing is left in it.
func (a *applier) move(ctx context.Context, r catalog.Record, to portal.APIID, why catalog.Joining) error {
	from := r.Deployment.API
	if err := a.store.Move(ctx, r.Deployment.ID, to, why); err != nil {
		return err
	}
	a.touched[from], a.touched[to] = true, true
	said := make([]string, len(why.Reasons))
	for i, reason := range why.Reasons {
		said[i] = reason.String()
	}
	detail := map[string]string{"was": string(from), "is": string(to), "reason": strings.Join(said, "; ")}
	if err := a.note(ctx, "deployment.join", r, detail); err != nil {
		return err
	}
	left, err := a.store.RecordsOf(ctx, from)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(left, catalog.Record.Live) {
		return nil
	}
	for _, gone := range left { // they come back where their entry is
		if err := a.store.Move(ctx, gone.Deployment.ID, to, why); err != nil {
			return err
		}
	}
	return a.store.HandOver(ctx, from, to)
}

// resketch keeps the sketches of what has changed in what it is compared by.
func (a *applier) resketch(ctx context.Context, p Plan) error {
	var all []catalog.Sketched
	for _, changes := range [][]Change{p.Change, p.Back, p.Rename} {
		for _, c := range changes {
			all = append(all, catalog.Sketched{Deployment: c.After.Deployment.ID, Sketch: correlate.New(facts(c.After))})
		}
	}
	return a.store.PutSketches(ctx, all)
}

// entry adds a new one under the first slug that is free: its explicit id, else the best title of what is joined in it,
// without a version: whichever line comes first, the slug is the same.
func (a *applier) entry(ctx context.Context, division portal.Division, explicit string, records []catalog.Record) (portal.APIID, error) {
	first := best(records)
	e := catalog.Entry{ID: portal.APIID(portal.NewID("api")), Division: division, Explicit: explicit, Title: first.Deployment.Title, Created: a.now}
	for _, slug := range catalog.Slugs(e.ID, cmp.Or(explicit, titleVersion.ReplaceAllString(e.Title, "")), division, first.Deployment.Gateway, first.Key()) {
		_, err := a.store.EntryBySlug(ctx, slug)
		if errors.Is(err, portal.ErrNotFound) {
			e.Slug = slug
			a.before[e.ID] = &before{Entry: e}
			return e.ID, a.store.AddEntry(ctx, e)
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("catalog entry for %q: every slug is taken: %w", e.Title, portal.ErrConflict)
}

// titleVersion is the version at the end of a title: "v2", "version 2", "2.0". A bare "2" may be part of the name.
var titleVersion = regexp.MustCompile(`(?i)\s+((v|version )[0-9]+(\.[0-9]+)*|[0-9]+(\.[0-9]+)+)$`)

// best is the record with the title that most of them have; of several the shortest, then the first by gateway and id.
func best(records []catalog.Record) catalog.Record {
	count := map[string]int{}
	for _, r := range records {
		count[r.Deployment.Title]++
	}
	return slices.MinFunc(records, func(a, b catalog.Record) int {
		x, y := a.Deployment, b.Deployment
		return cmp.Or(
			cmp.Compare(count[y.Title], count[x.Title]), cmp.Compare(len(x.Title), len(y.Title)), cmp.Compare(x.Title, y.Title),
			cmp.Compare(x.Gateway, y.Gateway), cmp.Compare(x.RemoteID, y.RemoteID), cmp.Compare(x.Exposure, y.Exposure))
	})
}
