// Package build_test keeps the imports pointing one way; see "Who may import whom" in ARCHITECTURE.md.
package build_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "concierge"

// A rule forbids imports. Packages are named within the module; "a/..." is a and all below it. In not, "ours" is every
// package of this module and "others" everything but the standard library and ours.
type rule struct {
	because string
	from    []string // the packages that it binds
	save    []string // of those, the ones that it does not
	not     []string // what they must not import
	but     []string // of that, what they may
}

var rules = []rule{
	{because: "the nouns that all share need nothing but the standard library",
		from: []string{"portal"}, not: []string{"ours", "others"}},
	{because: "what people are told is made of the nouns alone",
		from: []string{"portal/told"}, not: []string{"ours", "others"}, but: []string{"portal"}},
	{because: "the shapes of the HTTP API are made of the nouns alone",
		from: []string{"portal/api"}, not: []string{"ours", "others"}, but: []string{"portal", "portal/told"}},
	{because: "decisions about access, audit events, documents and their difference are made of the nouns alone",
		from: []string{"portal/access", "portal/audit", "portal/document", "portal/difference"}, not: []string{"ours"}, but: []string{"portal", "portal/told"}},
	{because: "routing is pure: it knows no gateway, no connector and no database",
		from: []string{"portal/routing"}, not: []string{"ours"}, but: []string{"portal", "portal/access", "portal/api", "portal/store"}},
	{because: "what is kept does not know who brings it in or shows it",
		from: []string{"portal/catalog", "portal/curation", "portal/keys", "portal/people", "portal/seal", "portal/outbound", "portal/site", "portal/store/..."},
		not:  []string{"portal/ingest", "portal/routing", "portal/desk", "portal/web/...", "portal/client/..."}},
	{because: "pages ask api.Desk and nothing behind it, so that the desktop can show them too",
		from: []string{"portal/web/..."},
		not:  []string{"portal/desk", "portal/ingest", "portal/catalog", "portal/keys", "portal/routing", "portal/seal", "portal/outbound", "connectors/..."}},
	{because: "components get display structs and know no service",
		from: []string{"portal/web/ui"}, not: []string{"ours"}, but: []string{"frontend"}},
	{because: "a client knows the portal by its HTTP API only (outbound is the one dialer)",
		from: []string{"portal/client/..."},
		not:  []string{"ours"}, but: []string{"portal", "portal/api", "portal/client/...", "portal/outbound"}},
	{because: "the contract with gateways is made of the nouns alone",
		from: []string{"connectors"}, not: []string{"ours"}, but: []string{"portal"}},
	{because: "a connector knows the contract, and no part of the portal behind it",
		from: []string{"connectors/..."}, save: []string{"connectors"},
		not: []string{"ours"}, but: []string{"portal", "connectors/..."}},
	{because: "the frontend is files",
		from: []string{"frontend/..."}, not: []string{"ours"}},
	{because: "the desktop works through the HTTP API: it opens no database and no gateway",
		from: []string{"app/..."}, not: []string{"ours"},
		but: []string{"app/...", "portal", "portal/api", "portal/client/...", "portal/web", "portal/web/ui", "portal/document", "frontend"}},
	{because: "what observes knows the seams that it is put around, and nothing behind them",
		from: []string{"portal/telemetry/..."}, not: []string{"ours"},
		but: []string{"portal", "portal/api", "portal/store", "portal/telemetry/...", "connectors"}},
	{because: "the portal needs no window",
		from: []string{"portal/...", "connectors/...", "frontend/..."}, not: []string{"app/...", "github.com/wailsapp/..."}},
	{because: "only entry points name a database",
		from: []string{"..."}, save: []string{"portal/cmd/concierge/...", "portal/store/..."},
		not: []string{"portal/store/..."}, but: []string{"portal/store"}},
	{because: "build/ makes the product and is no part of it",
		from: []string{"..."}, save: []string{"build/..."}, not: []string{"build/..."}},
}

// Packages that others' tests and entry points use end in "test"; these are shared by connectors.
const (
	contractSuite = "connectors/connectortest"
	adminClient   = "connectors/adminapi"
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath, Name                   string
	Imports, TestImports, XTestImports []string
}

func TestImportsPointOneWay(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 20 {
		t.Fatalf("go list found %d packages; is the module's root above this folder?", len(pkgs))
	}
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
}

