package api

import (
	"time"

	"concierge/portal"
)

// The shapes in this file are the only ones that carry key material in clear, once, from the HTTP handler to the client.

// ClaimBody is a Claim on the wire.
type ClaimBody struct {
	Credential
	Parts          []PartBody             `json:"parts" doc:"What to send with every call; values only in this one answer"`
	Secret         string                 `json:"secret,omitempty" doc:"The value of the one secret part"`
	Authentication *portal.Authentication `json:"authentication,omitempty"`
	BaseURL        string                 `json:"base_url,omitempty"`
	Try            string                 `json:"try,omitempty"`
}

// PartBody is a Part on the wire.
type PartBody struct {
	In     string `json:"in"`
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	Value  string `json:"value"`
	Public bool   `json:"public,omitempty" doc:"An identifier rather than a secret"`
}

// Reveal writes a claim out, with its secret.
func (c Claim) Reveal() ClaimBody {
	b := ClaimBody{Credential: c.Credential, Parts: []PartBody{}, BaseURL: c.BaseURL, Try: c.Try, Secret: c.Secret().Reveal()}
	if c.Ready {
		b.Authentication = &c.Authentication
	}
	for _, p := range c.Parts {
		b.Parts = append(b.Parts, PartBody{In: p.In, Name: p.Name, Prefix: p.Prefix, Value: p.Value.Reveal(), Public: p.Public})
	}
	return b
}

// Claim reads one in.
func (b ClaimBody) Claim() Claim {
	c := Claim{Credential: b.Credential, Ready: len(b.Parts) > 0, BaseURL: b.BaseURL, Try: b.Try}
	if b.Authentication != nil {
		c.Authentication = *b.Authentication
	}
	for _, p := range b.Parts {
		c.Parts = append(c.Parts, Part{In: p.In, Name: p.Name, Prefix: p.Prefix, Value: portal.NewSecret(p.Value), Public: p.Public})
	}
	return c
}

// InvitationBody is an Invitation on the wire.
type InvitationBody struct {
	Person  Person    `json:"person"`
	URL     string    `json:"url,omitempty" doc:"One-time link; only in this one answer"`
	Expires time.Time `json:"expires"`
}

// CreatedEnrolmentBody is a CreatedEnrolment on the wire.
type CreatedEnrolmentBody struct {
	Enrolment
	Token string `json:"token,omitempty" doc:"Only in this one answer"`
}

// CreatedTokenBody is a CreatedToken on the wire.
type CreatedTokenBody struct {
	Token
	Value string `json:"token,omitempty" doc:"Only in this one answer"`
}
