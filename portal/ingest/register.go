package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Registration is what an administrator says of a gateway, with its admin credentials in clear. Of Gateway the fields
// Secrets, Source, Created, Changed and Capabilities are not theirs to give.
type Registration struct {
	catalog.Gateway
	Credentials map[string]portal.Secret // by the name of the kind's setting
}

// ConfigurationActor is who acts where the configuration file does.
const ConfigurationActor = "system:configuration"

var gatewayID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Configure takes over the gateways of the configuration file at start. One that is no longer in it is paused; nothing of
// it is deleted. Every problem is reported at once, and then nothing is changed: portal.ErrInvalid for what is wrong with
// a gateway, portal.ErrConflict for a name that was registered through the API too.
//
// Processes on one database need the same gateways: the one that starts last is followed by all, and it warns of what it
// found otherwise.
func (r *Gateways) Configure(ctx context.Context, all []Registration) error {
	var changed []portal.GatewayID
	err := r.db.InTx(ctx, func(tx catalog.Tx) error {
		changed = nil
		have, err := tx.Catalog().Gateways(ctx, "", 0)
		if err != nil {
			return err
		}
		known := map[portal.GatewayID]catalog.Gateway{}
		for _, g := range have {
			known[g.ID] = g
		}
		var problems []error
		named := map[portal.GatewayID]bool{}
		for _, n := range all {
			old, ok := known[n.ID]
			switch {
			case named[n.ID]:
				problems = append(problems, fmt.Errorf("gateway %s is there twice in the configuration: %w", n.ID, portal.ErrInvalid))
				continue
			case ok && old.Source != catalog.FromConfiguration:
				problems = append(problems, fmt.Errorf("gateway %s is in the configuration and was registered in the portal too: rename it in the one or remove it from the other: %w", n.ID, portal.ErrConflict))
				continue
			}
			named[n.ID] = true
			n.Source = catalog.FromConfiguration
			problems = append(problems, r.save(ctx, tx, ConfigurationActor, n, old, ok))
		}
		for _, g := range have {
			if g.Source != catalog.FromConfiguration || g.Paused || named[g.ID] {
				continue
			}
			g.Paused = true
			problems = append(problems, r.put(ctx, tx, ConfigurationActor, "gateway.pause", g))
		}
		for _, g := range have {
			if g.Source != catalog.FromConfiguration {
				problems = append(problems, r.redetect(ctx, tx, g))
			}
		}
		if err := errors.Join(problems...); err != nil {
			return err
		}
		now, err := tx.Catalog().Gateways(ctx, "", 0)
		for _, g := range now {
			if old, ok := known[g.ID]; ok && !g.Changed.Equal(old.Changed) {
				changed = append(changed, g.ID)
			}
		}
		return err
	})
	if err == nil && len(changed) > 0 {
		r.log.WarnContext(ctx, "gateways were configured otherwise when a process started last on this database; they follow the configuration of this one now",
			"gateways", changed)
	}
	return err
}

// Register adds a gateway for an administrator. portal.ErrConflict where its name is taken, portal.ErrInvalid for
// everything that is wrong with it, at once.
func (r *Gateways) Register(ctx context.Context, actor string, n Registration) (catalog.Gateway, error) {
	err := r.db.InTx(ctx, func(tx catalog.Tx) error {
		_, err := tx.Catalog().Gateway(ctx, n.ID)
		if err == nil {
			return &portal.ConflictError{Kind: "gateway", ID: string(n.ID), Err: told.GatewayTaken.With()}
		}
		if !errors.Is(err, portal.ErrNotFound) {
			return err
		}
		n.Source = catalog.FromAPI
		return r.save(ctx, tx, actor, n, catalog.Gateway{}, false)
	})
	if err != nil {
		return catalog.Gateway{}, err
	}
	return r.Gateway(ctx, n.ID)
}

// Change replaces the registration of a gateway. Without Credentials it keeps those that it has, unless kind, address or a
// setting that is an address changes: then they have to be given again, so that nobody can send them elsewhere. Its
// deployments are placed anew at once, from what the gateway told last. A gateway from the configuration file is
// portal.ErrConflict.
func (r *Gateways) Change(ctx context.Context, actor string, n Registration) (catalog.Gateway, error) {
	err := r.db.InTx(ctx, func(tx catalog.Tx) error {
		old, err := tx.Catalog().Gateway(ctx, n.ID)
		if err != nil {
			return err
		}
		if old.Source == catalog.FromConfiguration {
			return told.GatewayInFile.As(portal.ErrConflict, n.ID)
		}
		n.Source = old.Source
		return r.save(ctx, tx, actor, n, old, true)
	})
	if err != nil {
		return catalog.Gateway{}, err
	}
	return r.Gateway(ctx, n.ID)
}

