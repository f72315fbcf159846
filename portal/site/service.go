package site

import (
	"cmp"
	"context"
	"crypto/hpke"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

// Options of a Service. Zero values mean the defaults.
type Options struct {
	// Back is called when a worker takes up gateways that nobody of its site served before, so that what waits for them
	// goes on at once.
	Back func(ctx context.Context, gateways []portal.GatewayID)
	Now  func() time.Time
	Log  *slog.Logger
}

// Service is the portal's side: it passes calls to workers and lets workers join. It is safe for concurrent use, also by
// several replicas on one database.
type Service struct {
	db   DB
	seal Sealer
	opts Options

	stop    chan struct{} // closed: polls end
	stopped func()
}

// New makes a Service. Run it.
func New(db DB, seal Sealer, opts Options) *Service {
	if opts.Back == nil {
		opts.Back = func(context.Context, []portal.GatewayID) {}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	stop := make(chan struct{})
	return &Service{db: db, seal: seal, opts: opts, stop: stop, stopped: sync.OnceFunc(func() { close(stop) })}
}

func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

const (
	forgetEvery = time.Minute
	forgetAfter = 10 * time.Minute // calls whose caller died without dropping them
)

// Run forgets calls that nobody will answer or read, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		err := s.db.InTx(ctx, func(tx Tx) error { return tx.Sites().DropCallsBefore(ctx, s.now().Add(-forgetAfter)) })
		if err != nil && ctx.Err() == nil {
			s.opts.Log.Warn("old calls to workers stay", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Stop ends the polls of workers, which turn to another replica or ask again later. Calls under way go on.
func (s *Service) Stop() { s.stopped() }

// What is told to who waits on any replica: that a site has calls or lost a worker, and that a call was answered.
func siteTopic(site portal.Site) string { return "site:" + string(site) }
func callTopic(call string) string      { return "site-call:" + call }

const (
	callsTable    = "site_calls"
	requestColumn = "request"

	defaultDeadline = 10 * time.Minute // of a call whose context has none
	// dropWithin bounds the clean-up after a caller that gave up.
	dropWithin = 5 * time.Second
)

// lookEvery is how often who waits looks, also when nothing is told.
var lookEvery = time.Second

// call passes one call to a worker and returns its answer, to be read to the end and closed. connectors.AwayError says
// that there is none, and whether the call was taken.
func (s *Service) call(ctx context.Context, site portal.Site, gateway portal.GatewayID, operation string, asked request) (io.ReadCloser, error) {
	key, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("making a key for the answer: %w", err)
	}
	now := s.now()
	c := Call{
		ID: portal.NewID("call"), Site: site, Gateway: gateway, Operation: operation, Urgent: operation == opRevoke,
		ReplyKey: key.PublicKey().Bytes(), Created: now, Deadline: now.Add(defaultDeadline), State: Queued,
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.Deadline = now.Add(time.Until(deadline)).Truncate(time.Microsecond)
	}
	plain, err := json.Marshal(asked)
	if err != nil {
		return nil, fmt.Errorf("writing a call: %w", err)
	}
	if c.Request, err = s.seal.Seal(callsTable, c.ID, requestColumn, plain); err != nil {
		return nil, err
	}
	listening, deaf := context.WithCancel(ctx)
	defer deaf()
	told := s.db.Listen(listening, callTopic(c.ID))
	err = s.db.InTx(ctx, func(tx Tx) error {
		if served, err := s.served(ctx, tx, c.Site, c.Gateway); err != nil || !served {
			return cmp.Or(err, error(&connectors.AwayError{Site: site}))
		}
		tx.Tell(siteTopic(site))
		return tx.Sites().AddCall(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	parts, err := s.await(ctx, c, told)
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, c, key, parts), nil
}

// await waits until a call is answered, or nobody will answer it.
func (s *Service) await(ctx context.Context, c Call, told <-chan struct{}) (parts int, err error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		giveUp := false
		select {
		case <-told:
		case <-tick.C:
		case <-ctx.Done():
			giveUp = true
		}
		state, parts, err := s.look(ctx, c, giveUp)
		switch {
		case err != nil && !giveUp:
			s.opts.Log.Warn("call to a worker not looked at; it is looked at again", "gateway", c.Gateway, "error", err)
		case err != nil: // it could not be taken back: until its deadline somebody may do it
			return 0, fmt.Errorf("%w: %w", &connectors.AwayError{Site: c.Site, Taken: true}, err)
		case state == Answered:
			return parts, nil
		case state != Queued: // dropped
			away := &connectors.AwayError{Site: c.Site, Taken: state == Taken}
			if ctx.Err() != nil {
				return 0, fmt.Errorf("%w: %w", away, ctx.Err())
			}
			return 0, away
		}
	}
}

// dropped is a call that was taken back before anybody took it.
const dropped CallState = "dropped"

// look returns Queued while there is something to wait for, Answered, or how the call ended: dropped or, with an outcome
// that is unknown, Taken. In the last two it is not there any more.
func (s *Service) look(ctx context.Context, c Call, giveUp bool) (state CallState, parts int, err error) {
	if giveUp {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
		defer cancel()
	}
	over := func(tx Tx) (bool, error) {
		now, err := tx.Sites().Call(ctx, c.ID)
		if errors.Is(err, portal.ErrNotFound) { // its worker was revoked
			state, parts = Taken, 0
			return false, nil
		}
		if err != nil {
			return false, err
		}
		state, parts = Queued, now.Parts
		switch {
		case now.State == Answered:
			state = Answered
			return false, nil
		case now.State == Taken && (giveUp || s.now().After(now.LeaseEnds)):
			state = Taken
			return true, nil
		case now.State == Queued && giveUp:
			state = dropped
			return true, nil
		case now.State == Queued:
			served, err := s.served(ctx, tx, c.Site, c.Gateway)
			if err == nil && !served {
				state = dropped
			}
			return !served, err
		}
		return false, nil
	}
	var end bool
	if err := s.db.View(ctx, func(tx Tx) (err error) {
		end, err = over(tx)
		return err
	}); err != nil || !end {
		return state, parts, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		end, err := over(tx)
		if err != nil || !end {
			return err
		}
		tx.Tell(siteTopic(c.Site)) // its worker need not go on
		return tx.Sites().DropCall(ctx, c.ID)
	})
	return state, parts, err
}

// served reports whether a worker that is there holds the gateway.
func (s *Service) served(ctx context.Context, tx Tx, site portal.Site, gateway portal.GatewayID) (bool, error) {
	workers, err := tx.Sites().Workers(ctx)
	if err != nil {
		return false, err
	}
	now := s.now()
	for _, w := range workers {
		if w.serves(site, gateway, now) {
			return true, nil
		}
	}
	return false, nil
}

// answer reads an answered call, which goes when it is closed.
func (s *Service) answer(ctx context.Context, c Call, key hpke.PrivateKey, parts int) io.ReadCloser {
	return &answer{
		Reader: &opener{
			key: key, context: purpose(c.ID, c.Gateway, c.Operation), parts: parts,
			load: func(number int) (content []byte, err error) {
				err = s.db.View(ctx, func(tx Tx) error {
					content, err = tx.Sites().Part(ctx, c.ID, number)
					return err
				})
				return content, err
			},
		},
		close: func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
			defer cancel()
			if err := s.db.InTx(ctx, func(tx Tx) error { return tx.Sites().DropCall(ctx, c.ID) }); err != nil {
				s.opts.Log.Warn("answer of a worker stays a while", "gateway", c.Gateway, "error", err)
			}
		},
	}
}

type answer struct {
	io.Reader
	close func()
}

func (a *answer) Close() error {
	a.close()
	return nil
}

// errTaken is portal.ErrConflict: the call is not, or no longer, the worker's.
var errTaken = fmt.Errorf("the call is not yours any more: %w", portal.ErrConflict)

// take leases queued calls to a worker: those of gateways that it has room for.
func (s *Service) take(ctx context.Context, w Worker, holds []holding) (orders []order, err error) {
	const most = 200
	var any bool
	err = s.db.View(ctx, func(tx Tx) error { // writing is dearer, and most looks find nothing
		queued, err := tx.Sites().QueuedCalls(ctx, w.Site, s.now(), 1)
		any = len(queued) > 0
		return err
	})
	if err != nil || !any {
		return nil, err
	}
	var taken []Call
	err = s.db.InTx(ctx, func(tx Tx) error {
		taken = nil
		now := s.now()
		w, err := tx.Sites().Worker(ctx, w.ID)
		if err != nil || !w.Revoked.IsZero() {
			return cmp.Or(err, errRevoked)
		}
		free := map[portal.GatewayID]int{}
		for _, h := range holds {
			free[h.ID] = h.Free
		}
		queued, err := tx.Sites().QueuedCalls(ctx, w.Site, now, most)
		if err != nil {
			return err
		}
		for _, c := range queued {
			if room := free[c.Gateway]; room < 1 || (room == 1 && !c.Urgent) {
				continue
			}
			was := c
			c.State, c.Worker, c.Lease, c.LeaseEnds = Taken, w.ID, rand.Text(), now.Add(leaseFor)
			err := tx.Sites().UpdateCall(ctx, c, was)
			if errors.Is(err, portal.ErrConflict) {
				continue
			}
			if err != nil {
				return err
			}
			free[c.Gateway]--
			taken = append(taken, c)
		}
		if len(taken) == 0 {
			return nil
		}
		w.Due = now.Add(graceFor) // its poll ends with them
		return tx.Sites().UpdateWorker(ctx, w)
	})
	if err != nil {
		return nil, err
	}
	for _, c := range taken {
		o := order{ID: c.ID, Lease: c.Lease, Gateway: c.Gateway, Operation: c.Operation, ReplyKey: c.ReplyKey, Remaining: c.Deadline.Sub(s.now())}
		plain, err := s.seal.Unseal(callsTable, c.ID, requestColumn, c.Request)
		if err == nil {
			err = json.Unmarshal(plain, &o.Request)
		}
		if err != nil { // nobody can do it: its caller is told when the lease ends
			s.opts.Log.Error("call to a worker cannot be read", "gateway", c.Gateway, "call", c.ID)
			continue
		}
		orders = append(orders, o)
	}
	return orders, nil
}

// mine returns a call that the worker has under the lease.
func (s *Service) mine(ctx context.Context, tx Tx, worker, id, lease string) (Call, error) {
	c, err := tx.Sites().Call(ctx, id)
	if errors.Is(err, portal.ErrNotFound) {
		return c, errTaken
	}
	if err == nil && (c.State == Queued || c.Worker != worker || c.Lease != lease || c.Lease == "") {
		return c, errTaken
	}
	return c, err
}

// renew keeps a worker's calls, and names those that are not its own any more.
func (s *Service) renew(ctx context.Context, worker string, calls []heldCall) (gone []string, err error) {
	err = s.db.InTx(ctx, func(tx Tx) error {
		gone = nil
		now := s.now()
		for _, held := range calls {
			c, err := s.mine(ctx, tx, worker, held.ID, held.Lease)
			if err == nil && now.After(c.Deadline) {
				err = errTaken
			}
			if err == nil && c.State == Taken {
				was := c
				c.LeaseEnds = now.Add(leaseFor)
				err = tx.Sites().UpdateCall(ctx, c, was)
			}
			if errors.Is(err, portal.ErrConflict) {
				gone = append(gone, held.ID)
				continue
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// gone names those of a worker's calls that are not its own any more.
func (s *Service) gone(ctx context.Context, worker string, calls []heldCall) (gone []string, err error) {
	if len(calls) == 0 {
		return nil, nil
	}
	err = s.db.View(ctx, func(tx Tx) error {
		gone = nil
		for _, held := range calls {
			_, err := s.mine(ctx, tx, worker, held.ID, held.Lease)
			if errors.Is(err, errTaken) {
				gone = append(gone, held.ID)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// handBack queues calls again that the worker took and has not begun.
func (s *Service) handBack(ctx context.Context, worker string, calls []heldCall) error {
	return s.db.InTx(ctx, func(tx Tx) error {
		for _, held := range calls {
			c, err := s.mine(ctx, tx, worker, held.ID, held.Lease)
			if err == nil && c.State == Taken && c.Parts == 0 {
				was := c
				c.State, c.Worker, c.Lease, c.LeaseEnds = Queued, "", "", time.Time{}
				tx.Tell(siteTopic(c.Site))
				err = tx.Sites().UpdateCall(ctx, c, was)
			}
			if err != nil && !errors.Is(err, portal.ErrConflict) {
				return err
			}
		}
		return nil
	})
}

// errTooLarge is portal.ErrInvalid.
var errTooLarge = fmt.Errorf("an answer has at most %d bytes: %w", maxAnswer, portal.ErrInvalid)

// takePart saves one part of an answer. Part 0 begins it anew; any other follows the one before, or repeats it.
func (s *Service) takePart(ctx context.Context, worker, id, lease string, number int, last bool, content []byte) error {
	return s.db.InTx(ctx, func(tx Tx) error {
		c, err := s.mine(ctx, tx, worker, id, lease)
		switch now := s.now(); {
		case err != nil:
			return err
		case c.State == Answered && last && number == c.Parts-1:
			return nil // the answer to it was lost
		case c.State != Taken || now.After(c.LeaseEnds) || now.After(c.Deadline):
			return errTaken
		case number < 0 || number > c.Parts || (number > 0 && number < c.Parts-1):
			return fmt.Errorf("part %d does not follow %d parts: %w", number, c.Parts, portal.ErrInvalid)
		case number*partSize+len(content) > maxAnswer:
			return errTooLarge
		}
		if err := tx.Sites().PutPart(ctx, id, number, content); err != nil {
			return err
		}
		was := c
		c.Parts = number + 1
		if last {
			c.State = Answered
			tx.Tell(callTopic(id))
		}
		return tx.Sites().UpdateCall(ctx, c, was)
	})
}
