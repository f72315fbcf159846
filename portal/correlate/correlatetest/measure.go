package correlatetest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"

	"concierge/portal/correlate"
)

// Figures say how well an estate was put together, in pairs of deployments.
type Figures struct {
	Deployments, APIs, Entries int

	Joined, JoinedRightly int // pairs that were joined, and are one API
	Unknown               int // pairs that were joined of which nobody could say
	True, Found           int // pairs of one API, and those of them that were joined or asked about
	Answered              int // and those that are joined once every question is answered rightly
	Reviews               int // questions
	ReviewedRightly       int // questions about what is one API

	Alike  map[string]Part // pairs of one API, by what was done to one of the two: the share that was joined or asked about
	Unlike map[string]Part // pairs of two APIs, by what makes them hard: the share that was not joined

	Wrong   []string // pairs that were joined and are two APIs, some
	Missed  []string // pairs of one API that are neither joined nor asked about, some
	Doubted []string // questions about one API, some
	Asked   []string // questions about two APIs, some

	joins []Part // of every entry that joins something
}

// Part is how many of some pairs came out right.
type Part struct{ Right, Of int }

func (p Part) share() float64 { return share(p.Right, p.Of) }

// Precision is the share of joined pairs that are one API.
func (f Figures) Precision() float64 { return share(f.JoinedRightly, f.Joined) }

// PrecisionAtLeast is the lower end of the precision that is likely for other estates of this kind, by 19 to 1. Pairs of one
// entry are right or wrong together: entries are drawn again and again, not pairs. Where none is wrong, one more than was
// looked at might have been (the rule of three).
func (f Figures) PrecisionAtLeast() float64 {
	if len(f.joins) == 0 {
		return 0
	}
	draw := rand.New(rand.NewPCG(1, 2))
	drawn := make([]float64, 400)
	for i := range drawn {
		var sum Part
		for range f.joins {
			p := f.joins[draw.IntN(len(f.joins))]
			sum.Right, sum.Of = sum.Right+p.Right, sum.Of+p.Of
		}
		drawn[i] = sum.share()
	}
	slices.Sort(drawn)
	return max(0, min(drawn[len(drawn)/20], 1-3/float64(len(f.joins))))
}

// RecallJoined is the share of pairs of one API that were joined.
func (f Figures) RecallJoined() float64 { return share(f.JoinedRightly, f.True) }

// Recall is the share of pairs of one API that were joined, or are in two entries that a person is asked about.
func (f Figures) Recall() float64 { return share(f.Found, f.True) }

// RecallAnswered is the share of pairs of one API that are joined once every question is answered rightly.
func (f Figures) RecallAnswered() float64 { return share(f.Answered, f.True) }

// Queue is the number of questions for each deployment.
func (f Figures) Queue() float64 { return float64(f.Reviews) / float64(f.Deployments) }

// Add adds the figures of another estate.
func (f *Figures) Add(g Figures) {
	f.Deployments, f.APIs, f.Entries = f.Deployments+g.Deployments, f.APIs+g.APIs, f.Entries+g.Entries
	f.Joined, f.JoinedRightly, f.Unknown = f.Joined+g.Joined, f.JoinedRightly+g.JoinedRightly, f.Unknown+g.Unknown
	f.True, f.Found, f.Answered = f.True+g.True, f.Found+g.Found, f.Answered+g.Answered
	f.Reviews, f.ReviewedRightly = f.Reviews+g.Reviews, f.ReviewedRightly+g.ReviewedRightly
	f.Wrong, f.Missed = append(f.Wrong, g.Wrong...), append(f.Missed, g.Missed...)
	f.Asked, f.Doubted = append(f.Asked, g.Asked...), append(f.Doubted, g.Doubted...)
	f.joins = append(f.joins, g.joins...)
	f.Alike, f.Unlike = added(f.Alike, g.Alike), added(f.Unlike, g.Unlike)
}

func added(a, b map[string]Part) map[string]Part {
	sum := maps.Clone(a)
	if sum == nil {
		sum = map[string]Part{}
	}
	for kind, p := range b {
		count(sum, kind, p.Right, p.Of)
	}
	return sum
}

