package webtest

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/told"
)

func (w *World) fillJobs() {
	job := func(kind, subject, state string, attempt int, created, due time.Duration) *api.Job {
		w.jobs = append(w.jobs, api.Job{
			ID: strconv.Itoa(4101 + len(w.jobs)), Kind: kind, Subject: subject, State: state, Attempt: attempt, Created: at(created), Due: at(due),
		})
		return &w.jobs[len(w.jobs)-1]
	}
	periodic := func(j *api.Job) { j.Periodic = true }
	ended := func(j *api.Job, took time.Duration) *api.Job {
		end := j.Due.Add(took)
		j.Ended = &end
		return j
	}
	job("sync", "core-frankfurt", "running", 1, time.Minute, time.Minute)
	retrying := job("acts", "classic-paris", "retrying", 4, 50*time.Minute, -8*time.Minute)
	retrying.Error = "no worker of site paris is connected"
	job("remind", "sub_8", "available", 1, time.Minute, time.Second)
	job("sync", "partner-edge", "scheduled", 1, 4*time.Minute, -26*time.Minute)
	periodic(job("sweep", "", "scheduled", 1, time.Minute, -time.Minute))
	job("reconcile", "core-frankfurt", "scheduled", 1, 5*hour, -19*hour)
	failed := ended(job("sync", "classic-paris", "failed", 12, 20*time.Minute, 20*time.Minute), 30*time.Second)
	failed.Error = "GET /apiEndpoints: 401 Unauthorized: the admin token expired on 2026-11-19"
	ended(job("drill", "partner-edge", "failed", 3, 2*hour, 2*hour), time.Minute).Error = "the canary key still worked after 60 s"
	ended(job("reconcile", "partner-edge", "completed", 1, 2*time.Minute, 2*time.Minute), 12*time.Millisecond)
	ended(job("acts", "partner-edge", "completed", 1, hour, hour), 400*time.Millisecond)
	ended(job("sync", "public-edge", "cancelled", 1, 3*day, 3*day), 0)
}

func (w *World) fillSites() {
	worker := func(id, site, name, state string, enrolled, seen time.Duration, gateways ...string) {
		w.workers = append(w.workers, api.Worker{
			ID: id, Site: site, Name: name, Version: "0.9.0", State: state, Gateways: append([]string{}, gateways...), Enrolled: at(enrolled), LastSeen: at(seen),
		})
	}
	worker("wrk_fra1", "frankfurt", "fra-edge-1", "connected", 90*day, 2*time.Second, "core-frankfurt")
	worker("wrk_fra2", "frankfurt", "fra-edge-2", "gone", 90*day, 3*day, "core-frankfurt")
	worker("wrk_par1", "paris", "esb-paris-01.meridian.internal", "gone", 40*day, 50*time.Minute, "classic-paris")
	worker("wrk_par0", "paris", "esb-paris-00.meridian.internal", "revoked", 200*day, 41*day, "classic-paris")
	w.workers[0].Reused = before(26 * hour)
	w.waiting = map[string]int{"paris": 2}
	w.enrolments = []api.Enrolment{{ID: "enr_tokyo", Site: "tokyo", Created: at(10 * time.Minute), Expires: at(-50 * time.Minute)}}
}

// NoSites is the world of a company whose gateways are all reached from the portal's own process, and which has done
// nothing yet.
func (w *World) NoSites() *World {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs, w.workers, w.enrolments, w.waiting = nil, nil, nil, nil
	for i := range w.gateways {
		w.gateways[i].Site = string(portal.SiteLocal)
	}
	return w
}

func (p *person) operates(what, id string) error {
	if p.is("platform-administrator") {
		return nil
	}
	return missing(what, id)
}

func (d *desk) Jobs(_ context.Context, q api.JobsQuery) (api.Page[api.Job], error) {
	w, p, leave := d.enter()
	defer leave()
	if err := p.operates("jobs", ""); err != nil {
		return api.Page[api.Job]{}, err
	}
	var found []api.Job
	for _, j := range w.jobs {
		if (q.Kind == "" || q.Kind == j.Kind) && (q.State == "" || q.State == j.State) {
			found = append(found, j)
		}
	}
	return page(found, q.Paging)
}

func (w *World) findJob(p *person, id string) (*api.Job, error) {
	i := slices.IndexFunc(w.jobs, func(j api.Job) bool { return j.ID == id })
	if i < 0 || !p.is("platform-administrator") {
		return nil, missing("job", id)
	}
	return &w.jobs[i], nil
}

// Job of one that was told to run is done when it is asked for the second time.
func (d *desk) Job(_ context.Context, id string) (api.Job, error) {
	w, p, leave := d.enter()
	defer leave()
	j, err := w.findJob(p, id)
	if err != nil {
		return api.Job{}, err
	}
	found := *j
	if j.State == "available" && w.patience[id] > 0 {
		if w.patience[id]++; w.patience[id] > 2 {
			ended := w.now()
			j.State, j.Attempt, j.Error, j.Ended = "completed", j.Attempt+1, "", &ended
		}
	}
	return found, nil
}

