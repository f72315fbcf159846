package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"concierge/portal/catalog"
	"concierge/portal/document"
)

// How the content of a document is kept, as its row says.
const (
	plainContent = ""     // before version 10: as it is, with its description beside it
	zstdContent  = "zstd" // as catalog.Packed
)

func (s catalogStore) Document(ctx context.Context, hash string) (catalog.Document, error) {
	d, err := get(ctx, s.tx, scanDocument, `SELECT `+documentColumns+` FROM documents WHERE hash = $1`, hash)
	if err != nil {
		return catalog.Document{}, fmt.Errorf("document %s: %w", hash, err)
	}
	d.Description.Kind = cmp.Or(d.Description.Kind, document.OpenAPI) // the only kind, before version 10
	return d, nil
}

const documentColumns = `hash, content, encoding, size, description, stored`

func scanDocument(r scanner) (d catalog.Document, err error) {
	var description, encoding string
	var content []byte
	var size, stored int64
	if err := r.Scan(&d.Hash, &content, &encoding, &size, &description, &stored); err != nil {
		return d, err
	}
	d.Stored = instant(stored)
	switch encoding {
	case plainContent:
		d.Content = content
		err = json.Unmarshal([]byte(description), &d.Description)
	case zstdContent:
		d.Packed = catalog.Packed{Bytes: content, Size: int(size)}
		var whole catalog.Document
		if whole, err = d.Unpack(); err == nil {
			d = whole
		}
	default:
		err = fmt.Errorf("it is kept as %q, which this version cannot read", encoding)
	}
	return d, err
}

func (s catalogStore) PutDocument(ctx context.Context, d catalog.Document) error {
	return doing(s.putDocuments(ctx, []catalog.Document{d}), "saving document %s", d.Hash)
}

func (s catalogStore) PutDocuments(ctx context.Context, all []catalog.Document) error {
	// In order, each once: others may put the same at the same time, and no statement may meet a row twice.
	order := func(a, b catalog.Document) int { return strings.Compare(a.Hash, b.Hash) }
	all = slices.CompactFunc(slices.SortedFunc(slices.Values(all), order), func(a, b catalog.Document) bool { return a.Hash == b.Hash })
	for some := range slices.Chunk(all, s.tx.q.AtOnce()) {
		if err := s.putDocuments(ctx, some); err != nil {
			return fmt.Errorf("saving documents: %w", err)
		}
	}
	return nil
}

func (s catalogStore) putDocuments(ctx context.Context, all []catalog.Document) (err error) {
	var values []any
	for _, d := range all {
		if d.Packed.Bytes == nil {
			if d, err = d.Pack(); err != nil {
				return err
			}
		}
		values = append(values, d.Hash, d.Packed.Bytes, zstdContent, d.Packed.Size, "", micros(d.Stored))
	}
	// One that nothing points at yet is made young again, so that ForgetOrphans leaves it for whoever just put it.
	return s.tx.exec(ctx, `INSERT INTO documents (hash, content, encoding, size, description, stored) VALUES `+places(len(all), 6)+`
		ON CONFLICT (hash) DO UPDATE SET stored = excluded.stored WHERE NOT EXISTS (SELECT 1 FROM deployments WHERE document = documents.hash)`, values...)
}

// orphaned are documents that were stored before a time and that nothing points at.
const orphaned = ` stored < $1 AND NOT EXISTS (SELECT 1 FROM deployments WHERE document = documents.hash)`

func (s catalogStore) Orphans(ctx context.Context, before time.Time, limit int) ([]string, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (hash string, err error) { return hash, r.Scan(&hash) },
		`SELECT hash FROM documents WHERE`+orphaned+` LIMIT $2`, micros(before), limit)
	return all, doing(err, "looking for documents that nothing points at")
}

func (s catalogStore) ForgetOrphans(ctx context.Context, hashes []string, before time.Time) error {
	for _, hash := range hashes {
		if err := s.tx.exec(ctx, `DELETE FROM documents WHERE`+orphaned+` AND hash = $2`, micros(before), hash); err != nil {
			return fmt.Errorf("forgetting document %s: %w", hash, err)
		}
	}
	return nil
}
