//go:build browser

package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"concierge/portal"
	"concierge/portal/web"
	"concierge/portal/web/ui"
	"concierge/portal/web/webtest"
)

// These tests need Chromium (CHROMIUM names it, else it is looked for), and `npm ci` in frontend for axe-core:
//
//	go test -tags browser ./portal/web -run TestBrowser
//
// With SCREENSHOTS=folder every page is also photographed there: light, dark, French and small.

// window is one tab of a fresh profile.
type window struct {
	t      *testing.T
	ctx    context.Context
	server *httptest.Server
	mu     sync.Mutex
	said   []string // errors in its console, and what the policy blocked
}

// newWindow opens a window on a world of its own. now is the world's clock.
func newWindow(t *testing.T, o web.Options) *window {
	t.Helper()
	w := &window{t: t}
	w.server = httptest.NewUnstartedServer(siteOf(t, o))
	w.server.Start()
	t.Cleanup(w.server.Close)

	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1360, 900))
	if path := os.Getenv("CHROMIUM"); path != "" {
		flags = append(flags, chromedp.ExecPath(path))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(end)
	ctx, endTab := chromedp.NewContext(allocator, chromedp.WithListener(w.listen))
	t.Cleanup(endTab)
	w.ctx = ctx
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // the browser ends with this context
		t.Fatal(err)
	}
	w.ctx, end = context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(end)
	call(w, log.Enable, cdp.Empty{})
	call(w, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Paris"})
	w.language("en")
	return w
}

func call[P, R any](w *window, command cdp.Command[P, R], params P) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, command, params); err != nil {
		w.t.Fatal(err)
	}
}

