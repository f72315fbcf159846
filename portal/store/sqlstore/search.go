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
		if fingerprint != "" {
			found[portal.APIID(api)] = fingerprint
		}
		return struct{}{}, err
	}, `SELECT DISTINCT api, fingerprint FROM search_tokens WHERE `+where, args...)
	return doing(err, "what the search index holds")
}

// searchedAtOnce is how many values a statement names at most.
const searchedAtOnce = 1000

func (s searchStore) Put(ctx context.Context, id portal.APIID, revision int64, fingerprint string, all []search.Row) error {
	err := s.tx.exec(ctx, `DELETE FROM search_tokens WHERE api = $1`, string(id))
	if len(all) == 0 {
		fingerprint, all = "", []search.Row{{}}
	}
	for _, row := range all {
		packed, packErr := search.Pack(row.Tokens)
		if err = errors.Join(err, packErr); err == nil {
			err = s.tx.exec(ctx, `INSERT INTO search_tokens (api, revision, fingerprint, tokens, operations) VALUES ($1, $2, $3, $4, $5)`,
				string(id), revision, fingerprint, packed, strings.Join(row.Operations, "\n"))
		}
	}
	return doing(err, "indexing catalog entry %s", id)
}

func (s searchStore) Since(ctx context.Context, after search.Place, limit int) ([]search.Indexed, error) {
	found, err := rows(ctx, s.tx, func(r scanner) (x search.Indexed, err error) {
		var packed []byte
		if err := r.Scan(&x.Place.Row, &x.API, &x.Place.Revision, &packed); err != nil {
			return x, err
		}
		x.Tokens, err = search.Unpack(packed)
		return x, err
	}, `SELECT id, api, revision, tokens FROM search_tokens WHERE id > $1 ORDER BY id LIMIT $2`, after.Row, limit)
	return found, doing(err, "reading the search index")
}

func (s searchStore) Operations(ctx context.Context, numbers []int64) (map[int64][]string, error) {
	found := make(map[int64][]string, len(numbers))
	for some := range slices.Chunk(numbers, searchedAtOnce) {
		list, args := anyOf(some)
		_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
			var row int64
			var text string
			err := r.Scan(&row, &text)
			if text != "" {
				found[row] = strings.Split(text, "\n")
			}
			return struct{}{}, err
		}, `SELECT id, operations FROM search_tokens WHERE id IN `+list, args...)
		if err != nil {
			return nil, doing(err, "operations in the search index")
		}
	}
	return found, nil
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
