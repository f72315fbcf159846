// Command concierge is the hosted portal and its command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/ingest"
	"concierge/portal/people"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(os.Stdout, os.Stderr).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "concierge:", err)
		stop()
		os.Exit(1)
	}
}

// command is the whole command line.
func command(out, errs io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "concierge",
		Short:         "One desk for the APIs of all your gateways",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(serveCommand(), demoCommand(), workerCommand(), backupCommand(), restoreCommand())
	return root
}

func serveCommand() *cobra.Command {
	var file, listenOn, database string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the portal",
		Long:  "Serve the portal that a configuration file describes. Without people in its database, it prints a one-time link for the first administrator.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := serveConfig(file)
			if err != nil {
				return err
			}
			if listenOn != "" {
				if c.PublicURL == "http://"+c.Listen {
					c.PublicURL = "http://" + listenOn
				}
				c.Listen = listenOn
			}
			if database != "" {
				if c.Database, err = databaseName(".", database); err != nil {
					return err
				}
			}
			return serve(cmd.Context(), c, logger(cmd.ErrOrStderr(), verbose), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&file, "config", "concierge.yaml", "configuration file")
	cmd.Flags().StringVar(&listenOn, "listen", "", "address to serve on, instead of the configuration's")
	cmd.Flags().StringVar(&database, "database", "", "database, a file or postgres://USER@HOST:5432/NAME, instead of the configuration's")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log more")
	return cmd
}

func logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

func serveConfig(file string) (config, error) { return readConfig(file, kinds) }

// serve runs the portal until ctx ends.
func serve(ctx context.Context, c config, log *slog.Logger, tell io.Writer) error {
	var registrations []ingest.Registration
	var problems []error
	for _, g := range c.Gateways {
		registered, secrets, err := g.registration()
		if err != nil {
			problems = append(problems, err)
			continue
		}
		registrations = append(registrations, ingest.Registration{Gateway: registered, Credentials: secrets})
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	l, err := listen(c.Listen)
	if err != nil {
		return err
	}
	s, err := open(ctx, c, registrations, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() {
		if err := s.Close(); err != nil {
			log.Error("closing", "error", err)
		}
	}()
	token, expires, err := s.people.FirstLink(ctx, c.shownTogether())
	switch {
	case errors.Is(err, people.ErrFirstLinkShown):
		fmt.Fprintf(tell, "\nNobody can sign in yet. The link for the first administrator was printed by the process that started a moment\nago on this database. If it is lost, start one of them again after a minute.\n\n")
	case err == nil:
		fmt.Fprintf(tell, "\nNobody can sign in yet. Become the first administrator here, once, until %s:\n\n  %s%s%s\n\n",
			expires.Local().Format("2 January 15:04"), c.PublicURL, api.InvitationPath, token.Reveal())
	case !errors.Is(err, portal.ErrConflict):
		return err
	}
	log.Info("serving", "address", l.Addr().String(), "public_url", c.PublicURL)
	return s.serve(ctx, l)
}
