package desk

import (
	"context"
	"errors"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/catalog"
)

// SiteBoard knows the sites, their workers and what waits for them. It does not ask who wants to know: the desk has asked.
// What is not there is portal.ErrNotFound.
type SiteBoard interface {
	// Sites lists them in the order of api.Sites.
	Sites(ctx context.Context) ([]api.Site, error)
	Site(ctx context.Context, name string) (api.Site, error)
	// CreateEnrolment is recorded as done by the actor, as are the other two. portal.ErrInvalid says what is wrong with the
	// name; that of a site which nothing names yet is right.
	CreateEnrolment(ctx context.Context, actor, site string) (api.CreatedEnrolment, error)
	RevokeEnrolment(ctx context.Context, actor, id string) error
	RevokeWorker(ctx context.Context, actor, id string) (api.Worker, error)
}

func (d *desk) seesSites() error { return d.operates("sites", d.Parts.Sites != nil) }

func (d *desk) Sites(ctx context.Context) ([]api.Site, error) {
	if err := d.seesSites(); err != nil {
		return nil, err
	}
	sites, err := d.Parts.Sites.Sites(ctx)
	if sites == nil {
		sites = []api.Site{}
	}
	for i := range sites {
		sites[i] = whole(sites[i])
	}
	return sites, err
}

// whole is a site whose lists are lists, also where they are empty.
func whole(s api.Site) api.Site {
	s.Gateways, s.Workers, s.Enrolments = orEmpty(s.Gateways), orEmpty(s.Workers), orEmpty(s.Enrolments)
	for i, w := range s.Workers {
		s.Workers[i].Gateways = orEmpty(w.Gateways)
	}
	return s
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (d *desk) Site(ctx context.Context, name string) (api.Site, error) {
	if err := d.seesSites(); err != nil {
		return api.Site{}, err
	}
	s, err := d.Parts.Sites.Site(ctx, name)
	if err != nil {
		return api.Site{}, err
	}
	return whole(s), nil
}

func (d *desk) CreateEnrolment(ctx context.Context, site string) (api.CreatedEnrolment, error) {
	if err := d.seesSites(); err != nil {
		return api.CreatedEnrolment{}, err
	}
	return d.Parts.Sites.CreateEnrolment(ctx, string(d.caller.Person), site)
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
	w.Gateways = orEmpty(w.Gateways)
	return w, err
}

// reach says of gateways whether a worker of their site is there. It asks for each site once.
type reach struct {
	board SiteBoard
	sites map[portal.Site]api.Site
}

func (d *desk) reach() *reach { return &reach{d.Parts.Sites, map[portal.Site]api.Site{}} }

// of says it of one gateway: the state is empty where it needs no worker. It is gone where nobody is connected who holds
// its credentials; seen is then when somebody last was, nil if never.
func (r *reach) of(ctx context.Context, g catalog.Gateway) (state string, seen *time.Time, err error) {
	if r.board == nil || g.Site == "" || g.Site == portal.SiteLocal {
		return "", nil, nil
	}
	site, ok := r.sites[g.Site]
	if !ok {
		if site, err = r.board.Site(ctx, string(g.Site)); err != nil && !errors.Is(err, portal.ErrNotFound) {
			return "", nil, err
		}
		r.sites[g.Site] = site
	}
	for i, w := range site.Workers {
		switch {
		case !slices.Contains(w.Gateways, string(g.ID)):
		case w.State == "connected":
			return "connected", nil, nil
		case seen == nil || w.LastSeen.After(*seen):
			seen = &site.Workers[i].LastSeen
		}
	}
	return "gone", seen, nil
}
