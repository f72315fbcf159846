package postgres

import (
	"log/slog"
	"testing"
	"time"

	"concierge/portal/audit"
	"concierge/portal/store"
	"concierge/portal/store/postgres/postgrestest"
)

func TestChanges(t *testing.T) {
	db, err := Open(t.Context(), postgrestest.New(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	told := db.Listen(t.Context(), store.TopicChanges)
	if err := db.InTx(t.Context(), func(tx store.Tx) error {
		tx.Changed(store.ChangedAPI, "a")
		return tx.Audit().Append(t.Context(), audit.Event{ID: "x"})
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	case <-time.After(5 * time.Second):
		t.Fatal("not told")
	}
	v, err := db.Version(t.Context())
	if err != nil || v != 1 {
		t.Fatal(v, err)
	}
}
