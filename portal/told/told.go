// Package told holds the sentences that people are told when something is refused, and what a key's note says. Errors and notes
// carry them in English; whoever shows them finds the sentence by its name and says it in the reader's language.
package told

import "fmt"

// The sentences. Those that are notes of keys begin with Note.
const (
	OverlapRange           Sentence = "overlap_range"
	OneKeyAtATime          Sentence = "one_key_at_a_time"
	SecretUnseen           Sentence = "secret_unseen"
	NotClaimable           Sentence = "not_claimable"
	EndpointGone           Sentence = "endpoint_gone"
	OtherDivisionServes    Sentence = "other_division_serves"
	ClaimUnderWay          Sentence = "claim_under_way"
	HasKey                 Sentence = "has_key"
	RotationUnderWay       Sentence = "rotation_under_way"
	OnlyActiveRotates      Sentence = "only_active_rotates"
	ApplicationName        Sentence = "application_name"
	NoKeyHere              Sentence = "no_key_here"
	HasSubscription        Sentence = "has_subscription"
	NoPlan                 Sentence = "no_plan"
	SubscriptionDecided    Sentence = "subscription_decided"
	SubscriptionFrozen     Sentence = "subscription_frozen"
	NotFrozen              Sentence = "not_frozen"
	ClassifiedMeanwhile    Sentence = "classified_meanwhile"
	NoteReady              Sentence = "note_ready"
	NoteNotMade            Sentence = "note_not_made"
	NoteUnseen             Sentence = "note_unseen"
	NoteAnswerLost         Sentence = "note_answer_lost"
	NoteRetried            Sentence = "note_retried"
	NoteFollows            Sentence = "note_follows"
	NoteEnded              Sentence = "note_ended"
	NoteFoundWorking       Sentence = "note_found_working"
	SameAPI                Sentence = "same_api"
	OtherDivisionAsked     Sentence = "other_division_asked"
	JoinedMeanwhile        Sentence = "joined_meanwhile"
	ChooseSome             Sentence = "choose_some"
	ReviewDecided          Sentence = "review_decided"
	ReviewOpen             Sentence = "review_open"
	NotUndoneHere          Sentence = "not_undone_here"
	PublishedAgain         Sentence = "published_again"
	RenamedLater           Sentence = "renamed_later"
	JoinedLater            Sentence = "joined_later"
	KeysSince              Sentence = "keys_since"
	EntryJoinedLater       Sentence = "entry_joined_later"
	HoldsNoMore            Sentence = "holds_no_more"
	NothingLeft            Sentence = "nothing_left"
	OwnDocument            Sentence = "own_document"
	AdministratorsDocument Sentence = "administrators_document"
	SyncRuns               Sentence = "sync_runs"
	PlanRuns               Sentence = "plan_runs"
	RunOvertaken           Sentence = "run_overtaken"
	RunWaitsNot            Sentence = "run_waits_not"
	GatewayPaused          Sentence = "gateway_paused"
	RulesUnseen            Sentence = "rules_unseen"
	RulesInFile            Sentence = "rules_in_file"
	GatewayInFile          Sentence = "gateway_in_file"
	GatewayTaken           Sentence = "gateway_taken"
	JobDone                Sentence = "job_done"
	JobOther               Sentence = "job_other"
	JobRunning             Sentence = "job_running"
	SiteLocal              Sentence = "site_local"
	SiteName               Sentence = "site_name"
	WorkerJoined           Sentence = "worker_joined"
	NoOrganisation         Sentence = "no_organisation"
	OrganisationDisabled   Sentence = "organisation_disabled"
	PersonDisabled         Sentence = "person_disabled"
	PersonMember           Sentence = "person_member"
	NotYourself            Sentence = "not_yourself"
	NotYourOrganisation    Sentence = "not_your_organisation"
	LastAdministrator      Sentence = "last_administrator"
	OnlyInternalDivision   Sentence = "only_internal_division"
	PasswordLong           Sentence = "password_long"
	PasswordText           Sentence = "password_text"
	PasswordShort          Sentence = "password_short"
	PasswordEmail          Sentence = "password_email"
	PasswordCommon         Sentence = "password_common"
	EmailWrong             Sentence = "email_wrong"
	EmailTaken             Sentence = "email_taken"
	NameTaken              Sentence = "name_taken"
	RoleInternal           Sentence = "role_internal"
	NotInOrganisation      Sentence = "not_in_organisation"
	TokenDays              Sentence = "token_days"
	TokenMany              Sentence = "token_many"
	TextsOvertaken         Sentence = "texts_overtaken"
	TeamElsewhere          Sentence = "team_elsewhere"
	NoEndActive            Sentence = "no_end_active"
	SunsetDay              Sentence = "sunset_day"
	NoSuccessor            Sentence = "no_successor"
	LineLong               Sentence = "line_long"
	LinkStarts             Sentence = "link_starts"
	AudienceMark           Sentence = "audience_mark"
	TextsMany              Sentence = "texts_many"
	TextTwice              Sentence = "text_twice"
	ContactEmail           Sentence = "contact_email"
	LinkHalf               Sentence = "link_half"
	ListsLong              Sentence = "lists_long"
	GuideTitle             Sentence = "guide_title"
	GuideLong              Sentence = "guide_long"
	GuideTwice             Sentence = "guide_twice"
	GuidesMany             Sentence = "guides_many"
	NoLifecycle            Sentence = "no_lifecycle"
	NoteLong               Sentence = "note_long"
	NoAudience             Sentence = "no_audience"
	GatewayName            Sentence = "gateway_name"
	GatewayRenamed         Sentence = "gateway_renamed"
	GatewayAddress         Sentence = "gateway_address"
	CredentialsAgain       Sentence = "credentials_again"
	NoKind                 Sentence = "no_kind"
	SyncsOften             Sentence = "syncs_often"
	EveryWrong             Sentence = "every_wrong"
	BudgetNegative         Sentence = "budget_negative"
	SiteOwn                Sentence = "site_own"
	SiteWrong              Sentence = "site_wrong"
	NetworkPort            Sentence = "network_port"
	NetworkWrong           Sentence = "network_wrong"
	NoAxis                 Sentence = "no_axis"
	BoundsOutside          Sentence = "bounds_outside"
	BoundsOfGateway        Sentence = "bounds_of_gateway"
	RulePattern            Sentence = "rule_pattern"
	RuleEmpty              Sentence = "rule_empty"
	AddressUnread          Sentence = "address_unread"
	AddressScheme          Sentence = "address_scheme"
	AddressExtra           Sentence = "address_extra"
	NoteKeysUnsaid         Sentence = "note_keys_unsaid"
	NoteKeysHidden         Sentence = "note_keys_hidden"
)

