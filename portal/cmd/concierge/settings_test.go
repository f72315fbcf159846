package main

import (
	"testing"

	"concierge/portal/web/ui"
)

// TestSettingsAreSaid: the form of every kind of gateway says in each language what its settings are for, in English as the kind
// itself does.
func TestSettingsAreSaid(t *testing.T) {
	for kind, k := range kinds {
		for _, s := range k.Settings {
			asked := ui.GatewaySetting{Name: s.Name, Title: s.Title, Help: s.Help}
			if said := ui.TextIn("en").Setting(kind, asked); said != asked {
				t.Errorf("%s, %s is said %+v, the kind says %+v", kind, s.Name, said, asked)
			}
			if said := ui.TextIn("fr").Setting(kind, asked); said.Title == s.Title || said.Help == s.Help {
				t.Errorf("%s, %s is not said in French: %+v", kind, s.Name, said)
			}
		}
	}
}
