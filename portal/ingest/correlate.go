package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"concierge/connectors"
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
		Servers: r.Described.Servers, Upstream: r.Discovered.Upstream,
	}
	if t := r.Described.Title; t != "" && t != d.Title {
		d.Names = append(d.Names, t)
	}
	// What cannot be read any more is left out; reshape reads the document instead.
	_ = d.Shape.UnmarshalText([]byte(r.Described.Shape))
	for _, o := range r.Discovered.Operations {
		d.Routes = append(d.Routes, correlate.Operation{Method: o.Method, Path: o.Path})
	}
	return d
}

// sketchBatch is how many records of an earlier version of the portal are read again in one transaction.
const sketchBatch = 500

// sketchAll makes the sketches of deployments that have none of the present form: they are of an earlier version of the
// portal. A process does it once, before the first plan that it applies.
func (s *Service) sketchAll(ctx context.Context) error {
	s.sketching.Lock()
	defer s.sketching.Unlock()
	if s.sketched {
		return nil
	}
	var missing []portal.DeploymentID
	err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
		missing, err = tx.Catalog().Unsketched(ctx)
		return err
	})
	for ids := range slices.Chunk(missing, sketchBatch) {
		if err != nil {
			break
		}
		err = s.db.InTx(ctx, func(tx catalog.Tx) error {
			sketches, err := sketchKept(ctx, tx.Catalog(), ids)
			if err != nil {
				return err
			}
			return tx.Catalog().PutSketches(ctx, sketches)
		})
	}
	if err != nil {
		return fmt.Errorf("preparing what is in the catalog for comparison: %w", err)
	}
	s.sketched = true
	return nil
}

