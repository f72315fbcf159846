package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
)

// MaxUploadBytes is how large an uploaded document may be.
func (s *Service) MaxUploadBytes() int64 { return s.opts.Documents.Max() }

// Upload gives a deployment a document in place of the gateway's own, at once and until RemoveUpload, whatever later syncs find. Errors:
// portal.ErrNotFound; portal.ErrInvalid, which says what is wrong with the document.
func (s *Service) Upload(ctx context.Context, actor portal.PersonID, id portal.DeploymentID, content []byte) error {
	doc, described, err := s.openDocument(ctx, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return err
	}
	detail := map[string]string{"document": doc.Hash, "kind": string(doc.Description.Kind)}
	return s.overrideDocument(ctx, actor, id, "document.upload", detail, func(tx catalog.Tx, r *catalog.Record) error {
		if r.Override.Document != nil && r.Override.Document.Hash == doc.Hash {
			return nil
		}
		r.Override.Document = &catalog.Uploaded{Hash: doc.Hash, Described: described, By: actor, At: doc.Stored}
		return tx.Catalog().PutDocument(ctx, doc)
	})
}

// RemoveUpload takes back what Upload did; without an upload it does nothing. The next sync opens the gateway's own document;
// until then there is none.
func (s *Service) RemoveUpload(ctx context.Context, actor portal.PersonID, id portal.DeploymentID) error {
	return s.overrideDocument(ctx, actor, id, "document.remove", nil, func(_ catalog.Tx, r *catalog.Record) error {
		if r.Override.Document != nil {
			r.Override.Document = nil
			r.Described, r.Revision, r.Deployment.Document = catalog.Described{}, "", ""
		}
		return nil
	})
}

// overrideDocument changes what a person decided about a deployment's document, and publishes the deployment anew.
func (s *Service) overrideDocument(ctx context.Context, actor portal.PersonID, id portal.DeploymentID, action string, detail map[string]string,
	change func(catalog.Tx, *catalog.Record) error,
) error {
	return s.db.InTx(ctx, func(tx catalog.Tx) error {
		r, err := tx.Catalog().Record(ctx, id)
		if err != nil {
			return err
		}
		if !r.Live() {
			return fmt.Errorf("deployment %s: %w", id, portal.ErrNotFound)
		}
		g, err := tx.Catalog().Gateway(ctx, r.Deployment.Gateway)
		if err != nil {
			return err
		}
		if err := change(tx, &r); err != nil {
			return err
		}
		p := Compare(g, capabilities(g), []catalog.Record{r}, foundBefore([]catalog.Record{r}))
		if p.Empty() {
			return nil
		}
		now := s.clock()
		if err := apply(ctx, tx, string(actor), now, p); err != nil {
			return err
		}
		return tx.Audit().Append(ctx, audit.Event{At: now, Actor: string(actor), Action: action, Target: string(id), Gateway: g.ID, Detail: detail})
	})
}
