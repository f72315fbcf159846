package web

import (
	"strings"

	"concierge/portal/api"
	"concierge/portal/told"
	"concierge/portal/web/ui"
)

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
	if n := t.Values(); n < 0 || len(values) < n {
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
	return v.text.T("told."+string(t), pairs...), true
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
