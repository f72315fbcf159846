package storetest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/document"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/store/sqlstore"
)

var valueRules = []Rule{
	{"EventsAreKept", "an event comes back as it was, and the newest first", one(eventsAreKept)},
	{"EventsAreImmutable", "no statement changes or deletes an event", one(eventsAreImmutable)},
	{"SettingsAreKept", "a setting is the last value that was put, of any bytes", one(settingsAreKept)},
	{"SettingsAreAddedOnce", "of many who add a setting the first is kept, and all are given it", one(settingsAreAddedOnce)},
	{"TextComesBack", "text of any language, and of any signs but NUL, comes back byte for byte", one(textComesBack)},
	{"TextThatCannotBeKept", "text with a NUL or broken UTF-8 is portal.ErrInvalid and nothing is written", one(textThatCannot)},
	{"ListsAreInByteOrder", "ids and names are ordered by their bytes, whatever the language of the machine", one(byteOrder)},
	{"LargeValues", "a document of many megabytes and a text of one come back", one(largeValues)},
	{"TimesAreMicroseconds", "a time comes back in UTC, cut to whole microseconds; the zero time stays zero", one(timesAreMicros)},
	{"LimitsOfLists", "a limit of 0 and a very large one mean what the store's package says", one(limits)},
}

func eventsAreKept(t T, db DB) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123000, time.UTC)
	want := audit.Event{ID: "evt_1", At: at, Actor: "per_1", Action: "test.done", Target: "x", Organisation: "org_1", Gateway: "g", Detail: map[string]string{"k": "v"}}
	later, other := audit.Event{ID: "evt_0", At: at.Add(time.Microsecond), Target: "x"}, audit.Event{ID: "evt_2", At: at, Target: "y"}
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return errors.Join(tx.Audit().Append(ctx, want), tx.Audit().Append(ctx, later), tx.Audit().Append(ctx, other))
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		got, err := tx.Audit().Events(ctx, "x", 10)
		if err == nil && (len(got) != 2 || got[0].ID != later.ID) {
			t.Errorf("got %+v", got)
		} else if err == nil && !same(got[1], want) {
			t.Errorf("got %+v; want %+v", got[1], want)
		}
		first, err2 := tx.Audit().Events(ctx, "", 1)
		if len(first) != 1 || first[0].ID != later.ID {
			t.Errorf("the newest: %+v", first)
		}
		return errors.Join(err, err2)
	})
}

func eventsAreImmutable(t T, db DB) {
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, "e") })
	for _, statement := range []string{
		`UPDATE events SET actor = 'other'`, `DELETE FROM events`, `DELETE FROM events WHERE id = 'e'`,
		`INSERT INTO events SELECT * FROM events WHERE TRUE ON CONFLICT (id) DO UPDATE SET actor = 'other'`,
	} {
		if err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := sqlstore.Statements(tx).Exec(ctx, statement)
			return err
		}); err == nil {
			t.Errorf("%s passed", statement)
		}
	}
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		got, err := tx.Audit().Events(ctx, "", 10)
		if len(got) != 1 || got[0].Actor != "" {
			t.Errorf("left %+v", got)
		}
		return err
	})
}

func settingsAreKept(t T, db DB) {
	if _, err := db.Setting(t.Context(), "x"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("none yet: %v", err)
	}
	for _, value := range [][]byte{{0, 255, 10}, {}, bytes.Repeat([]byte{7}, 100_000)} {
		if err := db.PutSetting(t.Context(), "x", value); err != nil {
			t.Fatal(err)
		}
		if got, err := db.Setting(t.Context(), "x"); err != nil || !bytes.Equal(got, value) {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(value))
		}
	}
}

