package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"concierge/portal/web/webtest"
)

// TestSuggests: what is answered is a list of what the person may see, in their language, and nothing else.
func TestSuggests(t *testing.T) {
	for name, tc := range map[string]struct {
		language, path string
		want           []string
		said           string
	}{
		"some":        {"en", "/apis/suggest?q=book", []string{"Bookings /apis/bookings"}, "1 suggestion."},
		"french":      {"fr", "/apis/suggest?q=book", []string{"Bookings /apis/bookings"}, "1 suggestion. Les flèches"},
		"none":        {"en", "/apis/suggest?q=submarine", nil, "No suggestions."},
		"not typed":   {"en", "/apis/suggest", nil, "No suggestions."},
		"not for her": {"en", "/apis/suggest?q=ledger", nil, "No suggestions."},
	} {
		t.Run(name, func(t *testing.T) {
			b := as(t, site(t), webtest.Partner)
			b.header.Set("Accept-Language", tc.language)
			res := b.get(tc.path)
			if res.Code != http.StatusOK {
				t.Fatalf("status %d", res.Code)
			}
			doc, err := goquery.NewDocumentFromReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			checkPolicy(t, res.Header().Get("Content-Security-Policy"), doc)
			var got []string
			doc.Find("[data-suggestions] > [data-href]").Each(func(_ int, e *goquery.Selection) {
				got = append(got, e.Text()+" "+e.AttrOr("data-href", ""))
			})
			if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
				t.Errorf("suggests %q, want %q", got, tc.want)
			}
			if said := doc.Find("[data-suggestions]").AttrOr("data-said", ""); !strings.HasPrefix(said, tc.said) {
				t.Errorf("says %q, want %q", said, tc.said)
			}
		})
	}
	if res := open(t, site(t)).get("/apis/suggest?q=book"); res.Code != http.StatusSeeOther {
		t.Errorf("somebody who is not signed in gets %d", res.Code)
	}
}

// TestSearchesWithoutAScript: a search field is an ordinary one until the script makes more of it.
func TestSearchesWithoutAScript(t *testing.T) {
	b := as(t, site(t), webtest.Partner)
	for _, path := range []string{"/apis", "/keys"} {
		doc, err := goquery.NewDocumentFromReader(b.get(path).Body)
		if err != nil {
			t.Fatal(err)
		}
		field := doc.Find("form[role=search][method=get] input[data-suggest]")
		if field.Length() != 1 || field.AttrOr("type", "") != "search" || field.AttrOr("name", "") != "q" || field.AttrOr("role", "") != "" {
			t.Errorf("%s: the field is %s", path, outer(field))
		}
		if doc.Find("[role=combobox], [role=listbox]").Length() > 0 {
			t.Errorf("%s: the page promises a list that nobody opens", path)
		}
	}
}
