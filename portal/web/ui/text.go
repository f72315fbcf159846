package ui

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// Languages that every page speaks, the default first.
var Languages = []string{"en", "fr"}

// Messages: LANGUAGE.json holds what pages share, TOPIC.LANGUAGE.json those of one topic.
//
//go:embed i18n/*.json
var messageFiles embed.FS

var (
	tags    = []language.Tag{language.English, language.French}
	matcher = language.NewMatcher(tags)
	bundle  = loadMessages()
)

func loadMessages() *i18n.Bundle {
	b := i18n.NewBundle(tags[0])
	b.RegisterUnmarshalFunc("json", json.Unmarshal)
	files, err := fs.Glob(messageFiles, "i18n/*.json")
	if err != nil {
		panic(err) // the pattern is fine
	}
	for _, f := range files {
		if _, err := b.LoadMessageFileFS(messageFiles, f); err != nil {
			panic(fmt.Sprintf("ui: messages in %s: %v", f, err)) // embedded: only a broken build gets here
		}
	}
	return b
}

// ChooseLanguage returns the language to answer in: the chosen one if it is one of Languages, else the best for an
// Accept-Language header.
func ChooseLanguage(chosen, acceptLanguage string) string {
	if slices.Contains(Languages, chosen) {
		return chosen
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return Languages[0]
	}
	_, i, _ := matcher.Match(wanted...)
	return Languages[i]
}

// Text says the pages' messages in one language. It is safe for concurrent use.
type Text struct {
	Language  string
	localizer *i18n.Localizer
	numbers   *message.Printer
	plain     *sync.Map // messages without placeholders that were said, by key
}

// TextIn returns the messages in one of Languages.
func TextIn(lang string) Text {
	if t, ok := spoken()[lang]; ok {
		return t
	}
	return newText(lang)
}

// spoken are the texts of all Languages: making one takes as long as saying some hundred messages.
var spoken = sync.OnceValue(func() map[string]Text {
	all := map[string]Text{}
	for _, lang := range Languages {
		all[lang] = newText(lang)
	}
	return all
})

func newText(lang string) Text {
	return Text{
		Language:  lang,
		localizer: i18n.NewLocalizer(bundle, lang),
		numbers:   message.NewPrinter(language.Make(lang)),
		plain:     new(sync.Map),
	}
}

// T says a message; pairs are the names and values of its placeholders. A message that is missing reads as its key in
// brackets, which no page test lets pass.
func (t Text) T(key string, pairs ...any) string {
	if len(pairs) > 0 {
		return t.say(&i18n.LocalizeConfig{MessageID: key, TemplateData: data(pairs)}, key)
	}
	if known, ok := t.plain.Load(key); ok {
		return known.(string)
	}
	said, err := t.localizer.Localize(&i18n.LocalizeConfig{MessageID: key})
	if err != nil {
		return missing(key) // not kept: a key may come from outside
	}
	t.plain.Store(key, said)
	return said
}

// N says a message that depends on a number, which its placeholder Count shows.
func (t Text) N(key string, n int, pairs ...any) string {
	return t.say(&i18n.LocalizeConfig{MessageID: key, PluralCount: n, TemplateData: data(append(pairs, "Count", t.Number(n)))}, key)
}

// Number writes a number as the language does.
func (t Text) Number(n int) string {
	if 0 <= n && n < 1000 {
		return strconv.Itoa(n)
	}
	return t.numbers.Sprint(n)
}

// Decimal writes a number that may have decimals as the language does.
func (t Text) Decimal(f float64) string {
	return t.numbers.Sprint(number.Decimal(f))
}

// Percent writes a share, 1 for all of it, as the language does, without decimals.
func (t Text) Percent(share float64) string {
	return t.numbers.Sprint(number.Percent(share, number.MaxFractionDigits(0)))
}

// Duration says how long something took, as exactly as a person cares: to the tenth of a second, and below one to the
// millisecond. A negative one, of a clock that went back, is none. The units are the same in all Languages.
func (t Text) Duration(d time.Duration) string {
	d = max(0, d).Round(time.Millisecond)
	switch tenths := d.Round(100 * time.Millisecond); {
	case d < time.Second:
		return t.numbers.Sprintf("%d ms", d.Milliseconds())
	case tenths < time.Minute && tenths%time.Second == 0:
		return t.numbers.Sprintf("%d s", tenths/time.Second)
	case tenths < time.Minute:
		return t.numbers.Sprintf("%.1f s", tenths.Seconds())
	}
	seconds := int(d.Round(time.Second) / time.Second)
	return t.numbers.Sprintf("%d min %d s", seconds/60, seconds%60)
}

