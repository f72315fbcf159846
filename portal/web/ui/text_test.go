package ui

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"concierge/portal/correlate"
	"concierge/portal/document"
	"concierge/portal/routing"
	"concierge/portal/told"
)

// translations are the messages of one language: each with its plural forms, a plain one under "other".
func translations(t *testing.T, language string) map[string]map[string]string {
	t.Helper()
	shared, err := fs.Glob(messageFiles, "i18n/"+language+".json")
	if err != nil {
		t.Fatal(err)
	}
	topics, err := fs.Glob(messageFiles, "i18n/*."+language+".json")
	if err != nil {
		t.Fatal(err)
	}
	raw := map[string]any{}
	for _, file := range append(shared, topics...) {
		content, err := fs.ReadFile(messageFiles, file)
		if err != nil {
			t.Fatal(err)
		}
		var messages map[string]any
		if err := json.Unmarshal(content, &messages); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for key, value := range messages {
			if _, twice := raw[key]; twice {
				t.Errorf("%s: %s is in another file too", file, key)
			}
			raw[key] = value
		}
	}
	found := map[string]map[string]string{}
	for key, value := range raw {
		found[key] = map[string]string{}
		switch value := value.(type) {
		case string:
			found[key]["other"] = value
		case map[string]any:
			for form, text := range value {
				found[key][form] = text.(string)
			}
		}
	}
	return found
}

// placeholder is a value that a message is given.
var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

func placeholders(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestTranslationsSayTheSame(t *testing.T) {
	english := translations(t, Languages[0])
	for _, language := range Languages[1:] {
		other := translations(t, language)
		for _, key := range slices.Sorted(maps.Keys(english)) {
			if other[key] == nil {
				t.Errorf("%s: %s is missing", language, key)
				continue
			}
			if (len(english[key]) > 1) != (len(other[key]) > 1) {
				t.Errorf("%s: %s depends on a number in one language only", language, key)
			}
			want := placeholders(english[key]["other"])
			for form, text := range other[key] {
				got := placeholders(text)
				if form == "one" {
					got = placeholders(text + "{{.Count}}") // it may be a word instead
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s (%s) has the placeholders %v, in English %v", language, key, form, got, want)
				}
			}
		}
		for key := range other {
			if english[key] == nil {
				t.Errorf("%s: %s is in no other language", language, key)
			}
		}
	}
}

// straight is an apostrophe as typewriters have it.
var straight = regexp.MustCompile(`\pL'\pL`)

func TestMessagesAreNeitherEmptyNorHalfATemplate(t *testing.T) {
	for _, language := range Languages {
		for key, forms := range translations(t, language) {
			for form, text := range forms {
				rest := placeholder.ReplaceAllString(text, "")
				if straight.MatchString(text) {
					t.Errorf("%s: %s (%s) has a straight apostrophe: %s", language, key, form, text)
				}
				if strings.TrimSpace(text) == "" || strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
					t.Errorf("%s: %s (%s) reads %q", language, key, form, text)
				}
			}
		}
	}
}

// TestKeysAreUsedAndThere reads the source: every key that it says is a message, and every message is said.
func TestKeysAreUsedAndThere(t *testing.T) {
	messages := translations(t, Languages[0])
	said := map[string]bool{}                                                    // keys in calls of T and N
	text := map[string]bool{}                                                    // every text that is written anywhere
	for _, sources := range []string{"*.go", "../*.go", "../../../app/*/*.go"} { // the desktop app speaks too
		files, err := filepath.Glob(sources)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				read(t, f, said, text)
			}
		}
	}
	if len(said) < 100 {
		t.Fatalf("only %d calls of T and N were found: this test looks in the wrong place", len(said))
	}
	for key, values := range derived() {
		said[key], text[key] = true, true
		if got := placeholders(messages[key]["other"]); values >= 0 && len(got) != values {
			t.Errorf("%s says %v of %d values", key, got, values)
		}
	}
	for key := range said {
		if messages[key] == nil {
			t.Errorf("%s is said but not there", key)
		}
	}
	for key := range messages {
		if !text[key] {
			t.Errorf("%s is there but never said", key)
		}
	}
}

// derived are the keys that are put together from the name of what is said, with how many values it has; -1 where that varies.
func derived() map[string]int {
	keys := map[string]int{}
	for s, n := range told.Sentences() {
		keys["told."+string(s)] = n
	}
	for w, n := range told.Warnings.Sentences() {
		keys["warning."+string(w)] = n
	}
	for r, n := range document.Reasons.Sentences() {
		keys["unread."+string(r)] = n
	}
	for c := range routing.Codes(math.MaxUint16).All() {
		keys["why."+c.String()] = -1
	}
	for _, code := range correlate.Codes() {
		keys["joinreason."+code] = -1
	}
	return keys
}

// read notes what a source file says and writes.
func read(t *testing.T, file string, said, text map[string]bool) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
				text[s] = true
			}
		case *ast.CallExpr:
			name, arguments := "", n.Args
			switch f := n.Fun.(type) {
			case *ast.Ident: // in this package, after the context
				if name = f.Name; len(arguments) > 0 {
					arguments = arguments[1:]
				}
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if name != "T" && name != "N" || len(arguments) == 0 {
				return true
			}
			if key, ok := arguments[0].(*ast.BasicLit); ok && key.Kind == token.STRING {
				s, _ := strconv.Unquote(key.Value)
				said[s] = true
			}
		}
		return true
	})
}

