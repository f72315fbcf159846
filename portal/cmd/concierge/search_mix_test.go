package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"concierge/portal/ingest/ingesttest"
)

// searchMixFile holds what people search for in the benchmark, drawn once from the large estate: a line each, its kind first.
const searchMixFile = "testdata/searches.txt"

// searchQuery is one line of it.
type searchQuery struct{ kind, text string }

// searchShare says how many of the queries are of a kind.
type searchShare struct {
	kind  string
	share int
}

func searchMix() []searchShare {
	return []searchShare{{"rare", 120}, {"prefix", 60}, {"typo", 45}, {"path", 45}, {"common", 30}}
}

func readSearchMix(t testing.TB) (all []searchQuery) {
	t.Helper()
	content, err := os.ReadFile(searchMixFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		kind, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("%q is no line of a mix", line)
		}
		all = append(all, searchQuery{kind, text})
	}
	return all
}

var updateSearchMix = flag.Bool("update", false, "draw the searches of the benchmark anew")

// The mix is drawn from the corpus, and has the shares that it says.
func TestSearchMixIsThatOfTheEstate(t *testing.T) {
	if testing.Short() {
		t.Skip("the large estate takes a second")
	}
	var drawn bytes.Buffer
	for _, q := range drawSearchMix(ingesttest.New(ingesttest.Large)) {
		fmt.Fprintf(&drawn, "%s\t%s\n", q.kind, q.text)
	}
	if *updateSearchMix {
		if err := os.WriteFile(searchMixFile, drawn.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(searchMixFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content, drawn.Bytes()) {
		t.Error("the estate has changed: go test -run TestSearchMix -update ./portal/cmd/concierge")
	}
	count := map[string]int{}
	for _, q := range readSearchMix(t) {
		count[q.kind]++
	}
	for _, part := range searchMix() {
		if count[part.kind] != part.share {
			t.Errorf("%d queries of kind %s, not %d", count[part.kind], part.kind, part.share)
		}
	}
}

// drawSearchMix draws the mix from an estate: the same every time.
func drawSearchMix(e *ingesttest.Estate) (all []searchQuery) {
	r := rand.New(rand.NewPCG(4, 7))
	for _, part := range searchMix() {
		for range part.share {
			a := e.APIs[r.IntN(len(e.APIs))]
			words := strings.Fields(strings.ToLower(a.Title))
			word := words[r.IntN(len(words))]
			var q string
			switch part.kind {
			case "rare":
				q = a.Rare
				if r.IntN(3) == 0 {
					q += " " + word
				}
			case "prefix":
				q = word[:min(len(word), 2+r.IntN(4))]
				if r.IntN(2) == 0 {
					q = words[0] + " " + q
				}
			case "typo":
				if len(word) < 6 {
					word = a.Rare
				}
				q = mistype(r, word)
			case "path":
				resource := a.Resources[r.IntN(len(a.Resources))]
				q = []string{"POST /" + resource, "/" + resource + "/{id}", "DELETE /" + resource + "/{number}", "GET /" + resource + "/17"}[r.IntN(4)]
			case "common":
				q = []string{"service", "api", "customer", "order", "payment", "customer order", "status", "service api"}[r.IntN(8)]
			}
			all = append(all, searchQuery{part.kind, q})
		}
	}
	return all
}

// mistype makes one mistake.
func mistype(r *rand.Rand, word string) string {
	at := 1 + r.IntN(len(word)-2)
	switch r.IntN(4) {
	case 0:
		return word[:at] + word[at+1:]
	case 1:
		return word[:at] + "x" + word[at:]
	case 2:
		return word[:at] + word[at+1:at+2] + word[at:at+1] + word[at+2:]
	default:
		return word[:at] + "x" + word[at+1:]
	}
}
