package site

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/crash"
	"concierge/portal/outbound"
)

// Held is a gateway that a worker holds the admin credentials of.
type Held struct {
	Kind      string
	Connector connectors.Connector
}

// Runner is a worker: it takes calls of its site from the portal and does them on its own gateways.
type Runner struct {
	Portal   *Portal
	Identity Identity
	Gateways map[portal.GatewayID]Held
	Name     string // for people: its host
	Version  string
	Log      *slog.Logger

	mu      sync.Mutex
	busy    map[portal.GatewayID]int
	doing   map[string]*errand
	working sync.WaitGroup
	told    string // what was said last of gateways that the portal ignores
}

// errand is a call under way.
type errand struct {
	order
	cancel context.CancelCauseFunc
	lost   bool
}

const (
	atOnce = 4 // calls on one gateway; the last place is for revocations

	// busyPoll is how long a poll waits while a gateway has no room: it was asked for with the room of then.
	busyPoll = time.Second
	// sayGoodbye bounds what is said to the portal while stopping.
	sayGoodbye = 10 * time.Second
)

var (
	errLost    = errors.New("the portal does not wait for this call any more")
	errStopped = errors.New("the worker was stopped")
)

// Run takes calls until ctx ends; then it finishes what it has begun, for up to grace, and hands back what it has not.
// The error is portal.ErrDenied once the portal does not know the worker any more, else nil.
func (r *Runner) Run(ctx context.Context, grace time.Duration) error {
	r.busy, r.doing = map[portal.GatewayID]int{}, map[string]*errand{}
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	renewing, renewed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(renewed)
		r.renew(working, renewing)
	}()
	err := r.polls(ctx, working)
	if err != nil { // it is not ours any more to do
		stop(err)
	}
	late := time.AfterFunc(grace, func() { stop(errStopped) })
	r.working.Wait()
	late.Stop()
	close(renewing)
	<-renewed
	return err
}

// polls takes calls and starts them.
func (r *Runner) polls(ctx, working context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		var said polled
		err := r.post(ctx, pollPath, r.poll(), &said)
		switch {
		case ctx.Err() != nil:
			r.leave(ctx, said.Calls)
			return nil
		case errors.Is(err, portal.ErrDenied):
			return err
		case err != nil:
			if failures++; failures == 1 {
				r.Log.Warn("the portal cannot be asked; it is tried again", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(min(250*time.Millisecond<<min(failures, 6), 10*time.Second)):
			}
			continue
		}
		if failures > 0 {
			r.Log.Info("the portal answers again")
		}
		failures = 0
		r.tell(said.Ignored)
		r.lose(said.Lost)
		for _, o := range said.Calls {
			r.start(working, o)
		}
	}
	r.leave(ctx, nil)
	return nil
}

func (r *Runner) poll() poll {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := poll{Version: r.Version, Name: r.Name, Wait: pollFor}
	for _, id := range slices.Sorted(maps.Keys(r.Gateways)) {
		free := max(atOnce-r.busy[id], 0)
		if free < 2 {
			asked.Wait = busyPoll
		}
		asked.Gateways = append(asked.Gateways, holding{ID: id, Kind: r.Gateways[id].Kind, Free: free})
	}
	asked.Calls = r.underWay()
	return asked
}

// underWay are the calls that the portal may still wait for. The caller holds mu.
func (r *Runner) underWay() (calls []heldCall) {
	for _, e := range r.doing {
		if !e.lost {
			calls = append(calls, heldCall{e.ID, e.Lease})
		}
	}
	return calls
}

// lose ends calls that nobody waits for.
func (r *Runner) lose(calls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range calls {
		if e := r.doing[id]; e != nil {
			e.lost = true
			e.cancel(errLost)
		}
	}
}

