// Package portal holds the nouns that every part of Concierge shares, and the kinds of error they test for.
// It imports the standard library only and does nothing by itself.
package portal

import (
	"crypto/rand"
	"strings"
)

// Ids are opaque text. Those that the portal makes come from NewID; they are never row numbers and never guessable.
type (
	GatewayID      string // as configured: lower-case letters, digits and dashes; also the gateway's name in the HTTP API
	DeploymentID   string
	APIID          string
	OrganisationID string
	TeamID         string
	PersonID       string
	ApplicationID  string
	SubscriptionID string
	CredentialID   string
	ActID          string
	RunID          string // one sync of one gateway
	Division       string // a part of the company that governs its own gateways
	Region         string
	Site           string // where a gateway's admin side can be reached from; SiteLocal is the portal's own process
)

// SiteLocal is the portal's own process.
const SiteLocal Site = "local"

// NewID returns a fresh id such as "app_3k7v…": the prefix, an underscore and 130 random bits in lower-case base 32.
func NewID(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }
