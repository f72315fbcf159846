package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/routing"
)

// Result is what was found.
type Result struct {
	routing.Listing
	Table *routing.Table // that the listing is of
	// Operations names, for the items that were found by one, the operation, such as "POST /v1/refunds", as the index has it.
	Operations map[portal.APIID]string
	// Corrected is what was searched for instead, where nothing is found by what was asked; empty: nothing else was.
	Corrected string
	// Incomplete: the index is not there yet, or cannot be asked, and titles, names and tags alone were looked at.
	Incomplete bool
}

// Find searches what a consumer may see. q has words; its Found is made here. Paths look like "/v1/customers/{id}", with a
// method before them or not. Words stand for all that begin with them. Where nothing is found, mistyped words are corrected.
func (x *Index) Find(ctx context.Context, c portal.Consumer, q routing.Query) (Result, error) {
	asked := parse(q.Q)
	asked.audience, asked.filter = c.Audience, q.Filter
	if asked.empty() {
		q.Q = ""
		return x.list(c, q, nil), nil
	}
	if !x.Ready() {
		r := x.list(c, q, nil)
		r.Incomplete = true
		return r, nil
	}
	f := finder{x: x, consumer: c, query: q}
	r, err := f.find(ctx, asked)
	if err != nil {
		return Result{}, fmt.Errorf("searching: %w", err)
	}
	return r, nil
}

// list asks the newest table.
func (x *Index) list(c portal.Consumer, q routing.Query, found *routing.Found) Result {
	table := x.tables.Table()
	q.Found = found
	return Result{Listing: table.APIs(c, q), Table: table}
}

// finder is one search.
type finder struct {
	x        *Index
	consumer portal.Consumer
	query    routing.Query
}

func (f *finder) find(ctx context.Context, q query) (Result, error) {
	r, err := f.look(ctx, q)
	if err != nil || r.Total > 0 {
		return r, err
	}
	if q.parts != nil {
		parted := q
		parted.words, parted.parts = q.parts, nil
		if again, err := f.look(ctx, parted); err != nil || again.Total > 0 {
			return again, err
		}
	}
	corrected := f.correct(q)
	if corrected.words == nil {
		return r, nil
	}
	again, err := f.look(ctx, corrected)
	if err != nil || again.Total == 0 {
		return r, err
	}
	again.Corrected = corrected.String()
	return again, nil
}

// look searches for what is asked as it is.
func (f *finder) look(ctx context.Context, q query) (Result, error) {
	found, err := f.found(ctx, q)
	if err != nil {
		return Result{}, err
	}
	listing := f.query
	listing.Q = strings.Join(q.words, " ")
	if listing.Q == "" {
		listing.Q = strings.Join(q.path, "/")
	}
	r := f.x.list(f.consumer, listing, &found.Found)
	r.Operations, err = f.operations(ctx, q, r.Items, found)
	return r, err
}

// found is what the index has, with the rows of what it has by operations.
type found struct {
	routing.Found
	rows       map[portal.APIID]int64
	unfinished bool // the path's last segment goes on
}

// found asks the index, the cheapest question that may be enough first: for the words as they are in texts, which is cheap
// even where very many entries have them; for titles with what begins with them, for texts, and at last for operations too.
func (f *finder) found(ctx context.Context, q query) (r found, err error) {
	if len(q.path) > 0 {
		return f.foundPath(ctx, q)
	}
	const most = routing.MostFound + 1
	exact := f.x.memory.find(q.expression(exactTexts), most)
	if len(exact) == most { // those in whose titles the words are come first
		r.Texts, r.More = apis(append(f.x.memory.find(q.expression(exactTitles), most), exact...)), true
		return r, nil
	}
	titled := f.x.memory.find(q.expression(titles), most)
	if len(titled) == most {
		r.Texts, r.More = apis(titled), true
		return r, nil
	}
	inTexts := f.x.memory.find(q.expression(texts), most)
	if len(inTexts) == most {
		r.Texts, r.More = apis(append(titled, inTexts...)), true
		return r, nil
	}
	r.Texts = apis(inTexts)
	r.byOperation(f.x.memory.find(q.expression(anywhere), most))
	return r, nil
}

func (f *finder) foundPath(ctx context.Context, q query) (r found, err error) {
	e := q.expression(anywhere)
	hits := f.x.memory.find(e, routing.MostFound+1)
	if len(hits) == 0 {
		r.unfinished = true
		e = append(e[:len(e)-len(q.pathGroups(false))], q.pathGroups(true)...)
		hits = f.x.memory.find(e, routing.MostFound+1)
	}
	if len(q.path) > 2 && len(hits) <= routing.MostFound {
		// Each two segments follow one another somewhere: it is looked whether they do so in one operation.
		var operations map[int64][]string
		operations, err = f.read(ctx, rowsIn(hits))
		hits = slices.DeleteFunc(hits, func(m Match) bool {
			return !slices.ContainsFunc(operations[m.Row], func(op string) bool { return q.serves(op, r.unfinished) })
		})
	}
	r.byOperation(hits)
	return r, err
}

