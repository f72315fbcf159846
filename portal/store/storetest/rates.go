package storetest

import (
	"fmt"
	"slices"

	"concierge/portal/store"
)

var rateRules = []Rule{
	{"RatesAreTold", "a replica reads what all others told last, however many tokens, and nothing of its own", one(ratesAreTold)},
	{"RatesAreDroppedByRound", "what a replica told is forgotten unless it told anew since", one(ratesAreDropped)},
}

func rate(replica string, token int, calls, round int64) store.Rate {
	return store.Rate{Token: [32]byte{byte(token), byte(token >> 8)}, Replica: replica, Calls: calls, Round: round}
}

func tell(t T, db DB, replica string, rates ...store.Rate) {
	t.Helper()
	if err := db.PutRates(t.Context(), replica, rates); err != nil {
		t.Fatal(err)
	}
}

// hears looks whether a replica reads these rates, in any order.
func hears(t T, db DB, replica string, want ...store.Rate) {
	t.Helper()
	got, err := db.RatesBut(t.Context(), replica)
	if err != nil {
		t.Fatal(err)
	}
	for _, rates := range [][]store.Rate{got, want} {
		slices.SortFunc(rates, func(a, b store.Rate) int { return slices.Compare(a.Token[:], b.Token[:]) })
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s reads %s; want %s", replica, brief(got), brief(want))
	}
}

func brief(rates []store.Rate) string {
	return fmt.Sprintf("%d rates: %v…", len(rates), rates[:min(len(rates), 3)])
}

func ratesAreTold(t T, db DB) {
	hears(t, db, "a")
	var many []store.Rate
	for n := range 1001 {
		many = append(many, rate("a", n, int64(n), 1<<40))
	}
	other := rate("b", 2000, 1<<40, 7)
	tell(t, db, "a", many...)
	tell(t, db, "b", other)
	hears(t, db, "a", other)
	hears(t, db, "b", slices.Clone(many)...)
	hears(t, db, "c", append(slices.Clone(many), other)...)

	fewer := rate("a", 3, 5, 1<<40+1)
	tell(t, db, "a", fewer)
	hears(t, db, "c", fewer, other)
	tell(t, db, "a")
	hears(t, db, "c", other)
	same := rate("a", 2000, 1, 1) // two replicas may serve one token
	tell(t, db, "a", same)
	hears(t, db, "b", same)
	hears(t, db, "a", other)
}

func ratesAreDropped(t T, db DB) {
	first, second, other := rate("a", 1, 10, 1), rate("a", 2, 20, 1), rate("b", 3, 30, 1)
	tell(t, db, "a", first, second)
	tell(t, db, "b", other)
	drop := func(replica string, round int64) {
		t.Helper()
		if err := db.DropRates(t.Context(), replica, round); err != nil {
			t.Fatal(err)
		}
	}
	drop("a", 2)
	drop("c", 1)
	hears(t, db, "", first, second, other)
	drop("a", 1)
	hears(t, db, "", other)
	first.Round = 2
	tell(t, db, "a", first)
	drop("a", 1)
	hears(t, db, "", first, other)
}