// refusals are these sentences.
var refusals = NewBook(map[Sentence]string{
	OverlapRange:           "an overlap is between 0 and %s",
	OneKeyAtATime:          "this gateway holds one key at a time, so two cannot overlap: revoke this key, then claim a new one",
	SecretUnseen:           "nobody could see this key's secret, so it is being revoked; claim again",
	NotClaimable:           "no key can be claimed while the subscription is %s",
	EndpointGone:           "this key was asked for at an endpoint that is no longer yours: revoke it, then claim again",
	OtherDivisionServes:    "this API is now served by another division, which has to approve first; the request is with them",
	ClaimUnderWay:          "another claim of this key is under way",
	HasKey:                 "this subscription has a key already: rotate it, or revoke it first",
	RotationUnderWay:       "a rotation is under way: this key still works until it ends or is revoked",
	OnlyActiveRotates:      "only an active key can be rotated",
	ApplicationName:        "an application needs a name of 1 to 100 characters",
	NoKeyHere:              "no key can be had for %s here as its gateway is configured",
	HasSubscription:        "the application has this subscription already",
	NoPlan:                 "there is no plan %q; choose one of %s",
	SubscriptionDecided:    "it is %s already",
	SubscriptionFrozen:     "the subscription is frozen: its endpoint was classified anew, and whoever is responsible for it has to decide first; the keys that it has are as they were",
	NotFrozen:              "it is not frozen",
	ClassifiedMeanwhile:    "the endpoint was classified anew at the same time; try again",
	NoteReady:              "ready: claim again to see the key",
	NoteNotMade:            "the gateway did not make this key; claim again",
	NoteUnseen:             "nobody saw its secret",
	NoteAnswerLost:         "the gateway's answer was lost and nobody saw this key's secret",
	NoteRetried:            "the gateway could not be asked; it is tried again",
	NoteFollows:            "the gateway confirms; its data plane follows",
	NoteEnded:              "its time has ended",
	NoteFoundWorking:       "it was found working on the gateway after its end",
	SameAPI:                "%s is that API already",
	OtherDivisionAsked:     "it belongs to another division, which is asked to agree",
	JoinedMeanwhile:        "it was joined to another one meanwhile",
	ChooseSome:             "choose deployments of this API, and leave at least one",
	ReviewDecided:          "it is %s already",
	ReviewOpen:             "it is open",
	NotUndoneHere:          "what came of it cannot be undone here; split the API instead",
	PublishedAgain:         "its gateway publishes it again under its old name: these are two",
	RenamedLater:           "it has another name on its gateway by now: take that rename back first",
	JoinedLater:            "its API was joined or split later: undo that first",
	KeysSince:              "%d keys were made since, under subscriptions from before, and open what has the new name: revoke them, then take the rename back",
	EntryJoinedLater:       "the API was joined to another one later: undo that first",
	HoldsNoMore:            "it does not hold any more",
	NothingLeft:            "nothing of it is there any more",
	OwnDocument:            "its gateway has a document of its own; change it there",
	AdministratorsDocument: "an administrator of its gateway uploaded its document; ask them to change it",
	SyncRuns:               "a sync is running; wait for it to end",
	PlanRuns:               "it is being worked out what a sync would do; wait for it to end",
	RunOvertaken:           "sync %s of gateway %s was overtaken by sync %s: look at what a sync would do now",
	RunWaitsNot:            "sync %s of gateway %s does not wait for anybody",
	GatewayPaused:          "gateway %s is paused",
	RulesUnseen:            "what these rules would do has not been looked at, or has changed since: look at the preview, then save",
	RulesInFile:            "gateway %s comes from the configuration file: change its rules there",
	GatewayInFile:          "gateway %s comes from the configuration file: change it there",
	GatewayTaken:           "a gateway of this name is registered; choose another name",
	JobDone:                "job %s has done its work",
	JobOther:               "another job does the same: let that one run",
	JobRunning:             "job %s is running",
	SiteLocal:              "the site %q is the portal's own process and has no workers",
	SiteName:               "the name of a site has lower-case letters, digits and dashes, at most 63",
	WorkerJoined:           "a worker has joined the site with this token already: revoke that worker instead",
	NoOrganisation:         "there is no such organisation",
	OrganisationDisabled:   "the organisation is disabled; enable it first",
	PersonDisabled:         "the person is disabled; enable them first",
	PersonMember:           "the person is a member already; a new link is made by inviting them again from their entry",
	NotYourself:            "you cannot disable yourself; ask another administrator",
	NotYourOrganisation:    "you act for this organisation; ask an administrator of another one to disable it",
	LastAdministrator:      "no platform administrator who can sign in would be left; make another one first",
	OnlyInternalDivision:   "only an internal organisation belongs to a division",
	PasswordLong:           "the password is longer than %d bytes",
	PasswordText:           "the password is not UTF-8 text",
	PasswordShort:          "the password needs at least %d characters; a few words in a row are fine",
	PasswordEmail:          "the password must not be the e-mail address",
	PasswordCommon:         "the password is one of the first that anybody would try; choose another",
	EmailWrong:             "the e-mail address is not one; write it like name@example.com",
	EmailTaken:             "the e-mail address is taken",
	NameTaken:              "the name %q is taken",
	RoleInternal:           "the role %s is for people of internal organisations",
	NotInOrganisation:      "%s is not in %s: invite them there first",
	TokenDays:              "a token lives 1 to %d days",
	TokenMany:              "you have %d tokens; revoke one first",
	TextsOvertaken:         "somebody else has saved these texts since you began; look at theirs, then save yours on top of them",
	TeamElsewhere:          "choose a team of an organisation of the API's division",
	NoEndActive:            "only what is deprecated or retired has a sunset and a successor",
	SunsetDay:              "the sunset is before 1971; check its year",
	NoSuccessor:            "there is no API or version %q to succeed it; write an API's name, its name and version like payments/3, or /3 for a version of the same API",
	LineLong:               "%s needs at most %d characters in one line",
	LinkStarts:             "%s needs an address that begins with https:// or http://",
	AudienceMark:           "%s has to be marked for one of the audiences %v, not %q",
	TextsMany:              "there is one text for each audience",
	TextTwice:              "there is one text for %s",
	ContactEmail:           "a contact's e-mail address is written like name@example.com",
	LinkHalf:               "a link needs a title and an address",
	ListsLong:              "there are at most %d tags and %d links for an audience",
	GuideTitle:             "a guide needs a title",
	GuideLong:              "the guide %q needs to be text of at most %d bytes",
	GuideTwice:             "the guide %q has an id that is none, or another guide's",
	GuidesMany:             "there are at most %d guides, of %d bytes together",
	NoLifecycle:            "there is no lifecycle %q; choose one of %v",
	NoteLong:               "a note needs at most %d characters and a successor at most %d",
	NoAudience:             "there is no audience %q; choose one of %v",
	GatewayName:            "its name %q is not of lower-case letters, digits and dashes, at most 63",
	GatewayRenamed:         "gateway %s cannot be given another short name",
	GatewayAddress:         "its address holds a user or a query; credentials belong into its secret settings",
	CredentialsAgain:       "its kind or address changes, so give its credentials again",
	NoKind:                 "there is no kind %q here",
	SyncsOften:             "syncs are %s apart; the least is %s",
	EveryWrong:             "every: write a duration such as 5m",
	BudgetNegative:         "its budget has a negative number; 0 is that of its kind",
	SiteOwn:                "it is of site %s, so its secrets, settings, budget and allow_private belong into the configuration of the worker there",
	SiteWrong:              "the name of its site %q is not of lower-case letters, digits and dashes, at most 63",
	NetworkPort:            "network %q: the port must be between 1 and 65535",
	NetworkWrong:           "network %q: write it as 10.0.0.0/8, 10.0.0.5, 10.0.0.5:8001 or [fd00::/8]:8001",
	NoAxis:                 "there is no axis %q; there are %v",
	BoundsOutside:          "%s %q is outside the bounds %q",
	BoundsOfGateway:        "%s %q is outside the bounds of gateway %s",
	RulePattern:            "%s %q is not a pattern",
	RuleEmpty:              "rule %d does nothing",
	AddressUnread:          "the consumers' address is none",
	AddressScheme:          "the consumers' address %q does not start with https://host or http://host",
	AddressExtra:           "the consumers' address of %s holds a user, a query or a fragment",
	NoteKeysUnsaid:         "the gateway does not say why",
	NoteKeysHidden:         "no key can be had here as the gateway is configured; its administrators can see why",
})

