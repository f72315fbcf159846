package desk

import (
	"context"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/site"
)

// SiteBoard knows the sites, their workers and what waits for them. It does not ask who wants to know: the desk has asked.
// *site.Service is one.
type SiteBoard interface {
	// Sites lists them in the order of api.Sites.
	Sites(ctx context.Context) ([]site.Site, error)
	Site(ctx context.Context, name portal.Site) (site.Site, error)
	// CreateEnrolment is recorded as done by the actor, as are the other two.
	CreateEnrolment(ctx context.Context, actor string, name portal.Site) (site.Enrolment, portal.Secret, error)
	RevokeEnrolment(ctx context.Context, actor, id string) error
	RevokeWorker(ctx context.Context, actor, id string) (site.Worker, error)
	// Now is the clock by which a worker is connected.
	Now() time.Time
}

func (d *desk) seesSites() error { return d.operates("sites", d.Parts.Sites != nil) }

func (d *desk) Sites(ctx context.Context) ([]api.Site, error) {
	if err := d.seesSites(); err != nil {
		return nil, err
	}
	found, err := d.Parts.Sites.Sites(ctx)
	if err != nil {
		return nil, err
	}
	shown := make([]api.Site, len(found))
	for i, s := range found {
		shown[i] = d.site(s)
	}
	return shown, nil
}

func (d *desk) Site(ctx context.Context, name string) (api.Site, error) {
	if err := d.seesSites(); err != nil {
		return api.Site{}, err
	}
	s, err := d.Parts.Sites.Site(ctx, portal.Site(name))
	if err != nil {
		return api.Site{}, err
	}
	return d.site(s), nil
}

func (d *desk) site(s site.Site) api.Site {
	shown := api.Site{
		Name: string(s.Name), Local: s.Name == portal.SiteLocal, Gateways: texts(s.Gateways), Waiting: s.Waiting,
		Workers: make([]api.Worker, len(s.Workers)), Enrolments: make([]api.Enrolment, len(s.Enrolments)),
	}
	for i, w := range s.Workers {
		shown.Workers[i] = d.worker(w)
	}
	for i, e := range s.Enrolments {
		shown.Enrolments[i] = shownEnrolment(e)
	}
	return shown
}

func (d *desk) worker(w site.Worker) api.Worker {
	shown := api.Worker{
		ID: w.ID, Site: string(w.Site), Name: w.Name, Version: w.Version, State: "gone", Gateways: texts(w.Gateways),
		Enrolled: w.Enrolled, LastSeen: w.Seen, Reused: timeOrNil(w.Reused),
	}
	switch {
	case !w.Revoked.IsZero():
		shown.State = "revoked"
	case w.Connected(d.Parts.Sites.Now()):
		shown.State = "connected"
	}
	return shown
}

func shownEnrolment(e site.Enrolment) api.Enrolment {
	return api.Enrolment{ID: e.ID, Site: string(e.Site), Created: e.Created, Expires: e.Expires}
}

func (d *desk) CreateEnrolment(ctx context.Context, name string) (api.CreatedEnrolment, error) {
	if err := d.seesSites(); err != nil {
		return api.CreatedEnrolment{}, err
	}
	e, token, err := d.Parts.Sites.CreateEnrolment(ctx, string(d.caller.Person), portal.Site(name))
	if err != nil {
		return api.CreatedEnrolment{}, err
	}
	return api.CreatedEnrolment{Enrolment: shownEnrolment(e), Token: token}, nil
}

func (d *desk) RevokeEnrolment(ctx context.Context, id string) error {
	if err := d.seesSites(); err != nil {
		return err
	}
	return d.Parts.Sites.RevokeEnrolment(ctx, string(d.caller.Person), id)
}

func (d *desk) RevokeWorker(ctx context.Context, id string) (api.Worker, error) {
	if err := d.seesSites(); err != nil {
		return api.Worker{}, err
	}
	w, err := d.Parts.Sites.RevokeWorker(ctx, string(d.caller.Person), id)
	if err != nil {
		return api.Worker{}, err
	}
	return d.worker(w), nil
}

// reach says of gateways whether a worker of their site is there. It asks for the sites once, and only where it must.
type reach struct {
	desk  *desk
	sites []site.Site
	asked bool
}

// of says it of one gateway: the state is empty where it needs no worker. It is gone where nobody is connected who holds
// its credentials; seen is then when somebody last was, nil if never.
func (r *reach) of(ctx context.Context, g catalog.Gateway) (state string, seen *time.Time, err error) {
	board := r.desk.Parts.Sites
	if board == nil || g.Site == "" || g.Site == portal.SiteLocal {
		return "", nil, nil
	}
	if !r.asked {
		if r.sites, err = board.Sites(ctx); err != nil {
			return "", nil, err
		}
		r.asked = true
	}
	i := slices.IndexFunc(r.sites, func(s site.Site) bool { return s.Name == g.Site })
	if i < 0 {
		return "gone", nil, nil
	}
	for _, w := range r.sites[i].Workers {
		switch {
		case !slices.Contains(w.Gateways, g.ID):
		case w.Connected(board.Now()):
			return "connected", nil, nil
		case seen == nil || w.Seen.After(*seen):
			seen = &w.Seen
		}
	}
	return "gone", seen, nil
}
