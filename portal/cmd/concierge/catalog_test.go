package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concierge/portal"
	"concierge/portal/correlate/correlatetest"
)

// try runs concierge catalog try on an export.
func try(t *testing.T, files map[string]string, flags ...string) (out, warnings string, err error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tryFile(t, filepath.Join(dir, "export.jsonl"), flags...)
}

func tryFile(t *testing.T, file string, flags ...string) (out, warnings string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := command(&stdout, &stderr)
	cmd.SetArgs(append([]string{"catalog", "try", file}, flags...))
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

const refunds = `{"openapi": "3.0.0", "info": {"title": "Refunds API", "version": "2.1.0"}, "servers": [{"url": "https://x.example/refunds/v2"}],
	"paths": {"/refunds": {"get": {}, "post": {}}, "/refunds/{id}/disputes": {"get": {}}, "/settlements": {"get": {}}}}`

func TestCatalogTry(t *testing.T) {
	files := map[string]string{
		"refunds.json": refunds,
		"export.jsonl": "\ufeff" + `{"gateway": "kong-eu", "id": "refunds", "title": "Refunds API", "base_url": "https://a.example/refunds/v2", "document": "refunds.json"}
{"gateway": "apigee", "id": "77", "title": "refunds-svc-prod", "version": "1.4", "document": null, "routes": [{"method": "GET", "path": "/shop/refunds"}, {"method": "POST", "path": "/shop/refunds"}, {"method": "GET", "path": "/shop/refunds/:id/disputes"}, {"path": "/shop/settlements"}]}

{"gateway": "kong-eu", "id": "weather", "title": "Weather", "label": "what else an export tells is passed over"}
{"gateway": "tyk", "id": "0815", "base_url": "https://c.example/prod/tide-tables/v3"}
{"gateway": "tyk", "id": "r", "title": "Refunds API (Legacy)", "division": "wholesale", "document": "refunds.json"}`,
	}
	out, warnings, err := try(t, files, "--json")
	if err != nil || warnings != "" {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	var lines []map[string]any
	for line := range strings.Lines(out) {
		var x map[string]any
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, x)
	}
	if len(lines) != 5 {
		t.Fatalf("got\n%s", out)
	}
	want := []string{
		`{"entry":"refunds-api","versions":[{"deployments":["apigee/77"],"version":"1"},{"deployments":["kong-eu/refunds"],"version":"2"}]}`,
		`{"entry":"refunds-api-wholesale","versions":[{"deployments":["tyk/r"],"version":"2"}]}`,
		`{"entry":"tide-tables","versions":[{"deployments":["tyk/0815"],"version":"3"}]}`,
		`{"entry":"weather","versions":[{"deployments":["kong-eu/weather"],"version":"1"}]}`,
	}
	for i, w := range want {
		got, _ := json.Marshal(lines[i])
		if string(got) != w {
			t.Errorf("line %d\n got %s\nwant %s", i+1, got, w)
		}
	}
	if diff := cmp.Diff([]any{"kong-eu/refunds", "tyk/r"}, lines[4]["review"]); diff != "" {
		t.Error(diff)
	}
	score, _ := lines[4]["score"].(float64)
	reasons, _ := lines[4]["reasons"].([]any)
	if score < 0.5 || score > 1 || len(reasons) < 2 || reasons[len(reasons)-1] != "they belong to different divisions" {
		t.Errorf("got %v", lines[4])
	}

	out, _, err = try(t, files)
	if err != nil || !strings.Contains(out, "refunds-api\n  version 1: apigee/77\n  version 2: kong-eu/refunds\n") || !strings.Contains(out, "5 deployments, 4 APIs, questions for a person: 1") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCatalogTryTellsEveryWrongLine(t *testing.T) {
	_, _, err := try(t, map[string]string{"export.jsonl": `{"gateway": "a", "id": "1"}
{"gateway": "a"}
not json
{"gateway": "a", "id": "1"}
{"gateway": "a", "id": "2", "routes": "GET /x"}
{"gateway": "a", "id": 3}
["a", "1"]
{"gateway": "a", "id": "4", "document": "../other/refunds.json"}
{"gateway": "a", "id": "5", "document": "/etc/hostname"}
{"gateway": "a", "id": "6"} {"gateway": "a", "id": "7"}
{"gateway": "a", "id": "8", "routes": [3]}`})
	if !errors.Is(err, portal.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{`line 2: "id" is missing or empty`, "line 3: it is not one JSON object", "line 4: a/1 was on line 1 already", `line 5: "routes" is a JSON string`, `line 6: "id" is a JSON number, and has to be a string`,
		"line 7: it is a JSON array; write an object", `line 8: the document "../other/refunds.json" is not below`, "name the folder that holds it with --documents",
		`line 9: the document "/etc/hostname" is not below`, "line 10: it is not one JSON object; write each deployment on one line", `line 11: "routes" is a JSON number, and has to be an object`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in\n%v", want, err)
		}
	}
	_, _, err = try(t, map[string]string{"export.jsonl": strings.Repeat("no\n", 50)})
	if err == nil || !strings.Contains(err.Error(), "and 30 more lines") || strings.Count(err.Error(), "\n") != maxProblems {
		t.Errorf("got %v", err)
	}
	if _, _, err := tryFile(t, filepath.Join(t.TempDir(), "none.jsonl")); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func TestCatalogTryWantsLines(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"empty":            {"", "it has no line; write one JSON object for each deployment"},
		"blank":            {"\n \n\r\n", "it has no line"},
		"a long line":      {`{"gateway": "a", "id": "1", "title": "` + strings.Repeat("x", maxExportLine) + `"}`, "line 1: it is longer than 16777216 bytes; put the routes into a document"},
		"after a long one": {strings.Repeat("x", maxExportLine+1) + "\nno", "line 2: it is not one JSON object"},
		"no UTF-8":         {"{\"gateway\": \"a\", \"id\": \"caf\xe9\"}", "line 1: it is not UTF-8; save the export in that encoding"},
		"UTF-16":           {"\xff\xfe{\x00", "line 1: it is not UTF-8"},
		"a terminal's":     {`{"gateway": "a\u001b[2J", "id": "1"}`, `line 1: "gateway" is "a\x1b[2J", with a control character`},
		"over lines":       {`{"gateway": "a", "id": "1\n2"}`, `line 1: "id" is "1\n2", with a control character`},
		"an array":         {"[\n  {\n", "jq -c '.[]'"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := try(t, map[string]string{"export.jsonl": tc.content}); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Documents come from below the folder of the export, or one that is named; what is no file there is not opened.
func TestCatalogTryReadsDocumentsBelowAFolder(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"refunds.json":        refunds,
		"export/export.jsonl": `{"gateway": "a", "id": "1", "document": "../refunds.json"}` + "\n" + `{"gateway": "a", "id": "2", "document": "` + filepath.ToSlash(dir) + `/refunds.json"}`,
		"out/export.jsonl":    `{"gateway": "a", "id": "1", "document": "link.json"}` + "\n" + `{"gateway": "a", "id": "2", "document": "."}`,
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := tryFile(t, filepath.Join(dir, "export", "export.jsonl")); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	out, warnings, err := tryFile(t, filepath.Join(dir, "export", "export.jsonl"), "--documents", dir)
	if err != nil || warnings != "" || !strings.Contains(out, "a/1, a/2") {
		t.Errorf("%v, %q, %s", err, warnings, out)
	}
	if err := os.Symlink(filepath.Join(dir, "refunds.json"), filepath.Join(dir, "out", "link.json")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	_, warnings, err = tryFile(t, filepath.Join(dir, "out", "export.jsonl"))
	if err != nil || !strings.Contains(warnings, `document "link.json": path escapes`) || !strings.Contains(warnings, `document ".": it is not a file`) {
		t.Errorf("%v, %q", err, warnings)
	}
	if _, _, err := tryFile(t, filepath.Join(dir, "out", "export.jsonl"), "--documents", filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "folder of the documents") {
		t.Errorf("got %v", err)
	}
}

func TestCatalogTryGoesOnWithoutADocument(t *testing.T) {
	out, warnings, err := try(t, map[string]string{
		"broken.json": `{"openapi": "3.0.0", "info":`,
		"export.jsonl": `{"gateway": "a", "id": "1", "title": "Refunds of Ours", "document": "broken.json"}` + "\n" + `{"gateway": "b", "id": "2", "title": "Refunds of Ours - PROD", "owner": "x", "document": "gone.json"}` +
			"\n" + `{"gateway": "b", "id": "3", "document": "broken.json"}`,
	}, "--json")
	if err != nil || strings.Count(out, "\n") == 0 || !strings.Contains(out, "refunds-of-ours") {
		t.Errorf("%v, %q", err, out)
	}
	for _, want := range []string{`line 1 and 1 more: document "broken.json": `, `line 2: document "gone.json": no such file`, "judged by what else is told"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("%q is not told in\n%s", want, warnings)
		}
	}
}

// A dash is standard input; its documents are in the current folder, and a carriage return ends no word.
func TestCatalogTryReadsStandardInput(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile(filepath.Join(dir, "refunds.json"), []byte(refunds), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(in string) (out, warnings string, err error) {
		var stdout, stderr bytes.Buffer
		cmd := command(&stdout, &stderr)
		cmd.SetIn(strings.NewReader(in))
		cmd.SetArgs([]string{"catalog", "try", "-"})
		err = cmd.ExecuteContext(t.Context())
		return stdout.String(), stderr.String(), err
	}
	out, warnings, err := run(`{"gateway": "a", "id": "1", "document": "refunds.json"}` + "\r\n\r\n" + `{"gateway": "b", "id": "2", "document": "refunds.json"}` + "\r\n")
	if err != nil || warnings != "" || !strings.Contains(out, "refunds-api\n  version 2: a/1, b/2\n") {
		t.Errorf("%v, %q\n%s", err, warnings, out)
	}
	if _, _, err := run("\n{}\n"); err == nil || !strings.Contains(err.Error(), `standard input: line 2: "gateway" is missing or empty`) {
		t.Errorf("got %v", err)
	}
	if _, _, err := run(""); err == nil || !strings.Contains(err.Error(), "standard input: it has no line") {
		t.Errorf("got %v", err)
	}
}

// What is told at every tick takes the place of what was told before, and is gone in the end; what is no terminal is told nothing.
func TestProgress(t *testing.T) {
	ticks, out := make(chan time.Time), &bytes.Buffer{}
	n := 0
	stop := tellEach(ticks, out, func() string { n++; return strings.Repeat("x", n) })
	ticks <- time.Time{}
	ticks <- time.Time{}
	stop()
	if want := eraseLine + "x …" + eraseLine + "xx …" + eraseLine; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
	out.Reset()
	tellEach(ticks, out, func() string { return "x" })()
	if out.Len() > 0 {
		t.Errorf("got %q of what took no time", out)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, to := range []io.Writer{out, f} {
		showProgress(to, func() string { t.Error("a file or a pipe was told"); return "" })()
	}
}

// What the command makes of an estate is what correlation makes of it.
func TestCatalogTryOnAnEstate(t *testing.T) {
	specs, _, err := correlatetest.Load("../../correlate/correlatetest/testdata/specs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	estate := correlatetest.Generate(specs[:40], 3)
	if err := correlatetest.Export(estate, dir); err != nil {
		t.Fatal(err)
	}
	out, warnings, err := tryFile(t, filepath.Join(dir, "export.jsonl"), "--json")
	if err != nil || warnings != "" {
		t.Fatal(err, warnings)
	}
	figures := correlatetest.Figures{}
	seen := map[string]bool{}
	slugs := map[string]bool{}
	truth := map[string]string{}
	for _, d := range estate {
		truth[d.ID] = d.API
	}
	for line := range strings.Lines(out) {
		var e triedEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Slug == "" {
			continue
		}
		if slugs[e.Slug] {
			t.Errorf("the slug %s is given twice", e.Slug)
		}
		slugs[e.Slug] = true
		var ids []string
		for _, v := range e.Versions {
			ids = append(ids, v.Deployments...)
		}
		for i, a := range ids {
			if seen[a] {
				t.Errorf("%s is in two entries", a)
			}
			seen[a] = true
			for _, b := range ids[i+1:] {
				if figures.Joined++; truth[a] == truth[b] {
					figures.JoinedRightly++
				}
			}
		}
	}
	if len(seen) != len(estate) || figures.Joined == 0 || figures.Precision() < 0.99 {
		t.Errorf("%d of %d deployments, precision %.4f of %d pairs", len(seen), len(estate), figures.Precision(), figures.Joined)
	}
}
