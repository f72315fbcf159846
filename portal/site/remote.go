package site

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"concierge/connectors"
	"concierge/portal"
)

// Remote is a gateway of another site, as a connector: a worker there does what it is asked. Where nobody answers the
// error is a connectors.AwayError. It believes nothing that could not be the answer to what it asked.
type Remote struct {
	service *Service
	site    portal.Site
	gateway portal.GatewayID
}

var (
	_ connectors.Connector = (*Remote)(nil)
	_ connectors.Issuer    = (*Remote)(nil)
	_ connectors.Suspender = (*Remote)(nil)
)

// Connector returns a gateway of another site.
func (s *Service) Connector(site portal.Site, gateway portal.GatewayID) connectors.Connector {
	return &Remote{s, site, gateway}
}

// ask makes one call and reads its answer to the end.
func (r *Remote) ask(ctx context.Context, operation string, asked request) (reply, error) {
	said, rest, err := r.open(ctx, operation, asked)
	if err != nil {
		return said, err
	}
	return said, rest.Close()
}

// open makes one call and reads its answer, but for the document that follows it.
func (r *Remote) open(ctx context.Context, operation string, asked request) (said reply, rest io.ReadCloser, err error) {
	body, err := r.service.call(ctx, r.site, r.gateway, operation, asked)
	if err != nil {
		return said, nil, err
	}
	defer func() {
		if err != nil {
			_ = body.Close() // it never fails
		}
	}()
	from := json.NewDecoder(body)
	if err := from.Decode(&said); err != nil {
		if errors.Is(err, portal.ErrUnavailable) || ctx.Err() != nil {
			return said, nil, err
		}
		return said, nil, errNonsense // its words could hold what it read
	}
	if said.Failure != nil {
		return said, nil, said.Failure.error()
	}
	after := bufio.NewReader(io.MultiReader(from.Buffered(), body))
	if end, err := after.ReadByte(); err != nil || end != '\n' {
		return said, nil, errNonsense
	}
	return said, struct {
		io.Reader
		io.Closer
	}{after, body}, nil
}

// Probe implements connectors.Connector.
func (r *Remote) Probe(ctx context.Context) (connectors.Capabilities, error) {
	said, err := r.ask(ctx, opProbe, request{})
	if err != nil {
		return connectors.Capabilities{}, err
	}
	if said.Capabilities == nil {
		return connectors.Capabilities{}, errNonsense
	}
	if said.Capabilities.Discovery == connectors.DiscoverWatch { // a watch is no call: it has no end
		said.Capabilities.Discovery = connectors.DiscoverSince
	}
	return *said.Capabilities, nil
}

// Discover implements connectors.Connector.
func (r *Remote) Discover(ctx context.Context, since connectors.Cursor) (connectors.Snapshot, error) {
	said, err := r.ask(ctx, opDiscover, request{Since: since})
	if err != nil {
		return connectors.Snapshot{}, err
	}
	if said.Snapshot == nil {
		return connectors.Snapshot{}, errNonsense
	}
	return *said.Snapshot, nil
}

// OpenDocument implements connectors.Connector.
func (r *Remote) OpenDocument(ctx context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	_, rest, err := r.open(ctx, opDocument, request{Document: ref})
	return rest, err
}

// Issue implements connectors.Issuer. The value of the key, where the gateway takes one, is made by the worker.
func (r *Remote) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	return r.issued(ctx, opIssue, request{Mark: req.Mark, Issue: issue{
		Deployment: req.Deployment, Plan: req.Plan, Label: req.Label, Expires: req.Expires, AcceptReach: req.AcceptReach,
	}})
}

// Status implements connectors.Issuer.
func (r *Remote) Status(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Issued, error) {
	return r.issued(ctx, opStatus, request{Mark: mark, Handle: toHandle(h)})
}

// Bounds of what is believed of a credential.
const (
	maxParts     = 16
	maxPartBytes = 64 << 10
)

func (r *Remote) issued(ctx context.Context, operation string, asked request) (connectors.Issued, error) {
	said, err := r.ask(ctx, operation, asked)
	if err != nil {
		return connectors.Issued{}, err
	}
	i := said.Issued
	if i == nil || !progress(i.Progress) || len(i.Parts) > maxParts {
		return connectors.Issued{}, errNonsense
	}
	for _, p := range i.Parts {
		known := p.In == "header" || p.In == "query"
		if !known || p.Name == "" || strings.ContainsAny(p.Name+p.Prefix+p.Value, "\r\n\x00") || len(p.Name)+len(p.Prefix)+len(p.Value) > maxPartBytes {
			return connectors.Issued{}, errNonsense
		}
	}
	return i.issued(), nil
}

func progress(p connectors.Progress) bool { return p == connectors.Done || p == connectors.Pending }

// Find implements connectors.Issuer.
func (r *Remote) Find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	said, err := r.ask(ctx, opFind, request{Mark: mark})
	if err != nil {
		return connectors.Found{}, err
	}
	if len(said.Found) != 1 || said.Found[0].Mark.Credential != mark.Credential || !progress(said.Found[0].Progress) {
		return connectors.Found{}, errNonsense
	}
	return said.Found[0].found(), nil
}

// Revoke implements connectors.Issuer.
func (r *Remote) Revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	said, err := r.ask(ctx, opRevoke, request{Mark: mark, Handle: toHandle(h)})
	return connectors.Revoked{Absent: err == nil && said.Absent}, err
}

// List implements connectors.Issuer.
func (r *Remote) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	said, err := r.ask(ctx, opList, request{After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	if said.Next != "" && said.Next == after {
		return nil, "", fmt.Errorf("the next page is the same page: %w", errNonsense)
	}
	all := make([]connectors.Found, 0, len(said.Found))
	for _, f := range said.Found {
		if f.Mark.Credential == "" || !progress(f.Progress) {
			return nil, "", errNonsense
		}
		all = append(all, f.found())
	}
	return all, said.Next, nil
}

// Suspend implements connectors.Suspender.
func (r *Remote) Suspend(ctx context.Context, mark connectors.Mark, h connectors.Handle) error {
	_, err := r.ask(ctx, opSuspend, request{Mark: mark, Handle: toHandle(h)})
	return err
}

// Resume implements connectors.Suspender.
func (r *Remote) Resume(ctx context.Context, mark connectors.Mark, h connectors.Handle) error {
	_, err := r.ask(ctx, opResume, request{Mark: mark, Handle: toHandle(h)})
	return err
}
