package desk

import (
	"context"
	"errors"
	"fmt"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/document"
	"concierge/portal/routing"
)

func (d *desk) GatewayDocuments(ctx context.Context, gateway string, p api.Paging) (page api.Page[api.DeploymentDocument], err error) {
	g, err := d.visible(ctx, gateway, access.MaySeeGateway)
	if err != nil {
		return page, err
	}
	place := "documents of " + gateway
	after, err := openCursor[[2]string](d, place, p.Cursor) // remote id and exposure, by which records are sorted
	if err != nil {
		return page, err
	}
	var records []catalog.Record
	err = d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		records, err = tx.Catalog().Records(ctx, g.ID)
		return err
	})
	if err != nil {
		return page, err
	}
	page.Items = []api.DeploymentDocument{}
	var last [2]string
	for _, r := range records {
		at := [2]string{r.Deployment.RemoteID, r.Deployment.Exposure}
		before := at[0] < after[0] || at[0] == after[0] && at[1] <= after[1]
		if !r.Live() || r.Described.Unread == "" && r.Override.Document == nil || p.Cursor != "" && before {
			continue
		}
		if len(page.Items) == limit(p.Limit) {
			if page.Next, err = sealCursor(d, place, last); err != nil {
				return page, err
			}
			break
		}
		shown := shownDocument(r)
		shown.CanUpload = access.MayAdministerGateway(d.caller, g.Division)
		page.Items, last = append(page.Items, shown), at
	}
	return page, d.nameUploaders(ctx, page.Items)
}

func shownDocument(r catalog.Record) api.DeploymentDocument {
	shown := api.DeploymentDocument{
		Deployment: string(r.Deployment.ID), Gateway: string(r.Deployment.Gateway), Title: r.Deployment.Title,
		RemoteID: r.Deployment.RemoteID, Exposure: r.Deployment.Exposure, Source: "none", Unread: r.Described.Unread,
		Audience: string(r.Deployment.Placement.Audience()), Environment: string(r.Deployment.Placement.Environment()), Version: r.Deployment.Line,
	}
	up := r.Override.Document
	if up != nil {
		shown.UploadedBy, shown.Uploaded, shown.ByOwners = string(up.By), timeOrNil(up.At), up.Owners
	}
	switch {
	case up != nil && (!up.Owners || r.Described.StandIn):
		shown.Source = "upload"
	case r.Deployment.Document != "":
		shown.Source = "gateway"
	}
	return shown
}

// record loads a deployment of a gateway that the caller may see.
func (d *desk) record(ctx context.Context, id string, may func(access.Caller, portal.Division) bool) (r catalog.Record, err error) {
	missing := fmt.Errorf("deployment %s: %w", id, portal.ErrNotFound)
	if !d.seesGateways() {
		return r, missing
	}
	var g catalog.Gateway
	err = d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		if r, err = tx.Catalog().Record(ctx, portal.DeploymentID(id)); err != nil {
			return err
		}
		g, err = tx.Catalog().Gateway(ctx, r.Deployment.Gateway)
		return err
	})
	switch {
	case err != nil:
		return catalog.Record{}, err
	case !r.Live(), !access.MaySeeGateway(d.caller, g.Division):
		return catalog.Record{}, missing
	case !may(d.caller, g.Division):
		return catalog.Record{}, fmt.Errorf("your role may look at deployment %s but not do this: %w", id, portal.ErrDenied)
	}
	return r, nil
}

// ownRecord loads a deployment of an API that the caller owns, if it is theirs to know: one of the division that owns the API,
// with an audience and an environment.
func (d *desk) ownRecord(ctx context.Context, id string) (r catalog.Record, err error) {
	err = d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		r, err = tx.Catalog().Record(ctx, portal.DeploymentID(id))
		return err
	})
	if err != nil {
		return catalog.Record{}, err
	}
	entry, ok := d.Live.Table().Entry(r.Deployment.API)
	if !ok || !r.Live() || !d.owns(entry, &r.Deployment) {
		return catalog.Record{}, fmt.Errorf("deployment %s: %w", id, portal.ErrNotFound)
	}
	return r, nil
}

// owns reports whether a deployment is of those of an entry that the caller owns.
func (d *desk) owns(entry routing.Entry, to *portal.Deployment) bool {
	division := to.Placement.Division()
	return access.MayCurate(d.caller, access.Owner{Division: entry.Owner, Team: entry.Team}) && division == entry.Owner &&
		d.mayKnow(to)
}

// ownDocument is what owners are shown: not how the gateway names its things, and of why its document could not be read only
// what is wrong with the document.
func (d *desk) ownDocument(r catalog.Record) api.DeploymentDocument {
	shown := shownDocument(r)
	shown.RemoteID, shown.Exposure, shown.Owned = "", "", true
	table := d.Live.Table()
	if entry, ok := table.Entry(r.Deployment.API); ok {
		shown.API, _ = d.titleOf(table, entry)
	}
	if _, _, ok := document.ReasonIn(shown.Unread); shown.Unread != "" && !ok {
		shown.Unread = "it could not be fetched; the administrators of its gateway can see why"
	}
	up := r.Override.Document
	shown.CanUpload = shown.Source == "none" || shown.Source == "upload" && up.Owners
	return shown
}

