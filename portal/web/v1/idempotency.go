package v1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/store"
)

// requestLease is how long one request may be at work before another one with its key may try.
const requestLease = time.Minute

// dropPause is the time between two attempts to forget one that came to nothing.
const dropPause = 250 * time.Millisecond

// once carries a request out at most once for its Idempotency-Key. do returns the id of what came of it, empty where that
// is not there yet and a repeated request shall ask for it again; again fetches that thing anew for a repeated request, so
// that access is checked again and no secret is ever kept for a replay.
func once[O any](ctx context.Context, s *server, key string, body any, do func(context.Context) (*O, string, error), again func(ctx context.Context, id string) (*O, error)) (*O, error) {
	if key == "" {
		out, _, err := do(ctx)
		return out, err
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("hashing the request: %w", err)
	}
	hash := s.Fingerprint("request", b) // it may hold secrets: of a gateway that is registered
	c, now := callOf(ctx), s.Now()
	k := store.RequestKey{Caller: string(c.caller.Person) + " " + string(c.caller.Organisation), Method: "POST", Path: c.path, Key: key}
	r := store.Request{RequestKey: k, Body: hash, Lease: now.Add(requestLease)}
	found, began, err := s.Requests.BeginRequest(ctx, r, now)
	switch {
	case err != nil:
		return nil, err
	case found.Body != hash:
		return nil, fmt.Errorf("this Idempotency-Key was used with another body; use a new key for a new request: %w", portal.ErrInvalid)
	case !began && found.Result != "":
		return again(ctx, found.Result)
	case !began && found.Acted && !now.Before(found.Lease):
		return nil, &portal.ConflictError{Err: errors.New("the request with this Idempotency-Key was carried out but its answer was lost; look for what it made before you try again with a new key")}
	case !began:
		return nil, api.StillRunning(found.Lease.Sub(now))
	}
	out, id, err := do(store.WithRequest(ctx, k))
	ctx = context.WithoutCancel(ctx)
	if err != nil || id == "" {
		if dropErr := s.Requests.DropRequest(ctx, r); dropErr != nil {
			go s.drop(ctx, r, dropErr)
		}
		return out, err
	}
	if err := s.Requests.EndRequest(ctx, k, id); err != nil {
		s.Log.WarnContext(ctx, "a repeated request will be told that its answer was lost", "error", err)
	}
	return out, nil
}

// drop forgets a request that came to nothing once the database is back, so that whoever repeats it does not have to wait
// for the end of its lease.
func (s *server) drop(ctx context.Context, r store.Request, err error) {
	for range requestLease / dropPause {
		if !errors.Is(err, portal.ErrUnavailable) {
			break
		}
		time.Sleep(dropPause)
		if err = s.Requests.DropRequest(ctx, r); err == nil {
			return
		}
	}
	s.Log.WarnContext(ctx, "an idempotency key stays reserved for a minute", "error", err)
}
