package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/web"
)

// concierge runs the command line and returns what it prints.
func concierge(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := command(&out, &out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// installed is a configuration file in a folder of its own and what it says.
func installed(t *testing.T) (config, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "concierge.yaml")
	must(t, os.WriteFile(file, nil, 0o600))
	c, err := serveConfig(file)
	must(t, err)
	c.Database = testDatabase(t, c.Database)
	c.Keys = keysConfig{CallTimeout: 4 * time.Second, Reconcile: 200 * time.Millisecond}
	return c, file
}

// TestRestoredPortal backs up a portal that serves and has a claim under way, goes on for a while and restores. Keys from
// before the backup are known; one from after it is left alone and told; one that was being made is unknown to everybody
// here, so it is found by its mark and revoked.
func TestRestoredPortal(t *testing.T) {
	g, registered := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "payments", Version: "1"}}},
		catalog.Gateway{ID: "north", Title: "North", Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "test"}})
	c, file := installed(t)
	folder := t.TempDir()
	backupFile := filepath.Join(folder, "backup")

	s, err := open(t.Context(), c, []ingest.Registration{registered}, slog.New(slog.DiscardHandler))
	must(t, err)
	ada := administrator(t, s)
	s.syncNow(t, "north")
	subscription := func(name string) string {
		app := s.must(t, ada, "POST", "/api/v1/applications", map[string]any{"name": name})
		sub := s.must(t, ada, "POST", "/api/v1/subscriptions", map[string]any{"application": app["id"], "api": "payments", "environment": "test"})
		return sub["id"].(string)
	}
	claim := func(id string) string { return "/api/v1/subscriptions/" + id + "/credentials" }
	before := s.must(t, ada, "POST", claim(subscription("before")), nil)["id"]
	during, after := subscription("during"), subscription("after")

	g.SetFaults(gateway.Faults{Delay: 500 * time.Millisecond})
	claimed := make(chan reply)
	go func() { claimed <- s.ask(ada, web.SurfaceAPI, "POST", claim(during), "") }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		mine := s.must(t, ada, "GET", "/api/v1/credentials?subscription="+during, nil)["items"].([]any)
		if len(mine) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the claim is not under way: %v", mine)
		}
	}
	out, err := concierge(t, "backup", backupFile, "--config", file, "--database", c.Database)
	must(t, err)
	for _, want := range []string{backupFile, "1 people", "concierge.key is not in the backup", "Keep a copy"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing of %q in: %s", want, out)
		}
	}
	if r := <-claimed; r.status != http.StatusCreated {
		t.Fatalf("the claim that was under way: %s", r)
	}
	g.SetFaults(gateway.Faults{})
	unknown := s.must(t, ada, "POST", claim(after), nil)["id"]
	if _, err := concierge(t, "restore", backupFile, "--config", file, "--database", c.Database, "--replace"); err == nil || !strings.Contains(err.Error(), "stop") {
		t.Errorf("restoring under a portal that serves: %v", err)
	}
	s.must(t, ada, "GET", "/api/v1/credentials", nil)
	must(t, s.Close())
	if g.Live("") != 3 {
		t.Fatalf("%d keys, want 3", g.Live(""))
	}

	if _, err := concierge(t, "restore", backupFile, "--config", file, "--database", c.Database); err == nil || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("restoring over people: %v", err)
	}
	out, err = concierge(t, "restore", backupFile, "--config", file, "--database", c.Database, "--replace")
	must(t, err)
	for _, want := range []string{"is restored: 1 people", "kept as", "has to sign in again"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing of %q in: %s", want, out)
		}
	}
	if strings.Contains(out, "missing") {
		t.Errorf("the key file is there: %s", out)
	}

	var logged safeBuffer
	s, err = open(t.Context(), c, []ingest.Registration{registered}, slog.New(slog.NewTextHandler(&logged, nil)))
	must(t, err)
	defer s.Close()
	if r := s.ask(ada, web.SurfacePage, "GET", "/account", ""); r.status != http.StatusSeeOther {
		t.Errorf("a session of before the restore: %s", r)
	}
	told := fmt.Sprintf(`msg="a key carries our mark but is not known here" gateway=north credential=%s`, unknown)
	for deadline := time.Now().Add(30 * time.Second); g.Live("") != 2 || !strings.Contains(logged.String(), told); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d keys are left, want 2; the log:\n%s", g.Live(""), &logged)
		}
	}
	if got := s.must(t, ada, "GET", "/api/v1/credentials/"+before.(string), nil); got["state"] != "active" {
		t.Errorf("the key from before: %v", got)
	}
	if r := s.ask(ada, web.SurfaceAPI, "GET", "/api/v1/credentials/"+unknown.(string), ""); r.status != http.StatusNotFound {
		t.Errorf("the key from after: %s", r)
	}
	if again := s.must(t, ada, "POST", claim(after), nil); again["secret"] == "" {
		t.Errorf("claiming once more: %v", again)
	}
}

// TestRestoreAndTheKeyFile: a backup is refused where another key file is in place, and the missing one is told.
func TestRestoreAndTheKeyFile(t *testing.T) {
	c, file := installed(t)
	backupFile := filepath.Join(t.TempDir(), "backup")
	s, err := open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	administrator(t, s)
	must(t, s.Close())
	_, err = concierge(t, "backup", backupFile, "--config", file, "--database", c.Database)
	must(t, err)

	other, otherFile := installed(t)
	s, err = open(t.Context(), other, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, s.Close())
	_, err = concierge(t, "restore", backupFile, "--config", otherFile, "--database", other.Database)
	if err == nil || !strings.Contains(err.Error(), "key file does not belong to the backup") || !strings.Contains(err.Error(), other.KeyFile) {
		t.Errorf("with another key: %v", err)
	}
	s, err = open(t.Context(), other, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, s.Close())

	must(t, os.Remove(other.KeyFile))
	out, err := concierge(t, "restore", backupFile, "--config", otherFile, "--database", other.Database)
	must(t, err)
	if !strings.Contains(out, other.KeyFile+" is missing: put back") {
		t.Errorf("without a key file: %s", out)
	}
	if s, err := open(t.Context(), other, nil, slog.New(slog.DiscardHandler)); err == nil {
		must(t, s.Close())
		t.Error("it starts without the key file")
	}
	key, err := os.ReadFile(c.KeyFile)
	must(t, err)
	must(t, os.WriteFile(other.KeyFile, key, 0o600))
	s, err = open(t.Context(), other, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, s.Close())
}

// TestBackupCommands: what is wrong is said in words that help.
func TestBackupCommands(t *testing.T) {
	c, file := installed(t)
	missing := &url.URL{Scheme: "mysql", Host: "localhost", Path: "/x"}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no configuration":   {[]string{"backup", "x", "--config", filepath.Join(t.TempDir(), "none.yaml")}, "name the file with --config"},
		"no such engine":     {[]string{"backup", "x", "--config", file, "--database", missing.String()}, "postgres://"},
		"no file named":      {[]string{"backup", "--config", file}, "accepts 1 arg"},
		"nothing to restore": {[]string{"restore", filepath.Join(t.TempDir(), "none"), "--config", file, "--database", c.Database}, "opening the backup"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := concierge(t, tc.args...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}
