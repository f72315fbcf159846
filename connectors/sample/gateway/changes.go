package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	keptChanges = 10_000           // who is further behind lists everything again
	longestWait = 30 * time.Second // of one request for changes
)

// changeLog remembers which APIs were published or withdrawn, for as long as the process lives.
type changeLog struct {
	process string // part of every cursor, so that one of an earlier process is known to be old
	first   uint64 // sequence of changes[0]
	changes []change
	more    chan struct{} // closed by the next change
}

type change struct {
	api  string
	gone []string // stages where it is no longer served
}

func newChangeLog() changeLog {
	return changeLog{process: rand.Text(), more: make(chan struct{})}
}

// next is the sequence that the next change will have.
func (l *changeLog) next() uint64 { return l.first + uint64(len(l.changes)) }

func (l *changeLog) add(c change) {
	l.changes = append(l.changes, c)
	if extra := len(l.changes) - keptChanges; extra > 0 {
		l.changes, l.first = slices.Delete(l.changes, 0, extra), l.first+uint64(extra)
	}
	close(l.more)
	l.more = make(chan struct{})
}

func (l *changeLog) cursor() string { return fmt.Sprintf("%s.%d", l.process, l.next()) }

// since returns the changes after a cursor, or false where it is too old to tell.
func (l *changeLog) since(cursor string) ([]change, bool) {
	sequence, err := strconv.ParseUint(cursor[min(len(cursor), len(l.process)+1):], 10, 64)
	if err != nil || cursor != fmt.Sprintf("%s.%d", l.process, sequence) || sequence < l.first || sequence > l.next() {
		return nil, false
	}
	return l.changes[sequence-l.first:], true
}

// note logs what is about to change. The caller holds mu.
func (g *Gateway) note(next map[string]*API) {
	touched := false
	for id, before := range g.apis {
		after := next[id]
		if after == before {
			continue
		}
		touched = true
		gone := before.Stages
		if after != nil {
			gone = slices.DeleteFunc(slices.Clone(before.Stages), func(stage string) bool { return slices.Contains(after.Stages, stage) })
		}
		g.changes.add(change{id, gone})
	}
	for id := range next {
		if g.apis[id] == nil {
			touched = true
			g.changes.add(change{api: id})
		}
	}
	for id, api := range next {
		if touched && api.SharedKeys { // its keys open other APIs now
			g.changes.add(change{api: id})
		}
	}
}

// ChangesView is what happened after a cursor.
type ChangesView struct {
	Cursor string `json:"cursor"` // to ask with the next time
	// Reset: the cursor is too old. List everything.
	Reset bool `json:"reset"`
	// APIs that are new or changed, by id.
	APIs []string `json:"apis"`
	// Gone are the exposures that are no longer there.
	Gone []GoneView `json:"gone"`
}

// GoneView is an exposure that is no longer there.
type GoneView struct {
	API   string `json:"api"`
	Stage string `json:"stage"`
}

// listChanges answers at once where there are changes or no cursor is given, else when something happens.
func (g *Gateway) listChanges(w http.ResponseWriter, r *http.Request) {
	if !g.opts.Changes {
		problem(w, http.StatusNotFound, "not-found", "This gateway keeps no log of changes.")
		return
	}
	after := r.URL.Query().Get("after")
	wait := time.Duration(0)
	if text := r.URL.Query().Get("wait_ms"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms < 0 {
			problem(w, http.StatusBadRequest, "invalid", "wait_ms is a number of milliseconds.")
			return
		}
		wait = min(time.Duration(ms)*time.Millisecond, longestWait)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	for {
		g.mu.Lock()
		view, more := g.changesView(after), g.changes.more
		g.mu.Unlock()
		if after == "" || view.Reset || len(view.APIs) > 0 || len(view.Gone) > 0 {
			reply(w, http.StatusOK, view)
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			reply(w, http.StatusOK, view)
			return
		}
	}
}

// changesView gathers what happened after a cursor. The caller holds mu.
func (g *Gateway) changesView(after string) ChangesView {
	view := ChangesView{Cursor: g.changes.cursor(), APIs: []string{}, Gone: []GoneView{}}
	if after == "" {
		return view
	}
	changes, ok := g.changes.since(after)
	if !ok {
		view.Reset = true
		return view
	}
	for _, c := range changes {
		api := g.apis[c.api]
		if api != nil && !slices.Contains(view.APIs, c.api) {
			view.APIs = append(view.APIs, c.api)
		}
		for _, stage := range c.gone {
			gone := GoneView{c.api, stage}
			if (api == nil || !slices.Contains(api.Stages, stage)) && !slices.Contains(view.Gone, gone) {
				view.Gone = append(view.Gone, gone)
			}
		}
	}
	return view
}
