package web

import (
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/told"
	"concierge/portal/web/ui"
)

// TestWarningsAreSaid: every warning has words in both languages that hold all its values, and what is no warning is said as it is.
func TestWarningsAreSaid(t *testing.T) {
	for _, language := range ui.Languages {
		v := &visit{text: ui.TextIn(language)}
		for w, n := range told.Warnings.Sentences() {
			var args []any
			for i := range n {
				args = append(args, "<value"+string(rune('0'+i))+">")
			}
			said := v.warned("Payments (test): " + told.Warning(w, args...) + told.OnlyAdministrators)
			if said.English || !strings.HasPrefix(said.Text, "Payments (test): ") || !strings.Contains(said.Text, v.text.T("warning.only_administrators")) || strings.Contains(said.Text, "⟦") {
				t.Errorf("%s: %s: %+v", language, w, said)
			}
			for _, a := range args {
				if !strings.Contains(said.Text, a.(string)) {
					t.Errorf("%s: %s does not say %s: %s", language, w, a, said.Text)
				}
			}
		}
	}
	french := &visit{text: ui.TextIn("fr")}
	for text, want := range map[string]string{
		"Payments: " + told.Warning(told.OutsideBounds, "audience", "public", told.LayerPhrases[portal.LayerRule]):                             "Payments: Public visé « public »",
		"Payments: " + told.Warning(told.NotTakenOver, "API description: invalid: it is not UTF-8 text; save it as UTF-8"):                     "UTF-8",
		"Payments: " + told.Warning(told.NotTakenOver, told.Warning(told.FetchForbidden, "docs.example")+": denied") + told.OnlyAdministrators: "rien n’est récupéré pour cette passerelle",
	} {
		if said := french.warned(text); said.English || !strings.Contains(said.Text, want) || strings.Contains(said.Text, "not taken over") {
			t.Errorf("%q is said %+v", text, said)
		}
	}
	if said := french.warned("the gateway is slow" + told.OnlyAdministrators); !said.English || said.Text != "the gateway is slow"+told.OnlyAdministrators {
		t.Errorf("%+v", said)
	}
}