// read reads the operations of rows.
func (f *finder) read(ctx context.Context, rows []int64) (operations map[int64][]string, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	err = f.x.db.View(ctx, func(tx Tx) (err error) {
		operations, err = tx.Search().Operations(ctx, rows)
		return err
	})
	return operations, err
}

// byOperation takes over what is found in texts and operations together.
func (r *found) byOperation(hits []Match) {
	r.More = len(hits) > routing.MostFound
	r.Operations, r.rows = apis(hits), make(map[portal.APIID]int64, len(hits))
	for _, m := range hits {
		r.rows[m.API] = m.Row
	}
	for _, id := range r.Texts { // their texts say it already
		delete(r.rows, id)
	}
}

func apis(hits []Match) []portal.APIID {
	ids := make([]portal.APIID, len(hits))
	for i, m := range hits {
		ids[i] = m.API
	}
	return ids
}

func rowsIn(hits []Match) []int64 {
	rows := make([]int64, len(hits))
	for i, m := range hits {
		rows[i] = m.Row
	}
	return rows
}

// operations names the operation by which each item was found: the one of the path, or the one that has the most words.
func (f *finder) operations(ctx context.Context, q query, items []routing.EntryView, found found) (map[portal.APIID]string, error) {
	var rows []int64
	for _, v := range items {
		if row, ok := found.rows[v.ID]; ok {
			rows = append(rows, row)
		}
	}
	all, err := f.read(ctx, rows)
	if errors.Is(err, portal.ErrUnavailable) { // what was found is worth showing without
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	best := map[portal.APIID]string{}
	for _, v := range items {
		most := 0
		for _, op := range all[found.rows[v.ID]] {
			if len(q.path) > 0 && !q.serves(op, found.unfinished) {
				continue
			}
			if n := q.names(op) + min(1, len(q.path)); n > most {
				most, best[v.ID] = n, op
			}
		}
	}
	return best, nil
}

// correct puts words that there are in the place of those that nothing has. Without words there is no such query.
func (f *finder) correct(q query) query {
	changed := false
	corrected := query{method: q.method, path: q.path, audience: q.audience, filter: q.filter}
	alone := query{audience: q.audience} // what the person may see says it, whatever they narrow by
	table := f.x.tables.Table()
	count := func(word string, prefixes bool, most int) (n int) {
		alone.words = []string{word}
		for _, m := range f.x.memory.find(alone.expression(stage{anywhere.kinds, prefixes}), most) {
			if table.Sees(f.consumer, m.API) {
				n++
			}
		}
		return n
	}
	for _, word := range q.words {
		if count(word, true, 20) == 0 {
			one, two := f.x.memory.near(word)
			for _, candidates := range [][]string{one, two} {
				most, seen := 0, 0
				for _, candidate := range candidates {
					n := count(candidate, false, 100)
					if n > most {
						most, word = n, candidate
					}
					// What they may not see counts for nothing, here too: it would show in which word is taken.
					if n > 0 {
						seen++
					}
					if seen == maxCandidates {
						break
					}
				}
				if most > 0 {
					changed = true
					break
				}
			}
		}
		corrected.words = append(corrected.words, word)
	}
	if !changed {
		return query{}
	}
	return corrected
}

// String is the query as somebody would type it.
func (q query) String() string {
	words := slices.Clone(q.words)
	if len(q.path) > 0 {
		words = append(words, strings.TrimSpace(strings.ToUpper(q.method)+" /"+strings.Join(q.path, "/")))
	}
	return strings.Join(words, " ")
}

// Suggest lists titles that the consumer may mean, as far as they have typed, each once, the best first.
func (x *Index) Suggest(c portal.Consumer, typed string, limit int) []routing.EntryView {
	q := parse(typed)
	q.audience = c.Audience
	if q.empty() || len(q.path) > 0 {
		return nil
	}
	found := &routing.Found{More: true} // titles that begin so are the table's own
	if x.Ready() {
		found.Texts = apis(x.memory.find(q.expression(titles), 100))
	}
	var list []routing.EntryView
	for _, v := range x.list(c, routing.Query{Q: strings.Join(q.words, " "), Limit: 200}, found).Items {
		if len(list) < limit && !slices.ContainsFunc(list, func(w routing.EntryView) bool { return w.Title == v.Title }) {
			list = append(list, v)
		}
	}
	return list
}