// sketchKept makes the sketches of records as they are kept; where a document was read before shapes were, from the document.
func sketchKept(ctx context.Context, st catalog.Store, ids []portal.DeploymentID) ([]catalog.Sketched, error) {
	records, err := st.RecordsWith(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range records {
		r := &records[i]
		if r.Described.Shape == "" {
			err = readAgain(ctx, st, r)
		} else {
			err = reshape(ctx, st, r)
		}
		if err != nil {
			return nil, err
		}
	}
	sketches := make([]catalog.Sketched, len(records))
	each(len(records), func(i int) {
		sketches[i] = catalog.Sketched{Deployment: records[i].Deployment.ID, Sketch: correlate.New(facts(records[i]))}
	})
	return sketches, nil
}

// sketchOf makes the sketch of a record.
func sketchOf(ctx context.Context, st catalog.Store, r catalog.Record) (catalog.Sketched, error) {
	if err := reshape(ctx, st, &r); err != nil {
		return catalog.Sketched{}, err
	}
	return catalog.Sketched{Deployment: r.Deployment.ID, Sketch: correlate.New(facts(r))}, nil
}

// reshape makes the shape of a record anew whose document was read by a version of the portal that made other shapes.
func reshape(ctx context.Context, st catalog.Store, r *catalog.Record) error {
	var known correlate.Shape
	if known.UnmarshalText([]byte(r.Described.Shape)) == nil {
		return nil
	}
	return readAgain(ctx, st, r)
}

// readAgain makes the shape of a record's document as it is kept. What has none, or cannot be read any more, tells nothing.
func readAgain(ctx context.Context, st catalog.Store, r *catalog.Record) error {
	r.Described.Shape = ""
	if r.Deployment.Document == "" {
		return nil
	}
	doc, err := st.Document(ctx, r.Deployment.Document)
	if err != nil {
		return err
	}
	if d, err := document.Describe(doc.Content, document.Limits{}); err == nil { // it was within the limits when it was taken in
		r.Described.Shape = shape(d.Operations)
	}
	return nil
}

// place joins what is new: within its owner division at once where that is sure, by a question to a person where it may be.
func (a *applier) place(ctx context.Context, fresh []catalog.Record) error {
	if len(fresh) == 0 {
		return nil
	}
	began := time.Now()
	members := make([]correlate.Member, len(fresh))
	sketches := make([]catalog.Sketched, len(fresh))
	each(len(fresh), func(i int) {
		d := &fresh[i].Deployment
		d.ID = portal.DeploymentID(portal.NewID("dep"))
		sketches[i] = catalog.Sketched{Deployment: d.ID, Sketch: correlate.New(facts(fresh[i]))}
		members[i] = correlate.Member{ID: string(d.ID), Division: string(d.Placement.Division()), Sketch: sketches[i].Sketch, Sum: sketches[i].Sketch.Sum()}
	})
	add(&a.watch.sketch, began, 0)
	written := slices.Sorted(maps.Keys(a.touched))
	near, err := a.members.seen(ctx, a.store, written)
	if err != nil {
		return err
	}
	decided := remembered{ctx: ctx, store: a.store, in: near}
	began = time.Now()
	result, err := correlate.Place(members, near, decided.apart)
	a.watch.near.Add(int64(near.took))
	add(&a.watch.compare, began, near.took)
	if err = errors.Join(err, decided.err); err != nil {
		return err
	}
	began = time.Now()
	defer func() { add(&a.watch.write, began, 0) }()
	if err := a.joined(ctx, fresh, result.Joins); err != nil {
		return err
	}
	if err := a.store.AddSketches(ctx, sketches); err != nil {
		return err
	}
	in := make(map[string]portal.APIID, len(fresh))
	a.placed, a.alone = members, make(map[portal.APIID]bool, len(fresh))
	for i, r := range fresh {
		in[string(r.Deployment.ID)] = r.Deployment.API
		members[i].Entry = string(r.Deployment.API)
		a.alone[r.Deployment.API] = true
	}
	for _, entry := range written {
		delete(a.alone, entry)
	}
	return a.ask(ctx, result.Reviews, func(id string) portal.APIID {
		if entry, ok := in[id]; ok {
			return entry
		}
		return near.entry(id)
	})
}

// remembered is what people keep apart. It is read once somebody asks.
type remembered struct {
	ctx   context.Context
	store catalog.Store
	in    *beside
	of    map[string][]string
	err   error
}

// apart returns what a person keeps apart from a deployment; of entries it is told by their deployments.
func (d *remembered) apart(id string) []string {
	if d.of == nil {
		d.of = map[string][]string{}
		var pairs [][2]portal.DeploymentID
		pairs, d.err = d.store.Apart(d.ctx)
		for _, pair := range pairs {
			one, other := string(pair[0]), string(pair[1])
			d.of[one] = append(d.of[one], other, string(d.in.entry(other)))
			d.of[other] = append(d.of[other], one, string(d.in.entry(one)))
		}
	}
	return d.of[id]
}

// joined adds new deployments to their entries, and makes those that there are not yet.
func (a *applier) joined(ctx context.Context, fresh []catalog.Record, joins []correlate.Joined) error {
	of := func(j correlate.Joined) []catalog.Record {
		records := make([]catalog.Record, len(j.Members))
		for k, i := range j.Members {
			records[k] = fresh[i]
		}
		return records
	}
	division := func(j correlate.Joined) portal.Division { return fresh[j.Members[0]].Deployment.Placement.Division() }
	drafts := make([]draft, len(joins))
	each(len(joins), func(n int) {
		if j := joins[n]; j.Entry == "" {
			drafts[n] = a.draft(division(j), j.Explicit, of(j))
		}
	})
	var slugs []string
	for _, d := range drafts {
		slugs = append(slugs, d.slugs[:max(len(d.slugs)-1, 0)]...) // nothing else has the last one
	}
	if err := a.lookUp(ctx, slugs); err != nil {
		return err
	}
	to := make([]portal.APIID, len(joins))
	for n, j := range joins {
		to[n] = portal.APIID(j.Entry)
		if j.Explicit != "" {
			err := a.addMade(ctx) // one of them may be what is named
			if err == nil {
				to[n], err = a.named(ctx, division(j), j.Explicit, to[n])
			}
			if err != nil {
				return err
			}
		}
		if to[n] == "" {
			if drafts[n].ID == "" { // what it was to become part of has another explicit id
				drafts[n] = a.draft(division(j), j.Explicit, of(j))
			}
			if err := a.make(ctx, drafts[n]); err != nil {
				return err
			}
			to[n] = drafts[n].ID
		}
		a.touched[to[n]] = true
	}
	if err := a.addMade(ctx); err != nil {
		return err
	}
	if err := a.heads(ctx, to); err != nil {
		return err
	}
	var joining []joiner
	for n, j := range joins {
		for _, i := range j.Members {
			joining = append(joining, joiner{to[n], fresh[i].Deployment})
		}
	}
	counts, err := a.counts(ctx, joining)
	if err != nil {
		return err
	}
	all := make([]catalog.Record, 0, len(fresh))
	for n, j := range joins {
		for _, i := range j.Members {
			r := &fresh[i]
			at := counts[len(all)]
			r.Deployment.API, r.Created, r.Changed = to[n], a.now, a.now
			r.Joining = catalog.Joining{Since: at, At: a.now, Actor: AutomaticActor, Score: j.Score, Reasons: j.Reasons}
			r.Deployment.Since = at
			since(&portal.Deployment{}, &r.Deployment, a.now)
			all = append(all, *r)
		}
	}
	return a.store.AddRecords(ctx, all)
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
	catalog.Head                             // without its slugs and deployments
	environment  map[portal.Environment]bool // of its deployments; nil: not looked at
}

// heads learns what entries were before the plan, but for their environments.
func (a *applier) heads(ctx context.Context, ids []portal.APIID) error {
	found, err := a.store.Heads(ctx, a.unknown(ids, func(b *before) bool { return b != nil }))
	for _, h := range found {
		a.before[h.ID] = &before{Head: h}
	}
	return err
}

// environments learns in which environments entries had deployments before the plan. Their heads are known.
func (a *applier) environments(ctx context.Context, ids []portal.APIID) error {
	missing := a.unknown(ids, func(b *before) bool { return b.environment != nil })
	found, err := a.store.LoadEntries(ctx, missing)
	for _, id := range missing {
		a.before[id].environment = map[portal.Environment]bool{}
	}
	for _, e := range found {
		for _, d := range e.Deployments {
			a.before[e.ID].environment[d.Placement.Environment()] = true
		}
	}
	return err
}

// unknown are those of some entries, each once, of which something is not known.
func (a *applier) unknown(ids []portal.APIID, known func(*before) bool) []portal.APIID {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	return slices.DeleteFunc(ids, func(id portal.APIID) bool { return known(a.before[id]) })
}

// was returns an entry as it was before the plan.
func (a *applier) was(ctx context.Context, id portal.APIID) (*before, error) {
	ids := []portal.APIID{id}
	if err := a.heads(ctx, ids); err != nil {
		return nil, err
	}
	if a.before[id] == nil {
		return nil, fmt.Errorf("catalog entry %s: %w", id, portal.ErrNotFound)
	}
	return a.before[id], a.environments(ctx, ids)
}

// joiner is a deployment that is joined to an entry automatically.
type joiner struct {
	to portal.APIID
	d  portal.Deployment
}

// counts says from when on deployments count in the entries that they are joined to. It is settled at once where nothing
// was there before it in its environment, and where an estate is set up together: in the first good sync of a gateway that
// was registered before the entry was made, as long as nobody has subscribed to that. The heads of the entries are known.
func (a *applier) counts(ctx context.Context, all []joiner) ([]time.Time, error) {
	late := make([]bool, len(all))
	var entries []portal.APIID
	for i, j := range all {
		setUp, err := a.settingUp(ctx, j.d.Gateway, a.before[j.to])
		if err != nil {
			return nil, err
		}
		if late[i] = !setUp; late[i] {
			entries = append(entries, j.to)
		}
	}
	if err := a.environments(ctx, entries); err != nil {
		return nil, err
	}
	times := make([]time.Time, len(all))
	for i, j := range all {
		there, env := a.before[j.to].environment, j.d.Placement.Environment()
		if late[i] && (env == "" && len(there) > 0 || there[env]) {
			times[i] = a.now
		}
	}
	return times, nil
}

func (a *applier) settingUp(ctx context.Context, gateway portal.GatewayID, b *before) (bool, error) {
	g, known := a.new[gateway]
	if !known {
		good, err := a.store.LastGood(ctx, gateway)
		if err != nil {
			return false, err
		}
		if good == nil {
			if g, err = a.store.Gateway(ctx, gateway); err != nil {
				return false, err
			}
		}
		a.new[gateway] = g
	}
	return b.Subscribed == 0 && g.ID != "" && !g.Created.After(b.Created), nil
}

// ask puts questions to people, but for those about two entries that are one by now or were asked about before. in says in
// which entry a deployment is.
func (a *applier) ask(ctx context.Context, pairs []correlate.Pair, in func(id string) portal.APIID) error {
	var entries []portal.APIID
	for _, pair := range pairs {
		entries = append(entries, in(pair.A), in(pair.B))
	}
	asked, err := a.store.Asked(ctx, slices.Compact(slices.Sorted(slices.Values(entries))))
	if err != nil {
		return err
	}
	var all []catalog.Review
	for _, pair := range pairs {
		one, other := in(pair.A), in(pair.B)
		if one == other || asked[[2]portal.APIID{one, other}] || asked[[2]portal.APIID{other, one}] {
			continue
		}
		asked[[2]portal.APIID{one, other}] = true
		x, y := portal.DeploymentID(pair.A), portal.DeploymentID(pair.B)
		all = append(all, catalog.Review{
			ID: portal.NewID("rev"), Kind: catalog.ReviewJoin, A: min(x, y), B: max(x, y),
			Score: pair.Score, Reasons: pair.Reasons, State: catalog.ReviewOpen, Opened: a.now,
		})
	}
	return a.store.AddReviews(ctx, all)
}

// rejoin follows a deployment whose explicit id now names another entry of its division. Where that would change what
// somebody has subscribed to, or leave behind what people wrote, or a person decided otherwise, it stays and a person is asked.
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
	held := own.Subscribed > 0 || own.Division != division
	if !held {
		if held, err = a.leavesTexts(ctx, r); err != nil {
			return err
		}
	}
	if held {
		if to == "" {
			return nil
		}
		there, err := a.store.LoadEntry(ctx, to)
		if err != nil || len(there.Deployments) == 0 {
			return err
		}
		question := correlate.Pair{A: string(r.Deployment.ID), B: string(there.Deployments[0].ID), Score: 1, Reasons: because}
		return a.ask(ctx, []correlate.Pair{question}, func(id string) portal.APIID {
			if id == question.A {
				return from
			}
			return to
		})
	}
	if to == "" {
		if to, err = a.entry(ctx, division, explicit, []catalog.Record{r}); err != nil {
			return err
		}
	}
	if err := a.heads(ctx, []portal.APIID{to}); err != nil {
		return err
	}
	at, err := a.counts(ctx, []joiner{{to, r.Deployment}})
	if err != nil {
		return err
	}
	return a.move(ctx, r, to, catalog.Joining{Since: at[0], At: a.now, Actor: AutomaticActor, Score: 1, Reasons: because})
}

