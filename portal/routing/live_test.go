package routing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/store"
)

// memory is a Source with a log of changes.
type memory struct {
	mu       sync.Mutex
	entries  map[portal.APIID]Entry
	people   map[portal.PersonID]Person
	log      []store.Change // of versions first+1 and on
	first    int64
	notify   chan struct{}
	fail     error
	loads    int
	loadings int // of changed things
	versions int // questions for it
	slow     time.Duration
}

func newMemory() *memory {
	return &memory{entries: map[portal.APIID]Entry{}, people: map[portal.PersonID]Person{}, notify: make(chan struct{}, 1)}
}

func (m *memory) version() int64 { return m.first + int64(len(m.log)) }

// put commits an entry of one partner deployment in production and returns the version.
func (m *memory) put(slug string, notify bool) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := entryOf(slug, deployment("dep-"+slug, "partner production 1", titled(slug)))
	m.entries[e.ID] = e
	m.log = append(m.log, store.Change{Kind: store.ChangedAPI, ID: string(e.ID)})
	if notify {
		select {
		case m.notify <- struct{}{}:
		default:
		}
	}
	return m.version()
}

func (m *memory) do(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *memory) Load(context.Context) (Input, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	return Input{
		Version: m.version(), APIs: slices.Collect(maps.Values(m.entries)), People: slices.Collect(maps.Values(m.people)),
	}, m.fail
}

func (m *memory) LoadChanged(_ context.Context, changes []store.Change) (Delta, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loadings++
	d := Delta{APIs: map[portal.APIID]*Entry{}, People: map[portal.PersonID]*Person{}}
	for _, c := range changes {
		if c.Kind == store.ChangedPerson {
			p, ok := m.people[portal.PersonID(c.ID)]
			d.People[portal.PersonID(c.ID)] = unless(!ok, &p)
			continue
		}
		e, ok := m.entries[portal.APIID(c.ID)]
		d.APIs[portal.APIID(c.ID)] = unless(!ok, &e)
	}
	return d, m.fail
}

func (m *memory) Version(ctx context.Context) (int64, error) {
	m.mu.Lock()
	m.versions++
	v, slow, fail := m.version(), m.slow, m.fail
	m.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return v, fail
}

func (m *memory) Changes(_ context.Context, after int64) ([]store.Change, int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after < m.first {
		return nil, m.version(), false, m.fail
	}
	if after > m.version() {
		return nil, m.version(), true, m.fail
	}
	return slices.Clone(m.log[after-m.first:]), m.version(), true, m.fail
}

func (m *memory) Notify(context.Context) <-chan struct{} { return m.notify }

func live(m *memory) (*Live, *bytes.Buffer) {
	var logged bytes.Buffer
	return NewLive(testConfig, m, slog.New(slog.NewTextHandler(&logged, nil))), &logged
}

func finds(l *Live, slug string) bool {
	_, err := l.Table().Resolve(as(portal.Partner), Request{API: slug, Environment: portal.Production})
	return err == nil
}

func TestLiveFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.put("one", false)
		l, _ := live(m)
		if l.Ready() || finds(l, "one") {
			t.Fatal("ready before it is loaded")
		}
		go l.Run(t.Context())
		synctest.Wait()
		if !l.Ready() || !finds(l, "one") {
			t.Fatal("not loaded")
		}
		m.put("more", true)
		m.put("two", true)
		time.Sleep(followPause)
		synctest.Wait()
		if !finds(l, "two") || !finds(l, "more") || m.loadings != 1 {
			t.Errorf("notifications are not followed, or one by one: %d loads of changes", m.loadings)
		}
		m.put("three", false)
		synctest.Wait()
		if finds(l, "three") {
			t.Error("nobody told, but it is known")
		}
		time.Sleep(checkEvery)
		synctest.Wait()
		if !finds(l, "three") {
			t.Error("a lost notification is never made up for")
		}
		m.do(func() {
			delete(m.entries, "api_one")
			m.log = append(m.log, store.Change{Kind: store.ChangedAPI, ID: "api_one"})
		})
		time.Sleep(checkEvery)
		synctest.Wait()
		if finds(l, "one") || !finds(l, "two") {
			t.Error("a removal is not followed")
		}
		if m.loads != 1 || m.loadings != 3 {
			t.Errorf("%d loads of everything, %d of changes; want 1, 3", m.loads, m.loadings)
		}
	})
}

