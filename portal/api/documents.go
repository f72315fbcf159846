package api

import (
	"context"
	"strings"
	"time"
)

// MaxDocumentBytes is how large an uploaded document may be.
const MaxDocumentBytes = 20 << 20

// Documents are the descriptions of deployments as those see them who administer their gateway. To others there are none.
type Documents interface {
	// GatewayDocuments lists the deployments of a gateway whose document was not taken over, or was uploaded.
	GatewayDocuments(ctx context.Context, gateway string, p Paging) (Page[DeploymentDocument], error)
	DeploymentDocument(ctx context.Context, deployment string) (DeploymentDocument, error)
	// OriginalDocument is what the gateway, or who uploaded it, published: with all that consumers do not see.
	OriginalDocument(ctx context.Context, deployment string) (Document, error)
	// UploadDocument puts a document in the place of the gateway's own, until RemoveDocument.
	UploadDocument(ctx context.Context, deployment string, content []byte) (DeploymentDocument, error)
	RemoveDocument(ctx context.Context, deployment string) (DeploymentDocument, error)
}

// DeploymentDocument says where a deployment's document is from.
type DeploymentDocument struct {
	Deployment string `json:"deployment"`
	Gateway    string `json:"gateway"`
	Title      string `json:"title"`
	RemoteID   string `json:"remote_id" doc:"The gateway's own id of it"`
	Exposure   string `json:"exposure,omitempty"`
	Source     string `json:"source" enum:"gateway,upload,none" doc:"none: one is made from its routes"`
	// Unread says why the gateway's document could not be taken over; the last one that could stays.
	Unread     string     `json:"unread,omitempty" doc:"Why the gateway's document could not be taken over; the last one that could stays"`
	UploadedBy string     `json:"uploaded_by,omitempty"`
	Uploaded   *time.Time `json:"uploaded,omitempty"`
}

// Ending returns how the name of a file with the document ends, without a dot.
func (d Document) Ending() string {
	contentType, _, _ := strings.Cut(d.ContentType, ";")
	switch contentType {
	case "application/yaml":
		return "yaml"
	case "application/graphql":
		return "graphql"
	case "application/wsdl+xml":
		return "wsdl"
	case "application/protobuf":
		return "binpb"
	case "text/plain":
		return "proto"
	}
	return "json"
}
