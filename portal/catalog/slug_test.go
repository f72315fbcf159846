package catalog

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
)

func TestSlug(t *testing.T) {
	for words, want := range map[string]string{
		"Payments":             "payments",
		"  Payments & Orders ": "payments-orders",
		"Kreditgeschäft":       "kreditgeschaft",
		"Driver's licence":     "drivers-licence",
		"注文":                   "注文",
		"v2 / EU":              "v2-eu",
		"***":                  "",
		"../../etc/passwd":     "etc-passwd",
	} {
		if got := Slug(words); got != want {
			t.Errorf("Slug(%q) = %q, want %q", words, got, want)
		}
	}
}

func TestSlugIsSafeInAnAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.String().Draw(t, "words")
		s := Slug(words)
		if utf8.RuneCountInString(s) > maxSlug || strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") || strings.Contains(s, "--") {
			t.Fatalf("%q", s)
		}
		for _, r := range s {
			if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				t.Fatalf("%q holds %q", s, r)
			}
		}
		if again := Slug(s); again != s {
			t.Fatalf("a slug of a slug differs: %q, %q", s, again)
		}
	})
}

func TestSlugsSayMoreEachTime(t *testing.T) {
	key := connectors.Key{RemoteID: "svc-7", Exposure: "prod"}
	got := Slugs("api_x", "Payments", "retail", "kong-eu", key)
	want := []string{"payments", "payments-retail", "payments-retail-kong-eu", "payments-retail-kong-eu-svc-7",
		"payments-retail-kong-eu-svc-7-prod", "payments-retail-kong-eu-svc-7-prod-api-x"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := Slugs("api_x", "", "", "", connectors.Key{}); !slices.Equal(got, []string{"api", "api-api-x"}) {
		t.Errorf("of nothing: %q", got)
	}
}

func TestHashLeavesTheIdsOut(t *testing.T) {
	a := Record{}
	a.Deployment.Title = "Payments"
	b := a
	b.Deployment.ID, b.Deployment.API = "dep_1", "api_1"
	if a.Hash() != b.Hash() {
		t.Error("the ids count")
	}
	b.Override.BaseURL = "https://x.example"
	if a.Hash() == b.Hash() {
		t.Error("the override does not count")
	}
}

func TestNoSlugIsReserved(t *testing.T) {
	for _, title := range []string{"Suggest", " suggest! ", "Payments"} {
		all := Slugs("api_1", title, "cards", "gw", connectors.Key{RemoteID: "r"})
		if len(all) < 3 || slices.ContainsFunc(all, portal.Reserved) {
			t.Errorf("%q may get %q", title, all)
		}
	}
}
