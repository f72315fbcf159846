package web

import (
	"strings"

	"concierge/portal/api"
	"concierge/portal/told"
	"concierge/portal/web/ui"
)

// toldKeys are what the sentences of package told say.
var toldKeys = map[told.Sentence]string{
	told.OverlapRange:           "told.overlap_range",
	told.OneKeyAtATime:          "told.one_key_at_a_time",
	told.SecretUnseen:           "told.secret_unseen",
	told.NotClaimable:           "told.not_claimable",
	told.EndpointGone:           "told.endpoint_gone",
	told.OtherDivisionServes:    "told.other_division_serves",
	told.ClaimUnderWay:          "told.claim_under_way",
	told.HasKey:                 "told.has_key",
	told.RotationUnderWay:       "told.rotation_under_way",
	told.OnlyActiveRotates:      "told.only_active_rotates",
	told.ApplicationName:        "told.application_name",
	told.NoKeyHere:              "told.no_key_here",
	told.HasSubscription:        "told.has_subscription",
	told.NoPlan:                 "told.no_plan",
	told.SubscriptionDecided:    "told.subscription_decided",
	told.SubscriptionFrozen:     "told.subscription_frozen",
	told.NotFrozen:              "told.not_frozen",
	told.ClassifiedMeanwhile:    "told.classified_meanwhile",
	told.NoteReady:              "told.note_ready",
	told.NoteNotMade:            "told.note_not_made",
	told.NoteUnseen:             "told.note_unseen",
	told.NoteAnswerLost:         "told.note_answer_lost",
	told.NoteRetried:            "told.note_retried",
	told.NoteFollows:            "told.note_follows",
	told.NoteEnded:              "told.note_ended",
	told.NoteFoundWorking:       "told.note_found_working",
	told.SameAPI:                "told.same_api",
	told.OtherDivisionAsked:     "told.other_division_asked",
	told.JoinedMeanwhile:        "told.joined_meanwhile",
	told.ChooseSome:             "told.choose_some",
	told.ReviewDecided:          "told.review_decided",
	told.ReviewOpen:             "told.review_open",
	told.NotUndoneHere:          "told.not_undone_here",
	told.PublishedAgain:         "told.published_again",
	told.RenamedLater:           "told.renamed_later",
	told.JoinedLater:            "told.joined_later",
	told.KeysSince:              "told.keys_since",
	told.EntryJoinedLater:       "told.entry_joined_later",
	told.HoldsNoMore:            "told.holds_no_more",
	told.NothingLeft:            "told.nothing_left",
	told.OwnDocument:            "told.own_document",
	told.AdministratorsDocument: "told.administrators_document",
	told.SyncRuns:               "told.sync_runs",
	told.PlanRuns:               "told.plan_runs",
	told.RunOvertaken:           "told.run_overtaken",
	told.RunWaitsNot:            "told.run_waits_not",
	told.GatewayPaused:          "told.gateway_paused",
	told.RulesUnseen:            "told.rules_unseen",
	told.RulesInFile:            "told.rules_in_file",
	told.GatewayInFile:          "told.gateway_in_file",
	told.GatewayTaken:           "told.gateway_taken",
	told.JobDone:                "told.job_done",
	told.JobOther:               "told.job_other",
	told.JobRunning:             "told.job_running",
	told.SiteLocal:              "told.site_local",
	told.SiteName:               "told.site_name",
	told.WorkerJoined:           "told.worker_joined",
	told.NoOrganisation:         "told.no_organisation",
	told.OrganisationDisabled:   "told.organisation_disabled",
	told.PersonDisabled:         "told.person_disabled",
	told.PersonMember:           "told.person_member",
	told.NotYourself:            "told.not_yourself",
	told.NotYourOrganisation:    "told.not_your_organisation",
	told.LastAdministrator:      "told.last_administrator",
	told.OnlyInternalDivision:   "told.only_internal_division",
	told.PasswordLong:           "told.password_long",
	told.PasswordText:           "told.password_text",
	told.PasswordShort:          "told.password_short",
	told.PasswordEmail:          "told.password_email",
	told.PasswordCommon:         "told.password_common",
	told.EmailWrong:             "told.email_wrong",
	told.EmailTaken:             "told.email_taken",
	told.NameTaken:              "told.name_taken",
	told.RoleInternal:           "told.role_internal",
	told.NotInOrganisation:      "told.not_in_organisation",
	told.TokenDays:              "told.token_days",
	told.TokenMany:              "told.token_many",
	told.TextsOvertaken:         "told.texts_overtaken",
	told.TeamElsewhere:          "told.team_elsewhere",
	told.NoEndActive:            "told.no_end_active",
	told.SunsetDay:              "told.sunset_day",
	told.NoSuccessor:            "told.no_successor",
	told.LineLong:               "told.line_long",
	told.LinkStarts:             "told.link_starts",
	told.AudienceMark:           "told.audience_mark",
	told.TextsMany:              "told.texts_many",
	told.TextTwice:              "told.text_twice",
	told.ContactEmail:           "told.contact_email",
	told.LinkHalf:               "told.link_half",
	told.ListsLong:              "told.lists_long",
	told.GuideTitle:             "told.guide_title",
	told.GuideLong:              "told.guide_long",
	told.GuideTwice:             "told.guide_twice",
	told.GuidesMany:             "told.guides_many",
	told.NoLifecycle:            "told.no_lifecycle",
	told.NoteLong:               "told.note_long",
	told.NoAudience:             "told.no_audience",
	told.GatewayName:            "told.gateway_name",
	told.GatewayRenamed:         "told.gateway_renamed",
	told.GatewayAddress:         "told.gateway_address",
	told.CredentialsAgain:       "told.credentials_again",
	told.NoKind:                 "told.no_kind",
	told.SyncsOften:             "told.syncs_often",
	told.EveryWrong:             "told.every_wrong",
	told.BudgetNegative:         "told.budget_negative",
	told.SiteOwn:                "told.site_own",
	told.SiteWrong:              "told.site_wrong",
	told.NetworkPort:            "told.network_port",
	told.NetworkWrong:           "told.network_wrong",
	told.NoAxis:                 "told.no_axis",
	told.BoundsOutside:          "told.bounds_outside",
	told.BoundsOfGateway:        "told.bounds_of_gateway",
	told.RulePattern:            "told.rule_pattern",
	told.RuleEmpty:              "told.rule_empty",
	told.AddressUnread:          "told.address_unread",
	told.AddressScheme:          "told.address_scheme",
	told.AddressExtra:           "told.address_extra",
	told.NoteKeysUnsaid:         "told.note_keys_unsaid",
	told.NoteKeysHidden:         "told.note_keys_hidden",
}