// leavesTexts reports whether a record is the last published one of an entry that people gave texts or a team.
func (a *applier) leavesTexts(ctx context.Context, r catalog.Record) (bool, error) {
	all, err := a.store.RecordsOf(ctx, r.Deployment.API)
	if err != nil || slices.ContainsFunc(all, func(o catalog.Record) bool { return o.Live() && o.Deployment.ID != r.Deployment.ID }) {
		return false, err
	}
	return a.store.Curated(ctx, r.Deployment.API)
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
			sketch, err := sketchOf(ctx, a.store, c.After)
			if err != nil {
				return err
			}
			all = append(all, sketch)
		}
	}
	return a.store.PutSketches(ctx, all)
}

// entry adds a new one, see make.
func (a *applier) entry(ctx context.Context, division portal.Division, explicit string, records []catalog.Record) (portal.APIID, error) {
	d := a.draft(division, explicit, records)
	if err := a.make(ctx, d); err != nil {
		return "", err
	}
	return d.ID, a.addMade(ctx)
}

// draft is an entry that is to be made, and the slugs that it may get, the one that reads best first.
type draft struct {
	catalog.Entry
	slugs []string
}

// draft returns a new entry of some records. Its slugs are of its explicit id, else of the best title of what is joined in it,
// without a version: whichever line comes first, the slug is the same.
func (a *applier) draft(division portal.Division, explicit string, records []catalog.Record) draft {
	first := best(records).Deployment
	e := catalog.Entry{ID: portal.APIID(portal.NewID("api")), Division: division, Explicit: explicit, Title: first.Title, Created: a.now}
	title := titleVersion.ReplaceAllString(first.Title, "")
	return draft{e, catalog.Slugs(e.ID, cmp.Or(explicit, title), division, first.Gateway, connectors.Key{RemoteID: first.RemoteID, Exposure: first.Exposure})}
}

