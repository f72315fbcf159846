package ui

import (
	"time"

	"github.com/a-h/templ"
)

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
	Unread                        string // why it was not taken over
	UnreadInEnglish               bool   // there are no words of the reader's language for it
	Uploaded                      *time.Time
	UploadedBy                    string
	ByOwners                      bool // the API's owners uploaded it: it counts as long as the gateway has none
	Owned                         bool // an owner looks at it
	CanChange                     bool
	Environment, Audience         string
	Version                       string
	Form
}

// OwnDocuments are the deployments of an API for its owners.
type OwnDocuments struct {
	Title, Back string
	Items       []DeploymentDocument
}

var documentSourceKeys = map[string]string{"gateway": "document.from_gateway", "upload": "document.from_upload", "none": "document.from_routes"}

// Said is a text that may be English whatever the page's language is.
type Said struct {
	Text    string
	English bool
}

// Say is one text in the page's language.
func Say(text string) []Said { return []Said{{Text: text}} }

// spokenIn marks words that are English whatever the page's language is.
func spokenIn(english bool) templ.Attributes {
	if !english {
		return nil
	}
	return templ.Attributes{"lang": "en"}
}
