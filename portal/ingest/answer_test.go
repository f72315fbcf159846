package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// One id that cannot be used leaves out one deployment, and its silence removes none that may have been meant.
func TestBadIDsLeaveOutAndRemoveNothing(t *testing.T) {
	for name, bad := range map[string]string{
		"NUL": "d9\x00", "too long": strings.Repeat("é", 5000), "not UTF-8": "d9\xff", "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Options{})
			var all []connectors.Deployment
			for i := range 10 {
				all = append(all, deployment(fmt.Sprint("d", i), fmt.Sprint("API ", i)))
			}
			garbled := deployment(bad, "API 9")
			f := d.register("kong", all...)
			d.sync("kong")

			tell := func(deployments ...connectors.Deployment) catalog.Run {
				t.Helper()
				f.set(func(f *fake) { f.deployments = slices.Clone(deployments) })
				run := d.sync("kong")
				if !run.State.Good() {
					t.Fatalf("%+v", run)
				}
				return run
			}
			fresh := deployment("new", "New")
			run := tell(append(slices.Clone(all[:9]), garbled, fresh)...)
			if run.Added != 1 || run.Removed != 0 || len(run.Held) != 1 || len(run.LeftOut) != 1 || len(d.entries()) != 11 {
				t.Errorf("the rest is not taken over, or d9 is removed: %+v", run)
			}
			if words := strings.Join(run.Warnings, "\n"); !strings.Contains(words, `left out`) || !strings.Contains(words, "may be meant: d9;") {
				t.Errorf("warnings: %s", words)
			}
			// What goes missing later has nothing to do with it; d9 stays as long as the other does.
			run = tell(append(slices.Clone(all[:8]), garbled, fresh)...)
			if run.Removed != 1 || len(run.Held) != 1 || len(d.entries()) != 10 {
				t.Errorf("%+v", run)
			}
			run = tell(append(slices.Clone(all[:8]), garbled, fresh)...)
			if run.State != catalog.Unchanged || len(run.Held) != 1 {
				t.Errorf("%+v", run)
			}
			if run = tell(append(slices.Clone(all[:8]), fresh)...); run.Removed != 1 || len(run.Held)+len(run.LeftOut) != 0 {
				t.Errorf("mended: %+v", run)
			}
			if run = tell(append(slices.Clone(all[:8]), fresh)...); run.State != catalog.Unchanged {
				t.Errorf("%+v", run)
			}
		})
	}
}

// With many such ids the answer makes no sense, and nothing of it is taken over.
func TestManyBadIDsAreNonsense(t *testing.T) {
	var all []connectors.Deployment
	for i := range 41 {
		d := deployment(fmt.Sprint("d", i), "X")
		if i%10 == 0 {
			d.RemoteID += "\x00"
		}
		all = append(all, d)
	}
	if told, left, err := clean(connectors.Snapshot{Complete: true, Deployments: all}); err == nil || !strings.Contains(err.Error(), "of 41 deployments 5 are without an id") {
		t.Errorf("%d %q %v", len(told), left, err)
	}
	if told, left, err := clean(connectors.Snapshot{Complete: true, Deployments: all[1:]}); err != nil || len(told) != 36 || len(left) != 4 {
		t.Errorf("%d %q %v", len(told), left, err)
	}
}

// Changes since a cursor say nothing of what did not change: what was left out and held is remembered.
func TestChangesRememberWhatWasLeftOut(t *testing.T) {
	a := answer{
		snapshot: connectors.Snapshot{Removed: []connectors.Key{{RemoteID: "a"}}}, left: []string{"y"},
		leftBefore: []string{"x"}, heldBefore: []connectors.Key{{RemoteID: "a"}, {RemoteID: "b"}},
	}
	current := []catalog.Record{{Deployment: portal.Deployment{RemoteID: "b"}}, {Deployment: portal.Deployment{RemoteID: "a"}}}
	if all, held := a.published(current); len(all) != 1 || len(held) != 1 || held[0].RemoteID != "b" || !slices.Equal(a.leftOut(), []string{"x", "y"}) {
		t.Errorf("%v %v %v", all, held, a.leftOut())
	}
}