// make makes an entry under the first of its slugs that is free. addMade adds it.
func (a *applier) make(ctx context.Context, d draft) error {
	for _, slug := range d.slugs {
		taken, known := a.taken[slug]
		if !known {
			if err := a.lookUp(ctx, d.slugs); err != nil {
				return err
			}
			taken = a.taken[slug]
		}
		if !taken {
			d.Slug = slug
			a.taken[slug] = true
			a.made = append(a.made, d.Entry)
			a.before[d.ID] = &before{catalog.Head{Entry: d.Entry}, map[portal.Environment]bool{}}
			return nil
		}
	}
	return fmt.Errorf("catalog entry for %q: every slug is taken: %w", d.Title, portal.ErrConflict)
}

// addMade adds the entries that were made.
func (a *applier) addMade(ctx context.Context) error {
	made := a.made
	a.made = nil
	return a.store.AddEntries(ctx, made)
}

// lookUp learns which slugs are taken.
func (a *applier) lookUp(ctx context.Context, slugs []string) error {
	slugs = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(slugs))), func(slug string) bool {
		_, known := a.taken[slug]
		return known
	})
	taken, err := a.store.Taken(ctx, slugs)
	for _, slug := range slugs {
		a.taken[slug] = false
	}
	for _, slug := range taken {
		a.taken[slug] = true
	}
	return err
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
