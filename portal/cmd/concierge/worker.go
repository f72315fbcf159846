package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/site"
)

// enrolmentVariable holds the token with which a worker joins, unless a file does: on the command line all could read it.
const enrolmentVariable = "CONCIERGE_ENROLMENT_TOKEN"

// workerGrace is how long a worker that is stopped may go on with what it has begun.
const workerGrace = 30 * time.Second

// workerOptions are the flags of concierge worker.
type workerOptions struct {
	site, server, config, data, ca, tokenFile string
	insecure, verbose                         bool
}

func workerCommand() *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Act on the gateways of a site that the portal cannot reach",
		Long: `Act on the gateways of a site that the portal cannot reach, or whose admin credentials it shall not hold.

The worker dials out to the portal; nothing dials in. Its configuration file names its gateways and holds their
credentials; titles, placement and bounds stay in the portal's. To join a site it needs an enrolment token once, which
an administrator makes in the portal: in the environment variable ` + enrolmentVariable + ` or a file. From then on
it is known by the file worker.json in its data folder, which is worth a password.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runWorker(cmd.Context(), o, logger(cmd, o.verbose))
		},
	}
	cmd.Flags().StringVar(&o.site, "site", "", "name of the site, as the portal's configuration has it")
	cmd.Flags().StringVar(&o.server, "server", "", "address of the portal, such as https://apis.example.com")
	cmd.Flags().StringVar(&o.config, "config", "worker.yaml", "configuration file with the gateways of the site")
	cmd.Flags().StringVar(&o.data, "data", "worker", "folder of what the worker is known by")
	cmd.Flags().StringVar(&o.ca, "ca", "", "file with the certificates (PEM) that may sign the portal's, instead of the system's")
	cmd.Flags().StringVar(&o.tokenFile, "enrolment-token-file", "", "file with the enrolment token, instead of "+enrolmentVariable)
	cmd.Flags().BoolVar(&o.insecure, "insecure", false, "allow plain http to another machine: whoever is between reads all secrets")
	cmd.Flags().BoolVar(&o.verbose, "verbose", false, "log more")
	for _, name := range []string{"site", "server"} {
		_ = cmd.MarkFlagRequired(name) // it fails for a flag that is not there
	}
	return cmd
}

// workerConfig is worker.yaml.
type workerConfig struct {
	Gateways []reachConfig `yaml:"gateways"`
}

// readWorkerConfig reads a file. The error names every problem in it and says what to do.
func readWorkerConfig(path string, kinds map[string]connectors.Kind) (c workerConfig, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("configuration: %w; name the file with --config", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err = d.Decode(&c); errors.Is(err, io.EOF) {
		err = nil
	}
	problems := []error{err}
	seen := map[string]bool{}
	for _, g := range c.Gateways {
		if seen[g.ID] {
			problems = append(problems, fmt.Errorf("  gateway %s: the id is used twice", g.ID))
		}
		seen[g.ID] = true
		for _, p := range g.check(kinds) {
			problems = append(problems, fmt.Errorf("  gateway %s: %s", g.ID, p))
		}
	}
	if len(c.Gateways) == 0 && err == nil {
		problems = append(problems, errors.New("  there is no gateway in it: a worker needs one to act on"))
	}
	if err := errors.Join(problems...); err != nil {
		return c, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return c, nil
}

// held opens the worker's gateways; it makes no call.
func (c workerConfig) held(log *slog.Logger) (map[portal.GatewayID]site.Held, error) {
	gateways := map[portal.GatewayID]site.Held{}
	var problems []error
	for _, g := range c.Gateways {
		secrets, err := g.readSecrets()
		if err != nil {
			problems = append(problems, err)
			continue
		}
		id := portal.GatewayID(g.ID)
		opened, err := ingest.Open(kinds, catalog.Gateway{
			ID: id, Kind: g.Kind, Address: g.Address, Settings: g.Settings, AllowPrivate: g.AllowPrivate, Budget: g.Budget,
		}, secrets, log)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		gateways[id] = site.Held{Kind: g.Kind, Connector: opened.Connector}
	}
	return gateways, errors.Join(problems...)
}

func runWorker(ctx context.Context, o workerOptions, log *slog.Logger) error {
	c, err := readWorkerConfig(o.config, kinds)
	if err != nil {
		return err
	}
	gateways, err := c.held(log)
	if err != nil {
		return err
	}
	var roots []byte
	if o.ca != "" {
		if roots, err = os.ReadFile(o.ca); err != nil {
			return fmt.Errorf("certificates: %w; name the file with --ca", err)
		}
	}
	token := os.Getenv(enrolmentVariable)
	if o.tokenFile != "" {
		text, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return fmt.Errorf("enrolment token: %w; name the file with --enrolment-token-file", err)
		}
		token = string(text)
	}
	server, err := site.NewPortal(o.server, roots, o.insecure)
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	id, err := site.Join(ctx, server, portal.Site(o.site), filepath.Join(o.data, "worker.json"), portal.NewSecret(strings.TrimSpace(token)), name, version())
	if err != nil {
		return err
	}
	log.Info("working", "site", id.Site, "worker", id.Worker, "server", id.Server, "gateways", len(gateways))
	r := site.Runner{Portal: server, Identity: id, Gateways: gateways, Name: name, Version: version(), Log: log}
	if err := r.Run(ctx, workerGrace); err != nil {
		return fmt.Errorf("the portal does not take this worker any more: join with a new enrolment token and another --data folder: %w", err)
	}
	return nil
}

// version is that of this program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
