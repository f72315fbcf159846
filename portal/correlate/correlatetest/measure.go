package correlatetest

import (
	"fmt"
	"strings"

	"concierge/portal/correlate"
)

// Figures say how well an estate was put together, in pairs of deployments.
type Figures struct {
	Deployments, APIs, Entries int
	Joined                     int // pairs in one entry
	JoinedRightly              int // of them, pairs of one API
	Unknown                    int // joined pairs that are not among them: one company gave both the same title
	True                       int // pairs of one API
	Found                      int // of them, in one entry, or in two that a person is asked about
	Reviews                    int
	ReviewedRightly            int

	Wrong   []string // pairs that were joined and are two APIs, some
	Missed  []string // pairs of one API that are neither joined nor asked about, some
	Doubted []string // questions about one API, some
	Asked   []string // questions about two APIs, some
}

// Precision is the share of joined pairs that are one API.
func (f Figures) Precision() float64 { return share(f.JoinedRightly, f.Joined) }

// RecallJoined is the share of pairs of one API that were joined.
func (f Figures) RecallJoined() float64 { return share(f.JoinedRightly, f.True) }

// Recall is the share of pairs of one API that were joined, or are in two entries that a person is asked about.
func (f Figures) Recall() float64 { return share(f.Found, f.True) }

// Queue is the number of questions for each deployment.
func (f Figures) Queue() float64 { return float64(f.Reviews) / float64(f.Deployments) }

// Add adds the figures of another estate.
func (f *Figures) Add(g Figures) {
	f.Deployments, f.APIs, f.Entries = f.Deployments+g.Deployments, f.APIs+g.APIs, f.Entries+g.Entries
	f.Joined, f.JoinedRightly, f.Unknown = f.Joined+g.Joined, f.JoinedRightly+g.JoinedRightly, f.Unknown+g.Unknown
	f.True, f.Found = f.True+g.True, f.Found+g.Found
	f.Reviews, f.ReviewedRightly = f.Reviews+g.Reviews, f.ReviewedRightly+g.ReviewedRightly
	f.Wrong, f.Missed = append(f.Wrong, g.Wrong...), append(f.Missed, g.Missed...)
	f.Asked, f.Doubted = append(f.Asked, g.Asked...), append(f.Doubted, g.Doubted...)
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

const shown = 20

// Measure compares what became of an estate, all of it new, with its labels.
func Measure(estate []Deployment, r correlate.Result) Figures {
	f := Figures{Deployments: len(estate), Entries: len(r.Joins), Reviews: len(r.Reviews)}
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
	for _, q := range r.Reviews {
		a, b := byID[q.A], byID[q.B]
		asked[[2]int{entry[a], entry[b]}], asked[[2]int{entry[b], entry[a]}] = true, true
		if estate[a].API == estate[b].API {
			f.ReviewedRightly++
			if len(f.Doubted) < shown {
				f.Doubted = append(f.Doubted, describe(estate[a], estate[b]))
			}
		} else if len(f.Asked) < shown && estate[a].Family != estate[b].Family {
			f.Asked = append(f.Asked, describe(estate[a], estate[b]))
		}
	}
	for _, members := range byEntry {
		pairs(members, func(a, b int) {
			if estate[a].API != estate[b].API && estate[a].Family == estate[b].Family {
				f.Unknown++
				return
			}
			f.Joined++
			if estate[a].API == estate[b].API {
				f.JoinedRightly++
			} else if len(f.Wrong) < shown {
				f.Wrong = append(f.Wrong, describe(estate[a], estate[b]))
			}
		})
	}
	for _, members := range byAPI {
		pairs(members, func(a, b int) {
			f.True++
			if entry[a] == entry[b] || asked[[2]int{entry[a], entry[b]}] {
				f.Found++
			} else if len(f.Missed) < shown {
				f.Missed = append(f.Missed, describe(estate[a], estate[b]))
			}
		})
	}
	return f
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
