package telemetry

import (
	"context"
	"time"

	"concierge/portal/api"
	"concierge/portal/telemetry/span"
)

// Desk counts and traces what a caller asks of routing and keys.
func (t *Telemetry) Desk(d api.Desk) api.Desk { return &observedDesk{d, t} }

type observedDesk struct {
	api.Desk
	t *Telemetry
}

func (o *observedDesk) Resolve(ctx context.Context, q api.ResolveQuery) (api.Decision, error) {
	ctx, end := o.t.tracer.Start(ctx, "desk.Resolve")
	d, err := o.Desk.Resolve(ctx, q)
	end(err)
	o.t.metrics.resolves.WithLabelValues(span.Outcome(err)).Inc()
	return d, err
}

func (o *observedDesk) Claim(ctx context.Context, subscription string) (api.Claim, error) {
	ctx, end := o.t.tracer.Start(ctx, "desk.Claim")
	c, err := o.Desk.Claim(ctx, subscription)
	end(err)
	o.count("claim", c.Ready, err)
	return c, err
}

func (o *observedDesk) Rotate(ctx context.Context, id string, overlap time.Duration) (api.Claim, error) {
	ctx, end := o.t.tracer.Start(ctx, "desk.Rotate")
	c, err := o.Desk.Rotate(ctx, id, overlap)
	end(err)
	o.count("rotate", c.Ready, err)
	return c, err
}

func (o *observedDesk) Revoke(ctx context.Context, id string) (api.Credential, error) {
	ctx, end := o.t.tracer.Start(ctx, "desk.Revoke")
	c, err := o.Desk.Revoke(ctx, id)
	end(err)
	o.count("revoke", c.State != "revoking", err)
	return c, err
}

func (o *observedDesk) count(operation string, done bool, err error) {
	outcome := span.Outcome(err)
	if err == nil && !done {
		outcome = "waiting"
	}
	o.t.metrics.keys.WithLabelValues(operation, outcome).Inc()
}
