package correlate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// ops reads "GET /a, POST /b".
func ops(list string) []Operation {
	var out []Operation
	for op := range strings.SplitSeq(list, ", ") {
		method, path, _ := strings.Cut(op, " ")
		out = append(out, Operation{method, path})
	}
	return out
}

const (
	settlements = "GET /settlements, POST /settlements, GET /settlements/{id}, POST /settlements/{id}/disputes, GET /chargebacks, GET /merchants/{id}/payouts"
	tracking    = "GET /consignments/{id}, POST /consignments, GET /depots, GET /depots/{id}/couriers, PUT /couriers/{id}/roster"
	crud        = "GET /items, POST /items, GET /items/{id}, DELETE /items/{id}, GET /health"
)

func document(list string) Shape { return NewShape(ops(list)) }

func TestCompare(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b Deployment
		want Verdict
		why  string // code of a reason; empty: any
	}{
		"the same id": {Deployment{Explicit: "pay", Title: "Payments"}, Deployment{Explicit: "pay", Title: "Zahlungen"}, Join, SameID},
		"different ids, all else the same": {
			Deployment{Explicit: "pay", Title: "Payments", Shape: document(settlements)}, Deployment{Explicit: "pay-eu", Title: "Payments", Shape: document(settlements)}, Apart, OtherID},
		"technical name, prefix moved, version, operations dropped": {
			Deployment{Title: "Settlement API", BaseURL: "https://a.example/settlements/v2", Shape: document(settlements)},
			Deployment{Title: "settlement-svc-prod-eu", Routes: ops("GET /eu/v1/settlements, GET /eu/v1/settlements/:id, POST /eu/v1/settlements/:id/disputes, GET /eu/v1/chargebacks")}, Join, SameOperations},
		"editions on two hosts": {
			Deployment{Title: "Depot Platform", Servers: []string{"https://api.depot.example"}, Shape: document(tracking)},
			Deployment{Title: "Depot Platform (Enterprise Server 3.8)", Servers: []string{"https://HOST/api/v3"}, Shape: document(tracking + ", GET /admin/licence")}, Join, ""},
		"v1 and v2":                        {Deployment{Title: "Settlements v1", Shape: document(settlements)}, Deployment{Title: "Settlements v2", Shape: document(settlements + ", GET /v2/netting")}, Join, SameTitle},
		"no document, a rare title":        {Deployment{Title: "Consignment Roster"}, Deployment{Title: "Consignment Roster - TEST", Shape: document(tracking)}, Join, SameTitle},
		"no document, a common title":      {Deployment{Title: "Accounts"}, Deployment{Title: "Account API", Shape: document(settlements)}, Review, SameTitle},
		"two companies' Payments API":      {Deployment{Title: "Payments API", Shape: document(settlements)}, Deployment{Title: "Payments API", Shape: document(tracking)}, Apart, FewOperations},
		"same shape, other title":          {Deployment{Title: "Consignments", Shape: document(tracking)}, Deployment{Title: "Veterinary Ledger", Shape: document(tracking)}, Apart, OtherTitle},
		"generic operations, other titles": {Deployment{Title: "Inventory", Shape: document(crud)}, Deployment{Title: "Loyalty", Shape: document(crud)}, Apart, OtherTitle},
		"generic operations, no titles":    {Deployment{Shape: document(crud)}, Deployment{Shape: document(crud)}, Apart, ""},
		"siblings of one company": {
			Deployment{Title: "NFL v3 Stats", BaseURL: "https://x.example/v3/nfl/stats", Shape: document(tracking)},
			Deployment{Title: "CBB v3 Stats", BaseURL: "https://x.example/v3/cbb/stats", Shape: document(tracking)}, Apart, OtherTitle},
		"siblings that share much of what they can do": {
			Deployment{Title: "NFL v3 Stats", Shape: document(tracking + ", " + settlements)}, Deployment{Title: "NFL v3 Scores", Shape: document(tracking + ", " + settlements)}, Review, SimilarTitle},
		"base path in front of some paths only": {
			Deployment{BaseURL: "https://a.example/ledger", Shape: document(settlements)},
			Deployment{Shape: NewShape(append(ops(strings.ReplaceAll(settlements, " /", " /ledger/")), Operation{"GET", "/admin/licence"}))}, Join, SameOperations},
		"same title, different owner, nothing else": {Deployment{Title: "Consignment Roster", Owner: "north"}, Deployment{Title: "Consignment Roster", Owner: "south"}, Review, OtherOwner},
		"routes alone":              {Deployment{Routes: ops(settlements)}, Deployment{Shape: document(settlements)}, Join, SameOperations},
		"nothing is told":           {Deployment{}, Deployment{}, Apart, ""},
		"words run together":        {Deployment{Title: "globalwinescore-prod"}, Deployment{Title: "Global Wine Score API"}, Join, SameTitle},
		"a back end of its own":     {Deployment{BaseURL: "https://g.example/ledgerly", Upstream: "http://ledgerly-svc.prod.svc.cluster.local:8080"}, Deployment{Title: "Ledgerly", Upstream: "http://ledgerly.svc.cluster.local:8080"}, Join, SameUpstream},
		"a back end that all share": {Deployment{Title: "Consignments", Upstream: "http://ingress.internal"}, Deployment{Title: "Settlements", Upstream: "http://ingress.internal"}, Apart, OtherTitle},
		"opaque ids are not titles": {Deployment{Names: []string{"a1b2c3d4e5"}, Routes: ops(settlements)}, Deployment{Names: []string{"qzv5p4ml8k"}, Shape: document(settlements)}, Join, SameOperations},
		"an id of words helps":      {Deployment{Names: []string{"consignment-roster-prod"}}, Deployment{Title: "Consignment Roster"}, Join, SameTitle},
		"a part of the operations, under a part of the title": {
			Deployment{Title: "Depot Platform Cloud Suite", Shape: document(tracking + ", " + settlements)}, Deployment{Title: "Depot Suite", Shape: document(settlements + ", GET /netting, GET /netting/{id}/cycles, PUT /collateral")}, Review, SomeOperations},
		"a part of the operations, under a part of what base paths say": {
			Deployment{BaseURL: "https://a.example/depot-platform-suite", Shape: document(tracking + ", " + settlements)}, Deployment{BaseURL: "https://b.example/depot-suite", Shape: document(settlements + ", GET /netting, GET /netting/{id}/cycles, PUT /collateral")}, Review, SomeOperations},
		"frameworks' titles are none": {Deployment{Title: "OpenAPI definition", Shape: document(settlements)}, Deployment{Title: "FastAPI", Shape: document(tracking)}, Apart, ""},
		"a title that tells little":   {Deployment{Title: "Proxy API", Shape: document(settlements)}, Deployment{Title: "proxy-svc-test-eu", Shape: document(settlements)}, Join, SameTitle},
		"operations behind a #": {
			Deployment{Routes: ops("POST /#Action=CreateVault, POST /#Action=SealVault")}, Deployment{Shape: document("POST /eu/#Action=CreateVault, POST /eu/#Action=SealVault")}, Join, SameOperations},
		"stars for parameters": {
			Deployment{Title: "Depots", Routes: ops("GET /consignments/*, POST /consignments, GET /depots, GET /depots/*/couriers, PUT /couriers/*/roster")},
			Deployment{Title: "Depots", Shape: document(tracking)}, Join, SameOperations},
		"a star beside its collection": {
			Deployment{Title: "Depots", Routes: ops("GET /depots, GET /depots/*, POST /depots")}, Deployment{Title: "Depots", Shape: document("GET /depots, GET /depots/{id}, POST /depots")}, Join, SameOperations},
		"a star beside its collection is no base path": {
			Deployment{Title: "Depot History", Routes: ops("GET /depots, POST /depots, GET /depots/*, PUT /depots/*")},
			Deployment{Title: "Depots", BaseURL: "https://a.example/depots", Routes: ops("ANY /depots")}, Review, SimilarTitle},
		"queries are no routes": {
			Deployment{Title: "Depot Tracking", Shape: document("QUERY depots, QUERY couriers, MUTATION assignRoster, QUERY consignments")}, Deployment{Title: "Depot Tracking", Routes: ops(tracking)}, Join, SameTitle},
		"what many have, of two owners": {
			Deployment{Title: "Customer API", Owner: "team Contoso", Shape: document(crud)}, Deployment{Title: "customers-svc", Owner: "Fabrikam", Shape: document(crud)}, Review, NamedApart},
		"what many have, named after two": {
			Deployment{Title: "Customers", Names: []string{"customers-contoso-prod"}, Shape: document(crud)}, Deployment{Title: "Customers", BaseURL: "https://g.example/fabrikam/customers", Shape: document(crud)}, Review, NamedApart},
		"what many have, named after one": {
			Deployment{Title: "Customers", Names: []string{"customers-contoso-prod"}, Shape: document(crud)}, Deployment{Title: "Customers", Owner: "team contoso", Shape: document(crud)}, Join, SameTitle},
		"what many have, and nothing else": {Deployment{Title: "Customers", Shape: document(crud)}, Deployment{Title: "Customers (test)", Owner: "team contoso", Shape: document(crud)}, Join, SameTitle},
		"other names beside what few have": {
			Deployment{Title: "Customers", Names: []string{"customers-contoso-prod"}, Shape: document(settlements)}, Deployment{Title: "Customers", Owner: "Fabrikam", Shape: document(settlements)}, Join, SameOperations},
		"a word in two, and in one": {Deployment{Title: "Swiss NextGen Banking API Framework"}, Deployment{Title: "swiss-nextgen-banking-api-framework-eu"}, Join, SameTitle},
		"hardly any operation in common, and another owner": {
			Deployment{Title: "Payments API", Owner: "contoso", Shape: document("GET /netting")}, Deployment{Title: "Payments API", Owner: "fabrikam", Shape: document(settlements)}, Apart, FewOperations},
		"a route for all below the base path": {
			Deployment{Title: "Depot Tracking", BaseURL: "https://g.example/tracking", Routes: []Operation{{"ANY", "/tracking"}}}, Deployment{Title: "Depot Tracking", Shape: document(tracking)}, Join, SameTitle},
		"one route for whatever is below": {
			Deployment{Title: "Depot Tracking", Routes: []Operation{{"", "/eu/tracking"}}}, Deployment{Title: "Depot Tracking", Shape: document(tracking)}, Join, SameTitle},
		"stages however they are written": {Deployment{Title: "depot-roster_dv"}, Deployment{Title: "nprd-depot-roster-acpt"}, Join, SameTitle},
		"a name in other words":           {Deployment{Title: "IoE² API - to create desks (EU)"}, Deployment{Title: "IOE² API - TO CREATE DESKS - TEST"}, Join, SameTitle},
		"the other way round": {
			Deployment{Title: "Speech-to-Text API", Shape: document(crud)}, Deployment{Title: "text-to-speech-svc", Shape: document(crud)}, Apart, OtherTitle},
		"the same way round": {
			Deployment{Title: "Speech-to-Text API", Shape: document(crud)}, Deployment{Title: "speech_to_text-prod", Shape: document(crud)}, Join, SameTitle},
		"decorations alone": {Deployment{Title: "Proxy API"}, Deployment{Title: "Gateway API"}, Apart, ""},
		"two companies' names": {
			Deployment{Title: "Contoso Orders API", BaseURL: "https://api.contoso.example/orders", Shape: document(crud)},
			Deployment{Title: "Fabrikam Orders API", BaseURL: "https://api.fabrikam.example/orders", Shape: document(crud)}, Apart, OtherTitle},
		"a company's name that one leaves out": {
			Deployment{Title: "Contoso Settlements API", BaseURL: "https://api.contoso.example/x", Shape: document(settlements)}, Deployment{Title: "Settlements API", Shape: document(settlements)}, Join, SimilarTitle},
		"a word that begins another": {
			Deployment{Title: "Work Roster"}, Deployment{Title: "Workshop Roster"}, Review, SimilarTitle},
		"a word that begins the only word of another": {
			Deployment{Title: "Dataflow API", Shape: document(settlements)}, Deployment{Title: "Depot Country Data Standardization", Shape: document(settlements)}, Review, OtherTitle},
		"a name that is cut short": {
			Deployment{Title: "Consign API", Shape: document(settlements)}, Deployment{Title: "Consignment API", Shape: document(settlements)}, Join, SimilarTitle},
		"one balancer before both": {
			Deployment{BaseURL: "https://a.example/x", Upstream: "http://lb-prod.corp.example", Shape: document(tracking)},
			Deployment{BaseURL: "https://b.example/y", Upstream: "http://lb-test.corp.example", Shape: document("GET /netting, POST /netting, GET /netting/{id}/cycles")}, Apart, ""},
		"a word in common, for two audiences": {Deployment{Title: "QX Public API", Owner: "desk"}, Deployment{Title: "QX Partner API", Owner: "desk"}, Review, SameTitle},
		"a title for two audiences":           {Deployment{Title: "Settlements (public)"}, Deployment{Title: "Settlements (partner)"}, Join, SameTitle},
		"what two audiences are named by":     {Deployment{BaseURL: "https://a.example/qx-partner", Upstream: "http://qx-partner.svc"}, Deployment{Title: "QX Public API", BaseURL: "https://b.example/qx-public"}, Review, NamedAlike},
		"other methods of the same resources": {
			Deployment{Title: "Depots", Shape: document("GET /depots, DELETE /couriers/{id}, GET /consignments/{id}/roster")},
			Deployment{Title: "Depots", Shape: document("POST /depots, PUT /couriers/{id}, PUT /consignments/{id}/roster")}, Join, SomeOperations},
		"what many have, under a part of the title": {
			Deployment{Title: "Contoso Lockers", Shape: document(crud)}, Deployment{Title: "locker-svc-prod", Shape: document(crud)}, Review, SimilarTitle},
		"operations that every API has": {
			Deployment{Title: "Depot Tracking", Shape: document("GET /{id}, GET /metrics")}, Deployment{Title: "Depot Tracking", Shape: document("GET /status")}, Join, SameTitle},
		"something else, under a part of the title": {
			Deployment{Title: "Depot Roster", Shape: document("GET /netting")}, Deployment{Title: "Depot Roster Suite", Shape: document(tracking)}, Apart, FewOperations},
		"something else, under what a base path says too": {
			Deployment{BaseURL: "https://a.example/depot-roster", Shape: document("GET /netting")}, Deployment{Title: "Depot Roster Suite", BaseURL: "https://b.example/depot-roster", Shape: document(tracking)}, Review, FewOperations},
		"an operation that every API has, beside many": {
			Deployment{Title: "Depot Tracking", Shape: document("GET /{id}")}, Deployment{Title: "Depot Tracking", Shape: document(tracking)}, Review, FewOperations},
		"a fork": {
			Deployment{Title: "Swagger Generator", Shape: document(settlements)}, Deployment{Title: "OpenAPI Generator Online", Shape: document(settlements)}, Review, SimilarTitle},
		"no name, and another owner": {
			Deployment{Owner: "team desk", Shape: document(settlements)}, Deployment{Title: "Roster", Owner: "team depot", Shape: document(settlements)}, Review, OtherOwner},
		"methods that a route ignores": {Deployment{Title: "Depots", Routes: []Operation{{"", "/consignments"}, {"ANY", "/depots"}, {"*", "/couriers/:id/roster"}}}, Deployment{Title: "Depots", Shape: document(tracking)}, Join, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Compare(New(tc.a), New(tc.b))
			if got.Verdict != tc.want || tc.why != "" && !slices.ContainsFunc(got.Reasons, func(r Reason) bool { return r.Code == tc.why }) {
				t.Errorf("got %s %.3f %v; want %s because of %s", got.Verdict, got.Score, got.Reasons, tc.want, tc.why)
			}
		})
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for code, text := range english {
		if got := (Reason{code, []string{"$2", "b", "c"}}).String(); strings.Contains(text, "$1") && !strings.Contains(got, "$2") || got == "" {
			t.Errorf("%s: %q", code, got)
		}
	}
}