// save checks a registration and writes it if it differs from the old one.
func (r *Gateways) save(ctx context.Context, tx catalog.Tx, actor string, n Registration, old catalog.Gateway, exists bool) error {
	g := n.Gateway
	g.Title, g.Site = cmp.Or(g.Title, string(g.ID)), cmp.Or(g.Site, portal.SiteLocal)
	g.Secrets, g.Created, g.Changed, g.Capabilities = old.Secrets, old.Created, old.Changed, old.Capabilities
	if g.Detect != nil {
		g.Detect = r.names
	}

	credentials, err := r.credentials(old)
	if err != nil {
		// They cannot be read any more: only new ones help, and those replace them.
		credentials = nil
		if len(n.Credentials) == 0 {
			return err
		}
	}
	fresh := len(n.Credentials) > 0 || g.Source == catalog.FromConfiguration // a configuration says everything each time
	switch {
	case fresh && !sameSecrets(credentials, n.Credentials):
		if g.Secrets, err = r.sealed(g.ID, n.Credentials); err != nil {
			return err
		}
		credentials = n.Credentials
	case !fresh && len(credentials) > 0 && leadsElsewhere(old, g):
		return fmt.Errorf("gateway %s: %w", g.ID, told.CredentialsAgain.As(portal.ErrInvalid))
	}
	if g.Site != portal.SiteLocal {
		g.Secrets = nil // also those of the time when it was here
	}
	if err := errors.Join(check(g)...); err != nil {
		return err
	}
	if err := r.reach(g, n.Credentials, credentials); err != nil {
		return err
	}
	if exists && reflect.DeepEqual(normal(g), normal(old)) {
		return nil
	}
	action := "gateway.change"
	if !exists {
		action = "gateway.register"
	}
	if err := r.put(ctx, tx, actor, action, g); err != nil {
		return err
	}
	if !exists {
		return nil
	}
	return replan(ctx, tx, actor, g, r.now())
}

// reach checks what a gateway is reached with: of one of another site that is for its worker to hold.
func (r *Gateways) reach(g catalog.Gateway, given, credentials map[string]portal.Secret) error {
	if g.Site == portal.SiteLocal {
		_, err := r.try(g, credentials)
		return err
	}
	var problems []error
	wrong := func(s told.Sentence, values ...any) {
		problems = append(problems, fmt.Errorf("gateway %s: %w", g.ID, s.As(portal.ErrInvalid, values...)))
	}
	if !gatewayID.MatchString(string(g.Site)) {
		wrong(told.SiteWrong, g.Site)
	}
	if _, ok := r.kinds[g.Kind]; !ok {
		wrong(told.NoKind, g.Kind)
	}
	if len(given) > 0 || len(g.Settings) > 0 || len(g.AllowPrivate) > 0 || g.Budget != (connectors.Budget{}) {
		wrong(told.SiteOwn, g.Site)
	}
	return errors.Join(problems...)
}

// put writes a registration with its audit event.
func (r *Gateways) put(ctx context.Context, tx catalog.Tx, actor, action string, g catalog.Gateway) error {
	now := r.now().UTC().Truncate(time.Microsecond)
	if g.Created.IsZero() {
		g.Created = now
	}
	if !now.After(g.Changed) { // the clock stands or went back: the version must not
		now = g.Changed.Add(time.Microsecond)
	}
	g.Changed = now
	if err := tx.Catalog().PutGateway(ctx, g); err != nil {
		return err
	}
	tx.Changed(store.ChangedGateway, string(g.ID))
	if !g.Paused {
		if err := tx.Enqueue(ctx, store.Job{Kind: JobSync, Subject: string(g.ID)}); err != nil {
			return err
		}
	}
	return tx.Audit().Append(ctx, audit.Event{
		At: now, Actor: actor, Action: action, Target: string(g.ID), Gateway: g.ID,
		Detail: map[string]string{"kind": g.Kind, "address": g.Address, "source": string(g.Source), "division": string(g.Division)},
	})
}

