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
		{Deployment: "dep_customs", Gateway: "classic-paris", Title: "Customs", RemoteID: "customs", Source: "upload", UploadedBy: "per_amara", Uploaded: &uploaded},
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

func (w *World) findDocument(p *person, id string) (*api.DeploymentDocument, error) {
	for i := range w.documents {
		if w.documents[i].Deployment == id {
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
	return *found, nil
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
