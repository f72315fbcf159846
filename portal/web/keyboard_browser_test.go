//go:build browser

package web_test

import (
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"concierge/portal"
	"concierge/portal/web/webtest"
)

// stops marks what the tabulator has to reach: what is seen, can be used, and is the one of its radio buttons that takes the focus.
const stops = `(() => {
	const found = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
		.filter(e => !e.disabled && e.tabIndex >= 0 && e.checkVisibility({visibilityProperty: true}))
		.filter(e => e.type !== "radio" || e.checked);
	found.forEach(e => e.dataset.stop = "");
	return found.length;
})()`

// atStop is where the focus is: it takes its mark away, and says whether the focus can be seen there.
const atStop = `(() => {
	const e = document.activeElement;
	if (e === document.body) return "";
	delete e.dataset.stop;
	const seen = [e, e.closest("label, .api-card, .input, .choice, .search") ?? e].some(x => {
		const s = getComputedStyle(x), after = getComputedStyle(x, "::after");
		return s.outlineStyle !== "none" || after.outlineStyle !== "none" || s.boxShadow !== "none";
	});
	return seen ? "seen" : e.outerHTML.slice(0, 120);
})()`

// TestBrowserWalks goes through pages with the tabulator alone: everything is reached, the focus can be seen, and nothing holds it.
func TestBrowserWalks(t *testing.T) {
	for _, p := range []struct {
		who  portal.PersonID
		path string
	}{
		{webtest.Division, "/reviews"}, {webtest.Division, "/reviews/rev_pay"}, {webtest.Administrator, "/gateways/classic-paris/placement"},
		{webtest.Developer, "/apis?q=pay&environment=test"}, {webtest.Division, "/apis/payments"}, {webtest.Division, "/apis/payments/consumers"},
		{webtest.Division, "/apis/payments/changes"},
	} {
		t.Run(p.path, func(t *testing.T) {
			w := newWindow(t, webtest.New(webtest.Fixed).Options())
			w.signIn(p.who)
			w.goTo(p.path)
			w.until(`document.querySelector(".htmx-request, [hx-trigger^=load]") === null || document.readyState === "complete"`)
			n, err := strconv.Atoi(w.eval(stops))
			if err != nil || n < 10 {
				t.Fatalf("%d stops: %v", n, err)
			}
			for range n + 5 { // some parts come later
				w.do(chromedp.KeyEvent(kb.Tab))
				if at := w.eval(atStop); at != "seen" && at != "" {
					t.Errorf("the focus cannot be seen on %s", at)
				}
			}
			if left := w.eval(`[...document.querySelectorAll("[data-stop]")].map(e => e.outerHTML.slice(0, 120)).join("\n")`); left != "" {
				t.Errorf("the tabulator does not come to\n%s", left)
			}
		})
	}
}

// TestBrowserAnswersByKeyboard answers a question of the queue without a mouse: what opens takes the focus and keeps it, Escape
// closes it and gives the focus back.
func TestBrowserAnswersByKeyboard(t *testing.T) {
	w := newWindow(t, webtest.New(webtest.Fixed).Options())
	w.signIn(webtest.Division)
	w.goTo("/reviews/rev_pay")
	const yes = `document.querySelector("a[href$='/accept']")`
	const inside = `document.activeElement.closest("dialog") !== null`
	w.do(run(yes+`.focus()`), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	for range 6 {
		w.do(chromedp.KeyEvent(kb.Tab))
		if w.eval(inside+` || document.activeElement === document.body`) != "true" { // the body stands for the browser's own bar
			t.Errorf("the focus left the question for %s", w.eval("document.activeElement.outerHTML.slice(0, 80)"))
		}
	}
	w.do(chromedp.KeyEvent(kb.Escape))
	w.until(`document.querySelector("dialog") === null && document.activeElement === ` + yes)
	w.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("dialog[open]")), run(`document.querySelector("dialog button[type=submit]").focus()`))
	w.turning(chromedp.KeyEvent(kb.Enter))
	w.until(`document.querySelector(".toast, [role=status]") !== null && location.pathname === "/reviews/rev_pay"`)
	w.quiet("answering")
}
