package api

import (
	"context"
	"strings"
	"time"
)

// MaxDocumentBytes is how large an uploaded document may be.
const MaxDocumentBytes = 20 << 20

// Documents are the descriptions of deployments as those see them who administer their gateway and, as far as the methods say
// so, those who own their API: its division's people who govern it, and its team. To others there are none.
type Documents interface {
	// OwnDocuments lists the deployments of an API that the caller owns. portal.ErrNotFound for whoever owns none of it.
	OwnDocuments(ctx context.Context, id string) ([]DeploymentDocument, error)
	// GatewayDocuments lists the deployments of a gateway whose document was not taken over, or was uploaded.
	GatewayDocuments(ctx context.Context, gateway string, p Paging) (Page[DeploymentDocument], error)
	// DeploymentDocument: for owners too, without the gateway's own names.
	DeploymentDocument(ctx context.Context, deployment string) (DeploymentDocument, error)
	// OriginalDocument is what the gateway, or who uploaded it, published: with all that consumers do not see. Owners have
	// what owners uploaded.
	OriginalDocument(ctx context.Context, deployment string) (Document, error)
	// UploadDocument puts a document in the place of the gateway's own, until RemoveDocument. That of owners stands in as
	// long as the gateway has none that can be read, and nothing that it says of its audience, environment, servers, id,
	// version or lifecycle counts; ErrConflict where the gateway has one, or an administrator has uploaded one.
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
	Unread      string     `json:"unread,omitempty" doc:"Why the gateway's document could not be taken over; the last one that could stays"`
	UploadedBy  string     `json:"uploaded_by,omitempty" doc:"Who uploaded it, by name"`
	Uploaded    *time.Time `json:"uploaded,omitempty"`
	ByOwners    bool       `json:"by_owners,omitempty" doc:"The API's owners uploaded one: it is in use as long as the gateway has none that can be read"`
	Owned       bool       `json:"owned,omitempty" doc:"I see it as an owner of its API, and not as an administrator of its gateway"`
	API         string     `json:"api,omitempty" doc:"Its API, for its owners"`
	CanUpload   bool       `json:"can_upload" doc:"I may upload one, and take it back"`
	Audience    string     `json:"audience,omitempty"`
	Environment string     `json:"environment,omitempty"`
	Version     string     `json:"version,omitempty"`
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