func settingsAreAddedOnce(t T, db DB) {
	const adders = 8
	kept := make([]string, adders)
	var all sync.WaitGroup
	for n := range adders {
		all.Go(func() {
			eventually(t, func() error {
				got, err := db.AddSetting(t.Context(), "x", []byte{0, byte(n)})
				kept[n] = string(got)
				return err
			})
		})
	}
	all.Wait()
	first, err := db.Setting(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for n, got := range kept {
		if got != string(first) {
			t.Errorf("adder %d was given %q; kept is %q", n, got, first)
		}
	}
	if err := db.PutSetting(t.Context(), "x", []byte("put")); err != nil {
		t.Fatal(err)
	}
	if got, err := db.AddSetting(t.Context(), "x", []byte("added")); err != nil || string(got) != "put" {
		t.Errorf("got %q, %v; want what was put", got, err)
	}
	if got, err := db.AddSetting(t.Context(), "y", []byte{}); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v; want nothing", got, err)
	}
	if got, err := db.AddSetting(t.Context(), "y", []byte("more")); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v; want the nothing that is kept", got, err)
	}
}

// texts are such that a collation, a normalisation or a trimming would show.
var texts = []string{
	" leading and trailing ", "%_like", "'quoted' \"twice\" \\ ; --", "0", "00", "10", "9", "A", "Z", "Zebra", "\\x41", "a", "aa", "a\tb\nc\r", "z", "zebra",
	"\u007f", "\u0085", "e\u0301", "É", "éclair", "ÿ", "ß", "Œuvre", "Ω", "я", "ﬁ", "漢字", "\ufeffbom", "\uffff", "🛂", "\U0010ffff",
}

func textComesBack(t T, db DB) {
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for n, text := range texts {
			a := application(n)
			a.Name, a.CreatedBy = text, portal.PersonID(text)
			if err := tx.Keys().AddApplication(ctx, a); err != nil {
				return err
			}
		}
		return tx.Audit().Append(ctx, audit.Event{ID: "e", Detail: map[string]string{"all": strings.Join(texts, "\x00")}})
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for n, text := range texts {
			got, err := tx.Keys().Application(ctx, application(n).ID)
			if err != nil || got.Name != text || string(got.CreatedBy) != text {
				t.Errorf("put %q; got %q and %q, %v", text, got.Name, got.CreatedBy, err)
			}
		}
		found, err := tx.Audit().Events(ctx, "", 1)
		if len(found) != 1 || found[0].Detail["all"] != strings.Join(texts, "\x00") {
			t.Errorf("inside of JSON: got %q", found)
		}
		return err
	})
}

func textThatCannot(t T, db DB) {
	for _, text := range []string{"a\x00b", "\x00", "\xff", "a\xc3", "\xed\xa0\x80"} {
		a := application(1)
		a.Name = text
		calls := map[string]func(ctx context.Context, tx *sqlstore.Tx) error{
			"adding": func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Keys().AddApplication(ctx, a) },
			"looking up": func(ctx context.Context, tx *sqlstore.Tx) error {
				_, err := tx.Catalog().EntryBySlug(ctx, text)
				return err
			},
			"a distinct type": func(ctx context.Context, tx *sqlstore.Tx) error {
				_, err := tx.Catalog().Gateway(ctx, portal.GatewayID(text))
				return err
			},
			"noting": func(_ context.Context, tx *sqlstore.Tx) error { tx.Changed("api", text); return nil },
		}
		for name, call := range calls {
			err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
				return errors.Join(note(ctx, tx, "e"), call(ctx, tx))
			})
			if !errors.Is(err, portal.ErrInvalid) {
				t.Errorf("%s %q: got %v", name, text, err)
			}
		}
	}
	if left := events(t, db); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func byteOrder(t T, db DB) {
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for _, text := range reversed(texts) {
			g := testGateway(portal.GatewayID(text))
			if err := tx.Catalog().PutGateway(ctx, g); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		var got []string
		for after := portal.GatewayID(""); ; {
			page, err := tx.Catalog().Gateways(ctx, after, 5)
			if err != nil {
				return err
			}
			for _, g := range page {
				got = append(got, string(g.ID))
				after = g.ID
			}
			if len(page) == 0 {
				break
			}
		}
		if strings.Join(got, "|") != strings.Join(sorted(texts), "|") {
			t.Errorf("got %q; want %q", got, sorted(texts))
		}
		return nil
	})
	names := []string{"Zoë", "zoe", "Ærø", "älter", "Adam", "0800", "9 lives", "10 lives", "éclair", "Œuvre", "ß", "straße"}
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for n, name := range names {
			if err := tx.People().AddOrganisation(ctx, people.Organisation{ID: portal.OrganisationID(id("org", n)), Name: name}); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		var got, want []string
		for after := ""; ; {
			page, err := tx.People().Organisations(ctx, after, 5)
			if err != nil {
				return err
			}
			for _, o := range page {
				after = people.SortKey(o.Name)
				got = append(got, after)
			}
			if len(page) == 0 {
				break
			}
		}
		for _, name := range names {
			want = append(want, people.SortKey(name))
		}
		if strings.Join(got, "|") != strings.Join(sorted(want), "|") {
			t.Errorf("got %q; want %q", got, sorted(want))
		}
		return nil
	})
}