// TestViolationsAreFound makes one mistake against every rule.
func TestViolationsAreFound(t *testing.T) {
	for _, tc := range []struct{ from, to, because string }{
		{"portal", "golang.org/x/text/language", "nothing but the standard library"},
		{"portal/api", "concierge/portal/keys", "the HTTP API are made of the nouns"},
		{"portal/access", "concierge/portal/store", "decisions about access"},
		{"portal/routing", "concierge/connectors", "routing is pure"},
		{"portal/keys", "concierge/portal/web/ui", "what is kept does not know"},
		{"portal/web/v1", "concierge/portal/keys", "pages ask api.Desk"},
		{"portal/web/ui", "concierge/portal/api", "know no service"},
		{"portal/client", "concierge/portal/access", "by its HTTP API only"},
		{"connectors", "concierge/portal/api", "the contract with gateways"},
		{"connectors/kong", "concierge/portal/outbound", "no part of the portal behind it"},
		{"frontend", "concierge/portal", "the frontend is files"},
		{"app/window", "concierge/portal/keys", "the desktop works through the HTTP API"},
		{"portal/telemetry", "concierge/portal/keys", "what observes knows the seams"},
		{"portal/web", "github.com/wailsapp/wails/v2", "needs no window"},
		{"portal/ingest", "concierge/portal/store/sqlite", "only entry points name a database"},
		{"portal", "concierge/build/licences", "no part of it"},
		{"connectors/kong", "concierge/connectors/caddy", "no connector imports another"},
		{"connectors/connectortest", "concierge/connectors/sample", "only entry points and test helpers name a connector"},
		{"portal/desk", "concierge/connectors/sample/gateway", "only entry points and test helpers name a connector"},
		{"portal/ingest", "concierge/connectors/connectortest", "for tests"},
		{"portal/desk", "concierge/portal/cmd/concierge", "is a program"},
	} {
		found := violations([]pkg{
			{ImportPath: module + "/" + tc.from, Name: path.Base(tc.from), Imports: []string{"fmt", tc.to}},
			{ImportPath: module + "/portal/cmd/concierge", Name: "main"},
		})
		if !slices.ContainsFunc(found, func(v string) bool { return strings.Contains(v, tc.because) }) {
			t.Errorf("%s imports %s: found %q; want one about %q", tc.from, tc.to, found, tc.because)
		}
	}
	if found := violations([]pkg{{ImportPath: "concierge/util"}}); len(found) != 1 {
		t.Errorf("a folder outside the layout: found %q; want one", found)
	}
	allowed := []pkg{
		{ImportPath: "concierge/portal/cmd/concierge", Name: "main", Imports: []string{"concierge/connectors/kong", "concierge/portal/store/sqlite"}},
		{ImportPath: "concierge/portal/catalog", Imports: []string{"concierge/connectors", "concierge/portal/document", "concierge/portal/store"}},
		{ImportPath: "concierge/connectors/sample/sampletest", Imports: []string{"concierge/connectors/connectortest", "concierge/connectors/sample"}},
		{ImportPath: "concierge/connectors/kong", Imports: []string{"concierge/connectors/adminapi"}, TestImports: []string{"concierge/connectors/connectortest"}},
		{ImportPath: "concierge/app", Imports: []string{"github.com/wailsapp/wails/v2", "concierge/portal/web/ui", "concierge/frontend"}},
		{ImportPath: "concierge", Name: "main", Imports: []string{"concierge/app"}},
	}
	if found := violations(allowed); len(found) > 0 {
		t.Errorf("allowed imports were refused: %q", found)
	}
}

// list asks Go for every package, the files of the tagged test tiers included.
func list(t *testing.T) []pkg {
	t.Helper()
	// The test cache knows what a test reads, not what `go list` reads: look into every folder, so that a change counts.
	err := filepath.WalkDir("..", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == ".cache") {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-tags=browser,crashpoints", "-e", "-json=ImportPath,Name,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".." // the module's root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return pkgs
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// violations says, one sentence each, which imports break a rule. It is pure.
func violations(pkgs []pkg) (found []string) {
	programs := map[string]bool{}
	for _, p := range pkgs {
		programs[p.ImportPath] = p.Name == "main"
	}
	for _, p := range pkgs {
		say := func(to, because string) {
			found = append(found, fmt.Sprintf("%s imports %s: %s", p.ImportPath, to, because))
		}
		from := inside(p.ImportPath)
		if !matches(ours, from) {
			found = append(found, p.ImportPath+": this folder is not in the layout; give it rules in build/imports_test.go")
		}
		for _, to := range p.Imports {
			for _, r := range rules {
				if matches(r.from, from) && !matches(r.save, from) && matches(r.not, inside(to)) && !matches(r.but, inside(to)) {
					say(to, r.because)
				}
			}
			own, other := connector(from), connector(inside(to))
			switch {
			case other == "" || own == other:
			case own != "":
				say(to, "no connector imports another")
			case !forTests(from) && !matches([]string{"portal/cmd/concierge/..."}, from), from == contractSuite:
				say(to, "only entry points and test helpers name a connector")
			}
			if forTests(inside(to)) && !forTests(from) {
				say(to, "that package is for tests")
			}
		}
		for _, to := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if programs[to] && to != p.ImportPath {
				say(to, "that is a program, and nothing imports one")
			}
		}
	}
	return found
}

// inside is a package's name within the module: "." for its root, unchanged for others' packages.
func inside(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// connector is the concrete connector that a package belongs to, or empty.
func connector(name string) string {
	rest, ok := strings.CutPrefix(name, "connectors/")
	if !ok || name == adminClient || name == contractSuite {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

// forTests reports whether a package, or a folder that it is in, is a helper of tests.
func forTests(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(folder string) bool { return strings.HasSuffix(folder, "test") })
}

// ours is the layout.
var ours = []string{".", "app/...", "build/...", "connectors/...", "frontend/...", "portal/..."}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		below, all := strings.CutSuffix(pattern, "/...")
		switch {
		case pattern == "...":
			return true
		case pattern == "ours":
			return matches(ours, name)
		case pattern == "others":
			first, _, _ := strings.Cut(name, "/")
			return strings.Contains(first, ".") && name != "."
		case all:
			return name == below || strings.HasPrefix(name, below+"/")
		}
		return name == pattern
	})
}
