package portal

import "strings"

// AudienceText is what the people who own an API say about it to one audience: whoever's audience may use that one reads it.
// One without an audience is read by nobody.
type AudienceText struct {
	Audience Audience   `json:"audience"`
	Summary  string     `json:"summary,omitempty"`
	Contact  Contact    `json:"contact,omitempty,omitzero"`
	Tags     []string   `json:"tags,omitempty"`
	Links    []TextLink `json:"links,omitempty"`
}

// Contact is whom to ask about an API. Empty fields are not known.
type Contact struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	URL   string `json:"url,omitempty"`
	Chat  string `json:"chat,omitempty"` // a channel, or its address
}

// IsZero reports whether there is nothing to show.
func (c Contact) IsZero() bool { return c == Contact{} }

// TextLink points to more about an API. Href is absolute, http or https.
type TextLink struct {
	Title string `json:"title"`
	Href  string `json:"href"`
}

// Guide is a page of the owners' own about an API, for one audience.
type Guide struct {
	ID       string   `json:"id,omitempty"` // stays the same when the guide is edited
	Title    string   `json:"title"`
	Audience Audience `json:"audience"`
	Body     string   `json:"body,omitempty"` // markdown: render it through document.Markdown only
}

// Successor is what takes the place of a version.
type Successor struct {
	API     string // slug, alias or id; empty: the same API
	Version string // line; empty: the newest
}

// ParseSuccessor reads "payments", "payments/3" or, for a version of the same API, "/3".
func ParseSuccessor(s string) Successor {
	api, version, _ := strings.Cut(strings.TrimSpace(s), "/")
	return Successor{API: strings.TrimSpace(api), Version: strings.TrimSpace(version)}
}

// String is what ParseSuccessor reads.
func (s Successor) String() string {
	if s.Version == "" {
		return s.API
	}
	return s.API + "/" + s.Version
}
