package desk

import (
	"context"
	"fmt"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
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
			page.Next, err = sealCursor(d, place, last)
			return page, err
		}
		page.Items, last = append(page.Items, shownDocument(r)), at
	}
	return page, nil
}

func shownDocument(r catalog.Record) api.DeploymentDocument {
	shown := api.DeploymentDocument{
		Deployment: string(r.Deployment.ID), Gateway: string(r.Deployment.Gateway), Title: r.Deployment.Title,
		RemoteID: r.Deployment.RemoteID, Exposure: r.Deployment.Exposure, Source: "none", Unread: r.Described.Unread,
	}
	switch up := r.Override.Document; {
	case up != nil:
		shown.Source, shown.UploadedBy, shown.Uploaded = "upload", string(up.By), timeOrNil(up.At)
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

func (d *desk) DeploymentDocument(ctx context.Context, id string) (api.DeploymentDocument, error) {
	r, err := d.record(ctx, id, access.MaySeeGateway)
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	return shownDocument(r), nil
}

func (d *desk) OriginalDocument(ctx context.Context, id string) (api.Document, error) {
	r, err := d.record(ctx, id, access.MaySeeGateway)
	if err != nil {
		return api.Document{}, err
	}
	if r.Deployment.Document == "" {
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
	r, err := d.record(ctx, id, access.MayAdministerGateway)
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	if err := d.Ingest.Upload(ctx, d.caller.Person, r.Deployment.ID, content); err != nil {
		return api.DeploymentDocument{}, err
	}
	return d.DeploymentDocument(ctx, id)
}

func (d *desk) RemoveDocument(ctx context.Context, id string) (api.DeploymentDocument, error) {
	r, err := d.record(ctx, id, access.MayAdministerGateway)
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	if err := d.Ingest.RemoveUpload(ctx, d.caller.Person, r.Deployment.ID); err != nil {
		return api.DeploymentDocument{}, err
	}
	return d.DeploymentDocument(ctx, id)
}
