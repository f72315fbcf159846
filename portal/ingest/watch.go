package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/outbound"
	"concierge/portal/store"
)

// JobWatch is the kind of job that listens to a gateway which tells of changes. Its subject is the gateway: one process in
// the whole cluster listens.
const JobWatch = "watch"

// WatchActor is who asks for a sync because the gateway told of a change.
const WatchActor = "system:watch"

const (
	// WatchFor is how long one process listens before any other may take over, so that watches spread over replicas.
	WatchFor = 10 * time.Minute
	// settle is how long a change waits for others that come with it.
	settle = time.Second
	// breath is the least time between two syncs that changes ask for.
	breath = 5 * time.Second
	// patient is how soon a watch looks again for a gateway's first good sync.
	patient = 5 * time.Second
	// lookEvery is how often a watch looks whether its gateway's registration is still the same.
	lookEvery = 5 * time.Second
)

// Watch listens to a gateway, and syncs it soon after it tells of a change. It returns after WatchFor, to be asked again at
// next; zero where there is nothing to listen to: the gateway is gone, paused, of another site, or does not tell. The
// schedule goes on beside it. An error is why the gateway cannot be listened to now.
func (s *Service) Watch(ctx context.Context, id portal.GatewayID) (next time.Time, err error) {
	g, err := s.gateways.Gateway(ctx, id)
	if errors.Is(err, portal.ErrNotFound) || err == nil && !watchable(g) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	conn, err := s.gateways.connector(g)
	if err != nil {
		return time.Time{}, err
	}
	watcher, ok := connectors.As[connectors.Watcher](conn)
	if !ok {
		return time.Time{}, nil
	}
	st, err := s.Standing(ctx, id)
	if err != nil {
		return time.Time{}, err
	}
	if st.LastGood == nil {
		return s.clock().Add(patient), nil
	}
	ctx, cancel := context.WithTimeout(ctx, WatchFor)
	defer cancel()
	told := make(chan struct{}, 1)
	ended := make(chan error, 1)
	s.listening(id, true)
	defer s.listening(id, false)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				s.opts.Log.ErrorContext(ctx, "panic in a watch", "gateway", id, "panic", fmt.Sprint(p))
				ended <- errors.New("the connector failed in a way it should not; the log says more")
			}
		}()
		ended <- watcher.Watch(outbound.Standing(ctx), st.LastGood.Cursor, func(connectors.Cursor) {
			select {
			case told <- struct{}{}:
			default: // a sync is to come anyway
			}
		})
	}()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			if ctx.Err() != nil {
				return s.clock(), nil
			}
			if err == nil {
				err = fmt.Errorf("it stopped to tell of changes: %w", portal.ErrUnavailable)
			}
			return time.Time{}, &portal.GatewayError{Gateway: id, Op: "Watch", Err: err}
		case <-look.C:
			if now, err := s.gateways.Gateway(ctx, id); err == nil && !now.Changed.Equal(g.Changed) {
				cancel()
				<-ended
				return s.clock(), nil // to be opened anew
			}
			continue
		case <-told:
		}
		if err := s.follow(ctx, g, told); err != nil {
			cancel()
			<-ended
			return time.Time{}, err
		}
	}
}

// follow syncs a gateway after it told of a change. An error ends the watch: it began before something that matters.
func (s *Service) follow(ctx context.Context, g catalog.Gateway, told <-chan struct{}) error {
	if !pause(ctx, settle) {
		return nil
	}
	select {
	case <-told:
	default:
	}
	now, err := s.gateways.Gateway(ctx, g.ID)
	if err != nil || !now.Changed.Equal(g.Changed) {
		return err
	}
	for {
		run, fresh, err := s.start(ctx, g.ID, WatchActor, order{})
		if err == nil {
			run, err = s.Wait(ctx, g.ID, run.ID)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("syncing gateway %s after a change: %w", g.ID, err)
		case fresh: // one that failed is tried again by the schedule, which knows how to wait
			pause(ctx, breath)
			return nil
		}
		// That one may have read the gateway before the change.
	}
}

// pause waits; false where ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// watchable reports whether a gateway tells of changes, as far as is known.
func watchable(g catalog.Gateway) bool {
	return !g.Paused && g.Site == portal.SiteLocal && capabilities(g).Discovery == connectors.DiscoverWatch
}

func (s *Service) listening(id portal.GatewayID, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.heard[id] = true
	} else {
		delete(s.heard, id)
	}
}

// Watching reports whether this process listens to a gateway.
func (s *Service) Watching(id portal.GatewayID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard[id]
}

// watchThose asks for the watch of gateways that tell of changes: once in this process's life for each, and again where its
// registration has changed, since a watch ends for good where there is nothing to listen to.
func (s *Service) watchThose(ctx context.Context, all []catalog.Gateway) error {
	var ask []catalog.Gateway
	s.mu.Lock()
	for _, g := range all {
		if watchable(g) && !s.asked[g.ID].Equal(g.Changed) {
			ask = append(ask, g)
		}
	}
	s.mu.Unlock()
	if len(ask) == 0 {
		return nil
	}
	err := s.db.InTx(ctx, func(tx catalog.Tx) error {
		for _, g := range ask {
			if err := tx.Enqueue(ctx, store.Job{Kind: JobWatch, Subject: string(g.ID)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("asking for watches: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range ask {
		s.asked[g.ID] = g.Changed
	}
	return nil
}
