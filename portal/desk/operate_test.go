package desk

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/jobs"
	"concierge/portal/site"
	"concierge/portal/store"
	"concierge/portal/store/sqlite"
)

// board is jobs and sites that remember what they were asked.
type board struct {
	asked []string
	sites map[portal.Site]site.Site
	err   error
}

func (b *board) note(words ...string) error {
	b.asked = append(b.asked, words...)
	return b.err
}

func (b *board) Jobs(_ context.Context, f jobs.Filter, after string, limit int) ([]jobs.Status, string, error) {
	return nil, "place 2", b.note("jobs", f.Kind, string(f.State), after, strconv.Itoa(limit))
}
func (b *board) Job(_ context.Context, id string) (jobs.Status, error) {
	return jobs.Status{ID: id, Kind: "sync", Subject: "edge"}, b.note("job", id)
}
func (b *board) RunNow(_ context.Context, id string) (jobs.Status, error) {
	return jobs.Status{ID: id, State: jobs.Available}, b.note("run", id)
}
func (b *board) Sites(context.Context) ([]site.Site, error) {
	return slices.Collect(maps.Values(b.sites)), b.note("sites")
}
func (b *board) Site(_ context.Context, name portal.Site) (site.Site, error) {
	return b.sites[name], b.note("site", string(name))
}
func (b *board) CreateEnrolment(_ context.Context, actor string, name portal.Site) (site.Enrolment, portal.Secret, error) {
	return site.Enrolment{}, portal.NewSecret("t"), b.note("enrol", actor, string(name))
}
func (b *board) RevokeEnrolment(_ context.Context, actor, id string) error {
	return b.note("revoke enrolment", actor, id)
}
func (b *board) RevokeWorker(_ context.Context, actor, id string) (site.Worker, error) {
	return site.Worker{ID: id}, b.note("revoke worker", actor, id)
}
func (b *board) Now() time.Time { return noon }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// operations are all that is for platform administrators alone, each with what the board is then asked.
var operations = map[string]struct {
	do    func(*desk) error
	asked []string
}{
	"jobs": {func(d *desk) error {
		_, err := d.Jobs(context.Background(), api.JobsQuery{Kind: "sync", State: "failed"})
		return err
	}, []string{"jobs", "sync", "failed", "", "50"}},
	"job":     {func(d *desk) error { _, err := d.Job(context.Background(), "7"); return err }, []string{"job", "7"}},
	"run job": {func(d *desk) error { _, err := d.RunJob(context.Background(), "7"); return err }, []string{"job", "7", "run", "7"}},
	"sites":   {func(d *desk) error { _, err := d.Sites(context.Background()); return err }, []string{"sites"}},
	"site":    {func(d *desk) error { _, err := d.Site(context.Background(), "paris"); return err }, []string{"site", "paris"}},
	"enrol": {func(d *desk) error { _, err := d.CreateEnrolment(context.Background(), "paris"); return err },
		[]string{"enrol", "c", "paris"}},
	"revoke enrolment": {func(d *desk) error { return d.RevokeEnrolment(context.Background(), "enr_1") }, []string{"revoke enrolment", "c", "enr_1"}},
	"revoke worker": {func(d *desk) error { _, err := d.RevokeWorker(context.Background(), "wrk_1"); return err },
		[]string{"revoke worker", "c", "wrk_1"}},
}

// TestOperateIsForPlatformAdministrators: for everyone else there is no job and no site, whether this portal has them or
// not; and the board is not even asked.
func TestOperateIsForPlatformAdministrators(t *testing.T) {
	auditor := access.Caller{Person: "a", Organisation: "k", Audience: portal.Internal, Roles: []access.Role{access.Auditor}}
	pretender := access.Caller{Person: "x", Organisation: "o", Audience: portal.Partner, Roles: []access.Role{access.PlatformAdministrator}}
	for name, op := range operations {
		for _, c := range []access.Caller{partner, engineer, owner, stranger, auditor, pretender} {
			for _, there := range []bool{true, false} {
				b := &board{}
				d := asCaller(t, c)
				if there {
					d.Parts.Jobs, d.Parts.Sites = b, b
				}
				if err := op.do(d); !errors.Is(err, portal.ErrNotFound) || errors.Is(err, portal.ErrUnsupported) || len(b.asked) > 0 {
					t.Errorf("%s as %s, there %v: %v, asked %q", name, c.Person, there, err, b.asked)
				}
			}
		}
		if err := op.do(asCaller(t, chief)); !errors.Is(err, portal.ErrUnsupported) {
			t.Errorf("%s without a board: %v", name, err)
		}
		b := &board{sites: map[portal.Site]site.Site{"paris": {Name: "paris"}}}
		d := asCaller(t, chief)
		d.DB = memory(t)
		d.Parts.Jobs, d.Parts.Sites = b, b
		if err := op.do(d); err != nil || !slices.Equal(b.asked, op.asked) {
			t.Errorf("%s: %v, asked %q, want %q", name, err, b.asked, op.asked)
		}
		if b.err = portal.ErrConflict; !errors.Is(op.do(d), portal.ErrConflict) {
			t.Errorf("%s: the board's error is lost", name)
		}
	}
}