func (d *desk) RunJob(_ context.Context, id string) (api.Job, error) {
	w, p, leave := d.enter()
	defer leave()
	j, err := w.findJob(p, id)
	if err != nil {
		return api.Job{}, err
	}
	switch j.State {
	case "running", "completed":
		return api.Job{}, told.JobRunning.As(portal.ErrConflict, j.ID)
	}
	j.State, j.Due, j.Ended, w.patience[id] = "available", w.now(), nil, 1
	return *j, nil
}

// siteNames are those that anything names, the local one first.
func (w *World) siteNames() []string {
	names := []string{}
	for _, g := range w.gateways {
		names = append(names, g.Site)
	}
	for _, k := range w.workers {
		names = append(names, k.Site)
	}
	for _, e := range w.enrolments {
		names = append(names, e.Site)
	}
	local := string(portal.SiteLocal)
	slices.SortFunc(names, func(a, b string) int {
		if (a == local) != (b == local) {
			return map[bool]int{true: -1, false: 1}[a == local]
		}
		return cmp.Compare(a, b)
	})
	return slices.Compact(append([]string{local}, names...))
}

func (w *World) site(name string) api.Site {
	s := api.Site{Name: name, Local: name == string(portal.SiteLocal), Gateways: []string{}, Workers: []api.Worker{}, Enrolments: []api.Enrolment{}, Waiting: w.waiting[name]}
	for _, g := range w.gateways {
		if g.Site == name {
			s.Gateways = append(s.Gateways, g.ID)
		}
	}
	for _, k := range w.workers {
		if k.Site == name {
			s.Workers = append(s.Workers, k)
		}
	}
	for _, e := range w.enrolments {
		if e.Site == name {
			s.Enrolments = append(s.Enrolments, e)
		}
	}
	return s
}

func (d *desk) Sites(context.Context) ([]api.Site, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := p.operates("sites", ""); err != nil {
		return nil, err
	}
	sites := []api.Site{}
	for _, name := range w.siteNames() {
		sites = append(sites, w.site(name))
	}
	return sites, nil
}

func (d *desk) Site(_ context.Context, name string) (api.Site, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := p.operates("site", name); err != nil || !slices.Contains(w.siteNames(), name) {
		return api.Site{}, missing("site", name)
	}
	return w.site(name), nil
}

var siteName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

func (d *desk) CreateEnrolment(_ context.Context, site string) (api.CreatedEnrolment, error) {
	w, p, leave := d.enter()
	defer leave()
	switch err := p.operates("site", site); {
	case err != nil:
		return api.CreatedEnrolment{}, err
	case site == string(portal.SiteLocal):
		return api.CreatedEnrolment{}, told.SiteLocal.As(portal.ErrInvalid, "local")
	case !siteName.MatchString(site):
		return api.CreatedEnrolment{}, told.SiteName.As(portal.ErrInvalid)
	}
	e := api.Enrolment{ID: w.next("enr"), Site: site, Created: w.now(), Expires: w.now().Add(time.Hour)}
	w.enrolments = append(w.enrolments, e)
	return api.CreatedEnrolment{Enrolment: e, Token: portal.NewSecret("cce_" + e.ID + "_Hq7ZtW2xVbN4mKs9")}, nil
}

func (d *desk) RevokeEnrolment(_ context.Context, id string) error {
	w, p, leave := d.enter()
	defer leave()
	i := slices.IndexFunc(w.enrolments, func(e api.Enrolment) bool { return e.ID == id })
	if i < 0 || !p.is("platform-administrator") {
		return missing("enrolment", id)
	}
	w.enrolments = slices.Delete(w.enrolments, i, i+1)
	return nil
}

func (d *desk) RevokeWorker(_ context.Context, id string) (api.Worker, error) {
	w, p, leave := d.enter()
	defer leave()
	i := slices.IndexFunc(w.workers, func(k api.Worker) bool { return k.ID == id })
	if i < 0 || !p.is("platform-administrator") {
		return api.Worker{}, missing("worker", id)
	}
	w.workers[i].State = "revoked"
	return w.workers[i], nil
}

// reached fills in whether a worker of a gateway's site is there.
func (w *World) reached(g api.Gateway) api.Gateway {
	if g.Site == string(portal.SiteLocal) {
		return g
	}
	g.SiteState = "gone"
	for _, k := range w.workers {
		switch {
		case k.Site != g.Site || !slices.Contains(k.Gateways, g.ID):
		case k.State == "connected":
			g.SiteState, g.SiteSeen = "connected", nil
			return g
		case g.SiteSeen == nil || k.LastSeen.After(*g.SiteSeen):
			g.SiteSeen = &k.LastSeen
		}
	}
	return g
}
