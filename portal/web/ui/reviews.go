package ui

import (
	"slices"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
)

// ReviewsPath is where people say what is one API.
const ReviewsPath = "/reviews"

// RenamesPath is where new names of a gateway are accepted together.
const RenamesPath = "/accept-renames"

// Renames is the page that lists the new names that leave no choice.
type Renames struct {
	Form
	Items   []Review
	Several int    // that need an answer each
	Gateway string // whose they are; empty: of all
}

// Reviews is the page that lists them.
type Reviews struct {
	Items       []Review
	States      []Link
	State       string
	Form        // gateway and division, as chosen
	Gateways    []Option
	Divisions   []Option
	Filtered    bool // some may be left out
	Open        bool // those that wait are listed
	First, Next string
}

// renames counts the open questions about new names on this page of the list.
func (r Reviews) renames() (n int) {
	for _, i := range r.Items {
		if i.Rename && i.State == "open" {
			n++
		}
	}
	return n
}

// Review is a question for a person.
type Review struct {
	ID, State  string
	Rename     bool
	Score      string
	Reasons    []Said
	One        ReviewSide
	Other      *ReviewSide
	NewName    string
	Across     bool // two divisions have to agree
	Missing    []string
	CanUndo    bool
	Href       string
	Opened     time.Time
	Decided    *time.Time
	DecidedBy  string
	Operations []ComparedOperation
	Compare    string // address of all differences of the two documents; empty: there are not two
	Skip       string // address of the next open one; empty: it was the last
	Answers    int    // of subscriptions that no answer moves
}

// shared are the operations that both documents have, or those that only the one or only the other has.
func (r Review) shared(one, other bool) (found []ComparedOperation) {
	for _, o := range r.Operations {
		if o.One == one && o.Other == other {
			found = append(found, o)
		}
	}
	return found
}

// OtherTitle names the second of the two.
func (r Review) OtherTitle() string {
	if r.Other != nil {
		return r.Other.Title
	}
	return r.NewName
}

// gateways names where the two are published.
func (r Review) gateways() string {
	if r.Other == nil || r.Other.Deployment.Gateway == r.One.Deployment.Gateway {
		return r.One.Deployment.Gateway
	}
	return r.One.Deployment.Gateway + " · " + r.Other.Deployment.Gateway
}

// Name is what the page of a review is called.
func (r Review) Name(t Text) string {
	if r.Rename {
		return t.T("review.rename_of", "One", r.One.Title)
	}
	return t.T("review.join_of", "One", r.One.Title, "Other", r.OtherTitle())
}

// ReviewSide is one of the two.
type ReviewSide struct {
	API, Title, Division string
	Deployment           EntryDeployment
	Host, BasePath       string // of its address
	Subscriptions        int
}

// ComparedOperation is one method of one path, and which document has it.
type ComparedOperation struct {
	Method, Path string
	One, Other   bool
}

// EntryDeployment is a deployment as those who govern its entry see it.
type EntryDeployment struct {
	ID, Title, Gateway, RemoteID, Version, Environment, Audience, Division, BaseURL, Owner, Upstream string
	Published                                                                                        bool
	Since                                                                                            *time.Time
	JoinedBy                                                                                         string
	Reasons                                                                                          []Said
}

// Composition is the page that says which deployments are one API.
type Composition struct {
	APIHead
	Form
	API, Division string
	Aliases       []string
	Deployments   []EntryDeployment
	Operates      bool // the person sees gateways, and what is placed on them
	Unsettled     bool // some were joined automatically and are not confirmed
	Acts          []EntryAct
	Path          string
}

// EntryAct is what a person did to an entry.
type EntryAct struct {
	ID          string
	Split       bool
	Deployments int
	By          string
	At          time.Time
	Undone      *time.Time
	Undo        string // address of the question
}

var reviewStateKeys = map[string]string{"open": "review.open", "accepted": "review.accepted", "rejected": "review.rejected"}

// ReviewState names one.
func (t Text) ReviewState(state string) string { return t.named(reviewStateKeys, state) }

// JoinReason says what speaks for or against two deployments being one API. A code that these pages do not know is said by
// the fallback, which is English.
func (t Text) JoinReason(code string, args []string, fallback string) Said {
	args = append(slices.Clone(args), "", "", "")
	said, err := t.localizer.Localize(&i18n.LocalizeConfig{MessageID: "joinreason." + code, TemplateData: data([]any{"A", args[0], "B", args[1], "C", args[2]})})
	if err != nil {
		return Said{Text: fallback, English: true}
	}
	return Said{Text: said}
}