func sameSecrets(a, b map[string]portal.Secret) bool {
	return maps.EqualFunc(a, b, func(x, y portal.Secret) bool { return x.Reveal() == y.Reveal() })
}

// normal makes empty lists and missing ones alike.
func normal(g catalog.Gateway) catalog.Gateway {
	if len(g.Settings) == 0 {
		g.Settings = nil
	}
	if len(g.Defaults) == 0 {
		g.Defaults = nil
	}
	g.Secrets = append([]byte{}, g.Secrets...)
	g.Bounds.Audiences = append([]portal.Audience{}, g.Bounds.Audiences...)
	g.Bounds.Environments = append([]portal.Environment{}, g.Bounds.Environments...)
	g.Rules = append([]catalog.Rule{}, g.Rules...)
	for i := range g.Rules {
		if len(g.Rules[i].Set) == 0 {
			g.Rules[i].Set = nil
		}
	}
	g.Trust = append([]portal.Axis{}, g.Trust...)
	g.AllowPrivate = append([]string{}, g.AllowPrivate...)
	g.Documents.Allow = append([]string{}, g.Documents.Allow...)
	return g
}

// leadsElsewhere reports whether the credentials would be sent to another place than before.
func leadsElsewhere(old, g catalog.Gateway) bool {
	if old.Kind != g.Kind || old.Address != g.Address {
		return true
	}
	for _, settings := range []map[string]string{old.Settings, g.Settings} {
		for name := range settings {
			before, after := old.Settings[name], g.Settings[name]
			if before != after && (strings.Contains(before, "://") || strings.Contains(after, "://")) {
				return true
			}
		}
	}
	return false
}

// check lists everything that is wrong with a registration, before its kind is asked.
func check(g catalog.Gateway) []error {
	var problems []error
	wrong := func(s told.Sentence, values ...any) {
		problems = append(problems, fmt.Errorf("gateway %s: %w", g.ID, s.As(portal.ErrInvalid, values...)))
	}
	if !gatewayID.MatchString(string(g.ID)) {
		wrong(told.GatewayName, g.ID)
	}
	if u, err := url.Parse(g.Address); err == nil && (u.User != nil || u.RawQuery != "") {
		wrong(told.GatewayAddress)
	}
	if g.Every != 0 && g.Every < MinEvery {
		wrong(told.SyncsOften, g.Every, MinEvery)
	}
	if b := g.Budget; b.PerSecond < 0 || b.Burst < 0 || b.Parallel < 0 {
		wrong(told.BudgetNegative)
	}
	if _, err := fetcher(g); err != nil {
		problems = append(problems, err)
	}
	for _, err := range checkAxes(g, g.Defaults) {
		problems = append(problems, fmt.Errorf("gateway %s: defaults: %w", g.ID, err))
	}
	for i, rule := range g.Rules {
		for _, err := range checkRule(g, rule) {
			problems = append(problems, fmt.Errorf("gateway %s: %w", g.ID, &told.InRule{Rule: i + 1, Err: err}))
		}
		if len(rule.Set) == 0 && rule.Public == "" {
			wrong(told.RuleEmpty, i+1)
		}
	}
	for _, axis := range g.Trust {
		if !slices.Contains(portal.Axes, axis) {
			problems = append(problems, fmt.Errorf("gateway %s: trust: %w", g.ID, told.NoAxis.As(portal.ErrInvalid, axis, portal.Axes)))
		}
	}
	return problems
}

func checkRule(g catalog.Gateway, rule catalog.Rule) []error {
	problems := checkAxes(g, rule.Set)
	if err := rule.Match.Check(); err != nil {
		problems = append(problems, err)
	}
	if rule.Public != "" {
		if err := CheckAddress(rule.Public); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func checkAxes(g catalog.Gateway, set map[portal.Axis]string) (problems []error) {
	for _, axis := range slices.Sorted(maps.Keys(set)) {
		switch v := set[axis]; {
		case !slices.Contains(portal.Axes, axis):
			problems = append(problems, told.NoAxis.As(portal.ErrInvalid, axis, portal.Axes))
		case v != "" && !within(g, axis, v):
			problems = append(problems, told.BoundsOutside.As(portal.ErrInvalid, axis, v, bounds(g, axis)))
		}
	}
	return problems
}