// tell logs which gateways get no calls, once.
func (r *Runner) tell(all []ignored) {
	var b strings.Builder
	for _, i := range all {
		fmt.Fprintf(&b, "%s: %s; ", i.ID, i.Reason)
	}
	if b.String() == r.told {
		return
	}
	r.told = b.String()
	if r.told != "" {
		r.Log.Warn("the portal gives no calls for some gateways of this worker; put their configurations right", "gateways", strings.TrimSuffix(r.told, "; "))
	}
}

// leave says that this worker takes no more calls, and hands back what came at the last moment.
func (r *Runner) leave(ctx context.Context, orders []order) {
	h := held{Leaving: true}
	for _, o := range orders {
		h.Calls = append(h.Calls, heldCall{o.ID, o.Lease})
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sayGoodbye)
	defer cancel()
	if err := r.post(ctx, returnPath, h, &struct{}{}); err != nil {
		r.Log.Warn("the portal does not know that this worker stops", "calls", len(orders), "error", err)
	}
}

// renew keeps the calls under way, and ends those that are lost.
func (r *Runner) renew(ctx context.Context, over <-chan struct{}) {
	tick := time.NewTicker(renewEach)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		r.mu.Lock()
		h := held{Calls: r.underWay()}
		r.mu.Unlock()
		if len(h.Calls) == 0 {
			continue
		}
		var gone lost
		if err := r.post(ctx, renewPath, h, &gone); err != nil {
			r.Log.Warn("leases not renewed", "error", err)
			continue
		}
		r.lose(gone.Calls)
	}
}

// start does a call in the background.
func (r *Runner) start(working context.Context, o order) {
	timed, expire := context.WithTimeout(working, o.Remaining)
	ctx, cancel := context.WithCancelCause(timed)
	r.mu.Lock()
	r.busy[o.Gateway]++
	r.doing[o.ID] = &errand{order: o, cancel: cancel}
	r.mu.Unlock()
	r.working.Go(func() {
		defer expire()
		defer cancel(nil)
		began := time.Now()
		err := r.do(ctx, o)
		level := slog.LevelDebug
		if err != nil {
			level = slog.LevelWarn
		}
		r.Log.Log(ctx, level, "call done", "gateway", o.Gateway, "operation", o.Operation, "call", o.ID, "elapsed_ms", time.Since(began).Milliseconds(), "error", err)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy[o.Gateway]--
		delete(r.doing, o.ID)
	})
}

// do makes the call and sends its answer. The error says why there is none, or not the one that it should have been.
func (r *Runner) do(ctx context.Context, o order) error {
	crash.Point("worker." + o.Operation + ".taken")
	said, document, err := r.act(ctx, o)
	crash.Point("worker." + o.Operation + ".done")
	if err == nil {
		err = r.answer(ctx, o, said, document)
		crash.Point("worker." + o.Operation + ".answered")
		if err == nil || errors.Is(err, portal.ErrConflict) || ctx.Err() != nil {
			return err
		}
		if errors.Is(err, errTooLarge) { // the portal's words do not help whoever reads them there
			err = fmt.Errorf("the answer of the gateway has more than %d bytes: %w", maxAnswer, portal.ErrInvalid)
		}
	}
	return errors.Join(err, r.answer(ctx, o, reply{Failure: toFailure(err)}, nil))
}