func (d *desk) OwnDocuments(ctx context.Context, id string) ([]api.DeploymentDocument, error) {
	entry, _, err := d.owned(ctx, id)
	if err != nil {
		return nil, err
	}
	found := []api.DeploymentDocument{}
	err = d.catalog.View(ctx, func(tx catalog.Tx) error {
		found = found[:0]
		for i := range entry.Deployments {
			to := &entry.Deployments[i]
			if !d.owns(entry, to) {
				continue
			}
			r, err := tx.Catalog().Record(ctx, to.ID)
			if errors.Is(err, portal.ErrNotFound) || err == nil && !r.Live() {
				continue // gone since the table was made
			}
			if err != nil {
				return err
			}
			found = append(found, d.ownDocument(r))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, d.nameUploaders(ctx, found)
}

// nameUploaders puts the names of people in the place of their ids.
func (d *desk) nameUploaders(ctx context.Context, all []api.DeploymentDocument) error {
	ids := make([]portal.PersonID, len(all))
	for i, one := range all {
		ids[i] = portal.PersonID(one.UploadedBy)
	}
	names, err := d.namesOf(ctx, ids)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].UploadedBy = names[ids[i]]
	}
	return nil
}

// documentOf finds a deployment and where its document is from, for an administrator of its gateway or an owner of its API.
func (d *desk) documentOf(ctx context.Context, id string) (catalog.Record, api.DeploymentDocument, error) {
	r, err := d.record(ctx, id, access.MaySeeGateway)
	own, notOwn := d.ownRecord(ctx, id)
	switch {
	case err == nil:
		shown := shownDocument(r)
		_, denied := d.record(ctx, id, access.MayAdministerGateway)
		shown.CanUpload = denied == nil || notOwn == nil && d.ownDocument(r).CanUpload
		return r, shown, nil
	case notOwn == nil:
		return own, d.ownDocument(own), nil
	}
	return r, api.DeploymentDocument{}, err
}

func (d *desk) DeploymentDocument(ctx context.Context, id string) (api.DeploymentDocument, error) {
	_, shown, err := d.documentOf(ctx, id)
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	one := []api.DeploymentDocument{shown}
	err = d.nameUploaders(ctx, one)
	return one[0], err
}

func (d *desk) OriginalDocument(ctx context.Context, id string) (api.Document, error) {
	r, shown, err := d.documentOf(ctx, id)
	if err != nil {
		return api.Document{}, err
	}
	if r.Deployment.Document == "" || shown.Owned && !r.Described.StandIn {
		return api.Document{}, fmt.Errorf("document of deployment %s: there is none: %w", id, portal.ErrNotFound)
	}
	var stored catalog.Document
	err = d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		stored, err = tx.Catalog().Document(ctx, r.Deployment.Document)
		return err
	})
	if err != nil {
		return api.Document{}, err
	}
	contentType, _ := stored.Description.Format.Media()
	return api.Document{Content: stored.Content, ContentType: contentType, ETag: `"` + stored.Hash[:min(len(stored.Hash), 32)] + `"`}, nil
}

func (d *desk) UploadDocument(ctx context.Context, id string, content []byte) (api.DeploymentDocument, error) {
	return d.changeDocument(ctx, id,
		func(at portal.DeploymentID) error { return d.Ingest.Upload(ctx, d.caller.Person, at, content) },
		func(at portal.DeploymentID) error { return d.Ingest.UploadAsOwner(ctx, d.caller.Person, at, content) })
}

func (d *desk) RemoveDocument(ctx context.Context, id string) (api.DeploymentDocument, error) {
	return d.changeDocument(ctx, id,
		func(at portal.DeploymentID) error { return d.Ingest.RemoveUpload(ctx, d.caller.Person, at) },
		func(at portal.DeploymentID) error { return d.Ingest.RemoveUploadAsOwner(ctx, d.caller.Person, at) })
}

// changeDocument lets an administrator of the gateway do the one, and an owner of the API the other.
func (d *desk) changeDocument(ctx context.Context, id string, administer, own func(portal.DeploymentID) error) (api.DeploymentDocument, error) {
	r, err := d.record(ctx, id, access.MayAdministerGateway)
	change := administer
	if errors.Is(err, portal.ErrNotFound) || errors.Is(err, portal.ErrDenied) {
		owned, notOwn := d.ownRecord(ctx, id)
		if notOwn == nil {
			r, change, err = owned, own, nil
		}
	}
	if err == nil {
		err = change(r.Deployment.ID)
	}
	if err == nil {
		err = d.seen(ctx)
	}
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	return d.DeploymentDocument(ctx, id)
}
