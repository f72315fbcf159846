package ui

import "net/url"

// The addresses of the pages, for links and redirects alike.
const (
	HomePath          = "/"
	SignInPath        = "/sign-in"
	SignOutPath       = "/sign-out"
	PreferencesPath   = "/preferences"
	APIsPath          = "/apis"
	KeysPath          = "/keys"
	ApplicationsPath  = "/applications"
	SubscriptionsPath = "/subscriptions"
	ApprovalsPath     = "/approvals"
	GatewaysPath      = "/gateways"
	UnclassifiedPath  = "/unclassified"
	FrozenPath        = "/frozen"
	JobsPath          = "/jobs"
	SitesPath         = "/sites"
	WorkersPath       = "/workers"
	EnrolmentsPath    = "/enrolments"
	OrganisationsPath = "/organisations"
	PeoplePath        = "/people"
	AccountPath       = "/account"
	TokensPath        = "/account/tokens"

	// Not below the lists, where any name may be taken.
	NewApplicationPath  = "/add-application"
	NewGatewayPath      = "/add-gateway"
	NewWorkerPath       = "/add-worker"
	NewOrganisationPath = "/add-organisation"
	NewPersonPath       = "/invite-person"
)

// Below returns the address of a thing, or of something about it, under one of the paths above.
func Below(path string, segments ...string) string {
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	return path
}

// With adds query parameters to a path; pairs are names and values, and empty values are left out.
func With(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
