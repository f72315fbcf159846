package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
)

// errRevoked is portal.ErrDenied: whoever asks is no worker, or no longer.
var errRevoked = fmt.Errorf("this worker is not known, or was revoked: %w", portal.ErrDenied)

// Route is one call of the protocol. Enrol is answered to whoever has a token, all others to workers only.
type Route struct {
	Pattern string // as in http.ServeMux; the method is POST
	Enrol   bool
	Handler http.Handler
}

// Routes are what the portal serves to workers.
func (s *Service) Routes() []Route {
	return []Route{
		{enrolPath, true, s.handle(s.serveEnrol)},
		{pollPath, false, s.forWorkers(s.servePoll)},
		{renewPath, false, s.forWorkers(s.serveRenew)},
		{returnPath, false, s.forWorkers(s.serveReturn)},
		{answerPath, false, s.forWorkers(s.serveAnswer)},
	}
}

func (s *Service) handle(serve func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		said, err := serve(r)
		status := http.StatusOK
		if err != nil {
			status = statusOf(err)
			text := err.Error()
			if status == http.StatusInternalServerError {
				if r.Context().Err() == nil {
					s.opts.Log.Error("call of a worker", "path", r.Pattern, "error", err)
				}
				text = "something went wrong; the portal's log says more"
			}
			said = map[string]string{"error": text}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(said) // a worker that went away asks again
	})
}

func statusOf(err error) int {
	tooLarge := errors.Is(err, errTooLarge)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		tooLarge = true
	}
	switch {
	case tooLarge:
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, portal.ErrDenied):
		return http.StatusUnauthorized
	case errors.Is(err, portal.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, portal.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, portal.ErrUnavailable):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// forWorkers finds out which worker asks.
func (s *Service) forWorkers(serve func(*http.Request, Worker) (any, error)) http.Handler {
	return s.handle(func(r *http.Request) (any, error) {
		secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			return nil, errRevoked
		}
		var w Worker
		err := s.db.View(r.Context(), func(tx Tx) (err error) {
			w, err = tx.Sites().WorkerBySecret(r.Context(), hash(secret))
			return err
		})
		if errors.Is(err, portal.ErrNotFound) || err == nil && !w.Revoked.IsZero() {
			return nil, errRevoked
		}
		if err != nil {
			return nil, err
		}
		return serve(r, w)
	})
}

func read[T any](r *http.Request) (t T, err error) {
	if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return t, err
		}
		return t, fmt.Errorf("the request is not the JSON that is expected here: %w", portal.ErrInvalid) // it may hold a secret
	}
	return t, nil
}

func (s *Service) serveEnrol(r *http.Request) (any, error) {
	n, err := read[enrolment](r)
	if err != nil {
		return nil, err
	}
	if len(n.Secret) < minSecret {
		return nil, fmt.Errorf("a worker's secret has at least %d characters: %w", minSecret, portal.ErrInvalid)
	}
	id, err := s.enrol(r.Context(), n)
	return enrolled{id}, err
}

// minSecret is the length of what portal.NewID makes, without its prefix.
const minSecret = 26

const maxHeld = 1000 // gateways of one worker

func (s *Service) servePoll(r *http.Request, w Worker) (any, error) {
	asked, err := read[poll](r)
	if err != nil {
		return nil, err
	}
	if len(asked.Gateways) > maxHeld || len(asked.Calls) > maxHeld*atOnce {
		return nil, fmt.Errorf("a worker has at most %d gateways, and %d calls on each: %w", maxHeld, atOnce, portal.ErrInvalid)
	}
	ctx := r.Context()
	id := portal.NewID("poll")
	holds, said, err := s.arrive(ctx, w.ID, id, asked)
	if err != nil {
		if ctx.Err() != nil { // it went away before it was here
			s.leave(ctx, w.ID, w.Polling, id)
		}
		return nil, err
	}
	told := s.db.Listen(ctx, siteTopic(w.Site))
	over := time.NewTimer(min(max(asked.Wait, 0), pollFor))
	defer over.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if said.Calls, err = s.take(ctx, w, holds); err != nil || len(said.Calls) > 0 {
			if ctx.Err() != nil { // it went away at this moment
				s.putBack(ctx, w.ID, said.Calls)
			}
			return said, err
		}
		if said.Lost, err = s.gone(ctx, w.ID, asked.Calls); err != nil || len(said.Lost) > 0 {
			return said, err
		}
		select {
		case <-told:
		case <-tick.C:
			continue
		case <-over.C:
			return said, nil
		case <-s.stop:
			return said, nil
		case <-ctx.Done():
			s.leave(ctx, w.ID, id)
			return nil, ctx.Err()
		}
		if err := s.still(ctx, w.ID); err != nil {
			return nil, err
		}
	}
}