func count(parts map[string]Part, kind string, right, of int) {
	parts[kind] = Part{parts[kind].Right + right, parts[kind].Of + of}
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

func (f Figures) String() string {
	return fmt.Sprintf("%5d deployments of %4d APIs in %4d entries: precision %.4f, recall %.4f joined, %.4f joined or queued, queue %.3f (%d questions, %d of them yes)",
		f.Deployments, f.APIs, f.Entries, f.Precision(), f.RecallJoined(), f.Recall(), f.Queue(), f.Reviews, f.ReviewedRightly)
}

// Row is a line of a table: figures with their name.
type Row struct {
	Name string
	Figures
}

// Table prints figures beneath each other.
func Table(rows []Row) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tdeployments\tAPIs\tentries\tpairs joined\twrong\tprecision\tat least\trecall joined\tjoined or queued\tanswered\tqueue\tquestions\tyes\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%.4f\t%.4f\t%.3f\t%.4f\t%.4f\t%.3f\t%d\t%d\t\n", r.Name, r.Deployments, r.APIs, r.Entries, r.Joined, r.Joined-r.JoinedRightly,
			r.Precision(), r.PrecisionAtLeast(), r.RecallJoined(), r.Recall(), r.RecallAnswered(), r.Queue(), r.Reviews, r.ReviewedRightly)
	}
	w.Flush()
	return out.String()
}

// Kinds prints each kind of pair, with figures beside each other.
func Kinds(rows []Row) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	kinds := func(title string, of func(Row) map[string]Part) {
		all := map[string]bool{}
		fmt.Fprintf(w, "\n%s\t", title)
		for _, r := range rows {
			fmt.Fprintf(w, "%s\tof pairs\t", r.Name)
			for kind := range of(r) {
				all[kind] = true
			}
		}
		fmt.Fprintln(w)
		for _, kind := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(w, "%s\t", kind)
			for _, r := range rows {
				fmt.Fprintf(w, "%.4f\t%d\t", of(r)[kind].share(), of(r)[kind].Of)
			}
			fmt.Fprintln(w)
		}
		w.Flush()
	}
	kinds("one API, joined or queued, where one has", func(r Row) map[string]Part { return r.Alike })
	kinds("two APIs, not joined, that are", func(r Row) map[string]Part { return r.Unlike })
	return out.String()
}

const shown = 20

// Measure compares what became of an estate, all of it new, with its labels.
func Measure(estate []Deployment, r correlate.Result) Figures {
	f := Figures{Deployments: len(estate), Entries: len(r.Joins), Reviews: len(r.Reviews), Alike: map[string]Part{}, Unlike: map[string]Part{}}
	entry := make([]int, len(estate))
	byID := map[string]int{}
	for i, j := range r.Joins {
		for _, m := range j.Members {
			entry[m] = i
		}
	}
	byAPI := map[string][]int{}
	byEntry := make([][]int, len(r.Joins))
	for i, d := range estate {
		byID[d.ID] = i
		byAPI[d.API] = append(byAPI[d.API], i)
		byEntry[entry[i]] = append(byEntry[entry[i]], i)
	}
	f.APIs = len(byAPI)
	asked := map[[2]int]bool{}
	answered := make([]int, len(r.Joins)) // by entry: another one that it is one with; itself: none
	for i := range answered {
		answered[i] = i
	}
	root := func(entry int) int {
		for answered[entry] != entry {
			entry = answered[entry]
		}
		return entry
	}
	for _, q := range r.Reviews {
		a, b := byID[q.A], byID[q.B]
		asked[[2]int{entry[a], entry[b]}], asked[[2]int{entry[b], entry[a]}] = true, true
		if estate[a].API == estate[b].API {
			f.ReviewedRightly++
			answered[root(entry[a])] = root(entry[b])
			if len(f.Doubted) < shown {
				f.Doubted = append(f.Doubted, describe(estate[a], estate[b]))
			}
		} else if len(f.Asked) < shown && estate[a].Family != estate[b].Family {
			f.Asked = append(f.Asked, describe(estate[a], estate[b]))
		}
	}
	for _, members := range byEntry {
		var of Part
		pairs(members, func(a, b int) {
			if estate[a].API != estate[b].API && estate[a].Family == estate[b].Family {
				f.Unknown++
				return
			}
			if of.Of++; estate[a].API == estate[b].API {
				of.Right++
				return
			}
			for _, kind := range unlike(estate[a], estate[b]) {
				count(f.Unlike, kind, -1, 0)
			}
			if len(f.Wrong) < shown {
				f.Wrong = append(f.Wrong, describe(estate[a], estate[b]))
			}
		})
		if f.Joined, f.JoinedRightly = f.Joined+of.Of, f.JoinedRightly+of.Right; of.Of > 0 {
			f.joins = append(f.joins, of)
		}
	}
	for _, api := range slices.Sorted(maps.Keys(byAPI)) {
		pairs(byAPI[api], func(a, b int) {
			found := 0
			f.True++
			if entry[a] == entry[b] || asked[[2]int{entry[a], entry[b]}] {
				found = 1
			} else if len(f.Missed) < shown {
				f.Missed = append(f.Missed, describe(estate[a], estate[b]))
			}
			f.Found += found
			if root(entry[a]) == root(entry[b]) {
				f.Answered++
			}
			changes := slices.Concat(estate[a].Changes, estate[b].Changes)
			slices.Sort(changes)
			for _, kind := range slices.Compact(changes) {
				count(f.Alike, kind, found, 1)
			}
		})
	}
	f.contrast(estate)
	return f
}

