package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/document"
)

const (
	parallelDocuments = 4
	documentTimeout   = time.Minute
	// unreadable documents in one sync, after which it is the gateway that fails and not they.
	maxUnreadable = 10
	batchBytes    = 8 << 20
	batchSize     = 100
)

// documents finds out what the documents of a gateway's deployments say. Those whose revision is known and unchanged are
// not opened. A document that cannot be had or is refused leaves its deployment with the last good one, and says why.
// The bytes are stored as they come, before any plan: nothing points at them yet, and memory holds a few at a time.
func (s *Service) documents(ctx context.Context, conn connectors.Connector, current []catalog.Record, all []connectors.Deployment, progress func(done, total int)) ([]Found, error) {
	before := make(map[connectors.Key]catalog.Record, len(current))
	for _, r := range current {
		before[r.Key()] = r
	}
	found := make([]Found, len(all))
	open := map[connectors.DocumentRef][]int{} // deployments can share a document
	for i, d := range all {
		had := before[d.Key]
		found[i] = Found{Deployment: d}
		if d.Document.ID == "" {
			continue
		}
		found[i].Described, found[i].Document, found[i].Revision = had.Described, had.Deployment.Document, had.Revision
		if d.Document.Revision == "" || d.Document.Revision != had.Revision || d.Document.ID != had.Discovered.Document.ID {
			open[d.Document] = append(open[d.Document], i)
		}
	}
	if len(open) == 0 {
		return found, nil
	}

	var mu sync.Mutex // of what follows, and of found
	var batch documentBatch
	done, unreadable := 0, 0
	progress(0, len(open))
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(parallelDocuments)
	for ref, deployments := range open {
		work.Go(func() error {
			if err := workCtx.Err(); err != nil {
				return err
			}
			doc, err := s.openDocument(workCtx, conn, ref)
			if workCtx.Err() != nil {
				return workCtx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			progress(done, len(open))
			if err != nil {
				if errors.Is(err, portal.ErrUnavailable) || errors.Is(err, portal.ErrDenied) {
					if unreadable++; unreadable > maxUnreadable {
						return fmt.Errorf("opening %d documents: %w", unreadable, err)
					}
				}
				for _, i := range deployments {
					found[i].Described.Unread = text(err.Error(), maxText)
					if errors.Is(err, portal.ErrInvalid) { // it will not get better
						found[i].Revision = ref.Revision
					}
				}
				return nil
			}
			news := false
			for _, i := range deployments {
				news = news || found[i].Document != doc.Hash
				found[i].Described, found[i].Document, found[i].Revision = described(doc.Description), doc.Hash, ref.Revision
			}
			if !news || !batch.add(doc) {
				return nil
			}
			return s.store(workCtx, batch.take())
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return found, s.store(ctx, batch.take())
}

// documentBatch collects documents for one transaction.
type documentBatch struct {
	docs  []catalog.Document
	bytes int
}

// add reports whether it is time to store the batch.
func (b *documentBatch) add(d catalog.Document) bool {
	b.docs, b.bytes = append(b.docs, d), b.bytes+len(d.Content)
	return b.bytes >= batchBytes || len(b.docs) >= batchSize
}

func (b *documentBatch) take() []catalog.Document {
	docs := b.docs
	*b = documentBatch{}
	return docs
}

func (s *Service) store(ctx context.Context, docs []catalog.Document) error {
	if len(docs) == 0 {
		return nil
	}
	return s.db.InTx(ctx, func(tx catalog.Tx) error {
		for _, d := range docs {
			if err := tx.Catalog().PutDocument(ctx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) openDocument(ctx context.Context, conn connectors.Connector, ref connectors.DocumentRef) (catalog.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	body, err := conn.OpenDocument(ctx, ref)
	if err != nil {
		return catalog.Document{}, err
	}
	content, err := document.Read(body, s.opts.Documents)
	if closeErr := body.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("reading the API description: %w: %w", portal.ErrUnavailable, closeErr)
	}
	if err != nil {
		return catalog.Document{}, err
	}
	d, err := document.Describe(content, s.opts.Documents)
	if err != nil {
		return catalog.Document{}, err
	}
	return catalog.Document{Hash: d.SHA256, Content: content, Description: d, Stored: s.clock()}, nil
}

// described is what a record keeps of its document.
func described(d document.Description) catalog.Described {
	tidied := catalog.Described{
		Title: text(d.Title, maxText), Summary: text(d.Summary, maxText), Description: text(d.Description, maxDescription),
		Version: text(d.Version, maxText), Tags: firm(d.Tags), API: text(d.API, maxText),
	}
	if len(d.Words) > 0 {
		tidied.Words = make(map[string]string, len(d.Words))
		for name, word := range d.Words {
			tidied.Words[text(name, maxText)] = text(word, maxText)
		}
	}
	if i := slices.IndexFunc(d.Operations, func(o document.Operation) bool { return o.Plain }); i >= 0 {
		tidied.Try = text(d.Operations[i].Path, maxText)
	}
	return tidied
}