func TestLiveReloads(t *testing.T) {
	m := newMemory()
	m.put("one", false)
	l, _ := live(m)
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"a gap in the log":    func() { m.first, m.log = m.version()+5, nil },
		"an older database":   func() { m.first, m.log = 0, nil },
		"another one, longer": func() { m.first, m.log = 0, nil; m.first = 90 },
	} {
		t.Run(name, func(t *testing.T) {
			m.do(func() {
				change()
				m.entries = map[portal.APIID]Entry{}
			})
			before := m.loads
			if err := l.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if m.loads != before+1 || finds(l, "one") || l.Table().Version() != m.version() {
				t.Errorf("%d loads, version %d of %d", m.loads-before, l.Table().Version(), m.version())
			}
		})
	}
}

func TestLiveKeepsTheTableOnErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.put("one", false)
		l, logged := live(m)
		go l.Run(t.Context())
		synctest.Wait()
		m.do(func() { m.fail = fmt.Errorf("disk: %w", portal.ErrUnavailable) })
		m.put("two", true)
		time.Sleep(3 * checkEvery)
		synctest.Wait()
		if !l.Ready() || !finds(l, "one") || finds(l, "two") {
			t.Error("the last table does not go on")
		}
		if n := strings.Count(logged.String(), "level=ERROR"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, logged)
		}
		if err := l.Refresh(t.Context()); !errors.Is(err, portal.ErrUnavailable) {
			t.Errorf("Refresh: %v", err)
		}
		m.do(func() { m.fail = nil })
		time.Sleep(checkEvery)
		synctest.Wait()
		if !finds(l, "two") || strings.Count(logged.String(), "level=INFO") != 1 {
			t.Errorf("it does not recover:\n%s", logged)
		}
	})
}

func TestRefresh(t *testing.T) {
	m := newMemory()
	l, _ := live(m)
	m.put("one", false)
	if err := l.Refresh(t.Context()); err != nil || !finds(l, "one") {
		t.Errorf("one's own write is not read: %v", err)
	}
	l.turn <- struct{}{} // somebody else is catching up
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting does not end: %v", err)
	}
	m.put("two", false)
	<-l.turn
	if err := l.Refresh(t.Context()); err != nil || !finds(l, "two") {
		t.Errorf("after one who left: %v", err)
	}
}

// Whoever comes while a look at the source is under way shares the next one, and not that one: it may have asked before
// the newest change.
func TestRefreshIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l, _ := live(m)
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.do(func() { m.slow = time.Second })
		asked := m.versions
		go func() { _ = l.Refresh(t.Context()) }()
		time.Sleep(m.slow / 2)
		m.put("late", false)
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				if err := l.Refresh(t.Context()); err != nil || !finds(l, "late") {
					t.Errorf("not found: %v", err)
				}
			})
		}
		group.Wait()
		if n := m.versions - asked; n != 2 {
			t.Errorf("the source was asked %d times, want 2", n)
		}
	})
}

