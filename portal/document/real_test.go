package document

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const testBase = "https://one.gateway.test/base/v1"

// TestRealDocuments holds Describe and Serve to their promises on descriptions as their publishers wrote them: those in
// testdata, and those in the folder that CONCIERGE_SPECS names.
func TestRealDocuments(t *testing.T) {
	folders := []string{filepath.Join("testdata", "real")}
	if more := os.Getenv("CONCIERGE_SPECS"); more != "" {
		folders = append(folders, more)
	}
	var documents, operations int
	var bytes int64
	var slowest time.Duration
	var slowestName string
	for _, folder := range folders {
		names, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no documents in %s: %v", folder, err)
		}
		for _, name := range names {
			t.Run(filepath.Base(name), func(t *testing.T) {
				doc, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				d := checkServed(t, doc)
				if took := time.Since(start); took > slowest {
					slowest, slowestName = took, filepath.Base(name)
				}
				documents++
				operations += len(d.Operations)
				bytes += d.Size
			})
		}
	}
	t.Logf("%d documents, %d operations, %.1f MB; slowest with all checks: %s, %s", documents, operations, float64(bytes)/1e6, slowestName, slowest.Round(time.Millisecond))
}

// checkServed serves a document in both formats and checks what must hold of every one.
func checkServed(t *testing.T, doc []byte) Description {
	t.Helper()
	before, err := Describe(doc, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if before.Title == "" {
		t.Error("no title")
	}
	hidden := serverHosts(before)
	opts := ServeOptions{BaseURL: testBase, Hidden: hidden}
	for _, opts.Format = range []Format{JSON, YAML} {
		out, err := Serve(doc, opts)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Describe(out, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{testBase}; !slices.Equal(after.Servers, want) {
			t.Errorf("servers %q, want %q", after.Servers, want)
		}
		if diff := cmp.Diff(routesOf(before), routesOf(after), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("operations of %s: %s", opts.Format, diff)
		}
		lower := strings.ToLower(string(out))
		for _, host := range hidden {
			if i := strings.Index(lower, host); i >= 0 && len(host) > 8 {
				t.Errorf("%s remains: …%s…", host, lower[max(0, i-60):min(len(lower), i+60)])
			}
		}
		for _, m := range anyURL.FindAllStringSubmatch(lower, -1) {
			if host := strings.TrimRight(m[1], ".:"); !permitted.MatchString(host) {
				t.Errorf("host %q remains in %q", host, m[0])
			}
		}
		if opts.Format == JSON {
			if leftover := strayServers(t, out); leftover != 1 {
				t.Errorf("%d lists of servers, want 1", leftover)
			}
			again, err := Serve(out, opts)
			if err != nil {
				t.Fatal(err)
			}
			if string(again) != string(out) {
				t.Error("serving what was served changes it")
			}
		}
	}
	return before
}

// These two say independently of the code what a URL is and which ones may remain.
var (
	anyURL    = regexp.MustCompile(`[a-z][a-z0-9+.-]*://([a-z0-9_{][^\s/"'\\<>()|` + "`" + `?#&,\]\[^;]*)`)
	permitted = regexp.MustCompile(`^(removed\.invalid|one\.gateway\.test|json-schema\.org|spec\.openapis\.org|(.+\.)?example\.(com|org|net)|.+\.example|\{[^}]*\})(:80|:443)?$`)
)

func serverHosts(d Description) []string {
	var out []string
	for _, server := range d.Servers {
		if u, err := url.Parse(server); err == nil && strings.Contains(u.Host, ".") && !permitted.MatchString(u.Host) {
			out = append(out, strings.ToLower(u.Hostname()))
		}
	}
	return out
}

func routesOf(d Description) []string {
	var out []string
	for _, op := range d.Operations {
		out = append(out, op.Method+" "+op.Path)
	}
	return out
}

// strayServers counts lists of servers anywhere but in payloads.
func strayServers(t *testing.T, doc []byte) int {
	t.Helper()
	var root any
	if err := json.Unmarshal(doc, &root); err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, child := range v {
				switch key {
				case "example", "examples", "default", "enum", "value", "const":
					continue
				case "servers":
					if list, ok := child.([]any); ok && len(list) > 0 {
						if s, ok := list[0].(map[string]any); ok && s["url"] != nil {
							n++
						}
					}
				}
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(root)
	return n
}