var (
	genWord  = rapid.SampledFrom(strings.Fields("payments Payments API v2 prod (Legacy) orders order-svc Acme refund hotelSearch search zürich 支付 x1 a1b2c3d4"))
	genTitle = rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(genWord, 0, 4).Draw(t, "words"), rapid.SampledFrom([]string{" ", "-", "_", ""}).Draw(t, "between"))
	})
	genPath = rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(strings.Fields("v1 api payments refunds {id} :id * items orders eu lines health a.json {f}.{x}")), 0, 5).Draw(t, "parts"), "/")
	})
	genOps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Operation {
		return Operation{rapid.SampledFrom([]string{"GET", "post", "", "ANY", "PROPFIND"}).Draw(t, "method"), genPath.Draw(t, "path")}
	}), 0, 8)
	genURL = rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", "https://a.example", "//b.example:8443", "{host}"}).Draw(t, "host") + genPath.Draw(t, "path")
	})
	genDeployment = rapid.Custom(func(t *rapid.T) Deployment {
		return Deployment{
			Explicit: rapid.SampledFrom([]string{"", "", "", "pay", "ship"}).Draw(t, "explicit"),
			Title:    genTitle.Draw(t, "title"),
			Names:    rapid.SliceOfN(genTitle, 0, 2).Draw(t, "names"),
			BaseURL:  genURL.Draw(t, "base"),
			Servers:  rapid.SliceOfN(genURL, 0, 2).Draw(t, "servers"),
			Upstream: rapid.SampledFrom([]string{"", "http://payments-prod.svc.cluster.local:8080", "ingress.corp.example", "10.0.0.7:8080", "http://orders/api"}).Draw(t, "upstream"),
			Owner:    rapid.SampledFrom([]string{"", "team payments", "Payments Team", "north"}).Draw(t, "owner"),
			Shape:    NewShape(genOps.Draw(t, "document")),
			Routes:   genOps.Draw(t, "routes"),
		}
	})
)

func TestCompareIsSymmetricalAndSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := New(genDeployment.Draw(t, "a")), New(genDeployment.Draw(t, "b"))
		one, other := Compare(a, b), Compare(b, a)
		if diff := cmp.Diff(one, other); diff != "" {
			t.Fatal(diff)
		}
		want := Apart
		if one.Score >= JoinScore {
			want = Join
		} else if one.Score >= ReviewScore {
			want = Review
		}
		if one.Verdict != want || !(one.Score >= 0 && one.Score <= 1) {
			t.Fatalf("score %v, verdict %s", one.Score, one.Verdict)
		}
		for _, r := range one.Reasons {
			if english[r.Code] == "" || strings.Contains(r.String(), "$") {
				t.Fatalf("no words for %v: %q", r, r)
			}
		}
	})
}

func TestSketchIsTheSameAfterJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(genDeployment.Draw(t, "deployment"))
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Sketch
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(Compare(s, s), Compare(s, back)); diff != "" {
			t.Fatal(diff)
		}
		if !slices.Equal(s.Keys(), back.Keys()) {
			t.Fatal("other keys")
		}
		if again, _ := json.Marshal(back); string(again) != string(b) {
			t.Fatalf("%s\n%s", b, again)
		}
	})
}

// world is what Place is given: some known members, some new ones, some of them kept apart.
type world struct {
	known, fresh []Member
	apart        map[[2]string]bool
}

