package webtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

func (w *World) fillDocuments() {
	uploaded := at(3 * day)
	w.documents = []api.DeploymentDocument{
		{Deployment: "dep_tariffs", Gateway: "classic-paris", Title: "Tariffs", RemoteID: "tariffs-v1", Source: "gateway",
			Unread: "API description: invalid: the key at /paths/~1rates/get appears twice; readers would disagree on which one counts, so remove one"},
		{Deployment: "dep_manifests", Gateway: "classic-paris", Title: "Manifests", RemoteID: "manifests", Exposure: "test", Source: "none",
			Unread: "it is at docs.meridian.internal, and nothing is fetched for this gateway: allow it with \"documents: {fetch: true}\", or upload it: denied"},
		{Deployment: "dep_own", Gateway: "esb-paris", Title: "Payments", Source: "none", Owned: true, API: "payments", CanUpload: true, Audience: "internal", Environment: "test", Version: "2"},
		{Deployment: "dep_given", Gateway: "esb-paris", Title: "Payments", Source: "upload", Owned: true, API: "payments", CanUpload: true, Audience: "internal", Environment: "production", Version: "2",
			UploadedBy: "Amara Obi", Uploaded: &uploaded, ByOwners: true, Unread: "it could not be fetched; the administrators of its gateway can see why"},
		{Deployment: "dep_overtaken", Gateway: "public-edge", Title: "Payments", Source: "gateway", Owned: true, API: "payments", Audience: "partner", Environment: "production", Version: "2",
			UploadedBy: "Amara Obi", Uploaded: &uploaded, ByOwners: true},
		{Deployment: "dep_customs", Gateway: "classic-paris", Title: "Customs", RemoteID: "customs", Source: "upload", UploadedBy: "Amara Obi", Uploaded: &uploaded},
	}
}

func (d *desk) GatewayDocuments(_ context.Context, gateway string, q api.Paging) (api.Page[api.DeploymentDocument], error) {
	w, p, leave := d.enter()
	defer leave()
	if _, err := w.findGateway(p, gateway); err != nil {
		return api.Page[api.DeploymentDocument]{}, err
	}
	found := slices.DeleteFunc(slices.Clone(w.documents), func(d api.DeploymentDocument) bool {
		return d.Gateway != gateway || d.Unread == "" && d.Source != "upload"
	})
	return page(found, q)
}

func (d *desk) OwnDocuments(_ context.Context, id string) ([]api.DeploymentDocument, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := w.owned(p, id); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(w.documents), func(d api.DeploymentDocument) bool { return d.API != id }), nil
}

func (w *World) findDocument(p *person, id string) (*api.DeploymentDocument, error) {
	for i := range w.documents {
		if w.documents[i].Deployment == id {
			if api := w.documents[i].API; api != "" && w.owned(p, api) == nil {
				return &w.documents[i], nil
			}
			if _, err := w.findGateway(p, w.documents[i].Gateway); err != nil {
				break
			}
			return &w.documents[i], nil
		}
	}
	return nil, missing("deployment", id)
}

func (d *desk) DeploymentDocument(_ context.Context, id string) (api.DeploymentDocument, error) {
	w, p, leave := d.enter()
	defer leave()
	found, err := w.findDocument(p, id)
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	shown := *found
	shown.CanUpload = shown.CanUpload || governs(p)
	return shown, nil
}

func (d *desk) OriginalDocument(_ context.Context, id string) (api.Document, error) {
	w, p, leave := d.enter()
	defer leave()
	if _, err := w.findDocument(p, id); err != nil {
		return api.Document{}, err
	}
	return api.Document{Content: []byte("openapi: 3.0.3\n"), ContentType: "application/yaml", ETag: `"1"`}, nil
}

func (d *desk) UploadDocument(_ context.Context, id string, content []byte) (api.DeploymentDocument, error) {
	w, p, leave := d.enter()
	defer leave()
	found, err := w.findDocument(p, id)
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	if len(content) == 0 {
		return api.DeploymentDocument{}, fmt.Errorf("API description: %w: it is empty; export it again from its source", portal.ErrInvalid)
	}
	now := w.now()
	found.Source, found.Unread, found.UploadedBy, found.Uploaded = "upload", "", string(p.ID), &now
	return *found, nil
}

func (d *desk) RemoveDocument(_ context.Context, id string) (api.DeploymentDocument, error) {
	w, p, leave := d.enter()
	defer leave()
	found, err := w.findDocument(p, id)
	if err != nil {
		return api.DeploymentDocument{}, err
	}
	found.Source, found.UploadedBy, found.Uploaded = "none", "", (*time.Time)(nil)
	return *found, nil
}
