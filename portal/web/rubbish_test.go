package web_test

import (
	"net/http"
	"strings"
	"testing"

	"concierge/portal/web/webtest"
)

// TestRubbish: names without letters, without end, with markup or braces break no page, and become no part of it.
func TestRubbish(t *testing.T) {
	for _, s := range everyPage {
		if s.who == "" || s.form != nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			res := as(t, siteOf(t, webtest.New(webtest.Fixed).Spoil().Options()), s.who).open(s)
			if res.Code >= http.StatusInternalServerError {
				t.Fatalf("status %d", res.Code)
			}
			if body := res.Body.String(); strings.Contains(body, "⟦") || strings.Contains(body, "no value&gt;") {
				t.Error("a message is missing, or lacks a value")
			}
			doc := document(t, res)
			if n := doc.Find("[data-injected]").Length(); n > 0 {
				t.Errorf("%d elements come from names", n)
			}
			checkPolicy(t, res.Header().Get("Content-Security-Policy"), doc)
			checkStructure(t, doc)
		})
	}
}
