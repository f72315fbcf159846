package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
)

func TestConfigurationDefaults(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "only a comment": "# nothing yet\n", "an empty mapping": "{}"} {
		c, err := parseConfig([]byte(text), "/etc/concierge")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := c.check(kinds); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, got := range [][2]string{
			{c.Listen, "127.0.0.1:8080"},
			{c.PublicURL, "http://127.0.0.1:8080"},
			{c.Database, filepath.FromSlash("/etc/concierge/data/concierge.db")},
			{c.KeyFile, filepath.FromSlash("/etc/concierge/data/concierge.key")},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: got %s, want %s", name, got[0], got[1])
			}
		}
		if !slices.Equal(c.Environments, []portal.Environment{"development", "test", "simulation", "production"}) || len(c.Audiences) != 3 {
			t.Errorf("%s: environments %v, audiences %v", name, c.Environments, c.Audiences)
		}
	}
}

func TestConfigurationPaths(t *testing.T) {
	c, err := parseConfig([]byte("data: state\ndatabase: /var/lib/c.db\nkey_file: ../c.key\npublic_url: https://apis.example.com/\nsync: {every: 90s}"), "/etc/concierge")
	if err != nil {
		t.Fatal(err)
	}
	if c.Database != "/var/lib/c.db" || c.KeyFile != "/etc/concierge/c.key" || c.PublicURL != "https://apis.example.com" || c.Sync.Every != 90*time.Second {
		t.Errorf("got %+v", c)
	}
}

// TestConfigurationProblems: whoever wrote a file learns of everything that is wrong with it at once, and what to write.
func TestConfigurationProblems(t *testing.T) {
	const many = `
listen: nowhere
public_url: apis.example.com/portal
key_file: concierge.db
environments: [test, production]
audiences:
  partner: [public, partner]
approval:
  - {approval: perhaps}
  - {environment: simulation, approval: automatic}
sync: {every: -1m}
gateways:
  - id: Front Door
    kind: toaster
    address: somewhere
    placement: {environment: staging, colour: red}
    bounds: {environments: [moon]}
    trust: [colour]
    rules:
      - {match: {path: "[" }, set: {colour: red}}
  - id: edge
    kind: sample
    address: http://127.0.0.1:1
    settings: {token: in-the-open, nonsense: 1}
    secrets: {other: {file: a, env: B}}
  - id: edge
    kind: sample
    address: http://127.0.0.1:1
`
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"all at once": {many, []string{
			"listen", "host:port", "public_url", "https://apis.example.com", "key_file and database are the same", "partner: its own audience comes first",
			`approval 1: approval is "perhaps"; write automatic or required`, `approval 2: there is no environment "simulation"`, "sync.every is negative",
			"gateway Front Door", "use lower-case letters", `no kind "toaster"; choose one of caddy, expressgateway, kong, sample`, "address of the admin side",
			`placement: there is no environment "staging"`, `placement: there is no axis "colour"`, `bounds: there is no environment "moon"`, `trust: there is no axis "colour"`,
			`rule 1: there is no axis "colour"`, "rule 1: path",
			"gateway edge: token is a secret: put it under secrets", `has no setting "nonsense"`, `has no secret "other"`, "name either a file or an env variable",
			"gateway edge: the id is used twice", "gateway edge: setting token is missing",
		}},
		"of another site": {"gateways: [{id: floor, kind: sample, site: plant, secrets: {token: {env: T}}}, {id: roof, kind: toaster, site: No Site}]", []string{
			"gateway floor: it is of site plant: put its settings, secrets", `gateway roof: there is no kind "toaster"`, `gateway roof: site "No Site"`,
		}},
		"unknown fields":                  {"lisen: 127.0.0.1:1\ngateways: [{idd: edge}]\n", []string{"lisen", "idd"}},
		"unknown fields and wrong values": {"lisen: 127.0.0.1:1\npublic_url: nowhere\n", []string{"lisen", "public_url"}},
		"wrong types":                     {"gateways: yes\nsync: {every: soon}\n", []string{"line 1", "gatewayConfig", "line 2", "soon"}},
		"no YAML":                         {"gateways: [", []string{"line"}},
		"two documents":                   {"listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n", []string{"only one document"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "concierge.yaml")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readConfig(path, kinds)
			if err == nil {
				t.Fatal("nothing is wrong with it")
			}
			for _, want := range append(tc.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("nothing of %q in:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "in-the-open") {
				t.Errorf("a secret is repeated:\n%v", err)
			}
		})
	}
}

// TestWorkerConfiguration: a worker has what leads to its gateways and nothing that the portal decides.
func TestWorkerConfiguration(t *testing.T) {
	t.Setenv("KONG_ADMIN_TOKEN", "not a real one")
	c, err := readWorkerConfig("../../../build/worker.example.yaml", kinds)
	if err != nil {
		t.Fatal(err)
	}
	if gateways, err := c.held(slog.New(slog.DiscardHandler)); err != nil || len(gateways) != 2 {
		t.Errorf("the example: %v, %v", gateways, err)
	}
	for text, want := range map[string]string{
		"":                    "there is no gateway in it",
		"listen: 127.0.0.1:1": "listen",
		"gateways: [{id: floor, kind: sample, address: 'http://127.0.0.1:1', secrets: {token: {env: T}}, placement: {audience: internal}}]": "placement",
		"gateways: [{id: floor, kind: sample, address: 'http://127.0.0.1:1'}]":                                                              "setting token is missing",
		"gateways: [{id: a, kind: caddy, address: 'http://127.0.0.1:1'}, {id: a, kind: caddy, address: 'http://127.0.0.1:1'}]":              "the id is used twice",
	} {
		path := filepath.Join(t.TempDir(), "worker.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readWorkerConfig(path, kinds); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestConfigurationIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere.yaml")
	_, err := readConfig(path, kinds)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "--config") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("from-a-file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONCIERGE_TEST_TOKEN", "from-the-environment")
	for name, tc := range map[string]struct {
		secret    secretConfig
		want, err string
	}{
		"file":           {secretConfig{File: file}, "from-a-file", ""},
		"environment":    {secretConfig{Env: "CONCIERGE_TEST_TOKEN"}, "from-the-environment", ""},
		"no file":        {secretConfig{File: filepath.Join(dir, "none")}, "", "put the secret there"},
		"no environment": {secretConfig{Env: "CONCIERGE_TEST_NONE"}, "", "set it before the start"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.secret.read()
			if got.Reveal() != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %q, %v", got.Reveal(), err)
			}
		})
	}
}

// FuzzConfig: no text makes reading a configuration panic, and what passes is complete.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "listen: 127.0.0.1:8080", "gateways: [{id: edge, kind: sample, address: 'http://127.0.0.1:1', secrets: {token: {env: T}}}]",
		"a: &a [*a]", "listen: !!binary x", "? [a]\n: b", "environments: [~]", "audiences: {partner: []}", "- 1", "\x00", "gateways: [~]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig(text, "/etc/concierge")
		if err != nil {
			return
		}
		if c.check(kinds) != nil {
			return
		}
		if c.Listen == "" || c.PublicURL == "" || c.Database == c.KeyFile || len(c.Environments) == 0 || len(c.Audiences) == 0 {
			t.Errorf("%q passes and is not complete: %+v", text, c)
		}
	})
}