// TestTablesOfKeys: what a table names is a message.
func TestTablesOfKeys(t *testing.T) {
	messages := translations(t, Languages[0])
	for name, table := range map[string]map[string]string{
		"environments": environmentKeys, "audiences": audienceKeys, "axes": axisKeys, "roles": roleKeys,
		"key states": keyStateKeys, "subscription states": subscriptionStateKeys, "run states": runStateKeys,
		"person states": personStateKeys, "lifecycles": lifecycleKeys, "effects": effectiveByKeys,
	} {
		for value, key := range table {
			if messages[key] == nil {
				t.Errorf("%s: %s is said as %s, which is no message", name, value, key)
			}
		}
	}
}

func TestChooseLanguage(t *testing.T) {
	for name, tc := range map[string]struct{ chosen, accepted, want string }{
		"chosen wins":        {"fr", "en", "fr"},
		"accepted":           {"", "fr-CA,fr;q=0.9,en;q=0.5", "fr"},
		"weights":            {"", "fr;q=0.2,en;q=0.8", "en"},
		"neither is spoken":  {"", "ja", "en"},
		"nothing said":       {"", "", "en"},
		"nonsense chosen":    {"klingon", "fr", "fr"},
		"nonsense accepted":  {"", ";;;=,q", "en"},
		"region of a chosen": {"fr-FR", "en", "en"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ChooseLanguage(tc.chosen, tc.accepted); got != tc.want {
				t.Errorf("ChooseLanguage(%q, %q) = %q, want %q", tc.chosen, tc.accepted, got, tc.want)
			}
		})
	}
}

func TestReason(t *testing.T) {
	for name, tc := range map[string]struct {
		language, code string
		args           map[string]string
		want           string
	}{
		"localised value":      {"fr", "environment", map[string]string{"environment": "test"}, "Elle tourne en Test."},
		"localised audience":   {"en", "audience_own", map[string]string{"audience": "partner"}, "It is exposed to your audience, Partner."},
		"configured value":     {"en", "environment", map[string]string{"environment": "staging-7"}, "It runs in staging-7."},
		"a value is missing":   {"fr", "environment", nil, "fallback"},
		"unknown code":         {"fr", "phase_of_the_moon", map[string]string{"moon": "full"}, "fallback"},
		"no version is stated": {"en", "version_newest", nil, "It states no version, and nothing that does is fit for newcomers."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := TextIn(tc.language).Reason(tc.code, tc.args, "fallback"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestJoinReason(t *testing.T) {
	french, args := TextIn("fr"), []string{"Vega", "Deneb"}
	if got := french.JoinReason("other-owner", args, "fallback"); got.English || !strings.Contains(got.Text, "Vega") || !strings.Contains(got.Text, "Deneb") {
		t.Errorf("%+v", got)
	}
	if got := french.JoinReason("phase-of-the-moon", args, "fallback"); got != (Said{Text: "fallback", English: true}) {
		t.Errorf("%+v", got)
	}
}

func TestNumbersAndPlurals(t *testing.T) {
	for _, tc := range []struct {
		language string
		n        int
		want     string
	}{
		{"en", 0, "0 operations"}, {"en", 1, "1 operation"}, {"en", 1200, "1,200 operations"},
		{"fr", 0, "0 opération"}, {"fr", 1, "1 opération"}, {"fr", 2, "2 opérations"}, {"fr", 1_000_000, "1\u00a0000\u00a0000 opérations"},
	} {
		if got := TextIn(tc.language).N("api.operations_count", tc.n); got != tc.want {
			t.Errorf("%s, %d: %q, want %q", tc.language, tc.n, got, tc.want)
		}
	}
}

func TestDecimal(t *testing.T) {
	for f, want := range map[float64][2]string{2000: {"2,000", "2\u00a0000"}, 0.5: {"0.5", "0,5"}, 20: {"20", "20"}} {
		if en, fr := TextIn("en").Decimal(f), TextIn("fr").Decimal(f); en != want[0] || fr != want[1] {
			t.Errorf("%v: %q and %q", f, en, fr)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, tc := range []struct {
		d      time.Duration
		en, fr string
	}{
		{-time.Second, "0 ms", "0 ms"}, {940400 * time.Microsecond, "940 ms", "940 ms"}, {999999 * time.Microsecond, "1 s", "1 s"},
		{2 * time.Second, "2 s", "2 s"}, {2340 * time.Millisecond, "2.3 s", "2,3 s"}, {59990 * time.Millisecond, "1 min 0 s", "1 min 0 s"},
		{150 * time.Second, "2 min 30 s", "2 min 30 s"},
	} {
		if en, fr := TextIn("en").Duration(tc.d), TextIn("fr").Duration(tc.d); en != tc.en || fr != tc.fr {
			t.Errorf("%s: %q and %q", tc.d, en, fr)
		}
	}
}

func TestMissingMessageCanBeSeen(t *testing.T) {
	if got := TextIn("en").T("no.such.message"); got != "⟦no.such.message⟧" {
		t.Errorf("got %q", got)
	}
}

func ExampleText_T() {
	fmt.Println(TextIn("fr").T("home.title", "Name", "Ana"))
	// Output: Bonjour, Ana
}
