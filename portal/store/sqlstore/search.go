package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	fastjson "github.com/segmentio/encoding/json"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/search"
)

// Words is how an engine keeps which rows of search_rows hold a token, in its table search_index.
type Words interface {
	// IndexRow puts the tokens of a new row in; ForgetRows takes out those of an entry.
	IndexRow(row int64, api string, tokens []string) (query string, args []any)
	ForgetRows(api string) (query string, args []any)
	// MatchRows selects entry and row of those that match, at most so many.
	MatchRows(e search.Expression, limit int) (query string, args []any)
	// TidyRows is a statement that does a part of what there is to tidy up, and a question that says how much was done
	// since the connection was opened; empty: there is never anything.
	TidyRows() (statement, done string)
}

// Search implements search.Tx.
func (tx *Tx) Search() search.Store { return searchStore{tx} }

var _ search.Tx = (*Tx)(nil)

type searchStore struct{ tx *Tx }

const progressColumns = `revision, signature, version, building, position, ready, touched`

func (s searchStore) Progress(ctx context.Context) (p search.Progress, err error) {
	var touched int64
	err = s.tx.one(ctx, []any{&p.Revision, &p.Signature, &p.Version, &p.Building, &p.Position, &p.Ready, &touched},
		`SELECT `+progressColumns+` FROM search_progress WHERE one = 1`)
	if errors.Is(err, portal.ErrNotFound) {
		return search.Progress{}, nil
	}
	p.Touched = instant(touched)
	return p, doing(err, "progress of the search index")
}

func (s searchStore) SetProgress(ctx context.Context, was int64, p search.Progress) error {
	n, err := s.tx.affected(ctx, `INSERT INTO search_progress (one, `+progressColumns+`) VALUES (1, $1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (one) DO UPDATE SET revision = excluded.revision, signature = excluded.signature, version = excluded.version,
			building = excluded.building, position = excluded.position, ready = excluded.ready, touched = excluded.touched
		WHERE search_progress.revision = $1 - 1`,
		was+1, p.Signature, p.Version, p.Building, string(p.Position), p.Ready, micros(p.Touched))
	return met(n, err, "progress of the search index")
}

func (s searchStore) Fingerprints(ctx context.Context, ids []portal.APIID) (map[portal.APIID]string, error) {
	found := make(map[portal.APIID]string, len(ids))
	for some := range slices.Chunk(ids, searchedAtOnce) {
		list, args := anyOf(some)
		if err := s.fingerprints(ctx, found, `api IN `+list, args...); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s searchStore) Between(ctx context.Context, after, until portal.APIID) (map[portal.APIID]string, error) {
	found := map[portal.APIID]string{}
	if until == "" {
		return found, s.fingerprints(ctx, found, `api > $1`, string(after))
	}
	return found, s.fingerprints(ctx, found, `api > $1 AND api <= $2`, string(after), string(until))
}

func (s searchStore) fingerprints(ctx context.Context, found map[portal.APIID]string, where string, args ...any) error {
	_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
		var api, fingerprint string
		err := r.Scan(&api, &fingerprint)
		found[portal.APIID(api)] = fingerprint
		return struct{}{}, err
	}, `SELECT DISTINCT api, fingerprint FROM search_rows WHERE `+where, args...)
	return doing(err, "what the search index holds")
}

// searchedAtOnce is how many values a statement names at most.
const searchedAtOnce = 1000

func (s searchStore) Put(ctx context.Context, id portal.APIID, fingerprint string, all []search.Row) error {
	forget, args := s.tx.q.ForgetRows(string(id))
	err := s.tx.exec(ctx, forget, args...)
	for _, table := range []string{`DELETE FROM search_operations WHERE row IN (SELECT id FROM search_rows WHERE api = $1)`, `DELETE FROM search_rows WHERE api = $1`} {
		if err == nil {
			err = s.tx.exec(ctx, table, string(id))
		}
	}
	for _, row := range all {
		if err == nil {
			err = s.add(ctx, id, fingerprint, row)
		}
	}
	return doing(err, "indexing catalog entry %s", id)
}

func (s searchStore) add(ctx context.Context, id portal.APIID, fingerprint string, row search.Row) error {
	var number int64
	err := s.tx.one(ctx, []any{&number}, `INSERT INTO search_rows (api, fingerprint) VALUES ($1, $2) RETURNING id`, string(id), fingerprint)
	if err != nil {
		return err
	}
	index, args := s.tx.q.IndexRow(number, string(id), row.Tokens)
	if err := s.tx.exec(ctx, index, args...); err != nil || len(row.Operations) == 0 {
		return err
	}
	return s.tx.exec(ctx, `INSERT INTO search_operations (row, operations) VALUES ($1, $2)`, number, strings.Join(row.Operations, "\n"))
}

