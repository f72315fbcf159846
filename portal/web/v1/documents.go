package v1

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"concierge/portal/api"
	"concierge/portal/web"
)

const documentPath = "/deployments/{id}/document"

// bodyLimit is how much a request may send.
func bodyLimit(r *http.Request) int64 {
	if r.Pattern == http.MethodPut+" "+prefix+documentPath {
		return api.MaxDocumentBytes
	}
	return maxBodyBytes
}

func (s *server) documents() {
	type list struct {
		Thing
		Paging
	}
	read(s, "/gateways/{id}/documents", "gateway-documents", "The deployments whose document was not taken over, or was uploaded",
		func(ctx context.Context, d api.Desk, in *list) (api.Page[api.DeploymentDocument], error) {
			return d.GatewayDocuments(ctx, in.ID, in.paging())
		})
	read(s, "/apis/{id}/documents", "own-documents", "The deployments of an API that I own, and where their documents are from",
		func(ctx context.Context, d api.Desk, in *Thing) (api.Page[api.DeploymentDocument], error) {
			items, err := d.OwnDocuments(ctx, in.ID)
			return api.Page[api.DeploymentDocument]{Items: items}, err
		})
	read(s, documentPath, "deployment-document", "Where the document of a deployment is from",
		func(ctx context.Context, d api.Desk, in *Thing) (api.DeploymentDocument, error) {
			return d.DeploymentDocument(ctx, in.ID)
		})
	change(s, http.MethodDelete, documentPath, "remove-document", "Remove an uploaded document; the gateway's own comes with the next sync",
		func(ctx context.Context, d api.Desk, in *Thing) (api.DeploymentDocument, error) {
			return d.RemoveDocument(ctx, in.ID)
		})
	type upload struct {
		Thing
		RawBody []byte `contentType:"application/octet-stream"`
	}
	huma.Register(s.api, huma.Operation{
		OperationID: "upload-document", Method: http.MethodPut, Path: prefix + documentPath, MaxBodyBytes: api.MaxDocumentBytes,
		Summary: "Upload a document in place of the gateway's own, or, as an owner of the API, where it has none: OpenAPI, AsyncAPI, GraphQL, Protocol Buffers or WSDL",
	}, func(ctx context.Context, in *upload) (*out[api.DeploymentDocument], error) {
		shown, err := callOf(ctx).desk.UploadDocument(ctx, in.ID, in.RawBody)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return &out[api.DeploymentDocument]{shown}, nil
	})
}

// originals registers what is answered as it was published.
func (s *server) originals(r *web.Router) {
	s.handle(r, prefix+documentPath+"/content", s.guard(s.original), huma.Operation{
		OperationID: "original-document", Summary: "The document of a deployment as it was published, for its administrators",
		Parameters: []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}},
		Responses:  s.responses("application/octet-stream", &huma.Schema{Type: huma.TypeString, Format: "binary"}),
	})
}

func (s *server) original(w http.ResponseWriter, r *http.Request) {
	d, err := callOf(r.Context()).desk.OriginalDocument(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	newAnswer(d.Content, d.ContentType, d.ETag).write(w, r)
}