func (w *window) language(tag string) {
	w.t.Helper()
	call(w, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": tag}})
}

func (w *window) listen(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		w.said = append(w.said, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			w.said = append(w.said, fmt.Sprintf("console.%s: %s", e.Type, e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		// A page that answers 404 is said here too; that is what the page is for.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			w.said = append(w.said, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	}
}

// quiet fails the test where the console has said something since the last time.
func (w *window) quiet(where string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.said {
		w.t.Errorf("%s: %s", where, s)
	}
	w.said = nil
}

func (w *window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	for _, a := range actions {
		ask(w, a)
	}
}

// ask gives up after half a minute: the next test has a window of its own.
func ask[T any](w *window, a chromedp.Action[T]) T {
	w.t.Helper()
	ctx, end := context.WithTimeout(w.ctx, 30*time.Second)
	defer end()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// turning waits until what the actions do has led to another page.
func (w *window) turning(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, end := context.WithTimeout(w.ctx, 30*time.Second)
	defer end()
	if _, err := chromedp.RunResponse(ctx, actions...); err != nil {
		w.t.Fatal(err)
	}
}

func run(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](script)
}

func (w *window) goTo(path string) {
	w.t.Helper()
	w.do(chromedp.Navigate(w.server.URL + path))
}

// post sends a form as the page itself would.
func (w *window) post(path string, form url.Values) {
	w.t.Helper()
	fields, err := json.Marshal(form)
	if err != nil {
		w.t.Fatal(err)
	}
	w.goTo("/sign-in")
	script := fmt.Sprintf(`(() => {
		const form = document.createElement("form");
		form.method = "post"; form.action = %q;
		for (const [name, values] of Object.entries(%s)) for (const value of values) {
			const input = document.createElement("input");
			input.type = "hidden"; input.name = name; input.value = value; form.append(input);
		}
		document.body.append(form);
		form.submit();
	})()`, path, fields)
	w.turning(run(script))
}

func (w *window) signIn(who portal.PersonID) {
	w.t.Helper()
	if who == "" {
		return
	}
	w.goTo("/sign-in")
	w.do(chromedp.SendKeys(chromedp.CSS("#email"), emails[who]), chromedp.SendKeys(chromedp.CSS("#password"), webtest.Password))
	w.submit("main form")
	w.do(chromedp.WaitVisible(chromedp.CSS(".rail")))
}

// submit sends a form and waits for the next page.
func (w *window) submit(form string) {
	w.t.Helper()
	w.turning(chromedp.Click(chromedp.CSS(form + " button[type=submit]")))
}

// follow clicks and waits for the next page.
func (w *window) follow(selector string) {
	w.t.Helper()
	w.turning(chromedp.Click(chromedp.CSS(selector)))
}

func (w *window) text(selector string) string {
	w.t.Helper()
	return ask(w, chromedp.Text(chromedp.CSS(selector)))
}

func (w *window) eval(script string) string {
	w.t.Helper()
	return fmt.Sprint(ask(w, chromedp.Evaluate[any](script)))
}

// until waits for something to become true in the page.
func (w *window) until(script string) {
	w.t.Helper()
	w.do(chromedp.Poll[chromedp.Void](script, chromedp.WithPollingTimeout(10*time.Second)))
}

func (w *window) colours(scheme string) {
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

func (w *window) open(s shown) {
	w.t.Helper()
	if s.form != nil {
		w.post(s.path, s.form)
	} else {
		w.goTo(s.path)
	}
	w.do(chromedp.WaitVisible(chromedp.CSS("h1")))
}

// photograph keeps a picture of the whole page, where pictures are wanted.
func (w *window) photograph(name string) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	picture := ask(w, chromedp.FullScreenshot(100))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

const axePath = "../../frontend/node_modules/axe-core/axe.min.js"

// accessible fails the test for every rule of WCAG 2.2 A and AA that axe finds broken.
func (w *window) accessible(axe, where string) {
	w.t.Helper()
	type violation struct {
		ID    string `json:"id"`
		Help  string `json:"help"`
		Nodes []struct {
			Target []any  `json:"target"`
			Why    string `json:"failureSummary"`
		} `json:"nodes"`
	}
	w.do(run(axe + ";undefined"))
	found := ask(w, chromedp.Evaluate[[]violation](`axe.run(document, {runOnly: [
		"wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice",
	]}).then(r => r.violations)`, chromedp.EvalAwaitPromise))
	for _, v := range found {
		for _, n := range v.Nodes {
			w.t.Errorf("%s: %s (%s) at %v: %s", where, v.ID, v.Help, n.Target, strings.ReplaceAll(n.Why, "\n", " "))
		}
	}
}

// TestBrowserEveryPage opens every page in light and dark: nothing in the console, nothing blocked, accessible, and no
// wider than the window.
func TestBrowserEveryPage(t *testing.T) {
	axe, err := os.ReadFile(axePath)
	if err != nil {
		t.Fatalf("axe-core is not installed, run npm ci in frontend: %v", err)
	}
	only := os.Getenv("PAGE")
	for _, who := range []portal.PersonID{"", webtest.Newcomer, webtest.Partner, webtest.Developer, webtest.Division, webtest.Administrator} {
		for _, look := range []struct{ name, scheme, language string }{{"light", "light", "en"}, {"dark", "dark", "en"}, {"french", "light", "fr"}} {
			pages := slices.DeleteFunc(slices.Clone(everyPage), func(s shown) bool {
				return s.who != who || only != "" && !strings.HasPrefix(s.name, only)
			})
			if len(pages) == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", look.name, who), func(t *testing.T) {
				w := newWindow(t, webtest.New(webtest.Fixed).Options())
				w.language(look.language)
				w.colours(look.scheme)
				w.signIn(who)
				for _, s := range pages {
					if s.name == "claim-waiting" {
						continue // it goes on by itself: TestBrowserWaits
					}
					w.open(s)
					w.quiet(s.name)
					if wide := w.eval("document.documentElement.scrollWidth - innerWidth"); wide != "0" && !strings.HasPrefix(wide, "-") {
						t.Errorf("%s: %s pixels wider than the window", s.name, wide)
					}
					w.accessible(string(axe), s.name)
					w.photograph(s.name + "-" + look.name)
					w.quiet(s.name)
				}
			})
		}
	}
}

// TestBrowserSmall opens every page as a phone shows it: none scrolls sideways.
func TestBrowserSmall(t *testing.T) {
	only := os.Getenv("PAGE")
	for _, who := range []portal.PersonID{"", webtest.Newcomer, webtest.Partner, webtest.Developer, webtest.Division, webtest.Administrator} {
		t.Run(string(who), func(t *testing.T) {
			w := newWindow(t, webtest.New(webtest.Fixed).Options())
			w.do(chromedp.EmulateViewport(360, 800, chromedp.EmulateMobile))
			w.signIn(who)
			for _, s := range everyPage {
				if s.who != who || s.name == "claim-waiting" || only != "" && !strings.HasPrefix(s.name, only) {
					continue
				}
				w.open(s)
				if wide := w.eval("document.documentElement.scrollWidth"); wide != "360" { // innerWidth would grow with it
					t.Errorf("%s: %s pixels wide", s.name, wide)
				}
				const sideways = `[...document.querySelectorAll(".table-wrap")].filter(t => t.scrollWidth > t.clientWidth).length`
				if n := w.eval(sideways); n != "0" {
					t.Errorf("%s: %s tables are scrolled sideways", s.name, n)
				}
				const hidden = `[...document.querySelectorAll(".rail [aria-current]")].filter(e => e.getBoundingClientRect().left < 0 || e.getBoundingClientRect().right > innerWidth).length`
				if n := w.eval(hidden); n != "0" {
					t.Errorf("%s: the menu does not show where one is", s.name)
				}
				if n := w.eval(compared + ".length"); s.name == "review" && n != "1" {
					t.Errorf("%s: %s tables compare the two", s.name, n)
				}
				w.comparable(s.name)
				w.photograph(s.name + "-small")
			}
		})
	}
}

// TestBrowserTables: on a phone a row says its columns' titles, and stays a row to those who hear it; where a table is scrolled
// sideways that can be by keyboard, and its place is called something.
func TestBrowserTables(t *testing.T) {
	axe, err := os.ReadFile(axePath)
	if err != nil {
		t.Fatal(err)
	}
	w := newWindow(t, webtest.New(webtest.Fixed).Options())
	w.do(chromedp.EmulateViewport(390, 800, chromedp.EmulateMobile))
	w.signIn(webtest.Administrator)
	w.goTo("/people")
	if titles := w.eval(`[...document.querySelectorAll("tbody tr:first-child td")].map(c => c.dataset.title ?? "").join()`); titles != "Organisation,State,Last seen," {
		t.Errorf("the cells are called %q", titles)
	}
	w.accessible(string(axe), "people on a phone")

	w.do(chromedp.EmulateViewport(720, 800))
	w.goTo("/people")
	w.until(`(t => t.scrollWidth > t.clientWidth && t.tabIndex === 0 && t.ariaLabel !== "")(document.querySelector(".table-wrap"))`)
}

// compared are the tables that show two things side by side.
const compared = `[...document.querySelectorAll(".compared")]`

// comparable fails the test where a reader would have to scroll sideways from one of the two to the other.
func (w *window) comparable(where string) {
	w.t.Helper()
	if n := w.eval(compared + `.filter(t => t.parentElement.scrollWidth > t.parentElement.clientWidth).length`); n != "0" {
		w.t.Errorf("%s: what is side by side is scrolled sideways", where)
	}
}

// TestBrowserFromSearchToKey goes the whole way with the mouse and the keyboard.
func TestBrowserFromSearchToKey(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.signIn(webtest.Newcomer)

	// The protocol would write the letter as well, which a browser does not after preventDefault.
	const slash = `!document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true, cancelable: true}))`
	if taken := w.eval(slash); taken != "true" || w.eval("document.activeElement.id") != "global-search" {
		t.Error("a slash does not go to the search field")
	}
	w.goTo("/apis")
	if taken := w.eval(slash); taken != "true" || w.eval("document.activeElement.id") != "q" {
		t.Error("a slash does not go to the catalog's search field")
	}
	w.do(chromedp.SendKeys(chromedp.CSS("#q"), "booking"))
	w.until(`document.querySelectorAll(".api-card").length === 1 && location.search.includes("q=booking")`)
	w.until(`document.activeElement.id === "q"`)
	w.follow(".api-card h2 a")

	w.until(`document.querySelector(".endpoint code").textContent.includes("/test/")`)
	w.do(chromedp.Click(chromedp.CSS(".segments a:last-child")))
	w.until(`document.querySelector(".endpoint code").textContent.includes("/production/")`)
	w.until(`document.querySelector(".choice [data-approval=required]") !== null`)
	w.do(chromedp.Click(chromedp.CSS(".segments a:first-child")))
	w.until(`document.querySelector(".endpoint code").textContent.includes("/test/")`)

	if hidden := w.eval(`document.querySelector("[data-shows-for]").hidden`); hidden != "false" {
		t.Error("somebody without applications is not asked for the name of a new one")
	}
	w.do(chromedp.SendKeys(chromedp.CSS("#new_application"), "Atelier website"))
	w.submit("#get-key form")
	w.submit("form[action$='/claim']")
	secret := w.text("#secret-0")
	if !strings.HasPrefix(secret, "ck_live_") {
		t.Fatalf("secret %q", secret)
	}
	if !strings.Contains(w.text("#secret-curl"), secret) {
		t.Error("the command does not have the key")
	}
	w.quiet("claim")

	w.follow(".secret .btn-primary")
	if strings.Contains(w.eval("document.documentElement.outerHTML"), secret) {
		t.Error("the key's page has its secret")
	}
	_ = chromedp.Do(w.ctx, chromedp.NavigateBack()) // the browser has nothing to show: the page was not stored
	if strings.Contains(w.eval("document.documentElement.outerHTML"), secret) {
		t.Error("going back shows the secret again")
	}
	w.quiet("whole way")
}

// TestBrowserRevokes asks in a dialog, and follows the revocation to its end without a hand.
func TestBrowserRevokes(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.signIn(webtest.Partner)
	w.goTo("/keys/key_4")
	w.do(chromedp.Click(chromedp.CSS("a[href$='/revoke']")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	if !strings.Contains(w.eval(`document.activeElement.closest("dialog") !== null`), "true") {
		t.Error("the dialog has no focus")
	}
	w.do(chromedp.KeyEvent(kb.Escape))
	w.until(`document.querySelector("dialog") === null`)
	w.until(`document.activeElement.matches("a[href$='/revoke']")`)
	w.photograph("dialog-closed")
	w.do(chromedp.Click(chromedp.CSS("a[href$='/revoke']")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	w.photograph("dialog")
	w.submit("dialog")
	w.do(chromedp.WaitVisible(chromedp.CSS("[data-state=revoking], [data-state=revoked]")))
	w.until(`document.querySelector("#key [data-state=revoked]") !== null`)
	w.quiet("revoking")
}

// TestBrowserRotates chooses how long both keys work, in the dialog.
func TestBrowserRotates(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.signIn(webtest.Partner)
	w.goTo("/keys")
	w.do(chromedp.Click(chromedp.CSS("tr[data-key=key_4] a[href$='/rotate']")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")),
		chromedp.Click(chromedp.CSS("dialog input[value='1h0m0s']")))
	w.submit("dialog")
	w.do(chromedp.WaitVisible(chromedp.CSS("#secret-0")))
	w.goTo("/keys/key_4")
	w.do(chromedp.WaitVisible(chromedp.CSS("[data-state=retiring]")))
	w.quiet("rotating")
}

// TestBrowserWaits: a claim that needs a site to act goes on by itself.
func TestBrowserWaits(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.signIn(webtest.Developer)
	w.goTo("/subscriptions/sub_9")
	w.submit("form[action$='/claim']")
	w.do(chromedp.WaitVisible(chromedp.CSS("#waiting")))
	w.photograph("claim-waiting")
	w.do(chromedp.WaitVisible(chromedp.CSS("#secret-0")))
	w.quiet("waiting")
}

// TestBrowserSyncs follows a sync to its end without a hand.
func TestBrowserSyncs(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.signIn(webtest.Administrator)
	w.goTo("/gateways/partner-edge")
	w.submit("form[action$='/sync']")
	w.do(chromedp.WaitVisible(chromedp.CSS("progress")))
	w.photograph("sync-running")
	w.until(`document.querySelector("progress") === null`)
	w.quiet("syncing")
}

// TestBrowserRunsAJob follows it to its end without a hand.
func TestBrowserRunsAJob(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.signIn(webtest.Administrator)
	w.goTo("/jobs?state=failed")
	w.turning(chromedp.SetValue(chromedp.CSS("#kind"), "drill"))
	w.until(`location.search === "?state=failed&kind=drill"`)
	w.submit("form[action$='/run']")
	w.do(chromedp.WaitVisible(chromedp.CSS("#job [data-state=available], #job [data-state=completed]")))
	w.until(`document.querySelector("#job [data-state=completed]") !== null`)
	w.quiet("running a job")
}

// TestBrowserEnrolsAWorker asks in a dialog, shows the token once, and keeps the focus where it is while the page follows.
func TestBrowserEnrolsAWorker(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.signIn(webtest.Administrator)
	w.goTo("/sites")
	w.do(chromedp.Click(chromedp.CSS("a[href='/add-worker']")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	w.photograph("worker-dialog")
	w.do(chromedp.SendKeys(chromedp.CSS("dialog #site"), "osaka"))
	w.submit("dialog")
	w.do(chromedp.WaitVisible(chromedp.CSS("#enrolment-token")))
	token := w.text("#enrolment-token")
	w.do(chromedp.Click(chromedp.CSS("[data-copy-from=enrolment-token]")))
	w.until(`document.querySelector("[data-copy-from=enrolment-token]").dataset.state === "copied"`)
	w.follow(".secret .btn-primary")
	if strings.Contains(w.eval("document.documentElement.outerHTML"), token) {
		t.Error("the site's page has the token")
	}
	const revoke = `document.querySelector("[data-enrolment] a")`
	w.do(run(`window.before = document.getElementById("site"); ` + revoke + `.focus()`))
	w.until(`document.getElementById("site") !== window.before`) // it asks every five seconds
	if w.eval(`document.activeElement === `+revoke) != "true" {
		t.Errorf("the focus went to %s", w.eval("document.activeElement.outerHTML.slice(0, 80)"))
	}
	w.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	w.submit("dialog")
	w.quiet("enrolling")
}

// TestBrowserThemes: the switch works at once, and is remembered.
func TestBrowserThemes(t *testing.T) {
	w := newWindow(t, webtest.New(time.Now).Options())
	w.colours("light")
	w.signIn(webtest.Partner)
	ground := `getComputedStyle(document.documentElement).backgroundColor`
	light := w.eval(ground)
	w.do(chromedp.Click(chromedp.CSS("details.menu > summary")), chromedp.Click(chromedp.CSS("button[value=dark]")))
	w.until(fmt.Sprintf(`%s !== %q`, ground, light))
	w.until(`document.querySelector("button[value=dark]").getAttribute("aria-pressed") === "true"`)
	w.photograph("menu-dark")
	w.do(chromedp.KeyEvent(kb.Escape))
	w.until(`document.querySelector("details.menu[open]") === null`)
	w.goTo("/keys")
	if w.eval(`document.documentElement.dataset.theme`) != "dark" {
		t.Error("the theme was forgotten")
	}
	w.follow("button[name=language][value=fr]")
	if got := w.eval("document.documentElement.lang + location.pathname"); got != "fr/keys" {
		t.Errorf("after the language switch: %s", got)
	}
	w.quiet("preferences")
}

// TestBrowserTimes: times are the reader's own with a script.
func TestBrowserTimes(t *testing.T) {
	w := newWindow(t, webtest.New(webtest.Fixed).Options())
	w.signIn(webtest.Partner)
	w.goTo("/subscriptions/sub_4") // asked at 04:30 UTC
	if got := w.text("time[data-format=moment]"); !strings.Contains(got, "5:30") {
		t.Errorf("in Paris it reads %q", got)
	}
}

// TestBrowserKeyboard: the first stop is the way past the navigation, and focus can be seen.
func TestBrowserKeyboard(t *testing.T) {
	w := newWindow(t, webtest.New(webtest.Fixed).Options())
	w.signIn(webtest.Partner)
	w.goTo("/apis")
	w.do(chromedp.KeyEvent(kb.Tab))
	if !strings.Contains(w.eval("document.activeElement.className"), "skip-link") {
		t.Errorf("the first stop is %s", w.eval("document.activeElement.outerHTML"))
	}
	w.do(chromedp.KeyEvent(kb.Enter))
	w.until(`document.activeElement.id === "main"`)
	for range 12 {
		w.do(chromedp.KeyEvent(kb.Tab))
		if seen := w.eval(`(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== "none" || document.activeElement.matches(".api-card a, .choice input"); })()`); seen != "true" {
			t.Errorf("focus cannot be seen on %s", w.eval("document.activeElement.outerHTML"))
		}
	}
}

// TestBrowserCopies: the button says that it has copied.
func TestBrowserCopies(t *testing.T) {
	w := newWindow(t, webtest.New(webtest.Fixed).Options())
	w.signIn(webtest.Partner)
	w.goTo("/apis/payments?environment=test")
	w.do(chromedp.Click(chromedp.CSS(".endpoint .copy")))
	w.until(`document.querySelector(".endpoint .copy").dataset.state === "copied"`)
	w.until(`document.getElementById("announcements").textContent !== ""`)
	w.quiet("copying")
}

// TestBrowserDesktop: claiming calls the bound method, no page has a secret, and links to elsewhere go to the browser.
func TestBrowserDesktop(t *testing.T) {
	o := webtest.New(time.Now).DesktopOptions(webtest.Partner)
	w := newWindow(t, o)
	stub := `window.calls = []; window.go = {app: {Bindings: {
		Claim: id => { calls.push("claim " + id); return Promise.resolve({state: "pending", message: "In your keychain soon"}); },
		Rotate: (id, overlap) => { calls.push("rotate " + id + " " + overlap); return Promise.resolve({state: "pending", message: "ok"}); },
		CopyKey: id => { calls.push("copy " + id); return Promise.resolve({state: "done", message: "Copied"}); },
	}}}; window.runtime = {BrowserOpenURL: url => calls.push("open " + url), ClipboardSetText: () => Promise.resolve(true)};`
	w.goTo("/subscriptions/sub_6")
	w.do(run(stub), chromedp.Click(chromedp.CSS("[data-desktop-action=claim]")))
	w.until(`calls.includes("claim sub_6") && document.getElementById("desktop-report").textContent === "In your keychain soon"`)
	w.goTo("/keys/key_1")
	w.do(run(stub), chromedp.Click(chromedp.CSS("[data-desktop-action=copy]")))
	w.until(`calls.includes("copy key_1")`)
	w.do(chromedp.Click(chromedp.CSS("a[href$='/rotate']")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")), chromedp.Click(chromedp.CSS("dialog [data-desktop-action=rotate]")))
	w.until(`calls.includes("rotate key_1 24h0m0s")`)
	w.goTo("/apis/payments?environment=test")
	w.do(run(stub), chromedp.Click(chromedp.CSS("a[rel=noreferrer]")))
	w.until(`calls.some(c => c.startsWith("open https://support.meridian.example"))`)
}

// TestBrowserAsksNobodyElse would fail where a page asks another host for anything.
func TestBrowserAsksNobodyElse(t *testing.T) {
	w := newWindow(t, webtest.New(webtest.Fixed).Options())
	host, _, _ := net.SplitHostPort(strings.TrimPrefix(w.server.URL, "http://"))
	err := chromedp.Listen(w.ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok && strings.HasPrefix(e.Request.URL, "http") {
			if u, err := url.Parse(e.Request.URL); err != nil || u.Hostname() != host {
				t.Errorf("asked %s", e.Request.URL)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.signIn(webtest.Administrator)
	for _, path := range []string{ui.HomePath, ui.APIsPath, "/apis/payments", ui.GatewaysPath} {
		w.goTo(path)
	}
}
