package ui

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// APIHead is what all pages of one API begin with.
type APIHead struct {
	Title, Summary, Owner string
	Tags                  []Link
	Tabs                  []Link
}

// Endpoints lists everywhere that the person is sent to.
type Endpoints struct {
	APIHead
	Items []EndpointRow
	More  int // that are not listed
}

// EndpointRow is one endpoint, with the page where its key can be had.
type EndpointRow struct {
	Endpoint
	Href   string
	Sunset *time.Time // nil: none is announced
}

// Changes is what differs between two sides of an API.
type Changes struct {
	APIHead
	Path     string // of the page
	Sides    []Option
	From, To string // values of the two that are chosen
	FromName string
	ToName   string
	Swap     string // address of the comparison the other way round
	Report   *ChangeReport
	Pending  bool // it is being worked out
	Again    string
}

// ChangeReport is the answer.
type ChangeReport struct {
	Same      bool
	Note      string // why only operations were compared
	Groups    []ChangeGroup
	More      int
	Touched   []TouchedRow
	MoreTouch bool
}

// ChangeGroup holds the changes of one level.
type ChangeGroup struct {
	Level string
	Count int
	Items []ChangeRow
}

// How many tags are shown before the others are folded away.
const (
	tagsOfAPI  = 12
	tagsOfCard = 6
)

// ChangeRow is one change. Text holds names between backticks.
type ChangeRow struct {
	Method, Path, Schema string
	Uses                 []Operation
	UsesMore             int
	Possible             bool
	Text                 Said
}

// TouchedRow is a subscription to one of the sides.
type TouchedRow struct {
	ID, Application, Organisation, State string
	Side                                 string // what the side is called
}

// Differs says on an API's page that what it shows differs from production.
type Differs struct {
	From, To                            string // environments, named
	Breaking, Compatible, Documentation int
	Href                                string
	Pending                             bool // it is being worked out
}

// Consumers is who uses an API.
type Consumers struct {
	APIHead
	States       []Link
	Versions     []Link // the first is all of them
	Environments []Link
	Filtered     bool
	Clear        string
	Export       string // address of the list as a file
	Items        []ConsumerRow
	First, Next  string
}

// ConsumerRow is one subscription. Only who decides about it is led to it, and shown its keys; others learn how many work.
type ConsumerRow struct {
	Subscription
	Governed           bool
	Keys               []Key
	Working            int
	LastAct            *time.Time
	ContactName, Email string // both empty: nobody is known
}

// Reference is a part of what an API's document says.
type Reference struct {
	APIHead
	Path                 string // of the page, for its filter
	Version, Environment string
	Application          string // whose answer this is; empty: a newcomer's
	Query                string
	Environments         []Link
	Total                int
	Found                int
	Groups               []ReferenceGroup
	Previous, Next       string
	JSON                 string
	Kind                 string      // of a document that is not OpenAPI; its operations are only named
	Operations           []Operation // of it
	Withheld             bool        // the document cannot be handed out to this person
	Unread               bool        // the document cannot be read
	Nowhere              bool        // this person has no endpoint there, and so no document
	Clear                string
}

// ReferenceGroup holds operations of one tag.
type ReferenceGroup struct {
	ID, Name string
	Markdown string // HTML made harmless
	Items    []ReferenceOperation
}

// ReferenceOperation is one operation.
type ReferenceOperation struct {
	ID, Method, Path, Summary string
	Deprecated                bool
	Markdown                  string // HTML made harmless
	Parameters                []ReferenceField
	Body                      *ReferenceBody
	Responses                 []ReferenceBody
	Open                      bool
}

// ReferenceBody is what is sent, or one answer.
type ReferenceBody struct {
	Status   string // of an answer
	Markdown string
	Required bool
	Content  []ReferenceContent
}

// ReferenceContent is one media type.
type ReferenceContent struct {
	Type   string
	Fields []ReferenceField
}

// ReferenceField is a parameter, a property, or what a list holds, with what is in it.
type ReferenceField struct {
	Name     string
	In       string // of a parameter
	Type     string
	Required bool
	Facts    []string // such as "max 80"
	Markdown string
	Fields   []ReferenceField
	Cut      bool // there is more in it that is not shown here
}

// quoted is a text in which every second part stood between backticks.
type quoted struct {
	text string
	code bool
}

func quotes(text string) []quoted {
	var parts []quoted
	code := false
	for {
		i := strings.IndexByte(text, '`')
		if i < 0 {
			return append(parts, quoted{text, false})
		}
		parts = append(parts, quoted{text[:i], code})
		text, code = text[i+1:], !code
	}
}

var levelTones = map[string]string{"breaking": toneBad, "compatible": toneGood, "documentation": toneInfo}

func levelName(ctx context.Context, level string) string {
	switch level {
	case "breaking":
		return T(ctx, "changes.breaking")
	case "compatible":
		return T(ctx, "changes.compatible")
	}
	return T(ctx, "changes.documentation")
}

// ariaPage marks the tab of the page itself.
func ariaPage(current bool) templ.Attributes {
	if !current {
		return nil
	}
	return templ.Attributes{"aria-current": "page"}
}

func numbered(name string, i int) string { return name + "-" + strconv.Itoa(i) }

func differsTone(d Differs) string {
	if d.Breaking > 0 {
		return toneWarn
	}
	return toneInfo
}

// differsCounts says how much differs, the gravest first.
func differsCounts(ctx context.Context, d Differs) string {
	var parts []string
	for _, c := range []struct {
		key string
		n   int
	}{{"differs.breaking", d.Breaking}, {"differs.compatible", d.Compatible}, {"differs.documentation", d.Documentation}} {
		if c.n > 0 {
			parts = append(parts, N(ctx, c.key, c.n))
		}
	}
	return strings.Join(parts, ", ") + "."
}