var genWorld = rapid.Custom(func(t *rapid.T) world {
	w := world{apart: map[[2]string]bool{}}
	kinds := rapid.SliceOfN(genDeployment, 1, 4).Draw(t, "kinds")
	ids := rapid.IntRange(2, 14).Draw(t, "members")
	for i := range ids {
		m := Member{ID: fmt.Sprintf("m%02d", i), Division: rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "division"), Sketch: New(kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")])}
		if rapid.Bool().Draw(t, "known") {
			m.Entry = fmt.Sprintf("%s-entry-%s-%d", m.Division, m.Sketch.Explicit, rapid.IntRange(0, 2).Draw(t, "entry"))
			w.known = append(w.known, m)
		} else {
			w.fresh = append(w.fresh, m)
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "apart") {
		i, j := rapid.IntRange(0, ids-1).Draw(t, "one"), rapid.IntRange(0, ids-1).Draw(t, "other")
		w.keep(fmt.Sprintf("m%02d", i), fmt.Sprintf("m%02d", j))
	}
	return w
})

func (w world) keep(a, b string) { w.apart[[2]string{a, b}], w.apart[[2]string{b, a}] = true, true }

// keptFrom tells of each pair from one side only.
func (w world) keptFrom(id string) []string {
	var out []string
	for pair := range w.apart {
		if pair[0] == id && pair[0] <= pair[1] {
			out = append(out, pair[1])
		}
		// One that shares nothing with what is new is not looked at: its entry is told as well.
		if i := slices.IndexFunc(w.known, func(m Member) bool { return m.ID == pair[1] }); i >= 0 && pair[0] == id {
			out = append(out, w.known[i].Entry)
		}
	}
	return out
}

func (w world) place(t interface{ Fatal(...any) }, fresh []Member) Result {
	var index Memory
	for _, m := range w.known {
		index.Put(m)
	}
	r, err := Place(fresh, &index, w.keptFrom)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// entries are the outcome: the members of every entry, known ones too, by whatever is first of it.
func (w world) entries(fresh []Member, r Result) map[string][]Member {
	out := map[string][]Member{}
	for i, j := range r.Joins {
		name := j.Entry
		if name == "" {
			name = fmt.Sprint("new ", i)
		}
		for _, m := range j.Members {
			out[name] = append(out[name], fresh[m])
		}
	}
	for _, m := range w.known {
		out[m.Entry] = append(out[m.Entry], m)
	}
	return out
}

func TestPlaceKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWorld.Draw(t, "world")
		r := w.place(t, w.fresh)
		seen := map[int]bool{}
		for _, j := range r.Joins {
			if len(j.Members) == 0 || j.Score < JoinScore {
				t.Fatalf("joined without cause: %+v", j)
			}
			for _, m := range j.Members {
				if seen[m] {
					t.Fatalf("member %d is placed twice", m)
				}
				seen[m] = true
			}
		}
		if len(seen) != len(w.fresh) {
			t.Fatalf("%d of %d members are placed", len(seen), len(w.fresh))
		}
		where := map[string]string{}
		for name, members := range w.entries(w.fresh, r) {
			for i, a := range members {
				where[a.ID] = name
				for _, b := range members[i+1:] {
					switch bothKnown := a.Entry != "" && b.Entry != ""; {
					case bothKnown:
					case a.Division != b.Division:
						t.Fatalf("%s and %s of two divisions are joined", a.ID, b.ID)
					case w.apart[[2]string{a.ID, b.ID}]:
						t.Fatalf("%s and %s are joined, and a person keeps them apart", a.ID, b.ID)
					case a.Sketch.Explicit != "" && b.Sketch.Explicit != "" && a.Sketch.Explicit != b.Sketch.Explicit:
						t.Fatalf("%s and %s name different ids and are joined", a.ID, b.ID)
					}
				}
			}
		}
		asked := map[[2]string]bool{}
		for _, q := range r.Reviews {
			pair := [2]string{min(where[q.A], where[q.B]), max(where[q.A], where[q.B])}
			if pair[0] == pair[1] || asked[pair] || q.A >= q.B || q.Score < ReviewScore || len(q.Reasons) == 0 || w.apart[[2]string{q.A, q.B}] {
				t.Fatalf("a question that is not one: %+v, %v", q, pair)
			}
			asked[pair] = true
		}
	})
}

func TestPlaceDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWorld.Draw(t, "world")
		want := w.told(w.fresh, w.place(t, w.fresh))
		shuffled := slices.Clone(w.fresh)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(want, w.told(shuffled, w.place(t, shuffled))); diff != "" {
			t.Fatal(diff)
		}
	})
}

// told is a result with ids in place of places.
func (w world) told(fresh []Member, r Result) []string {
	var out []string
	for _, j := range r.Joins {
		var ids []string
		for _, m := range j.Members {
			ids = append(ids, fresh[m].ID)
		}
		slices.Sort(ids)
		out = append(out, fmt.Sprint(j.Entry, ids, j.Explicit, j.Score, j.Reasons))
	}
	for _, q := range r.Reviews {
		out = append(out, fmt.Sprint(q))
	}
	slices.Sort(out)
	return out
}

func noneApart(string) []string { return nil }

func roster(id, entry, division string) Member {
	return Member{ID: id, Entry: entry, Division: division, Sketch: New(Deployment{Title: "Consignment Roster", Shape: document(tracking)})}
}

func TestPlaceBesideKnownOnes(t *testing.T) {
	var index Memory
	index.Put(roster("k1", "e1", "north"))
	index.Put(roster("k2", "e2", "south"))
	got, err := Place([]Member{roster("b", "", "north"), roster("a", "", "north"), roster("c", "", "east")}, &index, noneApart)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Joins) != 2 || got.Joins[0].Entry != "e1" || !slices.Equal(got.Joins[0].Members, []int{0, 1}) || got.Joins[1].Entry != "" {
		t.Errorf("got %+v", got.Joins)
	}
	if len(got.Reviews) != 3 { // each of the three entries with each: e2 with e1's new members, the new one with both
		t.Errorf("got %+v", got.Reviews)
	}
}

func TestPlaceHonoursANoForTheWholeEntry(t *testing.T) {
	var index Memory
	index.Put(roster("k", "e", "north"))
	no := func(id string) []string { return map[string][]string{"e": {"a"}}[id] }
	got, err := Place([]Member{roster("a", "", "north"), roster("b", "", "north")}, &index, no)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range got.Joins {
		if j.Entry == "e" && slices.Contains(j.Members, 0) {
			t.Errorf("a is in e: %+v", got)
		}
	}
	for _, q := range got.Reviews {
		if q.A == "a" && q.B == "k" {
			t.Errorf("asked again: %+v", q)
		}
	}
}

func TestPlaceMovesByExplicitIDOnly(t *testing.T) {
	named := New(Deployment{Explicit: "roster", Title: "Consignment Roster", Shape: document(tracking)})
	var index Memory
	index.Put(Member{ID: "k", Entry: "e1", Division: "north", Sketch: named})
	moved := Member{ID: "m", Entry: "e2", Division: "north", Sketch: named}
	stays := roster("s", "e3", "north")
	got, err := Place([]Member{moved, stays}, &index, noneApart)
	if err != nil {
		t.Fatal(err)
	}
	to := map[int]string{}
	for _, j := range got.Joins {
		for _, m := range j.Members {
			to[m] = j.Entry
		}
	}
	if diff := cmp.Diff(map[int]string{0: "e1", 1: "e3"}, to); diff != "" {
		t.Error(diff)
	}
}