// contrast counts the pairs of two APIs that are easily taken for one.
func (f *Figures) contrast(estate []Deployment) {
	alike := map[string][]int{} // by what they have in common
	for i, d := range estate {
		for _, key := range []string{"company " + d.Provider, "title " + d.Title, "mould " + d.Mould} {
			alike[key] = append(alike[key], i)
		}
	}
	hard, all := map[[2]int]bool{}, len(estate)*(len(estate)-1)/2
	for _, members := range alike {
		pairs(members, func(a, b int) {
			if pair := [2]int{a, b}; estate[a].API != estate[b].API && estate[a].Family != estate[b].Family && !hard[pair] {
				hard[pair] = true
				for _, kind := range unlike(estate[a], estate[b]) {
					count(f.Unlike, kind, 1, 1)
				}
			}
		})
	}
	count(f.Unlike, others, all-f.True-len(hard), all-f.True-len(hard))
}

const others = "any others"

// unlike says what makes it hard to see that two deployments are two APIs.
func unlike(a, b Deployment) []string {
	var kinds []string
	if a.Provider == b.Provider {
		kinds = append(kinds, "siblings of one company")
	}
	if a.Title == b.Title {
		kinds = append(kinds, cmp.Or(map[bool]string{true: "same title, two divisions"}[a.Division != b.Division], "same title, one division"))
	}
	switch {
	case a.Mould != b.Mould:
	case a.Mould == generic:
		kinds = append(kinds, "generic CRUD")
	default:
		kinds = append(kinds, "same shape")
	}
	if len(kinds) == 0 {
		kinds = append(kinds, others)
	}
	return kinds
}

func pairs(of []int, each func(a, b int)) {
	for i, a := range of {
		for _, b := range of[i+1:] {
			each(a, b)
		}
	}
}

func describe(a, b Deployment) string {
	m := correlate.Compare(correlate.New(a.Told), correlate.New(b.Told))
	var reasons []string
	for _, r := range m.Reasons {
		reasons = append(reasons, r.String())
	}
	return fmt.Sprintf("%.3f %s\n    %s\n    %s\n    %s", m.Score, m.Verdict, facts(a), facts(b), strings.Join(reasons, "; "))
}

func facts(d Deployment) string {
	operations := fmt.Sprintf("%d routes", len(d.Told.Routes))
	if d.Document != nil {
		operations = fmt.Sprintf("%q with %d operations", d.Document.Title, len(d.Document.Operations))
	}
	return fmt.Sprintf("%s [%s, %s] %s %q %s %s, upstream %s, owner %s", d.API, d.Kind, d.Division, d.ID, d.Told.Title, operations, d.Told.BaseURL, d.Told.Upstream, d.Told.Owner)
}