// act calls the connector.
func (r *Runner) act(ctx context.Context, o order) (said reply, document io.ReadCloser, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("panic in a connector", "gateway", o.Gateway, "operation", o.Operation, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errors.New("the connector failed in a way it should not; the worker's log says more")
		}
	}()
	gateway, ok := r.Gateways[o.Gateway]
	if !ok {
		return said, nil, fmt.Errorf("this worker does not hold gateway %s: %w", o.Gateway, portal.ErrUnsupported)
	}
	q, c := o.Request, gateway.Connector
	switch o.Operation {
	case opProbe:
		caps, err := c.Probe(outbound.Background(ctx))
		return reply{Capabilities: &caps}, nil, err
	case opDiscover:
		snapshot, err := c.Discover(outbound.Together(outbound.Background(ctx), connectors.MaxSnapshotBytes), q.Since)
		return reply{Snapshot: &snapshot}, nil, err
	case opDocument:
		document, err := c.OpenDocument(outbound.Background(ctx), q.Document)
		return said, document, err
	case opSuspend, opResume:
		suspender, ok := connectors.As[connectors.Suspender](c)
		switch {
		case !ok:
			return said, nil, fmt.Errorf("gateway %s cannot suspend keys: %w", o.Gateway, portal.ErrUnsupported)
		case o.Operation == opSuspend:
			return said, nil, suspender.Suspend(ctx, q.Mark, q.Handle.handle())
		}
		return said, nil, suspender.Resume(ctx, q.Mark, q.Handle.handle())
	}
	issuer, ok := connectors.As[connectors.Issuer](c)
	if !ok {
		return said, nil, fmt.Errorf("gateway %s has no keys: %w", o.Gateway, portal.ErrUnsupported)
	}
	switch o.Operation {
	case opIssue:
		made, err := issuer.Issue(ctx, connectors.IssueRequest{
			Mark: q.Mark, Deployment: q.Issue.Deployment, Plan: q.Issue.Plan, Label: q.Issue.Label, Expires: q.Issue.Expires,
			Value: portal.NewSecret(rand.Text() + rand.Text()), AcceptReach: q.Issue.AcceptReach,
		})
		return reply{Issued: toIssued(made)}, nil, err
	case opStatus:
		made, err := issuer.Status(ctx, q.Mark, q.Handle.handle())
		return reply{Issued: toIssued(made)}, nil, err
	case opFind:
		f, err := issuer.Find(ctx, q.Mark)
		return reply{Found: []found{toFound(f)}}, nil, err
	case opRevoke:
		revoked, err := issuer.Revoke(ctx, q.Mark, q.Handle.handle())
		return reply{Absent: revoked.Absent}, nil, err
	case opList:
		all, next, err := issuer.List(ctx, q.After, q.Limit)
		said.Next = next
		for _, f := range all {
			said.Found = append(said.Found, toFound(f))
		}
		return said, nil, err
	}
	return said, nil, fmt.Errorf("this worker does not know the call %q: bring it to the portal's version: %w", o.Operation, portal.ErrUnsupported)
}

// answer encrypts an answer, with the document that follows it, and sends it.
func (r *Runner) answer(ctx context.Context, o order, said reply, document io.ReadCloser) (err error) {
	if document != nil {
		defer func() { err = errors.Join(err, document.Close()) }()
	}
	to, err := newSealer(o.ReplyKey, purpose(o.ID, o.Gateway, o.Operation), func(number int, last bool, content []byte) error {
		return r.part(ctx, o, number, last, content)
	})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(to).Encode(said); err != nil { // it ends with a line feed
		return err
	}
	if document != nil {
		if _, err := io.Copy(to, document); err != nil {
			return err
		}
	}
	return to.Close()
}

// part sends one part of an answer until the portal has it.
func (r *Runner) part(ctx context.Context, o order, number int, last bool, content []byte) error {
	path := strings.Replace(answerPath, "{call}", url.PathEscape(o.ID), 1) + "?" + url.Values{
		"lease": {o.Lease}, "part": {strconv.Itoa(number)}, "last": {strconv.FormatBool(last)},
	}.Encode()
	// What was done is told also where the call's own time has ended meanwhile: the portal decides.
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		err := r.Portal.send(ctx, r.Identity.secret, path, "application/octet-stream", content, &struct{}{})
		if err == nil || !errors.Is(err, portal.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(wait, 2*time.Second)):
		}
	}
}

func (r *Runner) post(ctx context.Context, path string, body, said any) error {
	return r.Portal.post(ctx, r.Identity.secret, path, body, said)
}