func (s searchStore) Find(ctx context.Context, e search.Expression, limit int) ([]search.Match, error) {
	query, args := s.tx.q.MatchRows(e, limit)
	found, err := rows(ctx, s.tx, func(r scanner) (m search.Match, err error) { return m, r.Scan(&m.API, &m.Row) }, query, args...)
	return found, doing(err, "asking the search index")
}

func (s searchStore) Operations(ctx context.Context, numbers []int64) (map[int64][]string, error) {
	found := make(map[int64][]string, len(numbers))
	for some := range slices.Chunk(numbers, searchedAtOnce) {
		list, args := anyOf(some)
		_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
			var row int64
			var text string
			err := r.Scan(&row, &text)
			found[row] = strings.Split(text, "\n")
			return struct{}{}, err
		}, `SELECT row, operations FROM search_operations WHERE row IN `+list, args...)
		if err != nil {
			return nil, doing(err, "operations in the search index")
		}
	}
	return found, nil
}

func (s searchStore) Tidy(ctx context.Context) (more bool, err error) {
	statement, done := s.tx.q.TidyRows()
	if statement == "" {
		return false, nil
	}
	var before, after int64
	if err = s.tx.one(ctx, []any{&before}, done); err == nil {
		if err = s.tx.exec(ctx, statement); err == nil {
			err = s.tx.one(ctx, []any{&after}, done)
		}
	}
	return after-before > 1, doing(err, "tidying the search index")
}

func (s searchStore) AddTerms(ctx context.Context, words []string) error {
	for some := range slices.Chunk(words, searchedAtOnce) {
		list, args := anyOf(some)
		err := s.tx.exec(ctx, `INSERT INTO search_terms (term) VALUES `+strings.ReplaceAll(list, ", ", "), (")+` ON CONFLICT (term) DO NOTHING`, args...)
		if err != nil {
			return doing(err, "noting words of the search index")
		}
	}
	return nil
}

func (s searchStore) Terms(ctx context.Context, after int64) (words []string, newest int64, err error) {
	newest = after
	words, err = rows(ctx, s.tx, func(r scanner) (word string, err error) { return word, r.Scan(&newest, &word) },
		`SELECT id, term FROM search_terms WHERE id > $1 ORDER BY id`, after)
	return words, newest, doing(err, "words of the search index")
}

func (s searchStore) Described(ctx context.Context, documents []string) (map[string][]search.Operation, error) {
	found := make(map[string][]search.Operation, len(documents))
	for some := range slices.Chunk(documents, searchedAtOnce) {
		list, args := anyOf(some)
		_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
			d, err := scanDocument(r)
			if d.Hash != "" { // a damaged one has no operations, and whoever asks for it is told why
				err = nil
			}
			operations := make([]search.Operation, len(d.Description.Operations))
			for i, o := range d.Description.Operations {
				operations[i] = search.Operation{Method: o.Method, Path: o.Path, ID: o.ID}
			}
			found[d.Hash] = operations
			return struct{}{}, err
		}, `SELECT `+documentColumns+` FROM documents WHERE hash IN `+list, args...)
		if err != nil {
			return nil, doing(err, "operations of documents")
		}
	}
	return found, nil
}

func (s searchStore) Routed(ctx context.Context, deployments []portal.DeploymentID) (map[portal.DeploymentID][]search.Operation, error) {
	found := make(map[portal.DeploymentID][]search.Operation, len(deployments))
	for some := range slices.Chunk(deployments, searchedAtOnce) {
		list, args := anyOf(some)
		_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
			var id, from string
			if err := r.Scan(&id, &from); err != nil {
				return struct{}{}, err
			}
			var told struct {
				Discovered struct{ Operations []connectors.Operation }
			}
			err := fastjson.Unmarshal([]byte(from), &told)
			for _, o := range told.Discovered.Operations {
				found[portal.DeploymentID(id)] = append(found[portal.DeploymentID(id)], search.Operation{Method: o.Method, Path: o.Path})
			}
			return struct{}{}, err
		}, `SELECT id, origin FROM deployments WHERE id IN `+list, args...)
		if err != nil {
			return nil, doing(err, "operations of deployments")
		}
	}
	return found, nil
}
