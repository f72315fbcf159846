package search_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/desk"
	"concierge/portal/document"
	"concierge/portal/routing"
	"concierge/portal/search"
	"concierge/portal/store"
	"concierge/portal/store/storetest"
)

var config = routing.Config{
	Environments: []portal.Environment{portal.Development, portal.Test, portal.Production},
	Audiences:    access.DefaultAudiences,
}

// world is a catalog in a database, with its table and index.
type world struct {
	storetest.DB
	live  *routing.Live
	index *search.Index
}

// over opens a world on a database.
func over(t testing.TB, db storetest.DB, config routing.Config) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	live := routing.NewLive(config, desk.Source(db), log)
	if err := live.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &world{db, live, search.New(search.On(db), live, config, log)}
}

// api is an entry of a test's catalog.
type api struct {
	id          string
	deployments []deployment
}

// deployment is one of its deployments: "audience environment", texts, and operations such as "POST /refunds createRefund".
type deployment struct {
	place, title, summary string
	tags                  []string
	region                string
	operations            []string
	routed                bool // the operations are told by the gateway; there is no document
}

// put makes the catalog hold an entry as it is given; without deployments, nothing of it.
func (w *world) put(t interface {
	Fatal(...any)
	Context() context.Context
}, all ...api) {
	ctx := t.Context()
	err := store.Narrow[catalog.Tx](w.DB).InTx(ctx, func(tx catalog.Tx) error {
		c := tx.Catalog()
		if err := c.PutGateway(ctx, catalog.Gateway{ID: "gw", Kind: "sample", Address: "http://admin.example"}); err != nil {
			return err
		}
		for _, a := range all {
			id := portal.APIID(a.id)
			if _, err := c.LoadEntry(ctx, id); errors.Is(err, portal.ErrNotFound) {
				if err := c.AddEntry(ctx, catalog.Entry{ID: id, Slug: a.id, Title: a.id}); err != nil {
					return err
				}
			} else if err != nil {
				return err
			}
			for n := range 4 {
				if err := putDeployment(ctx, c, id, n, a.deployments); err != nil {
					return err
				}
			}
			tx.Changed(store.ChangedAPI, a.id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func putDeployment(ctx context.Context, c catalog.Store, id portal.APIID, n int, all []deployment) error {
	name := fmt.Sprintf("%s-%d", id, n)
	old, err := c.Record(ctx, portal.DeploymentID(name))
	known := err == nil
	if err != nil && !errors.Is(err, portal.ErrNotFound) {
		return err
	}
	if n >= len(all) {
		if known && old.Live() {
			gone := old
			gone.Removed, gone.Fingerprint = time.Unix(1, 0), old.Fingerprint+"-"
			_, err := c.ChangeRecord(ctx, gone, old.Fingerprint)
			return err
		}
		return nil
	}
	d := all[n]
	audience, environment, _ := strings.Cut(d.place, " ")
	r := catalog.Record{Deployment: portal.Deployment{
		ID: portal.DeploymentID(name), Gateway: "gw", RemoteID: name, API: id, Title: d.title, Summary: d.summary, Tags: d.tags,
		Line: "1", Version: "1", Lifecycle: portal.Active, Active: true, BaseURL: "https://" + audience + ".example/" + string(id),
		Placement: portal.Placement{
			portal.AxisAudience: {Value: audience}, portal.AxisEnvironment: {Value: environment}, portal.AxisRegion: {Value: d.region},
		},
	}}
	var described document.Description
	for _, o := range d.operations {
		f := append(strings.Fields(o), "")
		if d.routed {
			r.Discovered.Operations = append(r.Discovered.Operations, connectors.Operation{Method: f[0], Path: f[1]})
		} else {
			described.Operations = append(described.Operations, document.Operation{Method: f[0], Path: f[1], ID: f[2]})
		}
	}
	if len(described.Operations) > 0 {
		hash := fmt.Sprintf("%x", strings.Join(d.operations, ","))
		r.Deployment.Document = hash
		if err := c.PutDocument(ctx, catalog.Document{Hash: hash, Content: []byte("{}"), Description: described}); err != nil {
			return err
		}
	}
	r.Fingerprint = r.Hash()
	if !known {
		return c.AddRecord(ctx, r)
	}
	_, err = c.ChangeRecord(ctx, r, old.Fingerprint)
	return err
}

// caughtUp waits for nothing: everything that was put is in the index afterwards.
func (w *world) caughtUp(t interface {
	Fatal(...any)
	Context() context.Context
}) {
	if err := w.index.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func as(a portal.Audience) portal.Consumer { return portal.Consumer{Audience: a} }

// answer is what a person reads of a result.
func answer(r search.Result) string {
	var all []string
	for _, v := range r.Items {
		text := string(v.ID)
		if op := r.Operations[v.ID]; op != "" {
			text += " (" + op + ")"
		}
		all = append(all, text)
	}
	text := strings.Join(all, ", ")
	if r.Corrected != "" {
		text = r.Corrected + ": " + text
	}
	if r.Incomplete {
		text = "incomplete: " + text
	}
	return text
}

func eachEngine(t *testing.T, test func(t *testing.T, open func(testing.TB) storetest.DB)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Setenv("CONCIERGE_TEST_DATABASE", engine)
			test(t, storetest.Open)
		})
	}
}

var shop = []api{
	{"payments", []deployment{
		{place: "partner production", title: "Payments", summary: "Takes and returns money", tags: []string{"Finance"}, region: "eu",
			operations: []string{"POST /v1/payments createPayment", "POST /v1/payments/{id}/refunds createRefund", "GET /v1/payments/{paymentId} getPayment"}},
		{place: "internal production", title: "Payments core", summary: "Quokka ledger behind payments", region: "eu", operations: []string{"POST /v1/quokkas addQuokka"}},
	}},
	{"orders", []deployment{
		{place: "partner test", title: "Customer orders", summary: "What was bought, with payments", tags: []string{"Sales"}, region: "us",
			operations: []string{"GET /orders", "DELETE /orders/{order}", "GET /customers/{id}/orders"}, routed: true},
		{place: "partner production", title: "Customer orders", summary: "What was bought, with payments", region: "eu"},
	}},
	{"paypal", []deployment{{place: "public production", title: "PayPal wallet", summary: "Zürich wallets at https://public.example/paypal, not https://internal.corp/secrets"}}},
	{"vault", []deployment{{place: "internal test", title: "Refund vault", summary: "Keeps refunds"}}},
	{"hidden", []deployment{{place: "odd nowhere", title: "Payments of nobody"}}},
}

// TestCatchUpsAtOnce: whoever brings the index up to date beside its own loop gets in nobody's way. The race detector looks on.
func TestCatchUpsAtOnce(t *testing.T) {
	w := over(t, storetest.Open(t), config)
	w.put(t, shop...)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := w.index.CatchUp(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if !w.index.Ready() {
		t.Error("the index is not ready")
	}
}

func TestFind(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) storetest.DB) {
		w := over(t, open(t), config)
		w.put(t, shop...)
		w.caughtUp(t)
		for _, tc := range []struct {
			audience portal.Audience
			q        string
			filter   routing.Filter
			want     string
		}{
			{"partner", "payments", nil, "payments, orders"},
			{"partner", "PAYMENT", nil, "payments, orders"},
			{"partner", "pay", nil, "payments, paypal, orders"},
			{"partner", "finance", nil, "payments"},
			{"partner", "bought customer", nil, "orders"},
			{"partner", "zurich", nil, "paypal"},
			{"partner", "wallet pal", nil, "paypal"},
			{"partner", "refund", nil, "payments (POST /v1/payments/{id}/refunds)"},
			{"internal", "refund", nil, "vault"},
			{"partner", "POST /refunds", nil, "payments (POST /v1/payments/{id}/refunds)"},
			{"partner", "post /v1/payments/{whatever}/refunds", nil, "payments (POST /v1/payments/{id}/refunds)"},
			{"partner", "/payments/17/refunds", nil, "payments (POST /v1/payments/{id}/refunds)"},
			{"partner", "/payments/:id/refu", nil, "payments (POST /v1/payments/{id}/refunds)"},
			{"partner", "DELETE /refunds", nil, ""},
			{"partner", "/v1/refunds", nil, ""},
			{"partner", "DELETE /orders", nil, "orders (DELETE /orders/{order})"},
			{"partner", "https://partner.example/customers/5/orders?x=1", nil, "orders (GET /customers/{id}/orders)"},
			{"partner", "createRefund", nil, "payments (POST /v1/payments/{id}/refunds)"},
			{"partner", "paymnets", nil, "payments: payments, orders"},
			{"partner", "custmer ordrs", nil, "customer orders: orders"},
			{"partner", "quokka", nil, ""},
			{"partner", "quoka", nil, ""}, // a correction would tell the word
			{"internal", "quoka", nil, "quokka: payments"},
			{"partner", "vault", nil, ""},
			{"partner", "secrets", nil, ""}, // what is hidden in a text cannot be found
			{"partner", "nobody", nil, ""},
			{"odd", "payments", nil, ""},
			{"partner", "payments", routing.Filter{routing.FacetEnvironment: {"test"}}, "orders"},
			{"partner", "payments", routing.Filter{routing.FacetEnvironment: {"test"}, routing.FacetRegion: {"eu"}}, ""},
			{"partner", "payments", routing.Filter{routing.FacetEnvironment: {"test", "production"}, routing.FacetRegion: {"eu"}}, "payments, orders"},
			{"partner", "payments", routing.Filter{routing.FacetTag: {"FINANCE", "none"}}, "payments"},
			{"partner", `"NEAR(" payments*`, nil, ""},
			{"partner", "%%%", nil, "orders, payments, paypal"}, // nothing is asked for
		} {
			r, err := w.index.Find(t.Context(), as(tc.audience), routing.Query{Q: tc.q, Filter: tc.filter})
			if err != nil {
				t.Fatalf("%q: %v", tc.q, err)
			}
			if got := answer(r); got != tc.want {
				t.Errorf("%s asks for %q %v: %q; want %q", tc.audience, tc.q, tc.filter, got, tc.want)
			}
		}
	})
}
