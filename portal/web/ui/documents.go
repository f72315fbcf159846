package ui

import "time"

// DeploymentsPath is below what an administrator does with one deployment.
const DeploymentsPath = "/deployments"

// GatewayDocuments are the deployments of a gateway whose document was not taken over, or was uploaded.
type GatewayDocuments struct {
	Items       []DeploymentDocument
	First, Next string
}

// DeploymentDocument is where the document of one deployment is from.
type DeploymentDocument struct {
	ID, Title, RemoteID, Exposure string
	Gateway                       string
	Source                        string // gateway, upload, none
	Unread                        string // in the portal's words
	Uploaded                      *time.Time
	UploadedBy                    string
	CanChange                     bool
	Form
}

var documentSourceKeys = map[string]string{"gateway": "document.from_gateway", "upload": "document.from_upload", "none": "document.from_routes"}