func largeValues(t T, db DB) {
	doc := catalog.Document{Hash: "h", Content: bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16), Stored: noon,
		Description: document.Description{Title: strings.Repeat("é", 512<<10)}}
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return errors.Join(tx.Catalog().PutDocument(ctx, doc), tx.Audit().Append(ctx, audit.Event{ID: "e", Actor: strings.Repeat("x", 1<<20)}))
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		got, err := tx.Catalog().Document(ctx, "h")
		if !bytes.Equal(got.Content, doc.Content) || got.Description.Title != doc.Description.Title {
			t.Errorf("%d bytes came back", len(got.Content))
		}
		found, err2 := tx.Audit().Events(ctx, "", 1)
		if len(found) != 1 || len(found[0].Actor) != 1<<20 {
			t.Error("a long text did not come back")
		}
		return errors.Join(err, err2)
	})
}

func timesAreMicros(t T, db DB) {
	zone := time.FixedZone("east", 5*3600)
	for n, put := range []time.Time{
		{}, born, time.Date(2026, 3, 29, 2, 30, 0, 999_999_999, zone), time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		a := application(n)
		a.Created = put
		write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Keys().AddApplication(ctx, a) })
		view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			got, err := tx.Keys().Application(ctx, a.ID)
			if want := put.UTC().Truncate(time.Microsecond); got.Created != want {
				t.Errorf("put %v; got %v", put, got.Created)
			}
			return err
		})
	}
}

func limits(t T, db DB) {
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		var errs []error
		for n := range 3 {
			errs = append(errs, tx.Keys().AddApplication(ctx, application(n)), tx.Catalog().PutGateway(ctx, testGateway(portal.GatewayID(id("g", n)))),
				tx.People().AddOrganisation(ctx, people.Organisation{ID: portal.OrganisationID(id("org", n)), Name: id("name", n)}), note(ctx, tx, id("evt", n)))
		}
		return errors.Join(errs...)
	})
	const big = math.MaxInt32
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for limit, want := range map[int]struct{ applications, gateways, organisations, events int }{
			0: {0, 3, 0, 0}, 1: {1, 1, 1, 1}, 3: {3, 3, 3, 3}, big: {3, 3, 3, 3},
		} {
			applications, err1 := tx.Keys().Applications(ctx, "", keys.Page{Limit: limit})
			gateways, err2 := tx.Catalog().Gateways(ctx, "", limit)
			organisations, err3 := tx.People().Organisations(ctx, "", limit)
			events, err4 := tx.Audit().Events(ctx, "", limit)
			if len(applications) != want.applications || len(gateways) != want.gateways || len(organisations) != want.organisations || len(events) != want.events {
				t.Errorf("limit %d: %d applications, %d gateways, %d organisations, %d events", limit, len(applications), len(gateways), len(organisations), len(events))
			}
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				return err
			}
		}
		return nil
	})
}

func same(a, b audit.Event) bool {
	at := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return at && reflect.DeepEqual(a, b)
}

func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

func reversed(texts []string) []string {
	back := slices.Clone(texts)
	slices.Reverse(back)
	return back
}
