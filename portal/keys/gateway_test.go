package keys_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"

	"concierge/connectors"
	"concierge/portal"
)

// gateway is the key side of a gateway in memory: one key for a mark, its secret shown once. Faults are told to it.
type gateway struct {
	mu   sync.Mutex
	keys map[portal.CredentialID]*key
	caps connectors.Capabilities

	slow    bool // keys wait for approve
	early   bool // their secret is shown all the same, and never again
	issue   []fault
	find    []error // one for each call that fails
	revoke  []error
	keep    int  // how many revocations are accepted without effect yet
	forbid  bool // List fails
	calls   int  // of Revoke
	plans   []string
	inFind  func() // called in each Find
	handles []connectors.Handle
}

type key struct {
	mark    connectors.Mark
	secret  string
	pending bool
	shown   bool
}

// fault stands in for one Issue; act is what a healthy gateway would have done.
type fault func(ctx context.Context, act func() connectors.Issued) (connectors.Issued, error)

var errDown = fmt.Errorf("connection refused: %w", portal.ErrUnavailable)

// The faults of an Issue.
func refuses(kind error) fault {
	return func(context.Context, func() connectors.Issued) (connectors.Issued, error) {
		return connectors.Issued{}, fmt.Errorf("no: %w", kind)
	}
}

func losesAnswer(_ context.Context, act func() connectors.Issued) (connectors.Issued, error) {
	act()
	return connectors.Issued{}, errDown
}

func hangs(ctx context.Context, _ func() connectors.Issued) (connectors.Issued, error) {
	<-ctx.Done()
	return connectors.Issued{}, ctx.Err()
}

// comesLate leaves what it would have done for the test to do.
func comesLate(late *func()) fault {
	return func(ctx context.Context, act func() connectors.Issued) (connectors.Issued, error) {
		*late = func() { act() }
		return connectors.Issued{}, errDown
	}
}

func newGateway() *gateway { return &gateway{keys: map[portal.CredentialID]*key{}} }

func (g *gateway) capabilities() connectors.Capabilities {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.caps
}

// heal ends all faults; keys that wait go on waiting.
func (g *gateway) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issue, g.find, g.revoke, g.keep, g.forbid, g.inFind = nil, nil, nil, 0, false, nil
}

func (g *gateway) fail(f ...fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issue = append(g.issue, f...)
}

func (g *gateway) approve() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.keys {
		k.pending = false
	}
}

// works is the data plane.
func (g *gateway) works(secret string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.keys {
		if secret != "" && k.secret == secret && !k.pending {
			return true
		}
	}
	return false
}

func (g *gateway) has(id portal.CredentialID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keys[id] != nil
}

// working lists the marks of the keys that work.
func (g *gateway) working() (marks []connectors.Mark) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.keys {
		if !k.pending {
			marks = append(marks, k.mark)
		}
	}
	return marks
}

func (g *gateway) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	g.mu.Lock()
	g.plans = append(g.plans, req.Plan)
	var f fault
	if len(g.issue) > 0 {
		f, g.issue = g.issue[0], g.issue[1:]
	}
	g.mu.Unlock()
	act := func() connectors.Issued { return g.make(req) }
	if f != nil {
		return f(ctx, act)
	}
	return act(), nil
}

func (g *gateway) make(req connectors.IssueRequest) connectors.Issued {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := g.keys[req.Mark.Credential]
	if k == nil {
		k = &key{mark: req.Mark, secret: "canary-" + rand.Text(), pending: g.slow}
		g.keys[req.Mark.Credential] = k
	}
	issued := k.issued()
	if (issued.Progress == connectors.Done || g.early) && !k.shown {
		k.shown = true
		issued.Parts = []connectors.Part{
			{In: "header", Name: "X-Client", Value: portal.NewSecret("client"), Public: true},
			{In: "header", Name: "X-API-Key", Value: portal.NewSecret(k.secret)},
		}
	}
	return issued
}

func (k *key) issued() connectors.Issued {
	issued := connectors.Issued{Progress: connectors.Done, Handle: connectors.Handle{
		Open: map[string]string{"id": string(k.mark.Credential)}, Sealed: map[string]portal.Secret{"key": portal.NewSecret(k.secret)},
	}}
	if k.pending {
		issued.Progress, issued.Note = connectors.Pending, "somebody has to approve"
	}
	return issued
}

func (g *gateway) Status(_ context.Context, mark connectors.Mark, _ connectors.Handle) (connectors.Issued, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := pop(&g.find); err != nil {
		return connectors.Issued{}, err
	}
	k := g.keys[mark.Credential]
	if k == nil {
		return connectors.Issued{}, portal.ErrNotFound
	}
	return k.issued(), nil
}

func (g *gateway) Find(_ context.Context, mark connectors.Mark) (connectors.Found, error) {
	g.mu.Lock()
	hook := g.inFind
	g.mu.Unlock()
	if hook != nil {
		hook()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := pop(&g.find); err != nil {
		return connectors.Found{}, err
	}
	k := g.keys[mark.Credential]
	if k == nil {
		return connectors.Found{}, portal.ErrNotFound
	}
	return k.found(), nil
}

func (k *key) found() connectors.Found {
	i := k.issued()
	return connectors.Found{Mark: k.mark, Handle: i.Handle, Progress: i.Progress}
}

func (g *gateway) Revoke(_ context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	g.handles = append(g.handles, h)
	if err := pop(&g.revoke); err != nil {
		return connectors.Revoked{}, err
	}
	if g.keep > 0 {
		g.keep--
		return connectors.Revoked{}, nil
	}
	delete(g.keys, mark.Credential)
	return connectors.Revoked{Absent: true}, nil
}

func (g *gateway) List(_ context.Context, after connectors.Cursor, limit int) (found []connectors.Found, next connectors.Cursor, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.forbid {
		return nil, "", errDown
	}
	ids := slices.SortedFunc(maps.Keys(g.keys), cmp.Compare[portal.CredentialID])
	for _, id := range ids {
		if connectors.Cursor(id) <= after {
			continue
		}
		if len(found) == limit {
			return found, connectors.Cursor(found[len(found)-1].Mark.Credential), nil
		}
		found = append(found, g.keys[id].found())
	}
	return found, "", nil
}

func pop(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

type issued = connectors.Issued

// staleList calls then after a list was read and before it is used.
type staleList struct {
	*gateway
	then func()
}

func (s *staleList) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	found, next, err := s.gateway.List(ctx, after, limit)
	s.then()
	return found, next, err
}

// oneGateway is reached under every id.
type oneGateway struct{ issuer connectors.Issuer }

func (g oneGateway) Issuer(context.Context, portal.GatewayID) (connectors.Issuer, connectors.Capabilities, error) {
	return g.issuer, connectors.Capabilities{}, nil
}

func (oneGateway) AcceptsReach(context.Context, portal.GatewayID) (bool, error) { return false, nil }

func (oneGateway) Issuing(context.Context) ([]portal.GatewayID, error) { return nil, nil }
