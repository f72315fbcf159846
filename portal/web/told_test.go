package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/told"
	"concierge/portal/web/ui"
)

// TestSentencesAreSaid: every sentence has words in both languages that hold all its values, also where it comes from a portal
// elsewhere, and what is none of them is said as it is.
func TestSentencesAreSaid(t *testing.T) {
	one := func(v *visit, p api.Problem) ui.Said {
		all := v.told(p)
		if len(all) != 1 {
			t.Fatalf("%+v is said %+v", p, all)
		}
		return all[0]
	}
	for _, language := range ui.Languages {
		v := &visit{text: ui.TextIn(language)}
		for s, n := range told.Sentences() {
			values := []any{"requested", "other", "third"}[:n]
			problem, _ := api.ProblemOf(fmt.Errorf("saving: %w: %w", s.With(values...), portal.ErrConflict))
			said := one(v, problem)
			if said.English || said.Text == "" || strings.ContainsAny(said.Text, "⟦{%") {
				t.Errorf("%s: %s: %+v", language, s, said)
			}
			if n > 1 && !strings.Contains(said.Text, "other") {
				t.Errorf("%s: %s does not say its values: %s", language, s, said.Text)
			}
			if note := v.note(s.With(values...).Error()); n == 0 && note.English {
				t.Errorf("%s: %s as a note: %+v", language, s, note)
			}
		}
	}
	french := &visit{text: ui.TextIn("fr")}
	if got := french.words(&portal.ConflictError{Kind: "subscription", ID: "sub_1", Err: told.NotClaimable.With("requested")}); !strings.Contains(got, "Demand") {
		t.Errorf("the state is said %q", got)
	}
	for _, err := range []error{
		fmt.Errorf("the moon is full: %w", portal.ErrInvalid),
		&api.Problem{Type: "/problems/conflict", Detail: "the moon is full", Reason: "of_a_newer_portal", Values: []string{"moon"}},
		&api.Problem{Type: "/problems/conflict", Detail: "the moon is full", Reason: string(told.NameTaken)},
	} {
		problem, _ := api.ProblemOf(err)
		if said := one(french, problem); said != (ui.Said{Text: "the moon is full", English: true}) {
			t.Errorf("%v is said %+v", err, said)
		}
	}
	if said := french.told(api.Problem{Type: "/problems/internal", Detail: "secret", Reason: string(told.HasKey)}); said != nil {
		t.Errorf("told %+v of what is not for people", said)
	}
	if note := french.note("the gateway is asleep"); note != (ui.Said{Text: "the gateway is asleep", English: true}) {
		t.Errorf("%+v", note)
	}
	if errors.Is(told.HasKey.With(), portal.ErrConflict) {
		t.Error("a sentence has no kind of its own")
	}
}

// TestSeveralSentencesAreSaid: of an error that joins several each is said, in its order, with the rule that it is about; what
// has no words of ours stays English. Here and where it comes from a portal elsewhere.
func TestSeveralSentencesAreSaid(t *testing.T) {
	several := errors.Join(
		fmt.Errorf("gateway kong: %w", &told.InRule{Rule: 2, Err: fmt.Errorf("%w: syntax error: %w", told.RulePattern.With("host", "["), portal.ErrInvalid)}),
		fmt.Errorf("gateway kong: no such setting: %w", portal.ErrInvalid),
		errors.Join(told.LineLong.With(told.ASummary, 500), told.BoundsOutside.As(portal.ErrInvalid, "audience", "public", []string{"internal", "partner"})),
	)
	want := []ui.Said{
		{Text: "Règle 2 : Hôte « [ » n’est pas un motif. Fermez chaque [ par un ], et ne terminez pas par une barre oblique inverse."},
		{Text: "gateway kong: no such setting", English: true},
		{Text: "Résumé : au plus 500 caractères, sur une seule ligne."},
		{Text: "Public visé « Public » est hors des limites Interne, Partenaire."},
	}
	french := &visit{text: ui.TextIn("fr")}
	problem, _ := api.ProblemOf(fmt.Errorf("saving: %w: %w", several, portal.ErrInvalid))
	if detail := problem.Detail; detail != "saving: "+several.Error() {
		t.Errorf("in English: %s", detail)
	}
	sent, err := json.Marshal(problem)
	if err != nil {
		t.Fatal(err)
	}
	var received api.Problem
	if err := json.Unmarshal(sent, &received); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]api.Problem{"here": problem, "received": received} {
		if said := french.told(p); !slices.Equal(said, want) {
			t.Errorf("%s: said\n%+v, want\n%+v", name, said, want)
		}
	}
}

func TestThingsAreSaid(t *testing.T) {
	if len(thingKeys) != len(told.Things) {
		t.Errorf("%d things have words, of %d", len(thingKeys), len(told.Things))
	}
	for _, language := range ui.Languages {
		v := &visit{text: ui.TextIn(language)}
		for _, thing := range told.Things {
			if said := v.thing(thing); said == thing || strings.Contains(said, "⟦") {
				t.Errorf("%s: %s is said %q", language, thing, said)
			}
		}
	}
}

// TestKeysRefused: why no key can be had is said in the reader's language where it is ours to say, else as the gateway says it.
func TestKeysRefused(t *testing.T) {
	french := &visit{text: ui.TextIn("fr")}
	for text, english := range map[string]bool{
		"": false, told.NoteKeysHidden.With().Error(): false, told.Warning(told.NoAddress, told.Warning(told.AddressUntold)): false, "the route has no plugin": true,
	} {
		if said := french.keysRefused(text); said.English != english || (said.Text == text) != (english || text == "") {
			t.Errorf("%q is said %+v", text, said)
		}
	}
}