// A title alone fits both Payments APIs: a person is asked.
func TestPlaceLeavesWhatFitsSeveralToAPerson(t *testing.T) {
	a := Member{ID: "a", Division: "d", Sketch: New(Deployment{Title: "Clearing House", Shape: document(settlements)})}
	b := Member{ID: "b", Division: "d", Sketch: New(Deployment{Title: "Clearing House", Shape: document(tracking)})}
	c := Member{ID: "c", Division: "d", Sketch: New(Deployment{Title: "Clearing House - PROD"})}
	got, err := Place([]Member{a, b, c}, &Memory{}, noneApart)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Joins) != 3 || len(got.Reviews) != 2 || got.Reviews[0].Reasons[len(got.Reviews[0].Reasons)-1].Code != SeveralFit {
		t.Errorf("got %+v", got)
	}
	if got, err = Place([]Member{a, c}, &Memory{}, noneApart); err != nil || len(got.Joins) != 1 {
		t.Errorf("with one of them: %+v, %v", got, err)
	}
}

// A title that two APIs of a division have tells of no third deployment which of them it is, nor of two that have nothing
// else that they are one.
func TestPlaceBelievesNoTitleThatTwoHave(t *testing.T) {
	titled := func(id, list string) Member {
		return Member{ID: id, Sketch: New(Deployment{Title: "Clearing House", Shape: document(list)})}
	}
	bare := func(id string) Member { return Member{ID: id, Sketch: New(Deployment{Title: "Clearing House"})} }
	got, err := Place([]Member{titled("a", settlements), titled("b", tracking), bare("c"), bare("d")}, &Memory{}, noneApart)
	if err != nil || len(got.Joins) != 4 {
		t.Errorf("%+v, %v", got.Joins, err)
	}
	if got, err = Place([]Member{titled("a", settlements), titled("b", settlements), bare("c"), bare("d")}, &Memory{}, noneApart); err != nil || len(got.Joins) != 1 {
		t.Errorf("with one API of that title: %+v, %v", got.Joins, err)
	}
}

// Where an API that many have is known to be two owners', a third deployment of which nothing else is told may be of either.
func TestPlaceAsksWhoseAPlainAPIIs(t *testing.T) {
	plain := func(id, owner string) Member {
		return Member{ID: id, Sketch: New(Deployment{Title: "Customers", Owner: owner, Shape: document(crud)})}
	}
	got, err := Place([]Member{plain("a", "contoso"), plain("b", "fabrikam"), plain("c", ""), plain("d", "")}, &Memory{}, noneApart)
	if err != nil || len(got.Joins) != 4 || len(got.Reviews) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = Place([]Member{plain("a", "contoso"), plain("b", "contoso"), plain("c", ""), plain("d", "")}, &Memory{}, noneApart); err != nil || len(got.Joins) != 1 {
		t.Errorf("of one owner: %+v, %v", got.Joins, err)
	}
}

// Of two divisions that share a title and no operation nobody is asked: two companies' APIs are two.
func TestPlaceAsksNobodyAboutATitleOfTwoDivisions(t *testing.T) {
	of := func(division, list string) Member {
		return Member{ID: division, Division: division, Sketch: New(Deployment{Title: "Clearing House", Shape: document(list)})}
	}
	few := "GET /netting"
	if got, err := Place([]Member{of("north", settlements), of("south", few)}, &Memory{}, noneApart); err != nil || len(got.Reviews) > 0 {
		t.Errorf("%+v, %v", got.Reviews, err)
	}
	if got, err := Place([]Member{of("north", settlements), of("south", settlements)}, &Memory{}, noneApart); err != nil || len(got.Reviews) != 1 || len(got.Joins) != 2 {
		t.Errorf("with one set of operations: %+v, %v", got.Reviews, err)
	}
}

// Two divisions are asked about what would be one in one of them, and about one name; not about a part of it.
func TestPlaceAsksTwoDivisionsAboutNoPartOfATitle(t *testing.T) {
	for title, want := range map[string]int{"Depot Roster": 1, "Depot Roster (test)": 1, "Depot Roster Quay": 0, "Depot Roster Suite Quay": 0} {
		for division, want := range map[string]int{"north": 1, "south": want} {
			got, err := Place([]Member{
				{ID: "a", Division: "north", Sketch: New(Deployment{Title: "Depot Roster", Owner: "x"})},
				{ID: "b", Division: division, Sketch: New(Deployment{Title: title, Owner: "y"})},
			}, &Memory{}, noneApart)
			if err != nil || len(got.Reviews) != want {
				t.Errorf("%s of %s: %v, %v; want %d questions", title, division, got.Reviews, err, want)
			}
		}
	}
	got, err := Place([]Member{
		{ID: "a", Division: "north", Sketch: New(Deployment{Title: "Consign API", Shape: document(settlements)})},
		{ID: "b", Division: "south", Sketch: New(Deployment{Title: "Consignment API", Shape: document(settlements)})},
	}, &Memory{}, noneApart)
	if err != nil || len(got.Reviews) != 1 {
		t.Errorf("what would be one: %v, %v", got.Reviews, err)
	}
}