// putBack queues calls that could not be handed to the worker.
func (s *Service) putBack(ctx context.Context, worker string, orders []order) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
	defer cancel()
	var calls []heldCall
	for _, o := range orders {
		calls = append(calls, heldCall{o.ID, o.Lease})
	}
	if err := s.handBack(ctx, worker, calls); err != nil {
		s.opts.Log.Warn("calls to a worker that went away stay with it until their leases end", "worker", worker, "error", err)
	}
}

// still is errRevoked once the worker is.
func (s *Service) still(ctx context.Context, worker string) error {
	return s.db.View(ctx, func(tx Tx) error {
		if w, err := tx.Sites().Worker(ctx, worker); err != nil || !w.Revoked.IsZero() {
			return errRevoked
		}
		return nil
	})
}

// arrive notes that a worker polls, and which of its gateways it gets calls for.
func (s *Service) arrive(ctx context.Context, worker, id string, asked poll) (holds []holding, said polled, err error) {
	var back []portal.GatewayID
	err = s.db.InTx(ctx, func(tx Tx) error {
		holds, said, back = nil, polled{Calls: []order{}, Ignored: []ignored{}}, nil
		w, err := tx.Sites().Worker(ctx, worker)
		if err != nil {
			return err
		}
		if !w.Revoked.IsZero() {
			return errRevoked
		}
		w.Gateways = []portal.GatewayID{}
		for _, h := range asked.Gateways {
			g, err := tx.Catalog().Gateway(ctx, h.ID)
			reason := ""
			switch {
			case errors.Is(err, portal.ErrNotFound):
				reason = "the portal does not know it"
			case err != nil:
				return err
			case g.Site != w.Site:
				reason = "it is not of this site in the portal"
			case g.Kind != h.Kind:
				reason = fmt.Sprintf("it is of kind %s in the portal", g.Kind)
			}
			if reason != "" {
				said.Ignored = append(said.Ignored, ignored{h.ID, reason})
				continue
			}
			if served, err := s.served(ctx, tx, w.Site, h.ID); err != nil {
				return err
			} else if !served {
				back = append(back, h.ID)
			}
			holds = append(holds, h)
			w.Gateways = append(w.Gateways, h.ID)
		}
		slices.Sort(w.Gateways)
		w.Due = s.now().Add(min(max(asked.Wait, 0), pollFor) + graceFor)
		w.Seen, w.Polling, w.Name, w.Version = s.now(), id, shown(asked.Name), shown(asked.Version)
		return tx.Sites().UpdateWorker(ctx, w)
	})
	if err == nil && len(back) > 0 {
		s.opts.Log.Info("a worker is there for gateways", "worker", worker, "gateways", back)
		s.opts.Back(ctx, back)
	}
	return holds, said, err
}

// leave notes that a worker went away: in the middle of one of these polls, unless it polls elsewhere already, or for good
// where none is named.
func (s *Service) leave(ctx context.Context, worker string, polls ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
	defer cancel()
	err := s.db.InTx(ctx, func(tx Tx) error {
		w, err := tx.Sites().Worker(ctx, worker)
		if err != nil || len(polls) > 0 && !slices.Contains(polls, w.Polling) {
			return err
		}
		w.Polling, w.Due = "", time.Time{}
		return tx.Sites().UpdateWorker(ctx, w)
	})
	if err != nil {
		s.opts.Log.Warn("a worker's leaving is not noted; it counts as gone when its next poll is overdue", "worker", worker, "error", err)
	}
}

func readHeld(r *http.Request) (held, error) {
	h, err := read[held](r)
	if err == nil && len(h.Calls) > maxHeld*atOnce {
		err = fmt.Errorf("a worker has at most %d calls: %w", maxHeld*atOnce, portal.ErrInvalid)
	}
	return h, err
}

func (s *Service) serveRenew(r *http.Request, w Worker) (any, error) {
	asked, err := readHeld(r)
	if err != nil {
		return nil, err
	}
	gone, err := s.renew(r.Context(), w.ID, asked.Calls)
	return lost{gone}, err
}

func (s *Service) serveReturn(r *http.Request, w Worker) (any, error) {
	asked, err := readHeld(r)
	if err != nil {
		return nil, err
	}
	if asked.Leaving {
		s.leave(r.Context(), w.ID)
	}
	return struct{}{}, s.handBack(r.Context(), w.ID, asked.Calls)
}

func (s *Service) serveAnswer(r *http.Request, w Worker) (any, error) {
	q := r.URL.Query()
	number, err := strconv.Atoi(q.Get("part"))
	if err != nil {
		return nil, fmt.Errorf("part is a number: %w", portal.ErrInvalid)
	}
	content, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxPart))
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.takePart(r.Context(), w.ID, r.PathValue("call"), q.Get("lease"), number, q.Get("last") == "true", content)
}
