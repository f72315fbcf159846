//go:build crashpoints && unix

package ingest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"concierge/connectors"
	"concierge/portal/catalog"
)

const crashFile = "CONCIERGE_CRASH_DATABASE"

// TestKilledInTheMiddle kills a process at each crash point of a sync and starts again: the sync happened as a whole or
// not at all, and the next one works. Run it with go test -tags crashpoints ./portal/ingest.
func TestKilledInTheMiddle(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		killMe(t, path)
		return
	}
	for point, applied := range map[string]bool{"ingest.discovered": false, "ingest.before-commit": false, "ingest.after-commit": true} {
		t.Run(point, func(t *testing.T) {
			d := newDesk(t, Options{})
			d.register("kong", deployment("pay", "Payments"), deployment("ord", "Orders"))
			first := d.sync("kong")
			before := d.dump()
			d.stop()

			child := exec.Command(os.Args[0], "-test.run=^TestKilledInTheMiddle$")
			child.Env = append(os.Environ(), crashFile+"="+d.path, "CONCIERGE_CRASH="+point)
			out, err := child.CombinedOutput()
			if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}

			d.start(Options{Alone: true})
			d.fakes["fake://kong"] = afterwards()
			if err := d.service.recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			if now := d.dump(); (now != before) != applied {
				t.Errorf("taken over: %v, want %v\n%s", now != before, applied, now)
			}
			runs, err := d.service.Runs(t.Context(), "kong", "", 10)
			if err != nil || len(runs) != 2 || runs[1].ID != first.ID {
				t.Fatalf("%+v %v", runs, err)
			}
			if want := map[bool]catalog.RunState{true: catalog.Applied, false: catalog.Failed}[applied]; runs[0].State != want {
				t.Errorf("the killed run is %s, want %s", runs[0].State, want)
			}
			want := map[bool]catalog.RunState{true: catalog.Unchanged, false: catalog.Applied}[applied]
			if run := d.sync("kong"); run.State != want || len(d.entries()) != 2 {
				t.Errorf("the next run: %+v", run)
			}
		})
	}
}

// afterwards is what the gateway publishes when the child meets it: one more, one less, one changed.
func afterwards() *fake {
	changed := deployment("pay", "Payments")
	changed.Summary = "changed"
	return &fake{able: able(), deployments: []connectors.Deployment{changed, deployment("new", "New")}}
}

// killMe is the child: it syncs until it dies.
func killMe(t *testing.T, path string) {
	d := &desk{t: t, path: path, fakes: map[string]connectors.Connector{"fake://kong": afterwards()}, configs: map[string]connectors.Config{}}
	d.start(Options{})
	run := d.sync("kong")
	t.Fatalf("still alive: %+v", strings.TrimSpace(run.Error))
}