// Where four of one name can do something else it is the name of a product in parts; of two and three any may be another version.
func TestPlaceAsksNobodyAboutThePartsOfAProduct(t *testing.T) {
	documents := []string{"GET /netting", "GET /mandates, GET /collections", "PUT /turbines", "GET /anemometers"}
	for parts, want := range []int{0, 0, 1, 3, 0} {
		var members []Member
		for i, d := range documents[:parts] {
			members = append(members, Member{ID: fmt.Sprintf("m%d", i), Sketch: New(Deployment{Title: "Clearing House", Shape: document(d)})})
		}
		r, err := Place(members, &Memory{}, noneApart)
		if err != nil || len(r.Joins) != parts || len(r.Reviews) != want {
			t.Errorf("%d parts: got %v, %v; want %d questions", parts, r, err, want)
		}
	}
}

// Names are spelled alike if their words are the same, written as one.
func TestSameLetters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "ab", "b", "next", "gen", "nextgen", "prod", "v2", "desk"}), 1, 5)
		a, b := newNamed(name{Words: some.Draw(t, "a")}), newNamed(name{Words: some.Draw(t, "b")})
		one := func(n *named) string { return strings.Join(undecorated(n.Words), "") }
		if got, want := sameLetters(a.bare, b.bare), one(a) != "" && one(a) == one(b); got != want {
			t.Errorf("%q, %q: %t", a.Words, b.Words, got)
		}
	})
}

// Two that hardly overlap are one where a third has most of both.
func TestPlaceJoinsThroughTheMiddle(t *testing.T) {
	member := func(id string, list string) Member {
		return Member{ID: id, Sketch: New(Deployment{Title: "Clearing House", Shape: document(list)})}
	}
	all := strings.Split("GET /settlements/{id}, PUT /chargebacks, GET /payouts, PUT /netting, GET /disputes, PUT /consignments, GET /depots, PUT /couriers, GET /rosters, PUT /manifests, GET /tariffs, PUT /berths", ", ")
	some := func(from, to int) string { return strings.Join(all[from:to], ", ") }
	got, err := Place([]Member{member("a", some(0, 7)), member("b", some(0, 12)), member("c", some(5, 12))}, &Memory{}, noneApart)
	if err != nil || len(got.Joins) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"paymentMethods HTTPServer": "payment methods http server",
		"BBC iPlayer, eBay":         "bbc iplayer ebay",
		"Maps APIs and URLs":        "maps apis and urls",
		"OAuth2Token":               "o auth2 token",
		"getAPIsList":               "get apis list",
		"zürichÖffnung":             "zürich öffnung",
		"a1B2":                      "a1 b2",
	} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"OpenAPI definition", "Open API", "FastAPI", "My REST Api", "RESTful WebApi - PROD"} {
		if n := newName(text); len(n.Words) > 0 {
			t.Errorf("%s tells %q", text, n.Words)
		}
	}
}

type failing struct{ Memory }

var errIndex = errors.New("the index is away")

func (*failing) Near([]uint64) ([]*Member, error) { return nil, errIndex }

func TestPlacePassesOnTheIndexError(t *testing.T) {
	if _, err := Place([]Member{roster("a", "", "")}, &failing{}, noneApart); !errors.Is(err, errIndex) {
		t.Errorf("got %v", err)
	}
}

func TestMemory(t *testing.T) {
	var m Memory
	var want []string
	for i := range Common + 10 {
		x := roster(fmt.Sprintf("m%03d", i), "e", "")
		m.Put(x)
		m.Put(x)
		if i < Common {
			want = append(want, x.ID)
		}
	}
	got, err := m.Near(roster("", "", "").Sketch.Keys())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, x := range got {
		ids = append(ids, x.ID)
	}
	slices.Sort(ids)
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	for i := range Common + 10 {
		m.Remove(fmt.Sprintf("m%03d", i))
	}
	if len(m.keys)+len(m.many)+len(m.entries)+m.Len() > 0 {
		t.Errorf("left: %v", slices.Collect(maps.Keys(m.keys)))
	}
}

func TestShapeText(t *testing.T) {
	text, err := document(settlements).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var s Shape
	for name, bad := range map[string]string{"no base64": "!", "an earlier format": "AQAA", "another format": "fwAA", "cut": string(text[:len(text)-3]), "short": "AQ"} {
		if err := s.UnmarshalText([]byte(bad)); err == nil || !s.IsZero() {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if err := s.UnmarshalText(nil); err != nil || !s.IsZero() {
		t.Errorf("nothing: %v, %v", s, err)
	}
}

// What is kept is compared with what is made anew: whoever changes what a sketch is made of raises Format, and shapeFormat if
// it is the shape, and then the number here.
func TestFormat(t *testing.T) {
	made := New(Deployment{
		Title: "Settlement Desk - PROD", Names: []string{"stlmt_desk-v2", "finance/settlement-desk-routes"}, BaseURL: "https://a.example.com/pay/settlements/v2", Servers: []string{"https://b.example.com/s"},
		Upstream: "http://settlement-desk.finance-test.svc.cluster.local:8080", Owner: "desk",
		Routes: append(ops(settlements), Operation{"GET", "/depots/*/couriers"}, Operation{"GET", "/depots/*"}, Operation{"POST", "/#Action=Seal"}, Operation{"GET", "/v2/netting.json"},
			Operation{"GET", `~^/fixings/([^/]+)/v(\d+)/(?<format>[^/]+)$`}, Operation{"ANY", "/pay/settlements"}),
	})
	sketch, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%d %d %016x", Format, shapeFormat, textHash(string(sketch))); got != "6 4 1c19aeaf03167c81" {
		t.Errorf("got %s of %s", got, sketch)
	}
}

func FuzzShapeText(f *testing.F) {
	text, _ := document(settlements).MarshalText()
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		var s Shape
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		Compare(New(Deployment{Title: "x", Shape: s}), New(Deployment{Title: "x", Shape: document(settlements)}))
	})
}