// Error is a sentence with its values. It has no kind of its own: see As.
type Error struct {
	Sentence Sentence
	Values   []string // in the order of the sentence
	text     string
}

// With says the sentence with its values.
func (s Sentence) With(values ...any) *Error {
	e := &Error{Sentence: s, text: refusals.Text(s, values...)}
	for _, v := range values {
		e.Values = append(e.Values, fmt.Sprint(v))
	}
	return e
}

// As refuses something with the sentence; kind is an error of package portal, such as portal.ErrInvalid.
func (s Sentence) As(kind error, values ...any) error {
	return fmt.Errorf("%w: %w", s.With(values...), kind)
}

func (e *Error) Error() string { return e.text }

// Things are what some sentences begin with: parts of what an API's owners write.
var Things = []string{ASummary, AContactName, AContactEmail, AContactPage, AContactChat, ATag, ALinkTitle, ALink, AGuideTitle, AText, AGuide}

// The things.
const (
	ASummary      = "a summary"
	AContactName  = "a contact's name"
	AContactEmail = "a contact's e-mail address"
	AContactPage  = "a contact's page"
	AContactChat  = "a contact's channel"
	ATag          = "a tag"
	ALinkTitle    = "a link's title"
	ALink         = "a link"
	AGuideTitle   = "a guide's title"
	AText         = "a text"
	AGuide        = "a guide"
)

// InRule says in which of a gateway's placement rules something is wrong.
type InRule struct {
	Rule int // from 1
	Err  error
}

func (e *InRule) Error() string { return fmt.Sprintf("rule %d: %v", e.Rule, e.Err) }

func (e *InRule) Unwrap() error { return e.Err }

// Sentences are those that are no warnings, with how many values each has.
func Sentences() map[Sentence]int { return refusals.Sentences() }

// Values is how many values such a sentence has; -1 for none of ours.
func (s Sentence) Values() int { return refusals.Values(s) }

// Note finds the sentence that a key's note is, which is kept in English. ok is false for words of a gateway.
func Note(text string) (s Sentence, ok bool) {
	s, values, ok := refusals.Find(text)
	return s, ok && len(values) == 0
}
