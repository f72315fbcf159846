package keys_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/keys"
)

// Whatever people, gateways, sweepers, dying processes and clocks do, in whatever order: once the gateways are healthy and
// somebody sweeps, every key that works is live here with its story in the audit, each subscription holds at most one of
// each sort, no act is open, and every secret that was shown and not ended works.
func TestEverythingSettles(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		// Each run has a replica of its own: a process that may have died in the runs before.
		app, err := w.CreateApplication(ctx, ann, "shop")
		if err != nil {
			rt.Fatal(err)
		}
		sub, err := w.Subscribe(ctx, ann, keys.SubscribeRequest{Application: app.ID, API: "payments"})
		if err != nil {
			rt.Fatal(err)
		}
		r := &run{rapid: rt, w: w, ctx: ctx, sub: sub.ID, healthy: w.service(w.keysDB()), shown: map[portal.CredentialID]shown{}}
		for range rapid.IntRange(3, 12).Draw(rt, "steps") {
			r.step()
			r.look()
		}
		problems := w.settled(ctx, r.healthy, app.ID)
		if r.waiting() { // what somebody has to approve is not for the sweeper to end
			for _, g := range w.gateways {
				g.approve()
			}
			if _, err := r.healthy.Cancel(ctx, ann, r.sub); err != nil {
				rt.Fatal(err)
			}
			r.ended()
			problems = w.settled(ctx, r.healthy, app.ID)
		}
		for _, problem := range problems {
			rt.Error(problem)
		}
		for _, c := range r.open() {
			if _, seen := r.shown[c.ID]; !seen {
				rt.Errorf("%s is %s, and nobody saw its secret", c.ID, c.State)
			}
		}
		for id, s := range r.shown {
			c, err := r.healthy.Credential(ctx, ann, id)
			if err != nil {
				rt.Fatal(err)
			}
			if works := w.gateways[c.Gateway].works(s.secret); works != c.State.Live() {
				rt.Errorf("%s is %s, and its key works: %v", id, c.State, works)
			}
			if c.State != keys.Active && !s.ended && c.Ends.IsZero() {
				rt.Errorf("%s is %s, and nobody has ended it: %s", id, c.State, c.Note)
			}
		}
		if _, err := r.healthy.Cancel(ctx, ann, r.sub); err != nil { // so that the next run begins with nothing
			rt.Fatal(err)
		}
		for _, g := range w.gateways {
			g.mu.Lock()
			g.slow, g.caps = false, connectors.Capabilities{}
			g.mu.Unlock()
		}
		for _, problem := range w.settled(ctx, r.healthy, app.ID) {
			rt.Error(problem)
		}
	})
}

type shown struct {
	secret string
	ended  bool // on purpose
}

// run is one sequence of steps.
type run struct {
	rapid   *rapid.T
	w       *world
	ctx     context.Context
	sub     portal.SubscriptionID
	healthy *keys.Service
	shown   map[portal.CredentialID]shown
	late    []func()
	later   bool // a gateway has acted after everybody had given up
}

// step does one thing, on a replica that may die at any of its transactions.
func (r *run) step() {
	s := r.healthy
	if n := rapid.IntRange(0, 9).Draw(r.rapid, "dies at transaction"); 0 < n && n < 5 {
		s = r.w.service(&faultyDB{DB: r.w.keysDB(), fail: func(now int) bool { return now >= n }})
	}
	what := rapid.SampledFrom([]string{
		"claim", "claim", "claim", "rotate", "rotate", "revoke", "cancel", "sweep", "sweep", "time", "fault", "fault", "late", "approve", "slow", "move",
	}).Draw(r.rapid, "what")
	g := r.w.gateways[rapid.SampledFrom([]portal.GatewayID{"north", "south"}).Draw(r.rapid, "gateway")]
	switch what {
	case "claim":
		ctx := r.client(g)
		c, err := s.Claim(ctx, ann, r.sub)
		r.show(ctx, c, err)
	case "rotate":
		if c, ok := r.pick(); ok {
			ctx, overlap := r.client(g), rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(r.rapid, "overlap")
			c, err := s.Rotate(ctx, ann, c.ID, overlap)
			r.show(ctx, c, err)
		}
	case "revoke":
		if c, ok := r.pick(); ok {
			_, _ = s.Revoke(r.ctx, ann, c.ID)
			r.ended()
		}
	case "cancel":
		_, _ = s.Cancel(r.ctx, ann, r.sub)
		r.ended()
		sub, err := r.healthy.Subscription(r.ctx, ann, r.sub)
		if err != nil {
			r.rapid.Fatal(err)
		}
		if sub.State == keys.Cancelled {
			if sub, err = r.healthy.Subscribe(r.ctx, ann, keys.SubscribeRequest{Application: sub.Application, API: "payments"}); err != nil {
				r.rapid.Fatal(err)
			}
			r.sub = sub.ID
		}
	case "sweep":
		_ = s.SweepOnce(r.ctx)
	case "time":
		r.w.clock.advance(rapid.SampledFrom([]time.Duration{time.Second, 3 * time.Second, time.Minute, 2 * time.Hour, -time.Minute}).Draw(r.rapid, "by"))
	case "fault":
		r.fault(g)
	case "late":
		for _, do := range r.late {
			r.later = true
			do()
		}
		r.late = nil
	case "approve":
		g.approve()
	case "slow":
		g.mu.Lock()
		g.slow = !g.slow
		g.caps.Propagation = rapid.SampledFrom([]time.Duration{0, 5 * time.Second}).Draw(r.rapid, "propagation")
		g.mu.Unlock()
	case "move":
		to := rapid.SampledFrom([]portal.GatewayID{"north", "south"}).Draw(r.rapid, "to")
		r.w.router.send("payments", deployment(to, "payments", portal.Test))
	}
}