// thingKeys are what package told calls the parts of an API's texts.
var thingKeys = map[string]string{
	told.ASummary:      "told.a_summary",
	told.AContactName:  "told.a_contact_name",
	told.AContactEmail: "told.a_contact_email",
	told.AContactPage:  "told.a_contact_page",
	told.AContactChat:  "told.a_contact_chat",
	told.ATag:          "told.a_tag",
	told.ALinkTitle:    "told.a_link_title",
	told.ALink:         "told.a_link",
	told.AGuideTitle:   "told.a_guide_title",
	told.AText:         "told.a_text",
	told.AGuide:        "told.a_guide",
}

func (v *visit) thing(english string) string {
	if key, ok := thingKeys[english]; ok {
		return v.text.T(key)
	}
	return english
}

// nouns says the name of an axis, an audience, an environment or a lifecycle, or a list of them as fmt writes it.
func (v *visit) nouns(value string) string {
	if inner, ok := strings.CutPrefix(value, "["); ok {
		return strings.Join(each(strings.Fields(strings.TrimSuffix(inner, "]")), v.nouns), ", ")
	}
	for _, name := range []func(string) string{v.text.Axis, v.text.Audience, v.text.Environment, v.text.Lifecycle} {
		if said := name(value); said != value {
			return said
		}
	}
	return value
}

// sentence says one in the reader's language; ok is false for one that these pages do not know.
func (v *visit) sentence(t told.Sentence, values []string) (said string, ok bool) {
	key, ok := toldKeys[t]
	if !ok || len(values) < t.Values() {
		return "", false
	}
	var pairs []any
	for i, value := range values {
		switch t {
		case told.NotClaimable, told.SubscriptionDecided:
			value = v.text.SubscriptionState(value)
		case told.ReviewDecided:
			value = v.text.ReviewState(value)
		case told.RoleInternal:
			value = v.text.Role(value)
		case told.RulePattern:
			value = v.text.MatchField(value)
		case told.TextTwice, told.AudienceMark, told.NoAudience, told.NoLifecycle, told.NoAxis, told.BoundsOutside, told.BoundsOfGateway:
			value = v.nouns(value)
		case told.LineLong, told.LinkStarts:
			value = v.thing(value)
		}
		pairs = append(pairs, string(rune('A'+i)), value)
	}
	return v.text.T(key, pairs...), true
}

// told is what a problem says in the reader's language, in English where there are no words of ours; none where its own words are
// not for people.
func (v *visit) told(p api.Problem) []ui.Said {
	detail := detail(p)
	switch {
	case detail == "":
		return nil
	case len(p.Reasons) > 0:
		return each(p.Reasons, v.reason)
	}
	return []ui.Said{v.reason(api.ProblemReason{Reason: p.Reason, Values: p.Values, Detail: detail})}
}

func (v *visit) reason(r api.ProblemReason) ui.Said {
	said, ok := v.sentence(told.Sentence(r.Reason), r.Values)
	if !ok {
		return ui.Said{Text: r.Detail, English: true}
	}
	if r.Rule > 0 {
		said = v.text.T("told.in_rule", "Rule", v.text.Number(r.Rule), "Text", said)
	}
	return ui.Said{Text: said}
}

// keysRefused says why no key can be had. What the gateway itself says of it is said as it is.
func (v *visit) keysRefused(text string) ui.Said {
	if said := v.note(text); !said.English {
		return said
	}
	return v.warned(text)
}

// note says what a key waits for, or came to.
func (v *visit) note(text string) ui.Said {
	if t, ok := told.Note(text); ok {
		said, _ := v.sentence(t, nil)
		return ui.Said{Text: said}
	}
	return ui.Said{Text: text, English: text != ""}
}
