//go:build browser

package web_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"concierge/portal"
	"concierge/portal/web/webtest"
)

// namedPages are the pages whose layout hangs on names.
var namedPages = []string{
	"home-partner", "home-administrator", "catalog", "api-partner", "api-owner", "api-endpoints", "api-reference", "api-changes-back", "api-consumers",
	"composition", "reviews", "review", "review-rename", "renames", "lifecycle", "own-documents", "own-document", "subscriptions", "subscription-frozen",
	"keys", "key-failed", "application", "gateways", "gateway", "run-waiting", "rules", "unclassified", "deployments", "deployment", "frozen", "documents",
}

// TestBrowserRubbish: names without end and of every script widen no page, on a desk or on a phone, and lists without end
// lengthen none.
func TestBrowserRubbish(t *testing.T) {
	only := os.Getenv("PAGE")
	for _, look := range []struct {
		name          string
		width, height int64
		highest       int // pixels of a page, whatever is on it: what is more is folded, or on a page of its own
	}{{"wide", 1360, 900, 6000}, {"small", 360, 800, 8000}} {
		for _, who := range []portal.PersonID{webtest.Partner, webtest.Developer, webtest.Division, webtest.Administrator} {
			t.Run(look.name+"/"+string(who), func(t *testing.T) {
				w := newWindow(t, webtest.New(webtest.Fixed).Spoil().Options())
				w.do(chromedp.EmulateViewport(look.width, look.height, chromedp.EmulateMobile))
				w.signIn(who)
				for _, s := range everyPage {
					if s.who != who || !slices.Contains(namedPages, s.name) || only != "" && !strings.HasPrefix(s.name, only) {
						continue
					}
					w.open(s)
					if wide := w.eval("document.documentElement.scrollWidth"); wide != w.eval("screen.width") {
						t.Errorf("%s: %s pixels wide", s.name, wide)
					}
					if high, _ := strconv.Atoi(w.eval("document.documentElement.scrollHeight")); high > look.highest {
						t.Errorf("%s: %d pixels high", s.name, high)
					}
					w.comparable(s.name)
					w.photograph("rubbish-" + s.name + "-" + look.name)
					w.quiet(s.name)
				}
			})
		}
	}
}
