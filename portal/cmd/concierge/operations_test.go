package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"concierge/portal"
)

// commandLine runs one and returns what it printed.
func commandLine(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := command(&stdout, &stderr)
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return stdout.String(), err
}

// TestDoctor: what is sound is ok, each thing that is wrong is named with what mends it, and no secret is printed.
func TestDoctor(t *testing.T) {
	const canary = "canary-secret"
	t.Setenv("CONCIERGE_DATABASE", "")
	t.Setenv("TEST_GATEWAY_TOKEN", canary)
	for name, tc := range map[string]struct {
		config  string
		prepare func(t *testing.T, dir string)
		want    string // a line's state and check
		words   string
	}{
		"a new portal": {"", nil, "ok database", "is empty"},
		"a sound one": {"", func(t *testing.T, dir string) {
			c, err := parseConfig(nil, dir)
			if err != nil {
				t.Fatal(err)
			}
			s, err := open(t.Context(), c, nil, newLogger(os.Stderr, "text", 100))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}, "ok database", "is sound"},
		"a field that is none": {"no_such: 1", nil, "problem configuration", "no_such"},
		"no database": {"", func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "data", "concierge.db"), []byte(strings.Repeat("rubbish ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "problem database", "concierge.db"},
		"no server": {"database: postgres://concierge@127.0.0.1:1/none\ndatabase_password: {env: TEST_GATEWAY_TOKEN}", nil, "problem database", "127.0.0.1:1"},
		"an open key file": {"", func(t *testing.T, dir string) {
			if _, err := commandLine(t, "new-key", filepath.Join(dir, "k")); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "k"), filepath.Join(dir, "data", "concierge.key")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, "data", "concierge.key"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "problem key file", "chmod 600"},
		"clear text": {"public_url: http://apis.example.com", nil, "warning public_url", "in clear"},
		"a gateway that is away": {"gateways: [{id: edge, kind: kong, address: 'http://127.0.0.1:1', allow_private: [127.0.0.0/8], " +
			"settings: {public_url: 'http://x.example', admin_header: t}, secrets: {admin_header_value: {env: TEST_GATEWAY_TOKEN}}}]", nil, "problem gateway edge", "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "concierge.yaml")
			if err := os.WriteFile(file, []byte("listen: 127.0.0.1:0\n"+tc.config), 0o600); err != nil {
				t.Fatal(err)
			}
			if tc.prepare != nil {
				tc.prepare(t, dir)
			}
			before := files(t, dir)
			out, err := commandLine(t, "doctor", "--config", file, "--json")
			var found []finding
			if jsonErr := json.Unmarshal([]byte(out), &found); jsonErr != nil {
				t.Fatalf("%v in %q (%v)", jsonErr, out, err)
			}
			problems, met := false, false
			for _, f := range found {
				problems = problems || f.State == "problem"
				met = met || f.State+" "+f.Check == tc.want && strings.Contains(f.Text+f.Do, tc.words)
			}
			if !met || problems != (err != nil) || problems != strings.HasPrefix(tc.want, "problem") {
				t.Errorf("want %s with %q, found %+v (%v)", tc.want, tc.words, found, err)
			}
			if strings.Contains(out, canary) {
				t.Error("a secret is printed")
			}
			if after := files(t, dir); after != before {
				t.Errorf("there was %q and now is %q", before, after)
			}
		})
	}
}

// files names all below a folder.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// TestDoctorBesideARunningPortal: the portal keeps its lock, and the doctor says that it runs.
func TestDoctorBesideARunningPortal(t *testing.T) {
	t.Setenv("CONCIERGE_DATABASE", "")
	dir := t.TempDir()
	s := openPortal(t, filepath.Join(dir, "data"))
	web := httptest.NewServer(s.handler)
	defer web.Close()
	file := filepath.Join(dir, "concierge.yaml")
	text := "listen: " + strings.TrimPrefix(web.URL, "http://") + "\ndatabase: " + s.config.Database + "\nkey_file: " + s.config.KeyFile + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := commandLine(t, "doctor", "--config", file)
	if err != nil || !strings.Contains(out, "it is running") || !strings.Contains(out, "opens this database's secrets") {
		t.Errorf("%v:\n%s", err, out)
	}
	if _, err := commandLine(t, "healthcheck", "--config", file); err != nil {
		t.Errorf("healthy: %v", err)
	}
	s.stopping.Store(true)
	if _, err := commandLine(t, "healthcheck", "--config", file); err == nil {
		t.Error("it is stopping and said to be ready")
	}
}

// TestReady: away from the database for a moment is ready still, for long is not; nor is a portal that stops.
func TestReady(t *testing.T) {
	s := openPortal(t, t.TempDir())
	if err := s.ready(); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(s.live.Status().Current); age > staleAfter {
		t.Errorf("the table is %s old", age)
	}
	s.stopping.Store(true)
	if err := s.ready(); err == nil {
		t.Error("ready while it stops")
	}
}

// TestMetrics: gateways are named there, and nowhere on the public address.
func TestMetrics(t *testing.T) {
	s := openPortal(t, t.TempDir())
	get := func(h http.Handler) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return w.Code, w.Body.String()
	}
	if status, page := get(s.handler); status != http.StatusNotFound || strings.Contains(page, "concierge_build_info") {
		t.Errorf("the public address answers %d", status)
	}
	status, seen := get(s.telemetry.Metrics())
	for _, name := range []string{"concierge_build_info", "concierge_state_read 1", `concierge_jobs{kind=`, "concierge_routing_table_version", `concierge_http_requests_total{route="/",status="4xx"} 1`, `concierge_store_connections{pool="write"`} {
		if status != http.StatusOK || !strings.Contains(seen, name) {
			t.Errorf("%d without %s", status, name)
		}
	}
}

// TestWithPassword: the password goes to a server's address alone, and is not shown.
func TestWithPassword(t *testing.T) {
	secret := portal.NewSecret("p@ss/word")
	got, err := withPassword("postgres://concierge@db:5432/x", secret)
	if err != nil || got != "postgres://concierge:p%40ss%2Fword@db:5432/x" || strings.Contains(shownDatabase(got), "word") {
		t.Errorf("%v, shown as %s", err, shownDatabase(got))
	}
	for _, name := range []string{"/data/concierge.db", "postgres://db/x", "postgres://a:b@db/x"} {
		if got, err := withPassword(name, secret); err == nil {
			t.Errorf("%s became %s", name, shownDatabase(got))
		}
	}
}

func TestLogFormat(t *testing.T) {
	if _, err := commandLine(t, "--log-format", "xml", "doctor"); err == nil || !strings.Contains(err.Error(), "text or json") {
		t.Errorf("%v", err)
	}
	var log bytes.Buffer
	c := &cobra.Command{}
	c.SetErr(&log)
	c.Flags().Var(&logFormat{"json"}, logFormatFlag, "")
	logger(c, false).Info("said")
	if !json.Valid(log.Bytes()) || log.Len() == 0 {
		t.Errorf("%q", log.String())
	}
}
