package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concierge/portal"
	"concierge/portal/api"
	over "concierge/portal/client"
)

// How concierge sync ends where it does not fail.
const (
	exitChanges = 2 // with --plan: a sync would change something
	exitWaits   = 3 // a person has to say yes
)

// exit ends the program with a status of its own, after saying why.
type exit struct {
	status int
	why    string
}

func (e *exit) Error() string { return e.why }

// remoteFlags say which running portal is asked, and as whom.
type remoteFlags struct{ server string }

func (f *remoteFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "address of the portal, instead of CONCIERGE_SERVER; default http://127.0.0.1:8080")
}

// client asks the portal as the holder of CONCIERGE_TOKEN. A token on the command line could be read by others.
func (f *remoteFlags) client() (*over.Client, error) {
	token := os.Getenv("CONCIERGE_TOKEN")
	if token == "" {
		return nil, errors.New("CONCIERGE_TOKEN is not set: make a token on your account page, and put it there")
	}
	return over.New(cmp.Or(f.server, os.Getenv("CONCIERGE_SERVER"), "http://127.0.0.1:8080"), portal.NewSecret(token), over.Options{})
}

func syncCommand() *cobra.Command {
	var remote remoteFlags
	var plan, asJSON bool
	cmd := &cobra.Command{
		Use:   "sync NAME",
		Short: "Read a gateway now, or say what that would change",
		Long: `Ask a running portal to read one gateway, and follow that to its end.

With --plan nothing is changed: it prints what a sync would do.

Exit status: 0 the catalog agrees with the gateway, or with --plan there is nothing to do; 1 it failed; 2 with --plan, a sync
would change something; 3 it waits for a person, or with --plan it would, since it removes unusually much.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := remote.client()
			if err != nil {
				return err
			}
			defer c.Close()
			return runSync(cmd.Context(), c, args[0], plan, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	remote.add(cmd)
	cmd.Flags().BoolVar(&plan, "plan", false, "only say what a sync would do")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the run with its plan as JSON")
	return cmd
}

// syncs is what runSync asks of a portal.
type syncs interface {
	api.Syncs
	Sync(ctx context.Context, gateway string) (api.Run, error)
	Run(ctx context.Context, gateway, id string) (api.Run, error)
}

// followEvery is how often a running sync is looked at.
const followEvery = 500 * time.Millisecond

func runSync(ctx context.Context, desk syncs, gateway string, plan, asJSON bool, out, progress io.Writer) error {
	begin := desk.Sync
	if plan {
		begin = desk.PlanSync
	}
	run, err := begin(ctx, gateway)
	if err != nil {
		return fmt.Errorf("gateway %s: %w", gateway, err)
	}
	last := ""
	for run.State == "running" {
		if now := standing(run); now != last {
			fmt.Fprintln(progress, now)
			last = now
		}
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
			return fmt.Errorf("no longer followed; sync %s goes on in the portal: %w", run.ID, ctx.Err())
		}
		if run, err = desk.Run(ctx, gateway, run.ID); err != nil {
			return fmt.Errorf("following the sync of gateway %s: %w", gateway, err)
		}
	}
	// The answer to the start may be that of one which has ended already; its plan comes with the run itself.
	if run, err = desk.Run(ctx, gateway, run.ID); err != nil {
		return fmt.Errorf("what came of the sync of gateway %s: %w", gateway, err)
	}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(run); err != nil {
			return err
		}
	} else if err := printRun(out, run); err != nil {
		return err
	}
	switch {
	case run.Error != "":
		return fmt.Errorf("gateway %s: %s", gateway, run.Error)
	case run.Removing > 0 && run.Dry:
		return &exit{exitWaits, "a sync would wait for a person, since it removes unusually much"}
	case run.State == "waiting":
		return &exit{exitWaits, "it waits for a person: look at the gateway's page, or post to /api/v1/gateways/" + gateway + "/runs/" + run.ID + "/apply or /discard"}
	case run.Dry && run.Plan != nil && len(run.Plan.Steps) > 0:
		return &exit{exitChanges, "nothing was changed"}
	}
	return nil
}

func standing(r api.Run) string {
	if r.Total > 0 {
		return fmt.Sprintf("%s %d/%d", r.Phase, r.Done, r.Total)
	}
	return r.Phase
}

var stepSigns = map[string]string{"remove": "-", "reclassify": "!", "rename": "~", "offer": "?", "change": "~", "back": "+", "add": "+"}

// printRun writes what a run did or would do, a line for each deployment and one for each thing that differs. What comes
// from gateways is quoted where it could be taken for something else by a terminal.
func printRun(w io.Writer, r api.Run) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d added, %d changed, %d removed, %d unchanged\n", r.State, r.Added, r.Changed, r.Removed, r.Unchanged)
	if r.Plan != nil {
		for _, s := range r.Plan.Steps {
			fmt.Fprintf(&b, "%s %-10s %s [%s", stepSigns[s.Kind], s.Kind, plain(s.Title), plain(s.RemoteID))
			if s.Exposure != "" {
				fmt.Fprintf(&b, " %s", plain(s.Exposure))
			}
			fmt.Fprintf(&b, "] %s/%s", cmp.Or(s.Audience, "?"), cmp.Or(s.Environment, "?"))
			if s.Was != "" {
				fmt.Fprintf(&b, " (was %s)", plain(s.Was))
			}
			b.WriteByte('\n')
			for _, f := range s.Fields {
				fmt.Fprintf(&b, "               %s", f.Name)
				if f.Was != "" || f.Is != "" {
					fmt.Fprintf(&b, ": %q -> %q", f.Was, f.Is)
				}
				if f.Layer != "" {
					fmt.Fprintf(&b, " (%s)", f.Layer)
				}
				b.WriteByte('\n')
			}
		}
		if r.Plan.More > 0 {
			fmt.Fprintf(&b, "and %d more\n", r.Plan.More)
		}
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", plain(warning))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plain is text without what a terminal would act on.
func plain(s string) string {
	quoted := fmt.Sprintf("%q", s)
	if quoted[1:len(quoted)-1] == s {
		return s
	}
	return quoted
}
