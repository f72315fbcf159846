package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"concierge/portal"
	"concierge/portal/seal"
	"concierge/portal/store"
	"concierge/portal/store/postgres"
	"concierge/portal/store/sqlite"
)

func backupCommand() *cobra.Command {
	var file, database string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up the database to a new file",
		Long: `Back up the database to a new file, while the portal runs or not. The file holds one state of the whole database.

The key file is not in it: the backup alone opens no secret. Keep a copy of the key file elsewhere than the backups.
On PostgreSQL the programs pg_dump and pg_restore are needed, not older than the server.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := databaseConfig(file, database)
			if err != nil {
				return err
			}
			return backup(cmd.Context(), c, args[0], cmd.OutOrStdout())
		},
	}
	databaseFlags(cmd, &file, &database)
	return cmd
}

func restoreCommand() *cobra.Command {
	var file, database string
	var replace bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the database",
		Long: `Put a backup in the place of the database, while the portal is stopped. The backup is looked at whole before anything
is touched, and the database that was there is kept under another name. The key file has to be the one that belongs to the backup.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := databaseConfig(file, database)
			if err != nil {
				return err
			}
			return restore(cmd.Context(), c, args[0], replace, cmd.OutOrStdout())
		},
	}
	databaseFlags(cmd, &file, &database)
	cmd.Flags().BoolVar(&replace, "replace", false, "also where the database has people in it")
	return cmd
}

func databaseFlags(cmd *cobra.Command, file, database *string) {
	cmd.Flags().StringVar(file, "config", "concierge.yaml", "configuration file")
	cmd.Flags().StringVar(database, "database", "", "database, a file or postgres://USER@HOST:5432/NAME, instead of the configuration's")
}

// databaseConfig is the configuration of a command that works on the database alone.
func databaseConfig(file, database string) (config, error) {
	return (&serveFlags{file: file, database: database}).config()
}

func backup(ctx context.Context, c config, to string, tell io.Writer) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return fmt.Errorf("backup file: %w", err)
	}
	run := sqlite.Backup
	if onPostgres(c.Database) {
		run = postgres.Backup
	}
	contents, err := run(ctx, c.Database, to)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(tell, `%s is backed up in %s: %s.

The key file %s is not in the backup, which cannot be used without it. Keep a copy of it elsewhere than
the backups: whoever has both can read the secrets in the database. It changes only when you rotate the key.
`, shownDatabase(c.Database), to, shownContents(contents), c.KeyFile)
	return err
}

func restore(ctx context.Context, c config, from string, replace bool, tell io.Writer) error {
	run := sqlite.Restore
	if onPostgres(c.Database) {
		run = postgres.Restore
	}
	keyMissing := false
	contents, aside, err := run(ctx, from, c.Database, replace, func(contents store.Contents) (err error) {
		keyMissing, err = checkKey(c.KeyFile, contents)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(tell, "%s is restored: %s.\n", shownDatabase(c.Database), shownContents(contents))
	if aside != "" {
		fmt.Fprintf(tell, "What was there before is kept as %s; remove it when all is well.\n", aside)
	}
	if keyMissing {
		fmt.Fprintf(tell, "The key file %s is missing: put back the one that belongs to this backup before the start.\n", c.KeyFile)
	}
	_, err = fmt.Fprint(tell, `
What happened after the backup was made is not known here any more: portal/doc/backup.md says what that means for keys.
Everybody has to sign in again. Tokens that were revoked and people who were disabled since may come in again: look at
them before you let anybody in.
`)
	return err
}

func shownContents(c store.Contents) string {
	return fmt.Sprintf("%d people, tables of version %d", c.People, c.Version)
}

// checkKey refuses a backup to which the key file does not belong: with it the portal would not start.
func checkKey(path string, contents store.Contents) (missing bool, err error) {
	canary, ok := contents.Settings[canarySetting]
	if !ok { // no portal has run on it yet
		return false, nil
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	box, err := seal.Load(path)
	if err != nil {
		return false, err
	}
	if err := box.Verify(canary); err != nil {
		return false, fmt.Errorf("the key file does not belong to the backup: put the right one in its place, or name it with key_file: %w: %w", portal.ErrConflict, err)
	}
	return false, nil
}