func (t Text) say(c *i18n.LocalizeConfig, key string) string {
	s, err := t.localizer.Localize(c)
	if err != nil {
		return missing(key)
	}
	return s
}

func missing(key string) string { return "⟦" + key + "⟧" }

func data(pairs []any) map[string]any {
	d := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		d[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return d
}

// Reason says a reason of a decision. A code that these pages do not know, or one that comes without the values that
// its message needs, is said by the fallback, which is English.
func (t Text) Reason(code string, args map[string]string, fallback string) string {
	key := "why." + code
	if code == "version_newest" && args["version"] == "" {
		key = "why.version_none"
	}
	d := make(map[string]any, len(args))
	for name, value := range args {
		switch name {
		case "environment":
			value = t.Environment(value)
		case "audience":
			value = t.Audience(value)
		}
		d[name] = value
	}
	s, err := t.localizer.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: d})
	if err != nil || unfilled.MatchString(s) {
		return fallback
	}
	return s
}

// unfilled is what text/template writes for a value that is not there.
var unfilled = regexp.MustCompile(`<no value>`)

// Environments, audiences and the other axes have configured values. Those that come with the product are said in the
// reader's language, others as they are.
var (
	environmentKeys = map[string]string{
		"development": "environment.development", "test": "environment.test",
		"simulation": "environment.simulation", "production": "environment.production",
	}
	audienceKeys = map[string]string{"internal": "audience.internal", "partner": "audience.partner", "public": "audience.public"}
	axisKeys     = map[string]string{
		"audience": "axis.audience", "environment": "axis.environment", "hosting": "axis.hosting", "division": "axis.division",
		"region": "axis.region", "generation": "axis.generation", "architecture": "axis.architecture",
	}
	roleKeys = map[string]string{
		"platform-administrator": "role.platform_administrator", "auditor": "role.auditor",
		"division-administrator": "role.division_administrator", "api-owner": "role.api_owner",
		"admin": "role.admin", "developer": "role.developer", "viewer": "role.viewer",
	}
)

// Environment names an environment.
func (t Text) Environment(value string) string { return t.named(environmentKeys, value) }

// Audience names an audience.
func (t Text) Audience(value string) string { return t.named(audienceKeys, value) }

// Axis names an axis of placement.
func (t Text) Axis(value string) string { return t.named(axisKeys, value) }

var matchFieldKeys = map[string]string{
	"stage": "placement.match_stage", "host": "placement.match_host", "path": "placement.match_path", "tag": "placement.match_tag", "name": "placement.match_name",
}

// MatchField names what the pattern of a placement rule is compared with.
func (t Text) MatchField(value string) string { return t.named(matchFieldKeys, value) }

// Role names a role.
func (t Text) Role(value string) string { return t.named(roleKeys, value) }

func (t Text) named(keys map[string]string, value string) string {
	if key, ok := keys[value]; ok {
		return t.T(key)
	}
	return value
}

type setting struct {
	text    Text
	desktop bool
}

type settingKey struct{}

// WithSetting tells components in which language they speak, and whether they are shown in the desktop window, where
// claiming and rotating are bound methods and no page holds a secret.
func WithSetting(ctx context.Context, text Text, desktop bool) context.Context {
	return context.WithValue(ctx, settingKey{}, setting{text: text, desktop: desktop})
}

func settingOf(ctx context.Context) setting {
	if s, ok := ctx.Value(settingKey{}).(setting); ok {
		return s
	}
	return setting{text: TextIn(Languages[0])}
}

func textOf(ctx context.Context) Text { return settingOf(ctx).text }

func desktop(ctx context.Context) bool { return settingOf(ctx).desktop }

// inWindow chooses between what is said in the desktop window, where keys go to the keychain, and in a browser.
func inWindow(ctx context.Context, window, browser string) string {
	if desktop(ctx) {
		return window
	}
	return browser
}

// T says a message in the language of the page.
func T(ctx context.Context, key string, pairs ...any) string { return textOf(ctx).T(key, pairs...) }

// N says a message that depends on a number.
func N(ctx context.Context, key string, n int, pairs ...any) string {
	return textOf(ctx).N(key, n, pairs...)
}
