package ingest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
)

// A document is forgotten a day after the last deployment has left it, by the job and not by a sync.
func TestForgottenDocuments(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := noon
	d := newDesk(t, Options{Now: func() time.Time { return now }})
	f := d.register("north", withDocument(deployment("a", "A"), "a", "1"))
	f.documents["a"] = openAPI("A", "")
	d.sync("north")
	hashes := []string{d.records("north")["a"].Deployment.Document}
	err := d.db.InTx(t.Context(), func(tx catalog.Tx) error {
		for n := range forgotten + 1 {
			hashes = append(hashes[:n+1], fmt.Sprint("left-", n))
			if err := tx.Catalog().PutDocument(t.Context(), catalog.Document{Hash: hashes[n+1], Content: []byte("{}"), Stored: noon}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		after time.Duration
		want  int
	}{{orphanAge, len(hashes)}, {orphanAge + time.Second, 1}, {2 * orphanAge, 1}} {
		now = noon.Add(at.after)
		if err := d.service.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		there := 0
		d.view(func(ctx context.Context, s catalog.Store) error {
			for _, hash := range hashes {
				switch _, err := s.Document(ctx, hash); {
				case err == nil:
					there++
				case !errors.Is(err, portal.ErrNotFound):
					return err
				}
			}
			return nil
		})
		if there != at.want {
			t.Errorf("%s after they were stored there are %d documents, want %d", at.after, there, at.want)
		}
	}
	before := d.dump()
	if err := d.service.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.dump() != before {
		t.Error("something was written where there was nothing to forget")
	}
}
