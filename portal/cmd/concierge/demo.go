package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/cmd/concierge/estate"
	"concierge/portal/ingest"
	"concierge/portal/store/postgres"
)

// demoPerson is one of the people of the demo, with everything that it takes to be them.
type demoPerson struct {
	Name         string `json:"name"`
	Email        string `json:"email"`
	Password     string `json:"password"`
	Role         string `json:"role"`
	Audience     string `json:"audience"`
	Organisation string `json:"organisation"`
	Token        string `json:"token"`

	try string
}

// demoReady is the one line that --json prints.
type demoReady struct {
	URL    string       `json:"url"`
	People []demoPerson `json:"people"`
}

func demoCommand() *cobra.Command {
	var o demoOptions
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve the portal of a made-up company, with its gateways, on this machine",
		Long:  "Serve the portal of a made-up company with seven sample gateways, real keys and four people. Everything runs on loopback and is gone at the end, unless --data keeps it.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := logger(cmd, verbose)
			if !verbose && !asJSON {
				format, _ := cmd.Flags().GetString(logFormatFlag)
				log = newLogger(cmd.ErrOrStderr(), format, slog.LevelWarn)
			}
			return demo(cmd.Context(), o, log, func(ready demoReady) error {
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(ready)
				}
				return welcome(cmd.OutOrStdout(), ready)
			})
		},
	}
	cmd.Flags().StringVar(&o.data, "data", "", "folder that keeps everything for the next start")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address to serve on; port 0 takes a free one")
	cmd.Flags().StringVar(&o.database, "database", "", "database, a file or postgres://USER@HOST:5432/NAME; without --data, one on PostgreSQL is left as it was")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON when everything is ready, and log")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log more")
	return cmd
}

// demoOptions say where the demo listens and what it keeps.
type demoOptions struct {
	data     string // folder; empty: nothing is kept
	listen   string
	database string // empty: a file in the folder
}

// demo runs the portal of the made-up company until ctx ends. ready is called once, when everything can be used.
func demo(ctx context.Context, o demoOptions, log *slog.Logger, ready func(demoReady) error) (err error) {
	folder := o.data
	if folder == "" {
		if folder, err = os.MkdirTemp("", "concierge-demo-"); err != nil {
			return fmt.Errorf("temporary folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	l, err := listen(o.listen)
	if err != nil {
		return err
	}
	company, err := estate.Start(o.data)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, company.Close()) }()

	c, err := parseConfig(nil, folder)
	if err != nil {
		return err
	}
	c.Data = folder
	c.Database, c.KeyFile = filepath.Join(folder, "concierge.db"), filepath.Join(folder, "concierge.key")
	if o.database != "" {
		if c.Database, err = databaseName(".", o.database); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	if o.data == "" && onPostgres(c.Database) {
		var drop func() error
		if c.Database, drop, err = postgres.Temporary(ctx, c.Database); err != nil {
			return errors.Join(err, l.Close())
		}
		defer func() { err = errors.Join(err, drop()) }()
	}
	c.PublicURL = "http://" + l.Addr().String()
	c.Keys.Reconcile = time.Minute
	// What is filed with the authorities waits for a person; everything else is for whoever may see it.
	c.Approval = []approvalConfig{
		{API: "customs-declarations", Environment: portal.Production, Approval: portal.Required},
		{Approval: portal.Automatic},
	}
	var registrations []ingest.Registration
	for _, g := range company.Gateways {
		registrations = append(registrations, ingest.Registration{
			Gateway: g.Registration, Credentials: map[string]portal.Secret{"token": g.Token},
		})
	}
	s, err := open(ctx, c, registrations, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	told := demoReady{URL: c.PublicURL}
	for _, p := range estate.People() {
		caller, token, err := s.people.Seed(ctx, p.Seed)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		told.People = append(told.People, demoPerson{
			Name: p.Name, Email: p.Email, Password: p.Password.Reveal(), Role: p.Role, Audience: string(caller.Audience),
			Organisation: caller.OrganisationName, Token: token.Reveal(), try: p.Try,
		})
	}
	if err := s.syncAll(ctx, company); err != nil {
		return errors.Join(err, l.Close())
	}
	go func() {
		// The listener has taken connections since before the first sync; they are answered from here on.
		if err := ready(told); err != nil {
			log.Error("telling that the demo is ready", "error", err)
		}
	}()
	return s.serve(ctx, l)
}

// syncAll reads every gateway of the demo and waits until the catalog has them.
func (s *server) syncAll(ctx context.Context, company *estate.Estate) error {
	var runs []catalog.Run
	for _, g := range company.Gateways {
		run, err := s.ingest.Sync(ctx, g.Registration.ID, "system:demo")
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	for _, run := range runs {
		ended, err := s.ingest.Wait(ctx, run.Gateway, run.ID)
		if err != nil {
			return err
		}
		if !ended.State.Good() {
			return fmt.Errorf("sample gateway %s: the sync %s: %s", run.Gateway, ended.State, ended.Error)
		}
	}
	return s.live.Refresh(ctx)
}

// welcome says where to click and what to try.
func welcome(w io.Writer, ready demoReady) error {
	fmt.Fprintf(w, `
Concierge is ready:  %s

Alpenglow Logistics runs seven gateways: partners and staff apart, on site and in three clouds, two
divisions in two regions, a mainframe gateway beside the new ones, and labs that tell their
environments apart by path. Sign in as each of these and open the same API, Shipments:

`, ready.URL)
	for _, p := range ready.People {
		fmt.Fprintf(w, "  %-11s %s\n              password  %s\n              token     %s\n              %s\n\n", p.Name, p.Email, p.Password, p.Token, p.try)
	}
	petra := ready.People[0]
	_, err := fmt.Fprintf(w, `The same over HTTP:

  curl -H 'Authorization: Bearer %s' '%s/api/v1/resolve?api=shipments&environment=production'

Passwords and tokens are new at each start. Stop with Ctrl-C.
`, petra.Token, ready.URL)
	return err
}
