package ingest

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// whereItStands is all of a record that an owner's document must not move.
func (d *desk) whereItStands(id string) []any {
	r := d.records("kong")[id]
	to := r.Deployment
	var sketch catalog.Sketched
	d.view(func(ctx context.Context, s catalog.Store) (err error) {
		sketch, err = sketchOf(ctx, s, r)
		return err
	})
	return []any{
		to.API, to.Title, to.Version, to.Line, to.Tags, to.BaseURL, to.Placement, to.Lifecycle, to.Deprecated, to.Sunset, to.Successor, to.SaidBy,
		to.Authentication, to.Plans, to.Active, r.Explicit(), r.Described.Servers, sketch,
	}
}

// TestAnOwnersDocumentMovesNothing: one that declares itself public, of production, of another API, of another version and
// retired is read by people, and changes nothing else, even where the gateway is trusted with its words.
func TestAnOwnersDocumentMovesNothing(t *testing.T) {
	const declares = `{"openapi":"3.0.3","info":{"title":"Another","version":"9.0.0","summary":"What it is for","x-concierge-audience":"public","x-concierge-environment":"test",
		"x-concierge-division":"banking","x-concierge-region":"us","x-concierge-api":"another","x-concierge-lifecycle":"retired","x-concierge-sunset":"2026-12-31",
		"x-concierge-successor":"another/2","x-concierge-line":"9"},"tags":[{"name":"money"}],"servers":[{"url":"https://foreign.test/v9"}],
		"paths":{"/refunds":{"get":{"responses":{"200":{"description":"ok"}}}}}}`
	ctx := t.Context()
	for _, trust := range [][]portal.Axis{nil, portal.Axes} {
		d, r := newDesk(t, Options{}), registration("kong")
		f := &fake{able: able(), deployments: []connectors.Deployment{deployment("a", ""), deployment("b", "Another")}}
		f.deployments[0].Version = ""
		d.fakes[r.Address], r.Trust = f, trust
		if _, err := d.gateways.Register(ctx, "per_admin", r); err != nil {
			t.Fatal(err)
		}
		d.sync("kong")
		id, before := d.records("kong")["a"].Deployment.ID, d.whereItStands("a")
		if err := d.service.UploadAsOwner(ctx, "per_ann", id, []byte(declares)); err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"at once", "after a sync", "after a sync that reads it anew"} {
			if got := d.whereItStands("a"); !reflect.DeepEqual(got, before) {
				t.Errorf("trusted with %v, %s: %+v\nbefore: %+v", trust, when, got, before)
			}
			if r := d.records("kong")["a"]; r.Deployment.Summary != "What it is for" || r.Deployment.Document == "" || r.Deployment.Kind != "openapi" {
				t.Errorf("%s it is not there to be read: %+v", when, r.Deployment)
			}
			if when == "after a sync" {
				f.set(func(f *fake) { f.deployments[0].Description = "New" })
			}
			d.sync("kong")
		}
		if err := d.service.RemoveUploadAsOwner(ctx, "per_ann", id); err != nil {
			t.Fatal(err)
		}
		if r := d.records("kong")["a"]; r.Deployment.Document != "" || r.Deployment.Summary != "" || r.Override.Document != nil {
			t.Errorf("taken back: %+v", r)
		}
	}
}

// TestAnOwnersDocumentStandsIn: the gateway's own counts as soon as it can be read, with its words that narrow; one that cannot
// be read goes on to say so; and what an administrator uploaded is theirs.
func TestAnOwnersDocumentStandsIn(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("a", "A"))
	d.sync("kong")
	ctx, owners := t.Context(), []byte(openAPI("Of its owners", `,"summary":"By its owners"`))
	id := d.records("kong")["a"].Deployment.ID
	upload := func() error { return d.service.UploadAsOwner(ctx, "per_ann", id, owners) }
	if err := upload(); err != nil {
		t.Fatal(err)
	}

	f.set(func(f *fake) {
		f.deployments[0].Document.ID, f.deployments[0].Document.Revision = "doc", "1"
		f.documents["doc"] = "no document"
	})
	d.sync("kong")
	if r := d.records("kong")["a"]; !r.Described.StandIn || r.Described.Unread == "" || r.Deployment.Document != r.Override.Document.Hash || r.Deployment.Placement.Audience() != "" {
		t.Errorf("its own cannot be read, and might narrow: %+v", r)
	}
	opened := f.opened
	if run := d.sync("kong"); run.State != catalog.Unchanged || f.opened != opened {
		t.Errorf("what will not get better: %+v, %d opened", run, f.opened-opened)
	}

	for revision, content := range map[string]string{"2": openAPI("Of the gateway", `,"x-concierge-audience":"internal"`), "3": string(owners)} {
		f.set(func(f *fake) { f.deployments[0].Document.Revision, f.documents["doc"] = revision, content })
		d.sync("kong")
		r := d.records("kong")["a"]
		if r.Described.StandIn || r.Described.Unread != "" || r.Described.Title == "" || r.Override.Document == nil {
			t.Errorf("its own can be read: %+v", r)
		}
		if run := d.sync("kong"); run.State != catalog.Unchanged {
			t.Errorf("once more: %+v", run)
		}
		if err := upload(); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("an upload beside it: %v", err)
		}
	}
	hash := d.records("kong")["a"].Deployment.Document
	if err := d.service.RemoveUploadAsOwner(ctx, "per_ann", id); err != nil {
		t.Fatal(err)
	}
	if r := d.records("kong")["a"]; r.Deployment.Document != hash || r.Described.Title == "" {
		t.Errorf("taken back, its own stays: %+v", r)
	}

	if err := d.service.Upload(ctx, "per_admin", id, []byte(openAPI("Of an administrator", ""))); err != nil {
		t.Fatal(err)
	}
	if err := upload(); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("over an administrator's: %v", err)
	}
	if err := d.service.RemoveUploadAsOwner(ctx, "per_ann", id); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("taking an administrator's back: %v", err)
	}
}
