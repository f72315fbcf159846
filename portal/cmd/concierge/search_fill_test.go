package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/document"
	"concierge/portal/ingest"
	"concierge/portal/ingest/ingesttest"
	"concierge/portal/store"
)

// filled is the configuration of a portal whose catalog holds an estate, as its gateways and documents tell it, without the
// syncs and the correlation that would have brought it there. CONCIERGE_SEARCH_DATA names a folder that is kept, so that it
// is made once; a file in it named database holds the address of a database that is used in place of a file.
func filled(b *testing.B, size ingesttest.Size) config {
	b.Helper()
	data := os.Getenv("CONCIERGE_SEARCH_DATA")
	if data == "" {
		data = b.TempDir()
	}
	c, err := parseConfig(nil, data)
	if err != nil {
		b.Fatal(err)
	}
	if address, err := os.ReadFile(filepath.Join(data, "database")); err == nil {
		c.Database = strings.TrimSpace(string(address))
	} else {
		c.Database = testDatabase(b, c.Database)
	}
	db, err := openDatabase(b.Context(), c.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := fillEstate(b.Context(), db, ingesttest.New(size)); err != nil {
		b.Fatal(err)
	}
	return c
}

// fillBatch is how many deployments a transaction writes.
const fillBatch = 2000

// fillEstate writes an estate into an empty catalog. Its gateways are paused, so that nothing is synced meanwhile.
func fillEstate(ctx context.Context, db store.DB, e *ingesttest.Estate) error {
	catalogDB := store.Narrow[catalog.Tx](db)
	last := e.Registrations[len(e.Registrations)-1].ID
	var begun []catalog.Gateway
	var whole []catalog.Record
	err := catalogDB.View(ctx, func(tx catalog.Tx) (err error) {
		if begun, err = tx.Catalog().Gateways(ctx, "", 0); err == nil {
			whole, err = tx.Catalog().Published(ctx, last, connectors.Key{}, 1)
		}
		return err
	})
	switch {
	case err != nil || len(whole) > 0:
		return err
	case len(begun) > 0:
		return fmt.Errorf("the database was filled in part, or with another estate: begin with an empty one")
	}
	f := filler{estate: e, made: map[int]bool{}, slugs: map[string]bool{}, now: time.Now().UTC().Truncate(time.Second)}
	for _, g := range e.Registrations {
		g.Paused = true
		if err := f.gateway(ctx, catalogDB, g); err != nil {
			return fmt.Errorf("filling in %s: %w", g.ID, err)
		}
	}
	return catalogDB.InTx(ctx, func(tx catalog.Tx) error {
		for n := range f.made {
			tx.Changed(store.ChangedAPI, entryID(n))
		}
		return nil
	})
}

func entryID(n int) string { return fmt.Sprintf("api-%06d", n) }

type filler struct {
	estate *ingesttest.Estate
	made   map[int]bool // entries, by number of the API
	slugs  map[string]bool
	now    time.Time
}

// gateway publishes what one gateway serves.
func (f *filler) gateway(ctx context.Context, db catalog.DB, g catalog.Gateway) error {
	conn, err := f.estate.Kinds()[ingesttest.Kind].Open(connectors.Config{Address: g.Address})
	if err != nil {
		return err
	}
	able, err := conn.Probe(ctx)
	if err != nil {
		return err
	}
	var found []ingest.Found
	documents := map[string]catalog.Document{}
	for _, d := range f.estate.Deployments(g.ID) {
		one := ingest.Found{Deployment: d}
		if d.Document.ID != "" {
			doc, err := readDocument(ctx, conn, d.Document)
			if err != nil {
				return err
			}
			one.Described = catalog.Described{
				Title: doc.Description.Title, Summary: doc.Description.Summary, Description: doc.Description.Description,
				Version: doc.Description.Version, Kind: string(doc.Description.Kind), Tags: doc.Description.Tags,
			}
			one.Document, one.Revision = doc.Hash, d.Document.Revision
			documents[doc.Hash] = doc
		}
		found = append(found, one)
	}
	records := ingest.Compare(g, able, nil, found).Add
	entries := make([][]catalog.Entry, 0, 1+len(records)/fillBatch) // that come with each batch
	batches := slices.Collect(slices.Chunk(records, fillBatch))
	for _, batch := range batches {
		var fresh []catalog.Entry
		for i := range batch {
			r := &batch[i]
			n, err := strconv.Atoi(strings.Split(r.Deployment.RemoteID, "-")[1])
			if err != nil {
				return err
			}
			r.Deployment.ID, r.Deployment.API = portal.DeploymentID(r.Deployment.RemoteID), portal.APIID(entryID(n))
			r.Created, r.Changed, r.Joining = f.now, f.now, catalog.Joining{Score: 1, Actor: ingest.AutomaticActor, At: f.now}
			if !f.made[n] {
				f.made[n] = true
				a := f.estate.APIs[n]
				slugs := catalog.Slugs(r.Deployment.API, a.Title, a.Division, g.ID, r.Key())
				slug := slugs[slices.IndexFunc(slugs, func(s string) bool { return !f.slugs[s] })]
				f.slugs[slug] = true
				fresh = append(fresh, catalog.Entry{ID: r.Deployment.API, Slug: slug, Division: a.Division, Title: a.Title, Created: f.now})
			}
		}
		entries = append(entries, fresh)
	}
	for i, batch := range batches {
		err := db.InTx(ctx, func(tx catalog.Tx) error {
			if err := tx.Catalog().PutGateway(ctx, g); err != nil {
				return err
			}
			for _, e := range entries[i] {
				if err := tx.Catalog().AddEntry(ctx, e); err != nil {
					return err
				}
			}
			for _, r := range batch {
				if doc, ok := documents[r.Deployment.Document]; ok {
					if err := tx.Catalog().PutDocument(ctx, doc); err != nil {
						return err
					}
				}
				if err := tx.Catalog().AddRecord(ctx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func readDocument(ctx context.Context, conn connectors.Connector, ref connectors.DocumentRef) (catalog.Document, error) {
	body, err := conn.OpenDocument(ctx, ref)
	if err != nil {
		return catalog.Document{}, err
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return catalog.Document{}, err
	}
	described, err := document.Describe(content, document.Limits{})
	if err != nil {
		return catalog.Document{}, err
	}
	return catalog.Document{Hash: described.SHA256, Content: content, Description: described, Stored: time.Unix(0, 0)}.Pack()
}