func TestNewest(t *testing.T) {
	partner := as(portal.Partner)
	find := func(ctx context.Context, l *Live, slug string) error {
		_, _, err := Find(ctx, l, func(t *Table) (Result, error) {
			return t.Resolve(partner, Request{API: slug, Environment: portal.Production})
		})
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l, _ := live(m)
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked := m.versions
		m.put("one", false)
		if err := find(t.Context(), l, "one"); err != nil {
			t.Errorf("it was written before it was asked for: %v", err)
		}
		if err := find(t.Context(), l, "one"); err != nil || m.versions != asked+1 {
			t.Errorf("what is found is asked of the source: %d questions, %v", m.versions-asked, err)
		}
		asked = m.versions
		start := time.Now()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				for range 20 {
					if err := find(t.Context(), l, "none"); !errors.Is(err, portal.ErrNotFound) {
						t.Errorf("found what is not there: %v", err)
					}
				}
			})
		}
		group.Wait()
		took := time.Since(start)
		if n, most := m.versions-asked, int(took/newestEvery)+1; n > most {
			t.Errorf("asked %d times in %s, at most %d", n, took, most)
		}
		if took > 25*newestEvery {
			t.Errorf("20 questions in turn took %s", took)
		}
		m.do(func() { m.fail = fmt.Errorf("gone: %w", portal.ErrUnavailable) })
		if err := find(t.Context(), l, "none"); !errors.Is(err, portal.ErrUnavailable) {
			t.Errorf("nobody knows whether it is there: %v", err)
		}
		if err := find(t.Context(), l, "one"); err != nil {
			t.Errorf("what is known goes on: %v", err)
		}
		m.do(func() { m.fail, m.slow = nil, time.Hour })
		if err := find(t.Context(), l, "none"); !errors.Is(err, portal.ErrUnavailable) {
			t.Errorf("a source that does not answer: %v", err)
		}
	})
}

func TestLiveCallerByToken(t *testing.T) {
	m := newMemory()
	l, _ := live(m)
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if _, err := l.CallerByToken(t.Context(), [32]byte{1}, now); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("a token of nobody: %v", err)
	}
	m.do(func() {
		m.people["ann"] = Person{ID: "ann", Tokens: []Token{{Hash: [32]byte{1}, Expires: now.Add(time.Hour), Caller: access.Caller{Person: "ann"}}}}
		m.log = append(m.log, store.Change{Kind: store.ChangedPerson, ID: "ann"})
	})
	if c, err := l.CallerByToken(t.Context(), [32]byte{1}, now); err != nil || c.Person != "ann" {
		t.Errorf("a token that was just made elsewhere: %v", err)
	}
	if _, err := l.CallerByToken(t.Context(), [32]byte{1}, now.Add(time.Hour)); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("an expired token: %v", err)
	}
	m.do(func() { m.fail = portal.ErrUnavailable })
	if _, err := l.CallerByToken(t.Context(), [32]byte{2}, now); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("nobody can say whose token it is: %v", err)
	}
}

func TestLiveUnderLoad(t *testing.T) {
	m := newMemory()
	m.people["ann"] = Person{ID: "ann", Tokens: []Token{{Hash: [32]byte{1}, Caller: access.Caller{Person: "ann"}}}}
	l, _ := live(m)
	ctx, cancel := context.WithCancel(t.Context())
	var group, follower sync.WaitGroup
	follower.Go(func() { l.Run(ctx) })
	for n := range 4 {
		group.Go(func() {
			for i := range 50 {
				slug := fmt.Sprintf("api-%d-%d", n, i)
				m.put(slug, true)
				if err := l.Refresh(ctx); err != nil || !finds(l, slug) {
					t.Errorf("%s is not read after it was written: %v", slug, err)
				}
			}
		})
		group.Go(func() {
			last := int64(0)
			for range 200 {
				table := l.Table()
				if table.Version() < last {
					t.Error("the table went back")
				}
				last = table.Version()
				table.APIs(as(portal.Partner), Query{Q: "api-1"})
				table.Explain(as(portal.Partner), Request{API: "api-0-0", Environment: portal.Production})
				if _, ok := table.CallerByToken([32]byte{1}, time.Time{}); !ok && last > 0 {
					t.Error("the token is unknown")
				}
			}
		})
	}
	group.Wait()
	cancel()
	follower.Wait()
}
