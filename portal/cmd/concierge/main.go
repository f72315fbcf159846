// Command concierge is the hosted portal and its command line.
package main

import (
	"cmp"
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
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := command(os.Stdout, os.Stderr).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "concierge:", err)
		stop()
		status := 1
		if own, ok := errors.AsType[*exit](err); ok {
			status = own.status
		}
		os.Exit(status)
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
	root.PersistentFlags().Var(&logFormat{"text"}, logFormatFlag, "form of the log: text or json")
	root.AddCommand(serveCommand(), demoCommand(), workerCommand(), syncCommand(), backupCommand(), restoreCommand(), doctorCommand(), healthcheckCommand(), newKeyCommand(), catalogCommand())
	return root
}

func serveCommand() *cobra.Command {
	var flags serveFlags
	var verbose bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the portal",
		Long:  "Serve the portal that a configuration file describes. Without people in its database, it prints a one-time link for the first administrator.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.config()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, logger(cmd, verbose), cmd.ErrOrStderr())
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log more, also every request that only reads")
	return cmd
}

// serveFlags say which portal is meant.
type serveFlags struct{ file, listen, database string }

func (f *serveFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "config", "concierge.yaml", "configuration file")
	cmd.Flags().StringVar(&f.listen, "listen", "", "address to serve on, instead of the configuration's")
	cmd.Flags().StringVar(&f.database, "database", "", "database, a file or postgres://USER@HOST:5432/NAME, instead of CONCIERGE_DATABASE and the configuration's")
}

// config is that of the file with what flags and environment say instead. The database's name may hold its password.
func (f *serveFlags) config() (config, error) {
	c, err := serveConfig(f.file)
	if err != nil {
		return config{}, err
	}
	if f.listen != "" {
		if c.PublicURL == "http://"+c.Listen {
			c.PublicURL = "http://" + f.listen
		}
		c.Listen = f.listen
	}
	if name := cmp.Or(f.database, os.Getenv("CONCIERGE_DATABASE")); name != "" {
		if c.Database, err = databaseName(".", name); err != nil {
			return config{}, err
		}
	}
	if c.DatabasePassword == (secretConfig{}) {
		return c, nil
	}
	password, err := c.DatabasePassword.read()
	if err != nil {
		return config{}, fmt.Errorf("database_password: %w", err)
	}
	c.Database, err = withPassword(c.Database, password)
	return c, err
}

// logger writes to standard error in the form of --log-format.
func logger(cmd *cobra.Command, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	format, _ := cmd.Flags().GetString(logFormatFlag) // text where there is no such flag
	return newLogger(cmd.ErrOrStderr(), format, level)
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
	if c.MetricsListen != "" {
		stop, err := s.serveMetrics(c.MetricsListen)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		defer stop()
	}
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
