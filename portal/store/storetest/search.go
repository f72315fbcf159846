package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"

	"concierge/portal"
	"concierge/portal/search"
	"concierge/portal/store/sqlstore"
)

var searchRules = []Rule{
	{"SearchProgressHasOneWriter", "of those who saw one revision of the index one goes on, and the others learn of it", one(searchProgress)},
	{"SearchRowsAreReadInOrder", "whoever has read up to a place learns of everything that came later, in pages of any size", one(searchRows)},
	{"SearchRowsAreReplacedWhole", "an entry has the rows that were put last; operations are those of a row that is there", one(searchReplaced)},
}

func searchProgress(t T, db DB) {
	save := func(was int64, p search.Progress) error {
		return try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Search().SetProgress(ctx, was, p) })
	}
	p := search.Progress{Signature: "s", Version: 7, Building: true, Position: "api_9", Touched: noon}
	if err := save(0, p); err != nil {
		t.Fatal(err)
	}
	if err := save(0, p); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("who was slower: %v; want a conflict", err)
	}
	p.Ready = true
	if err := save(1, p); err != nil {
		t.Fatal(err)
	}
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		got, err := tx.Search().Progress(ctx)
		p.Revision = 2
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%s", diff)
		}
		return err
	})
}

// putRows puts rows of an entry; none take it out.
func putRows(t T, db DB, api string, revision int64, rows ...search.Row) {
	t.Helper()
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return tx.Search().Put(ctx, portal.APIID(api), revision, fmt.Sprint("f", revision), rows)
	})
}

// readRows reads everything after a place, some rows at a time, as "api revision: tokens".
func readRows(t T, db DB, after search.Place, limit int) (all []string, rows []int64, last search.Place) {
	t.Helper()
	for last = after; ; {
		var some []search.Indexed
		view(t, db, func(ctx context.Context, tx *sqlstore.Tx) (err error) {
			some, err = tx.Search().Since(ctx, last, limit)
			return err
		})
		for _, x := range some {
			all, rows, last = append(all, fmt.Sprintf("%s %d: %s", x.API, x.Place.Revision, x.Tokens)), append(rows, x.Place.Row), x.Place
		}
		if len(some) < limit {
			return all, rows, last
		}
	}
}

func searchRows(t T, db DB) {
	one, two := search.Row{Tokens: []string{"ainternal", "wone"}}, search.Row{Tokens: []string{"apartner", "wzwölf", "w二"}}
	putRows(t, db, "api_1", 1, one, two)
	putRows(t, db, "api_2", 1, one)
	putRows(t, db, "api_3", 2, two)
	want := []string{"api_1 1: ainternal wone", "api_1 1: apartner wzwölf w二", "api_2 1: ainternal wone", "api_3 2: apartner wzwölf w二"}
	for limit := 1; limit < 6; limit++ {
		if got, _, _ := readRows(t, db, search.Place{}, limit); !slices.Equal(got, want) {
			t.Errorf("%d at a time: %q; want %q", limit, got, want)
		}
	}
	_, before, place := readRows(t, db, search.Place{}, 10)
	putRows(t, db, "api_3", 3)
	putRows(t, db, "api_1", 4, two)
	if got, _, _ := readRows(t, db, place, 1); !slices.Equal(got, []string{"api_3 3: ", "api_1 4: apartner wzwölf w二"}) {
		t.Errorf("since then: %q", got)
	}
	_, after, _ := readRows(t, db, place, 10)
	for _, row := range after {
		if row <= slices.Max(before) {
			t.Errorf("row %d has an id that was used before", row)
		}
	}
}

func searchReplaced(t T, db DB) {
	putRows(t, db, "api_1", 1, search.Row{Tokens: []string{"wone"}, Operations: []string{"GET /a", "POST /b"}}, search.Row{Tokens: []string{"wtwo"}})
	putRows(t, db, "api_2", 1, search.Row{Tokens: []string{"wone"}})
	_, rows, _ := readRows(t, db, search.Place{}, 10)
	operations := func() (found map[int64][]string) {
		view(t, db, func(ctx context.Context, tx *sqlstore.Tx) (err error) {
			found, err = tx.Search().Operations(ctx, append(rows, 999))
			return err
		})
		return found
	}
	if diff := cmp.Diff(map[int64][]string{rows[0]: {"GET /a", "POST /b"}}, operations()); diff != "" {
		t.Errorf("%s", diff)
	}
	putRows(t, db, "api_1", 2, search.Row{Tokens: []string{"wthree"}, Operations: []string{"GET /c"}})
	if got := operations(); len(got) != 0 {
		t.Errorf("operations of rows that were replaced: %v", got)
	}
	putRows(t, db, "api_2", 3)
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		some, err := tx.Search().Fingerprints(ctx, []portal.APIID{"api_1", "api_2", "api_3"})
		all, allErr := tx.Search().Between(ctx, "", "")
		none, noneErr := tx.Search().Between(ctx, "api_1", "api_2")
		want := map[portal.APIID]string{"api_1": "f2"}
		if !cmp.Equal(some, want) || !cmp.Equal(all, want) || len(none) != 0 {
			t.Errorf("in the index: %v, %v and after api_1 %v; want %v", some, all, none, want)
		}
		return errors.Join(err, allErr, noneErr)
	})
}
