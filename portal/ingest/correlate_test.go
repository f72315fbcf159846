package ingest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/catalog"
)

func record(title, explicit string, api portal.APIID) catalog.Record {
	r := catalog.Record{Described: catalog.Described{API: explicit}}
	r.Deployment.Title, r.Deployment.API = title, api
	return r
}

func TestCorrelate(t *testing.T) {
	payments := catalog.Candidate{ID: "api_1", Slug: "payments", Titles: []string{"Payments"}}
	named := catalog.Candidate{ID: "api_2", Slug: "pay", Explicit: "pay", Titles: []string{"Payments"}}
	for name, tc := range map[string]struct {
		entries []catalog.Candidate
		records []catalog.Record
		want    []Join
	}{
		"same title": {[]catalog.Candidate{payments}, []catalog.Record{record("payments", "", "")}, []Join{{API: "api_1", Records: []int{0}}}},
		"versions of one API are one entry": {nil, []catalog.Record{record("Payments v1", "", ""), record("Payments 2.0", "", ""), record("PAYMENTS", "", "")},
			[]Join{{Records: []int{0, 1, 2}}}},
		"another title":                              {[]catalog.Candidate{payments}, []catalog.Record{record("Orders", "", "")}, []Join{{Records: []int{0}}}},
		"without a title apart":                      {nil, []catalog.Record{record("", "", ""), record("-", "", "")}, []Join{{Records: []int{0}}, {Records: []int{1}}}},
		"explicit id":                                {[]catalog.Candidate{payments, named}, []catalog.Record{record("Whatever", "pay", "")}, []Join{{API: "api_2", Records: []int{0}}}},
		"explicit id of two new ones":                {nil, []catalog.Record{record("A", "x", ""), record("B", "x", "")}, []Join{{Explicit: "x", Records: []int{0, 1}}}},
		"explicit id is a slug":                      {[]catalog.Candidate{payments}, []catalog.Record{record("Whatever", "Payments", "")}, []Join{{API: "api_1", Explicit: "Payments", Records: []int{0}}}},
		"explicit id moves":                          {[]catalog.Candidate{payments, named}, []catalog.Record{record("Payments", "pay", "api_1")}, []Join{{API: "api_2", Records: []int{0}}}},
		"explicit id names the entry that it has":    {[]catalog.Candidate{payments}, []catalog.Record{record("Payments", "new", "api_1")}, []Join{{API: "api_1", Explicit: "new"}}},
		"a title moves nothing":                      {[]catalog.Candidate{payments, {ID: "api_3", Slug: "orders", Titles: []string{"Orders"}}}, []catalog.Record{record("Payments", "", "api_3")}, nil},
		"of two with the title, the one not named":   {[]catalog.Candidate{payments, named}, []catalog.Record{record("Payments", "", "")}, []Join{{API: "api_1", Records: []int{0}}}},
		"of two with the title, both not named: new": {[]catalog.Candidate{payments, {ID: "api_4", Slug: "payments-x", Titles: []string{"Payments"}}}, []catalog.Record{record("Payments", "", "")}, []Join{{Records: []int{0}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Correlate(tc.entries, tc.records)
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(Join{}, "Reason")); diff != "" {
				t.Error(diff)
			}
			for _, j := range got {
				if len(j.Records) > 0 && j.Reason == "" {
					t.Errorf("%+v has no reason", j)
				}
			}
		})
	}
}

// What is joined stays joined, however often one asks, and a record without an entry always gets one.
func TestCorrelationIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entries []catalog.Candidate
		var records []catalog.Record
		for i := range rapid.IntRange(1, 10).Draw(t, "records") {
			records = append(records, record(
				rapid.SampledFrom([]string{"Payments", "payments v2", "Orders", ""}).Draw(t, fmt.Sprint("title ", i)),
				rapid.SampledFrom([]string{"", "", "x", "y", "payments"}).Draw(t, fmt.Sprint("explicit ", i)), ""))
		}
		for _, j := range Correlate(entries, records) {
			e := catalog.Candidate{ID: portal.APIID(portal.NewID("api")), Explicit: j.Explicit}
			for _, i := range j.Records {
				if records[i].Deployment.API != "" {
					t.Fatalf("record %d is in two entries", i)
				}
				records[i].Deployment.API = e.ID
				e.Titles = append(e.Titles, records[i].Deployment.Title)
			}
			e.Slug = catalog.Slug(e.Titles[0]) + "-" + string(e.ID)
			entries = append(entries, e)
		}
		for i, r := range records {
			if r.Deployment.API == "" {
				t.Fatalf("record %d has no entry", i)
			}
		}
		if again := Correlate(entries, records); len(again) != 0 {
			t.Fatalf("asked again: %+v", again)
		}
	})
}