// fault spoils the next call of a sort on g.
func (r *run) fault(g *gateway) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch rapid.IntRange(0, 8).Draw(r.rapid, "fault") {
	case 0:
		g.issue = append(g.issue, losesAnswer)
	case 1:
		g.issue = append(g.issue, refuses(portal.ErrUnavailable))
	case 2:
		g.issue = append(g.issue, refuses(portal.ErrDenied))
	case 3:
		g.issue = append(g.issue, func(_ context.Context, act func() issued) (issued, error) {
			r.late = append(r.late, func() { act() })
			return issued{}, errDown
		})
	case 4:
		g.find = append(g.find, errDown)
	case 5:
		g.revoke = append(g.revoke, errDown)
	case 6:
		g.keep++
	case 7: // it answers after everybody else has given up
		g.issue = append(g.issue, func(_ context.Context, act func() issued) (issued, error) {
			r.later = true
			for range 3 {
				r.w.clock.advance(time.Minute)
				_ = r.healthy.SweepOnce(r.ctx)
			}
			return act(), nil
		})
	case 8: // revoked while it is made
		g.issue = append(g.issue, func(_ context.Context, act func() issued) (issued, error) {
			if open := r.open(); len(open) > 0 { // the newest
				_, _ = r.healthy.Revoke(r.ctx, ann, open[0].ID)
				r.ended()
			}
			return act(), nil
		})
	}
}

// client is the context of somebody who may leave before the gateway has answered.
func (r *run) client(g *gateway) context.Context {
	ctx, leave := context.WithCancel(r.ctx)
	if rapid.IntRange(0, 7).Draw(r.rapid, "leaves") > 0 {
		r.rapid.Cleanup(leave)
		return ctx
	}
	g.fail(func(_ context.Context, act func() issued) (issued, error) {
		leave()
		return act(), nil
	})
	return ctx
}

// show takes the answer to whoever asked, if they are still there.
func (r *run) show(ctx context.Context, c keys.Claimed, err error) {
	if (err != nil || !c.Ready || ctx.Err() != nil) && secret(c) != "" {
		r.rapid.Errorf("a secret was shown to nobody, or beside %v", err)
	}
	if err != nil || !c.Ready {
		return
	}
	if !r.w.gateways[c.Credential.Gateway].works(secret(c)) || c.Credential.State != keys.Active {
		r.rapid.Errorf("a %s key was shown that does not work", c.Credential.State)
	}
	r.shown[c.Credential.ID] = shown{secret: secret(c)}
}

// look holds what the portal says at any moment against the gateways: what counts as revoked does not work.
func (r *run) look() {
	if r.later {
		return // until somebody reconciles
	}
	for _, g := range r.w.gateways {
		for _, mark := range g.working() {
			c, err := r.healthy.Credential(r.ctx, ann, mark.Credential)
			if err != nil {
				r.rapid.Fatal(err)
			}
			// A revocation may be under way in the background: what works after its state was read is what counts.
			if c.State.Final() && slices.Contains(g.working(), mark) {
				r.rapid.Errorf("%s counts as %s and works", c.ID, c.State)
			}
		}
	}
}

// pick is one of the application's credentials that are not over.
func (r *run) pick() (keys.Credential, bool) {
	open := r.open()
	if len(open) == 0 {
		return keys.Credential{}, false
	}
	return rapid.SampledFrom(open).Draw(r.rapid, "credential"), true
}

func (r *run) open() []keys.Credential {
	open, err := r.healthy.Credentials(r.ctx, ann, keys.CredentialFilter{Subscription: r.sub, Open: true}, keys.Page{Limit: 100})
	if err != nil {
		r.rapid.Fatal(fmt.Errorf("listing: %w", err))
	}
	return open
}

// ended notes what is on its way out because somebody asked for it.
func (r *run) ended() {
	for id, s := range r.shown {
		c, err := r.healthy.Credential(r.ctx, ann, id)
		if err != nil {
			r.rapid.Fatal(err)
		}
		if !c.State.Live() {
			s.ended = true
			r.shown[id] = s
		}
	}
}

func (r *run) waiting() bool {
	for _, c := range r.open() {
		if c.State == keys.Pending {
			return true
		}
	}
	return false
}
