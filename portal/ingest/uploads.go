package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/store"
)

// MaxUploadBytes is how large an uploaded document may be.
func (s *Service) MaxUploadBytes() int64 { return s.opts.Documents.Max() }

// Upload gives a deployment a document in place of the gateway's own, at once and until RemoveUpload, whatever later syncs find. What
// the gateway's own said of audience and environment goes on to hold where this one says nothing of it. Errors: portal.ErrNotFound;
// portal.ErrInvalid, which says what is wrong with the document.
func (s *Service) Upload(ctx context.Context, actor portal.PersonID, id portal.DeploymentID, content []byte) error {
	return s.upload(ctx, actor, id, content, false)
}

// UploadAsOwner is Upload for those who own the API and do not administer the gateway. What they give is for reading: nothing
// that it says of its audience, environment, servers, id, version or lifecycle counts, so it neither moves the deployment nor
// what it is joined to. It stands in where the gateway has no document that could be read, and the gateway's own counts as
// soon as there is one. portal.ErrConflict where there is one, or an administrator has uploaded one.
func (s *Service) UploadAsOwner(ctx context.Context, actor portal.PersonID, id portal.DeploymentID, content []byte) error {
	return s.upload(ctx, actor, id, content, true)
}

func (s *Service) upload(ctx context.Context, actor portal.PersonID, id portal.DeploymentID, content []byte, owner bool) error {
	doc, described, err := s.openDocument(ctx, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return err
	}
	detail, action := map[string]string{"document": doc.Hash, "kind": string(doc.Description.Kind)}, "document.upload"
	if owner {
		described, action = forReading(described), "document.upload_as_owner"
	}
	return s.overrideDocument(ctx, actor, id, action, detail, func(tx catalog.Tx, r *catalog.Record) error {
		if owner {
			if err := mayStandIn(*r); err != nil {
				return err
			}
		}
		up := catalog.Uploaded{Hash: doc.Hash, Described: described, By: actor, At: doc.Stored, Owners: owner}
		if !owner {
			up.Kept = keptWords(r)
		}
		if was := r.Override.Document; was != nil && was.Hash == up.Hash && was.Owners == owner {
			return nil
		}
		r.Override.Document = &up
		return tx.Catalog().PutDocument(ctx, doc)
	})
}

// RemoveUpload takes back what Upload did; without an upload it does nothing. A sync is asked for, which opens the gateway's own
// document. Until then there is none, and what the uploaded one said of its audience and all else goes on to hold: the gateway's
// may say the same, and nobody is to see more meanwhile.
func (s *Service) RemoveUpload(ctx context.Context, actor portal.PersonID, id portal.DeploymentID) error {
	return s.removeUpload(ctx, actor, id, false)
}

// RemoveUploadAsOwner takes back what UploadAsOwner did. portal.ErrConflict where an administrator uploaded the document.
func (s *Service) RemoveUploadAsOwner(ctx context.Context, actor portal.PersonID, id portal.DeploymentID) error {
	return s.removeUpload(ctx, actor, id, true)
}

func (s *Service) removeUpload(ctx context.Context, actor portal.PersonID, id portal.DeploymentID, owner bool) error {
	return s.overrideDocument(ctx, actor, id, "document.remove", nil, func(tx catalog.Tx, r *catalog.Record) error {
		switch up := r.Override.Document; {
		case up == nil:
		case up.Owners: // the gateway's own, if it has one by now, was read beside it
			r.Override.Document = nil
		case owner:
			return administrators(r)
		default:
			r.Override.Document, r.Revision, r.Deployment.Document = nil, "", ""
			return tx.Enqueue(ctx, store.Job{Kind: JobSync, Subject: string(r.Deployment.Gateway)})
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