func FuzzTitle(f *testing.F) {
	for _, title := range []string{"Payments API (Legacy) - PROD v2", "payments-svc-prod-eu", "支付 API", "É\u0301", "", "a1b2c3d4e5", "yments/svc-pr"} {
		f.Add(title)
	}
	f.Fuzz(func(t *testing.T, title string) {
		s := New(Deployment{Title: title})
		for _, n := range s.Titles {
			if len(n.Words) > maxWords || len(n.Words) == 0 {
				t.Errorf("%q has the words %q", title, n.Words)
			}
			if l := compareNames(newNamed(n), newNamed(n), newNamed(n).words, newNamed(n).words); !l.same() {
				t.Errorf("%q is not like itself: %+v", title, l)
			}
		}
		if len(s.Titles) > 0 {
			own := unspaced(strings.TrimSpace(title)) // with more words behind it, what is before a slash is no namespace
			for _, more := range []string{" (Legacy)", " - PROD", " v2", " [test]"} {
				if again := New(Deployment{Title: own + more}); len(title) < maxName/2 && len(s.Titles[0].Words) < 4 && len(s.Titles[0].All) < 6 && !slices.Equal(again.Titles[0].Words, s.Titles[0].Words) {
					t.Errorf("%q with %q has the words %q, not %q", title, more, again.Titles[0].Words, s.Titles[0].Words)
				}
			}
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{"/v1/orders/{id}/lines.json?x=y", "~/orders/(?<id>[0-9]+)$", "/a/:b/*", "//", "{proxy+}", "/{a}.{b}", `~ ^/a/([^/]+)(?:/(?<b>[\]/]*))?$`, `^/([`} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		parts, _ := segments(path)
		for _, p := range parts {
			if p == "" || strings.Contains(p, "/") {
				t.Errorf("%q has the part %q", path, p)
			}
		}
		again, _ := segments("/eu/" + strings.Join(parts, "/"))
		s := NewShape([]Operation{{"GET", path}, {"POST", path + "/more"}})
		if len(again) > 0 && again[0] == "eu" && len(s.paths) > 2 {
			t.Errorf("%q makes %v", path, s)
		}
	})
}

func TestSegments(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v2/orders/{id}/lines":         "orders/{}/lines",
		"/orders/:orderId":                  "orders/{}",
		"/orders/<int:id>/":                 "orders/{}",
		`~^/orders/(?<id>[^/]+)/lines$`:     "orders/{}/lines",
		`~* ^/orders/([^/]+)/(\d+)$`:        "orders/{}/{}",
		`^/orders/[0-9a-f]{8}/lines/?$`:     "orders/{}/lines",
		`^~ /orders/`:                       "orders",
		`~/orders\.json/(?P<x>\w{2,3})$`:    "orders/{}",
		`^/(v1|v2)/orders`:                  "orders",
		`~ ^/orders/\d+(?:/lines)?/x`:       "orders/{}/x",
		`/users({user-id})/mail`:            "{}/mail",
		"/Orders.json?page={page}":          "orders",
		"/2010-04-01/Accounts/{Sid}.json":   "accounts/{}",
		"~/orders/(?<id>[0-9]+)$":           "orders/{}",
		"/v{version}/areas":                 "areas",
		"/v1_beta/merchandised_product":     "merchandised_product",
		"/account/1/verify":                 "account/verify",
		"/project/{id}.{output_format}":     "project/{}",
		"":                                  "",
		"/orders/*":                         "orders",
		"/orders/*/lines":                   "orders/{}/lines",
		"/orders/*/lines/*":                 "orders/{}/lines",
		"/{tenant}/providers/Microsoft.Foo": "{}/providers/microsoft.foo",
		"/#X-Target=Vault.Seal":             "x-target=vault.seal",
		"/vaults#a/b":                       "vaults/a b",
	} {
		if got, _ := segments(path); strings.Join(got, "/") != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{`~ ^/orders/(.*)$`, `~^/orders(/.*)?$`, `^/orders(?:/|$)`, `/orders/**`} {
		if parts, open := segments(path); !open || len(parts) != 1 {
			t.Errorf("%s: got %q, open %t", path, parts, open)
		}
	}
	if _, open := segments("/orders/{proxy+}"); !open {
		t.Error("a greedy path is not open")
	}
}

// TestShortcuts: what is asked of a segment before its patterns are never says otherwise than these.
func TestShortcuts(t *testing.T) {
	pieces := []string{"v", "version", "-", "_", ".", "1", "90", "3", "beta", "rc", "p", "{", "}", "api", "format", "ext", "extension", ".json", "2020-01-01", "preview", "id"}
	versions, extensions := 0, 0
	for range 100_000 {
		var s string
		for range 1 + rand.IntN(5) {
			s += pieces[rand.IntN(len(pieces))]
		}
		version, extended := versionSegment.MatchString(s), extension.MatchString(s)
		if isVersion(s) != version || extended && !mayExtend(s) {
			t.Fatalf("%q: a version: %v, has an extension: %v", s, version, extended)
		}
		if version {
			versions++
		}
		if extended {
			extensions++
		}
	}
	if min(versions, extensions) < 1000 {
		t.Errorf("%d versions and %d extensions are too few to tell", versions, extensions)
	}
}
