package correlate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// cuts are deployments of a few APIs of one division: of each, most of the operations under most of the title.
func cuts(apis, deployments int) []Member {
	draw := rand.New(rand.NewPCG(7, uint64(apis)))
	words := strings.Fields("consignment depot courier settlement chargeback payout netting ledger roster manifest tariff parcel quay berth hangar beacon")
	type api struct {
		title      string
		operations []Operation
	}
	all := make([]api, apis)
	for i := range all {
		one, other := words[i%len(words)], words[(i*7+i/len(words)+3)%len(words)]
		all[i].title = one + " " + other + fmt.Sprint(" ", string(rune('a'+i%26)), "xq")
		for _, w := range []string{one, other, words[(i+5)%len(words)], words[(i+9)%len(words)]} {
			all[i].operations = append(all[i].operations, ops(fmt.Sprintf("GET /%[1]ss, POST /%[1]ss, GET /%[1]ss/{id}/%[2]s, DELETE /%[1]ss/{id}", w, one))...)
		}
	}
	members := make([]Member, deployments)
	for i := range members {
		a := all[i%apis]
		kept := slices.DeleteFunc(slices.Clone(a.operations), func(Operation) bool { return draw.Float64() < 0.15 })
		d := Deployment{Title: a.title + []string{"", " API", " v2", " - PROD", "-svc-test-eu"}[draw.IntN(5)], BaseURL: fmt.Sprintf("https://gw%d.example/%d/%s", draw.IntN(20), draw.IntN(30), strings.Fields(a.title)[0]), Shape: NewShape(kept)}
		if draw.Float64() < 0.2 {
			d.Shape = Shape{}
		}
		members[i] = Member{ID: fmt.Sprintf("gw/%06d", i), Sketch: New(d)}
	}
	return members
}

// copies are deployments that are all the same.
func copies(n int) []Member {
	members := make([]Member, n)
	for i := range members {
		members[i] = roster(fmt.Sprintf("gw/%06d", i), "", "")
	}
	return members
}

// siblings are deployments that have all but a word of their titles in common: each is an API of its own, or not.
func siblings(n int) []Member {
	members := make([]Member, n)
	for i := range members {
		title := "Consignment Roster"
		if i%3 > 0 {
			title += fmt.Sprintf(" %c%cq", 'a'+i%26, 'b'+i/26%24)
		}
		members[i] = Member{ID: fmt.Sprintf("gw/%06d", i), Sketch: New(Deployment{Title: title, Shape: document([]string{tracking, settlements, ""}[i%5%3])})}
	}
	return members
}

// However much deployments resemble each other, what each of them costs is bounded: four times as many take four times the
// work, not sixteen times.
func TestWorkGrowsWithTheNumberOfMembers(t *testing.T) {
	for name, estate := range map[string]func(int) []Member{
		"copies":         copies,
		"cuts of a few":  func(n int) []Member { return cuts(36, n) },
		"cuts of many":   func(n int) []Member { return cuts(n/4, n) },
		"siblings":       siblings,
		"nothing told":   func(n int) []Member { return make([]Member, n) },
		"one name in it": func(n int) []Member { return unlike(n) },
	} {
		t.Run(name, func(t *testing.T) {
			const few = 500
			var each [2]float64
			for i, n := range []int{few, 4 * few} {
				members := estate(n)
				for k := range members {
					members[k].ID = fmt.Sprintf("gw/%06d", k)
				}
				p, err := place(members, &Memory{}, noneApart)
				if err != nil {
					t.Fatal(err)
				}
				p.result()
				each[i] = float64(p.compared.Load()) / float64(n)
				if heard := float64(p.heard) / float64(n); each[i] > 300 || heard > 3000 {
					t.Errorf("%d members: each is compared with %.0f others, and heard about %.0f", n, each[i], heard)
				}
				t.Logf("%d members: %.1f comparisons and %.1f hearings for each, %d edges", n, each[i], float64(p.heard)/float64(n), len(p.edges))
			}
			if each[1] > 1.5*each[0]+10 {
				t.Errorf("%.0f comparisons for each of %d, %.0f for each of %d", each[0], few, each[1], 4*few)
			}
		})
	}
}

// However many members share their keys and their entry, one that comes or goes makes room among a bounded number of others;
// what is found under a key is the same whoever came and went in which order.
func TestWorkOfMemoryGrowsWithTheNumberOfMembers(t *testing.T) {
	const few = 5000
	draw := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{few, 4 * few} {
		var m Memory
		members := copies(n)
		for i := range members {
			members[i].Entry = "e"
		}
		for _, i := range draw.Perm(n) {
			m.Put(members[i])
		}
		for _, i := range draw.Perm(n) {
			if i%4 > 0 {
				m.Remove(members[i].ID)
			} else {
				m.Join(members[i].ID, "f", "")
			}
		}
		keys := members[0].Sketch.Keys()
		if each := float64(m.moved) / float64(2*n*len(keys)); each > maxRun {
			t.Errorf("%d members: each makes %.0f others move under a key", n, each)
		} else {
			t.Logf("%d members: each makes %.0f others move under a key, of which %d have more than one run", n, each, len(m.many))
		}
		found, err := m.Near(keys)
		if err != nil || len(found) != Common || len(m.many) != len(keys) || len(m.Of("f")) != n/4 || m.Of("e") != nil {
			t.Fatalf("%d found, %v; %d in f, %d in e", len(found), err, len(m.Of("f")), len(m.Of("e")))
		}
		for i, x := range found {
			if x.ID != members[4*i].ID {
				t.Fatalf("%d: found %s, want %s", i, x.ID, members[4*i].ID)
			}
		}
		for _, id := range m.Of("f") {
			m.Remove(id)
		}
		if len(m.keys)+len(m.many)+len(m.entries)+m.Len() > 0 {
			t.Errorf("left: %d keys, %d entries, %d members", len(m.keys)+len(m.many), len(m.entries), m.Len())
		}
	}
}

// unlike are APIs that have nothing but one rare word in common.
func unlike(n int) []Member {
	members := make([]Member, n)
	for i := range members {
		own := fmt.Sprintf("%c%c%cx", 'b'+i%20, 'b'+i/20%20, 'b'+i/400%20)
		members[i] = Member{Sketch: New(Deployment{Title: "Contoso " + own, Shape: document(fmt.Sprintf("GET /%[1]s, POST /%[1]s, GET /%[1]s/{id}/%[1]sx", own))})}
	}
	return members
}

// Benchmarks of estates that resemble themselves; 100,000 deployments of many APIs are measured in correlatetest.
//
//	go test -run xxx -bench Alike -benchtime 1x ./portal/correlate
func BenchmarkAlike(b *testing.B) {
	for _, of := range []struct {
		name    string
		members []Member
	}{
		{"5000 copies of one", copies(5000)},
		{"10000 cuts of 36", cuts(36, 10_000)},
		{"10000 siblings", siblings(10_000)},
		{"100000 copies of one", copies(100_000)},
	} {
		b.Run(of.name, func(b *testing.B) {
			for range b.N {
				p, err := place(of.members, &Memory{}, noneApart)
				if err != nil {
					b.Fatal(err)
				}
				r := p.result()
				b.ReportMetric(float64(p.compared.Load())/float64(len(of.members)), "comparisons/member")
				b.ReportMetric(float64(len(r.Joins)), "entries")
				b.ReportMetric(float64(len(r.Reviews)), "questions")
			}
		})
	}
}
