package ui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oasdiff/oasdiff/checker"
)

// TestChanges: the messages of differences have all the names that the rules give, in both languages, and what has no message is
// said in English.
func TestChanges(t *testing.T) {
	english := checker.NewDefaultLocalizer()
	rules := map[string]bool{}
	for _, r := range checker.GetAllRules() {
		rules[r.Id] = true
	}
	for code, m := range changeKeys {
		own := !rules[code]
		given := strings.Count(english(code), "%!s(MISSING)")
		var names []any
		for i := range given {
			names = append(names, fmt.Sprintf("`name%d`", i))
		}
		text := english(code, names...)
		if own || m.key == "change.operation_removed" {
			text, names = "in our words", nil
		}
		for _, language := range Languages {
			said := TextIn(language).Change(code, text)
			if said.English || strings.Contains(said.Text, "⟦") {
				t.Errorf("%s: %s: %+v of %q", language, code, said, text)
			}
			for _, name := range names {
				if strings.Count(said.Text, name.(string)) != 1 {
					t.Errorf("%s: %s does not say %s: %s", language, code, name, said.Text)
				}
			}
		}
	}
	french := TextIn("fr")
	for text, want := range map[string]Said{
		"the response property `price` became required":                      {Text: "La propriété `price` de la réponse est devenue obligatoire"},
		"the response property `price` became required for the status `200`": {Text: "La propriété `price` de la réponse est devenue obligatoire (réponse `200`)"},
		"the response property became required":                              {Text: "the response property became required", English: true},
		"the response property `a` `b` `c` became required":                  {Text: "the response property `a` `b` `c` became required", English: true},
	} {
		if said := french.Change("response-property-became-required", text); said != want {
			t.Errorf("%q is said %+v", text, said)
		}
	}
	for text, want := range map[string]Said{
		"texts differ: `summary`, `description`": {Text: "Textes différents : `summary`, `description`"},
		"texts differ: `summary` and 3 more":     {Text: "Textes différents : `summary`, et 3 autres"},
		"texts differ: summary":                  {Text: "texts differ: summary", English: true},
		"a rule of tomorrow":                     {Text: "a rule of tomorrow", English: true},
	} {
		if said := french.Change("texts-changed", text); said != want {
			t.Errorf("%q is said %+v", text, said)
		}
	}
}

func TestLimits(t *testing.T) {
	for words, want := range map[string]string{
		"100 requests per second":               "100 requêtes par seconde",
		"2,000 requests per month":              "2\u00a0000 requêtes par mois",
		"5 requests per 1m30s":                  "5 requests per 1m30s",
		"No daily limit":                        "No daily limit",
		"99999999999999999999 requests per day": "99999999999999999999 requests per day",
	} {
		if got := TextIn("fr").Limit(words); got != want {
			t.Errorf("%q is said %q, want %q", words, got, want)
		}
	}
}
