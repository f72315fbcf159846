package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/seal"
	"concierge/portal/store"
)

// What processes on one database have to have in common is kept in it, so that one that differs is refused or told.
const (
	canarySetting        = "seal.canary"   // a value that only the right key file opens
	configurationSetting = "configuration" // what the process that started last answers by
)

// openBox opens the key file that belongs to the database, or makes one for a new database. Of several processes that
// start on a new one at once, each with a key file of its own, one is first and the others are refused.
func openBox(ctx context.Context, settings store.Settings, path string) (*seal.Box, error) {
	canary, err := settings.Setting(ctx, canarySetting)
	switch {
	case err == nil:
		box, err := seal.Load(path)
		if errors.Is(err, portal.ErrNotFound) {
			return nil, fmt.Errorf("the key file %s is missing, and this database cannot be used without it: copy it from another process that uses this database, put it back from where you keep its copy, or name it with key_file: %w", path, err)
		}
		if err != nil {
			return nil, err
		}
		return box, box.Verify(canary)
	case !errors.Is(err, portal.ErrNotFound):
		return nil, err
	}
	box, created, err := seal.Open(path)
	if err != nil {
		return nil, err
	}
	mine, err := box.Canary()
	if err != nil {
		return nil, err
	}
	if canary, err = settings.AddSetting(ctx, canarySetting, mine); err != nil {
		return nil, err
	}
	err = box.Verify(canary)
	if err != nil && created {
		err = fmt.Errorf("another process began to use this database at the same moment and made a key file of its own; processes on one database share one key file, so copy that one to %s: %w", path, err)
	}
	return box, err
}

// compareConfiguration warns where this process would answer otherwise than the one that started last on the database:
// replicas need the same configuration. After a change of the configuration each replica warns when it is restarted.
func compareConfiguration(ctx context.Context, settings store.Settings, c config, log *slog.Logger) error {
	mine := map[string]json.RawMessage{}
	for name, value := range map[string]any{
		"public_url": c.PublicURL, "environments": c.Environments, "environment_names": c.EnvironmentNames, "audiences": c.Audiences, "approval": c.Approval,
	} {
		b, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("configuration, %s: %w", name, err)
		}
		mine[name] = b
	}
	value, err := json.Marshal(mine)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	kept, err := settings.AddSetting(ctx, configurationSetting, value)
	if err != nil || string(kept) == string(value) {
		return err
	}
	theirs := map[string]json.RawMessage{}
	if err := json.Unmarshal(kept, &theirs); err != nil {
		log.Warn("what the process that started last was configured with cannot be read", "error", err)
	}
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		if string(mine[name]) != string(theirs[name]) {
			differ = append(differ, name)
		}
	}
	log.Warn("the configuration is not that of the process that started last on this database; give all of them the same", "differ", differ)
	return settings.PutSetting(ctx, configurationSetting, value)
}

// shownTogether is how long the link for the first administrator stays the one that works when another process starts:
// replicas that start together show one, while a single process that is started again shows a new one.
func (c config) shownTogether() time.Duration {
	if onPostgres(c.Database) {
		return time.Minute
	}
	return 0
}

// rates is where replicas share the limits of calls; nil for a database that one process uses.
func (c config) rates(db database) store.Rates {
	if onPostgres(c.Database) {
		return db
	}
	return nil
}
