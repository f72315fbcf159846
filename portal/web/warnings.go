package web

import (
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/told"
	"concierge/portal/web/ui"
)

// warned says in the reader's language what a sync, a rule or a document was warned about. What is no warning of ours is said
// as it is, in English.
func (v *visit) warned(text string) ui.Said {
	text, hidden := strings.CutSuffix(text, told.OnlyAdministrators)
	about, w, values, ok := told.WarningIn(text)
	if !ok {
		if said, ours := v.unread(text); ours {
			return ui.Said{Text: said}
		}
		if hidden {
			text += told.OnlyAdministrators
		}
		return ui.Said{Text: text, English: text != ""}
	}
	var pairs []any
	for i, value := range values {
		pairs = append(pairs, string(rune('A'+i)), v.inWarning(w, value))
	}
	said := v.text.T("warning."+string(w), pairs...)
	if about != "" {
		said = about + ": " + said
	}
	if hidden {
		said += "; " + v.text.T("warning.only_administrators")
	}
	return ui.Said{Text: said}
}

// inWarning says one value of a warning: an axis and a layer by their names, and a cause as a warning of its own.
func (v *visit) inWarning(w told.Sentence, value string) string {
	for layer, phrase := range told.LayerPhrases {
		if phrase == value {
			return v.layer(string(layer))
		}
	}
	switch {
	case slices.Contains(portal.Axes, portal.Axis(value)):
		return v.text.Axis(value)
	case w == told.NotTakenOver || w == told.NoAddress || w == told.RuleNoAddress && strings.HasPrefix(value, "its "):
		return v.warned(value).Text
	}
	return v.matched(value)
}

// matchedKeys are what a rule, or a name in a thing of the gateway, is about.
var matchedKeys = map[string]string{
	"stage": "warning.at_stage", "host": "warning.at_host", "path": "warning.at_path", "tag": "warning.at_tag", "name": "warning.at_name",
}

// matched says what catalog.Match says of itself, and what is none of it as it is.
func (v *visit) matched(value string) string {
	if value == "everything" {
		return v.text.T("warning.at_everything")
	}
	parts := strings.Split(value, ", ")
	for i, part := range parts {
		field, pattern, _ := strings.Cut(part, " ")
		if key, ok := matchedKeys[field]; ok && pattern != "" {
			parts[i] = v.text.T(key, "A", pattern)
		}
	}
	return strings.Join(parts, ", ")
}
