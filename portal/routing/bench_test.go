package routing

import (
	"strings"
	"testing"

	"concierge/portal"
)

const largeEntries = 25_000 // with four deployments each

func BenchmarkResolve(b *testing.B) {
	in := large(largeEntries)
	t := Build(in)
	consumer := portal.Consumer{Organisation: "org", Audience: portal.Partner, Region: "eu"}
	requests := make([]Request, 4096)
	for i := range requests {
		requests[i] = Request{API: strings.Clone(in.APIs[i*6007%largeEntries].Slug), Environment: portal.Production}
	}
	run := func(name string, consumer portal.Consumer, requests []Request) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if res, err := t.Resolve(consumer, requests[i%len(requests)]); err != nil || res.Deployment == nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("one", consumer, requests[:1])
	run("spread", consumer, requests)
	consumer.Application = in.Applications[0].ID
	run("application", consumer, []Request{{API: string(in.Applications[0].Bindings[0].API), Environment: portal.Production}})
}

func BenchmarkBuild(b *testing.B) {
	in := large(largeEntries)
	b.ReportAllocs()
	for b.Loop() {
		Build(in)
	}
}

func BenchmarkWithOneEntry(b *testing.B) {
	in := large(largeEntries)
	t := Build(in)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := in.APIs[i%largeEntries]
		t = t.With(Delta{Version: int64(i), APIs: map[portal.APIID]*Entry{e.ID: &e}})
	}
}

func BenchmarkAPIs(b *testing.B) {
	in := large(largeEntries)
	t := Build(in)
	var found Found
	for i := range MostFound {
		found.Texts = append(found.Texts, in.APIs[i*7].ID)
	}
	for name, q := range map[string]Query{
		"first page": {},
		"two facets": {Filter: Filter{FacetEnvironment: {"production"}, FacetRegion: {"eu"}}},
		"rare facet": {Filter: Filter{FacetGateway: {"gateway-7"}}},
		"words":      {Q: "smart payments", Found: &found},
		"common":     {Q: "smart", Found: &Found{Texts: found.Texts, More: true}},
		"no index":   {Q: "tariffs"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t.APIs(as(portal.Internal), q)
			}
		})
	}
}
