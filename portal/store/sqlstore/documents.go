package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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

func (s catalogStore) PutDocument(ctx context.Context, d catalog.Document) (err error) {
	if d.Packed.Bytes == nil {
		d, err = d.Pack()
	}
	if err == nil {
		// One that nothing points at yet is made young again, so that ForgetOrphans leaves it for whoever just put it.
		err = s.tx.exec(ctx, `INSERT INTO documents (hash, content, encoding, size, description, stored) VALUES ($1, $2, $3, $4, '', $5)
			ON CONFLICT (hash) DO UPDATE SET stored = excluded.stored WHERE NOT EXISTS (SELECT 1 FROM deployments WHERE document = documents.hash)`,
			d.Hash, d.Packed.Bytes, zstdContent, d.Packed.Size, micros(d.Stored))
	}
	if err != nil {
		return fmt.Errorf("saving document %s: %w", d.Hash, err)
	}
	return nil
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
