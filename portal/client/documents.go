package client

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// OwnDocuments implements api.Documents.
func (c *Client) OwnDocuments(ctx context.Context, id string) ([]api.DeploymentDocument, error) {
	p, err := get[api.Page[api.DeploymentDocument]](ctx, c, nil, "apis", id, "documents")
	return p.Items, err
}

// GatewayDocuments implements api.Documents.
func (c *Client) GatewayDocuments(ctx context.Context, gateway string, p api.Paging) (api.Page[api.DeploymentDocument], error) {
	return get[api.Page[api.DeploymentDocument]](ctx, c, paged(p), "gateways", gateway, "documents")
}

// DeploymentDocument implements api.Documents.
func (c *Client) DeploymentDocument(ctx context.Context, deployment string) (api.DeploymentDocument, error) {
	return get[api.DeploymentDocument](ctx, c, nil, "deployments", deployment, "document")
}

// OriginalDocument implements api.Documents.
func (c *Client) OriginalDocument(ctx context.Context, deployment string) (api.Document, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: []string{"deployments", deployment, "document", "content"}, accept: "*/*"})
	if err != nil {
		return api.Document{}, err
	}
	return api.Document{Content: a.body, ContentType: a.header.Get("Content-Type"), ETag: a.header.Get("ETag")}, nil
}

// UploadDocument implements api.Documents.
func (c *Client) UploadDocument(ctx context.Context, deployment string, content []byte) (api.DeploymentDocument, error) {
	return send[api.DeploymentDocument](ctx, c, http.MethodPut, content, "deployments", deployment, "document")
}

// RemoveDocument implements api.Documents.
func (c *Client) RemoveDocument(ctx context.Context, deployment string) (api.DeploymentDocument, error) {
	return send[api.DeploymentDocument](ctx, c, http.MethodDelete, nil, "deployments", deployment, "document")
}