func memory(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.OpenMemory(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestRunningAJobIsRecorded: who told which job to run, before it runs; and nothing for one that is not there.
func TestRunningAJobIsRecorded(t *testing.T) {
	b := &board{}
	d := asCaller(t, chief)
	db := memory(t)
	d.DB, d.Parts.Jobs = db, b
	if _, err := d.RunJob(t.Context(), "7"); err != nil {
		t.Fatal(err)
	}
	b.err = portal.ErrNotFound
	if _, err := d.RunJob(t.Context(), "8"); !errors.Is(err, portal.ErrNotFound) {
		t.Fatal(err)
	}
	err := db.View(t.Context(), func(tx store.Tx) error {
		events, err := tx.Audit().Events(t.Context(), "", 10)
		if len(events) != 1 || events[0].Actor != "c" || events[0].Action != "job.run" || events[0].Target != "7" || events[0].Detail["subject"] != "edge" {
			t.Errorf("recorded %+v", events)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestJobCursorsAreSealed: what the board calls a place is not told, and comes back to it.
func TestJobCursorsAreSealed(t *testing.T) {
	b := &board{}
	d := asCaller(t, chief)
	d.Parts.Jobs = b
	page, err := d.Jobs(t.Context(), api.JobsQuery{})
	if err != nil || page.Next == "" || page.Next == "place 2" || page.Items == nil {
		t.Fatalf("got %+v, %v", page, err)
	}
	b.asked = nil
	if _, err := d.Jobs(t.Context(), api.JobsQuery{Paging: api.Paging{Cursor: page.Next}}); err != nil || b.asked[3] != "place 2" {
		t.Errorf("the board was asked %q, %v", b.asked, err)
	}
	if _, err := d.Jobs(t.Context(), api.JobsQuery{Paging: api.Paging{Cursor: "place 2"}}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("a place in clear: %v", err)
	}
}

// TestSites: what a site is like on the wire. No list of it is null there.
func TestSites(t *testing.T) {
	d := asCaller(t, chief)
	hour := noon.Add(-time.Hour)
	d.Parts.Sites = &board{sites: map[portal.Site]site.Site{"paris": {
		Name: "paris", Waiting: 2,
		Workers: []site.Worker{
			{ID: "here", Due: noon.Add(time.Minute), Seen: noon, Reused: hour}, {ID: "left", Seen: noon}, {ID: "silent", Due: noon, Seen: hour},
			{ID: "out", Due: noon.Add(time.Minute), Seen: noon, Revoked: noon},
		},
		Enrolments: []site.Enrolment{{ID: "enr_1", Site: "paris", Created: hour, Expires: noon, Token: site.Hash{1}}},
	}}}
	sites, err := d.Sites(t.Context())
	if err != nil || len(sites) != 1 {
		t.Fatalf("got %+v, %v", sites, err)
	}
	s := sites[0]
	if s.Local || s.Waiting != 2 || s.Gateways == nil || s.Workers[0].Gateways == nil || s.Workers[0].Reused == nil || s.Workers[1].Reused != nil {
		t.Errorf("got %+v", s)
	}
	for i, want := range []string{"connected", "gone", "gone", "revoked"} {
		if got := s.Workers[i].State; got != want {
			t.Errorf("worker %s is %s, want %s", s.Workers[i].ID, got, want)
		}
	}
	if want := (api.Enrolment{ID: "enr_1", Site: "paris", Created: hour, Expires: noon}); s.Enrolments[0] != want {
		t.Errorf("got %+v", s.Enrolments)
	}
	d.Parts.Sites = &board{sites: map[portal.Site]site.Site{"local": {Name: portal.SiteLocal}}}
	local, err := d.Site(t.Context(), "local")
	if err != nil || !local.Local || local.Workers == nil || local.Enrolments == nil {
		t.Errorf("got %+v, %v", local, err)
	}
}

// TestReach: a gateway is reached where a worker of its site is connected that holds its credentials.
func TestReach(t *testing.T) {
	early, late := noon.Add(-2*time.Hour), noon.Add(-time.Hour)
	worker := func(polling string, seen time.Time, gateways ...portal.GatewayID) site.Worker {
		w := site.Worker{Polling: polling, Seen: seen, Gateways: gateways}
		if polling != "" {
			w.Due = seen.Add(time.Minute)
		}
		return w
	}
	for name, tc := range map[string]struct {
		at      portal.Site
		workers []site.Worker
		state   string
		seen    time.Time
	}{
		"local":                    {portal.SiteLocal, []site.Worker{worker("", late, "edge")}, "", time.Time{}},
		"unnamed":                  {"", nil, "", time.Time{}},
		"unknown site":             {"nowhere", nil, "gone", time.Time{}},
		"connected":                {"paris", []site.Worker{worker("", late, "edge"), worker("p", noon, "edge")}, "connected", time.Time{}},
		"connected for another":    {"paris", []site.Worker{worker("p", noon, "core"), worker("", early, "edge")}, "gone", early},
		"gone, the last one tells": {"paris", []site.Worker{worker("", early, "edge"), worker("", late, "edge")}, "gone", late},
		"never there":              {"paris", nil, "gone", time.Time{}},
	} {
		b := &board{sites: map[portal.Site]site.Site{"paris": {Name: "paris", Workers: tc.workers}, "local": {Name: "local", Workers: tc.workers}}}
		d := asCaller(t, chief)
		d.Parts.Sites = b
		reach := &reach{desk: d}
		for range 2 {
			state, seen, err := reach.of(t.Context(), catalog.Gateway{ID: "edge", Site: tc.at})
			if err != nil || state != tc.state || (seen == nil) != tc.seen.IsZero() || seen != nil && !seen.Equal(tc.seen) {
				t.Errorf("%s: %s, %v, %v", name, state, seen, err)
			}
		}
		if len(b.asked) > 1 {
			t.Errorf("%s: the board was asked %q", name, b.asked)
		}
	}
	without := &reach{desk: asCaller(t, chief)}
	if state, _, err := without.of(t.Context(), catalog.Gateway{ID: "edge", Site: "paris"}); state != "" || err != nil {
		t.Errorf("without a board: %q, %v", state, err)
	}
}
