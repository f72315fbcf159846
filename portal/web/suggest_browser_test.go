//go:build browser

package web_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"concierge/portal/web/webtest"
)

// What a search field says of its suggestions.
const (
	suggested = `[...document.querySelectorAll("#q-suggestions:not([hidden]) [role=option]")].map(o => o.textContent).join()`
	expanded  = `document.getElementById("q").getAttribute("aria-expanded")`
	active    = `(document.getElementById(document.getElementById("q").getAttribute("aria-activedescendant"))?.textContent ?? "")`
	typed     = `document.getElementById("q").value`
)

// TestBrowserSuggests types into the catalog's search field: the list opens, is announced, and is gone through by keys.
func TestBrowserSuggests(t *testing.T) {
	axe, err := os.ReadFile(axePath)
	if err != nil {
		t.Fatalf("axe-core is not installed, run npm ci in frontend: %v", err)
	}
	for _, look := range []struct{ scheme, language string }{{"light", "en"}, {"dark", "fr"}} {
		t.Run(look.language, func(t *testing.T) {
			w := newWindow(t, webtest.New(webtest.Fixed).Options())
			w.language(look.language)
			w.colours(look.scheme)
			w.signIn(webtest.Developer)
			w.goTo("/apis")
			press := func(key, want string) {
				t.Helper()
				w.do(chromedp.KeyEvent(key))
				w.until(active + ` === "` + want + `"`)
			}
			w.do(chromedp.SendKeys(chromedp.CSS("#q"), "ge"))
			w.until(suggested + ` === "Exchange rates,General ledger" && ` + expanded + ` === "true"`)
			w.until(`document.getElementById("announcements").textContent.startsWith("2 suggestions")`)
			press(kb.ArrowDown, "Exchange rates")
			press(kb.ArrowDown, "General ledger")
			w.until(`document.querySelectorAll("#q-suggestions [aria-selected=true]").length === 1`)
			// The results below follow what is typed, and are dimmed until they have.
			w.until(`location.search.includes("q=ge") && !document.querySelector(".htmx-request")`)
			w.photograph("suggestions-" + look.language)
			w.accessible(string(axe), "suggestions")
			press(kb.ArrowDown, "") // back in the field, which still has what was typed
			press(kb.ArrowUp, "General ledger")
			if got := w.eval(typed + ` + document.activeElement.id`); got != "geq" {
				t.Errorf("the field and the focus are %q", got)
			}

			w.do(chromedp.KeyEvent(kb.Escape))
			w.until(expanded + ` === "false" && ` + suggested + ` === ""`)
			if got := w.eval(typed + ` + ` + active); got != "ge" {
				t.Errorf("after Escape there is %q", got)
			}
			w.do(chromedp.KeyEvent(kb.ArrowDown)) // opens it again
			w.until(expanded + ` === "true"`)
			w.do(chromedp.KeyEvent(kb.Enter)) // nothing is chosen: it searches
			w.until(expanded + ` === "false" && location.search.includes("q=ge")`)

			w.do(chromedp.KeyEvent(kb.ArrowDown))
			w.until(expanded + ` === "true"`)
			press(kb.ArrowUp, "General ledger")
			w.turning(chromedp.KeyEvent(kb.Enter))
			w.until(`location.pathname === "/apis/ledger"`)

			// Every page's search field does so, with the mouse too.
			w.do(chromedp.SendKeys(chromedp.CSS("#global-search"), "exch"), chromedp.WaitVisible(chromedp.CSS("#global-search-suggestions [role=option]")))
			w.follow("#global-search-suggestions [role=option]")
			w.until(`location.pathname === "/apis/exchange-rates"`)
			w.quiet("suggesting")
		})
	}
}

// TestBrowserSuggestsNothingStale: an answer to what was typed before is given up, and never shown.
func TestBrowserSuggestsNothingStale(t *testing.T) {
	asked, givenUp := make(chan bool, 1), make(chan bool, 1)
	o := webtest.New(webtest.Fixed).Options()
	o.Around = func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/apis/suggest" && r.URL.Query().Get("q") == "ge" {
				asked <- true
				select {
				case <-r.Context().Done():
					givenUp <- true
				case <-time.After(20 * time.Second):
					givenUp <- false
				}
			}
			h.ServeHTTP(rw, r)
		})
	}
	w := newWindow(t, o)
	w.signIn(webtest.Developer)
	w.goTo("/apis")
	w.do(chromedp.SendKeys(chromedp.CSS("#q"), "ge"))
	<-asked
	w.do(chromedp.SendKeys(chromedp.CSS("#q"), "n"))
	if !<-givenUp {
		t.Error("the answer to what was typed before is still awaited")
	}
	w.until(suggested + ` === "General ledger"`)
	w.do(chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(kb.Backspace))
	w.until(expanded + ` === "false"`) // nothing is typed, nothing is suggested
	w.quiet("stale")
}

// TestBrowserSmallCatalog: on a phone what is found comes before a screen of boxes; what is in use stays open.
func TestBrowserSmallCatalog(t *testing.T) {
	w := newWindow(t, webtest.New(webtest.Fixed).Options())
	w.do(chromedp.EmulateViewport(360, 800, chromedp.EmulateMobile))
	w.signIn(webtest.Developer)
	w.goTo("/apis?tag=money")
	w.until(`[...document.querySelectorAll("details.facet[open]")].every(f => f.querySelector(":checked") !== null) && document.querySelectorAll("details.facet[open]").length === 1`)
	w.do(chromedp.Click(chromedp.CSS("details.facet[open] :checked")))
	w.until(`document.querySelectorAll("details.facet[open]").length === 0 && !location.search.includes("money")`)
	w.photograph("catalog-narrow")
	w.goTo("/keys")
	w.do(chromedp.SendKeys(chromedp.CSS("#global-search"), "ge"), chromedp.WaitVisible(chromedp.CSS("#global-search-suggestions [role=option]")))
	if wide := w.eval("document.documentElement.scrollWidth"); wide != "360" {
		t.Errorf("with suggestions the page is %s pixels wide", wide)
	}
	w.photograph("suggestions-narrow")
	w.quiet("small")
}
