package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/document"
	"concierge/portal/ingest"
)

func catalogCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "catalog", Short: "Look at what the catalog would hold"}
	cmd.AddCommand(catalogTryCommand())
	return cmd
}

func catalogTryCommand() *cobra.Command {
	var asJSON bool
	var below string
	cmd := &cobra.Command{
		Use:   "try FILE.jsonl | -",
		Short: "Show what would become of an export: which deployments are one API",
		Long: `Show what would become of an export before any gateway is connected: which of its deployments are one API, and which a
person would be asked about. Nothing is stored, and no gateway, database or network is used.

Every line of the file, or of standard input for "-", is a deployment; all but the first two fields may be left out:

  {"gateway": "kong-eu", "id": "payments-prod", "title": "Payments API", "version": "2.1.0", "environment": "production",
   "base_url": "https://api.example.com/payments/v2", "upstream": "http://payments:8080", "owner": "team payments",
   "division": "retail", "document": "payments.json", "routes": [{"method": "GET", "path": "/refunds/{id}"}]}

"document" is the path of an OpenAPI description, from the folder of the file (for standard input the current one), and below
it: --documents names another folder that documents may be read from. Without "division" all belong to one. A line that cannot
be understood is an error, and then there is no outcome; a document that cannot be read is a warning.
With --json every line of the output is an entry or a question:

  {"entry": "payments-api", "versions": [{"version": "2", "deployments": ["kong-eu/payments-prod"]}]}
  {"review": ["apigee/pay", "kong-eu/payments-prod"], "score": 0.81, "reasons": ["similar titles: …"]}`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer debug.SetGCPercent(debug.SetGCPercent(50)) // 100,000 lines with their documents stay well below 1 GB
			name, folder, export := "standard input", ".", cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("reading the export: %w", err)
				}
				defer f.Close()
				name, folder, export = args[0], filepath.Dir(args[0]), f
			}
			t, err := newTrial(folder, below)
			if err != nil {
				return err
			}
			defer t.documents.Close()
			stop := showProgress(cmd.ErrOrStderr(), t.progress)
			err = t.read(cmd.Context(), export)
			stop()
			t.warn(cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			stop = showProgress(cmd.ErrOrStderr(), t.progress)
			outcome, err := t.outcome()
			stop()
			if err != nil {
				return err
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			if asJSON {
				err = outcome.writeJSON(w)
			} else {
				err = outcome.writeText(w)
			}
			return errors.Join(err, w.Flush())
		},
	}
	cmd.Flags().StringVar(&below, "documents", "", "folder below which documents are read; empty: that of the file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each entry and each question")
	return cmd
}

const (
	maxExportLine = 16 << 20 // bytes
	maxProblems   = 20       // told at once
)

// exported is a line of an export.
type exported struct {
	Gateway     string `json:"gateway"`
	ID          string `json:"id"`
	Title       string `json:"title"`
	Version     string `json:"version"`
	Environment string `json:"environment"`
	BaseURL     string `json:"base_url"`
	Upstream    string `json:"upstream"`
	Owner       string `json:"owner"`
	Division    string `json:"division"`
	Document    string `json:"document"`
	Routes      []struct {
		Method string `json:"method"`
		Path   string `json:"path"`
	} `json:"routes"`
}

// trial collects what an export tells.
type trial struct {
	folder    string   // that paths of documents begin at
	documents *os.Root // below which they are

	mu    sync.Mutex
	known map[string]*described // documents by path

	members []correlate.Member
	of      []tried // beside members

	taken  atomic.Int64 // lines
	placed atomic.Bool  // all lines were taken in, and are placed
}

// newTrial is a trial of an export in a folder; below is where documents may be, and may be empty. The trial's documents
// want to be closed.
func newTrial(folder, below string) (*trial, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the export: %w", err)
	}
	root, err := os.OpenRoot(cmp.Or(below, folder))
	if err != nil {
		return nil, fmt.Errorf("folder of the documents: %w", err)
	}
	return &trial{folder: folder, documents: root, known: map[string]*described{}}, nil
}

// tried is what is kept of a deployment beside its sketch.
type tried struct {
	gateway, id, title, line string
}

// described is a document that lines name. It is read once.
type described struct {
	read  func() (told, error)
	lines []int // that name it, ascending
}

// told is what a document tells.
type told struct {
	api, title, version string
	servers             []string
	shape               correlate.Shape
}

// read takes in every line, several at a time. All lines that are wrong are told at once, up to a bound; the error wraps
// portal.ErrInvalid.
func (t *trial) read(ctx context.Context, r io.Reader) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	var problems problemList
	lines := bufio.NewReaderSize(r, 1<<16)
	seen := map[string]int{}
	for number := 1; ctx.Err() == nil; number++ {
		line, err := readLine(lines)
		if err == io.EOF {
			break
		}
		if errors.Is(err, portal.ErrInvalid) {
			problems.add(fmt.Errorf("line %d: %w", number, err))
			continue
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, errors.Join(err, work.Wait()))
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		x, err := parseExported(line)
		if err != nil {
			problems.add(fmt.Errorf("line %d: %w", number, err))
			continue
		}
		if err := t.local(x.Document); err != nil {
			problems.add(fmt.Errorf("line %d: %w", number, err))
			continue
		}
		id := x.Gateway + "/" + x.ID
		if first, twice := seen[id]; twice {
			problems.add(fmt.Errorf("line %d: %s was on line %d already; give every deployment of a gateway an id of its own", number, id, first))
			continue
		}
		seen[id] = number
		t.mu.Lock()
		at := len(t.members)
		t.members, t.of = append(t.members, correlate.Member{}), append(t.of, tried{})
		t.mu.Unlock()
		var doc *described
		if x.Document != "" {
			doc = t.document(x.Document, number)
		}
		work.Go(func() error {
			m, of := t.take(x, doc)
			t.taken.Add(1)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.members[at], t.of[at] = m, of
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil && len(problems.all) == 0 && !errors.Is(err, context.Canceled) {
		return err
	}
	if len(t.members)+len(problems.all) == 0 {
		return fmt.Errorf("it has no line; write one JSON object for each deployment, as concierge catalog try --help shows: %w", portal.ErrInvalid)
	}
	return problems.err()
}

// readLine reads a line without its end. io.EOF means that there is no more. One that is too long is portal.ErrInvalid, and the
// next call reads what follows it.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	length := 0
	for {
		part, err := r.ReadSlice('\n')
		if length += len(part); length <= maxExportLine {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err != nil && (err != io.EOF || length == 0):
			return nil, err
		case length > maxExportLine:
			return nil, fmt.Errorf("it is longer than %d bytes; put the routes into a document: %w", maxExportLine, portal.ErrInvalid)
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

func parseExported(line []byte) (exported, error) {
	var x exported
	if !utf8.Valid(line) {
		return x, fmt.Errorf("it is not UTF-8; save the export in that encoding: %w", portal.ErrInvalid)
	}
	if err := json.Unmarshal(line, &x); err != nil {
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &kind) && kind.Field != "":
			return x, fmt.Errorf("%q is a JSON %s, and has to be %s: %w", kind.Field, kind.Value, jsonKind(kind.Type), portal.ErrInvalid)
		case errors.As(err, &kind):
			return x, fmt.Errorf("it is a JSON %s; write an object for each deployment, each on one line, as jq -c '.[]' does: %w", kind.Value, portal.ErrInvalid)
		}
		return x, fmt.Errorf("it is not one JSON object; write each deployment on one line, as jq -c '.[]' does: %w: %w", err, portal.ErrInvalid)
	}
	for _, needed := range []struct{ name, value string }{{"gateway", x.Gateway}, {"id", x.ID}} {
		if strings.TrimSpace(needed.value) == "" {
			return x, fmt.Errorf("%q is missing or empty; every line needs a gateway and an id: %w", needed.name, portal.ErrInvalid)
		}
		if strings.ContainsFunc(needed.value, unicode.IsControl) {
			return x, fmt.Errorf("%q is %q, with a control character in it; no sync takes over such a deployment, so mend it: %w", needed.name, needed.value, portal.ErrInvalid)
		}
	}
	return x, nil
}

// jsonKind is what JSON calls a type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "an array"
	}
	return "a " + t.Kind().String()
}

// local refuses the path of a document that is not below the folder of the documents.
func (t *trial) local(path string) error {
	if path == "" {
		return nil
	}
	if _, err := t.below(path); err != nil {
		return fmt.Errorf("the document %q is not below %s; put it beside the export, or name the folder that holds it with --documents: %w", path, t.documents.Name(), portal.ErrInvalid)
	}
	return nil
}

// below is a document's path from the folder of the documents.
func (t *trial) below(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.folder, path)
	}
	root, err := filepath.Abs(t.documents.Name())
	if err != nil {
		return "", err
	}
	within, err := filepath.Rel(root, path)
	if err == nil && !filepath.IsLocal(within) {
		err = fs.ErrPermission
	}
	return within, err
}

// take condenses a line; of is its document, or nil.
func (t *trial) take(x exported, of *described) (correlate.Member, tried) {
	var doc told
	if of != nil {
		doc, _ = of.read() // warn tells the error
	}
	d := correlate.Deployment{
		Explicit: doc.api,
		Title:    x.Title,
		Names:    []string{doc.title, x.ID},
		Version:  cmp.Or(x.Version, doc.version),
		BaseURL:  x.BaseURL,
		Servers:  doc.servers,
		Upstream: x.Upstream,
		Owner:    x.Owner,
		Shape:    doc.shape,
	}
	for _, r := range x.Routes {
		d.Routes = append(d.Routes, correlate.Operation{Method: r.Method, Path: r.Path})
	}
	var path string
	if u, err := url.Parse(x.BaseURL); err == nil {
		path = u.Path
	}
	return correlate.Member{ID: x.Gateway + "/" + x.ID, Division: x.Division, Sketch: correlate.New(d)},
		tried{gateway: x.Gateway, id: x.ID, title: cmp.Or(doc.title, x.Title), line: ingest.Line("", path, d.Version)}
}

// document is the one that a line names.
func (t *trial) document(path string, line int) *described {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, ok := t.known[path]
	if !ok {
		d = &described{read: sync.OnceValues(func() (told, error) { return t.describe(path) })}
		t.known[path] = d
	}
	d.lines = append(d.lines, line)
	return d
}

// warn tells which documents could not be read, with the lines that name them, up to a bound.
func (t *trial) warn(out io.Writer) {
	type unread struct {
		path  string
		lines []int
		err   error
	}
	var all []unread
	for path, d := range t.known {
		if _, err := d.read(); err != nil {
			all = append(all, unread{path, d.lines, err})
		}
	}
	slices.SortFunc(all, func(a, b unread) int { return cmp.Or(cmp.Compare(a.lines[0], b.lines[0]), cmp.Compare(a.path, b.path)) })
	for _, u := range all[:min(len(all), maxProblems)] {
		where, err := fmt.Sprintf("line %d", u.lines[0]), u.err
		if more := len(u.lines) - 1; more > 0 {
			where += fmt.Sprintf(" and %d more", more)
		}
		var file *fs.PathError
		if errors.As(err, &file) { // the path is told already
			err = file.Err
		}
		fmt.Fprintf(out, "warning: %s: document %q: %v; what names it is judged by what else is told\n", where, u.path, err)
	}
	if more := len(all) - maxProblems; more > 0 {
		fmt.Fprintf(out, "warning: and %d more documents that cannot be read\n", more)
	}
}

func (t *trial) describe(path string) (told, error) {
	within, err := t.below(path)
	if err != nil {
		return told{}, err
	}
	if info, err := t.documents.Stat(within); err != nil {
		return told{}, err
	} else if !info.Mode().IsRegular() {
		return told{}, errors.New("it is not a file")
	}
	f, err := t.documents.Open(within)
	if err != nil {
		return told{}, err
	}
	defer f.Close()
	content, err := document.Read(nil, f, document.Limits{})
	if err != nil {
		return told{}, err
	}
	d, err := document.Describe(content, document.Limits{})
	if err != nil {
		return told{}, err
	}
	operations := make([]correlate.Operation, len(d.Operations))
	for i, op := range d.Operations {
		operations[i] = correlate.Operation{Method: op.Method, Path: op.Path}
	}
	return told{api: d.API, title: d.Title, version: d.Version, servers: d.Servers, shape: correlate.NewShape(operations)}, nil
}

// outcome is what would become of an export.
type outcome struct {
	entries     []triedEntry // by slug
	questions   []correlate.Pair
	deployments int
}

type triedEntry struct {
	Slug     string         `json:"entry"`
	Versions []triedVersion `json:"versions"`
}

type triedVersion struct {
	Version     string   `json:"version"`
	Deployments []string `json:"deployments"`
}

func (t *trial) outcome() (outcome, error) {
	t.placed.Store(true)
	placed, err := correlate.Place(t.members, &correlate.Memory{}, func(string) []string { return nil })
	if err != nil {
		return outcome{}, err
	}
	o := outcome{questions: placed.Reviews, deployments: len(t.members)}
	taken := map[string]bool{}
	for _, j := range placed.Joins {
		e := triedEntry{Slug: t.slug(j, taken)}
		lines := map[string][]string{}
		for _, m := range j.Members {
			lines[t.of[m].line] = append(lines[t.of[m].line], t.members[m].ID)
		}
		for _, line := range slices.SortedFunc(maps.Keys(lines), func(a, b string) int { // 2 before 10
			return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		}) {
			e.Versions = append(e.Versions, triedVersion{line, slices.Sorted(slices.Values(lines[line]))})
		}
		o.entries = append(o.entries, e)
	}
	slices.SortFunc(o.entries, func(a, b triedEntry) int { return cmp.Compare(a.Slug, b.Slug) })
	return o, nil
}

// slug is the first of those that the entry may get which no other has: made of the title that most of its members have.
func (t *trial) slug(j correlate.Joined, taken map[string]bool) string {
	counts := map[string]int{}
	first := j.Members[0]
	for _, m := range j.Members {
		if catalog.Slug(t.of[m].title) != "" {
			counts[t.of[m].title]++
		}
		if t.members[m].ID < t.members[first].ID {
			first = m
		}
	}
	titles := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	of, m := t.of[first], t.members[first]
	title := cmp.Or(j.Explicit, strings.Join(titles[:min(1, len(titles))], ""))
	if place := m.Sketch.Place; title == "" && place != nil {
		title = place.Text
	}
	title = cmp.Or(title, of.id)
	slug := ""
	for _, slug = range catalog.Slugs(portal.APIID(m.ID), title, portal.Division(m.Division), portal.GatewayID(of.gateway), connectors.Key{RemoteID: of.id}) {
		if !taken[slug] {
			break
		}
	}
	taken[slug] = true
	return slug
}

func (o outcome) writeJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for _, e := range o.entries {
		if err := out.Encode(e); err != nil {
			return err
		}
	}
	for _, q := range o.questions {
		if err := out.Encode(struct {
			Review  [2]string `json:"review"`
			Score   float64   `json:"score"`
			Reasons []string  `json:"reasons"`
		}{[2]string{q.A, q.B}, rounded(q.Score), inWords(q.Reasons)}); err != nil {
			return err
		}
	}
	return nil
}

func (o outcome) writeText(w io.Writer) error {
	for _, e := range o.entries {
		fmt.Fprintln(w, e.Slug)
		for _, v := range e.Versions {
			fmt.Fprintf(w, "  version %s: %s\n", v.Version, strings.Join(v.Deployments, ", "))
		}
	}
	if len(o.questions) > 0 {
		fmt.Fprintln(w, "\nA person would be asked whether these are one API:")
	}
	for _, q := range o.questions {
		fmt.Fprintf(w, "  %s and %s, likely by %.2f: %s\n", q.A, q.B, rounded(q.Score), strings.Join(inWords(q.Reasons), "; "))
	}
	_, err := fmt.Fprintf(w, "\n%d deployments, %d APIs, questions for a person: %d\n", o.deployments, len(o.entries), len(o.questions))
	return err
}

// rounded is a score in thousandths; what is not certain is not rounded to 1.
func rounded(score float64) float64 {
	if score == 1 {
		return 1
	}
	return min(float64(int(score*1000+0.5))/1000, 0.999)
}

func inWords(reasons []correlate.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = r.String()
	}
	return out
}

// problemList keeps some of many problems.
type problemList struct {
	all  []error
	more int
}

func (p *problemList) add(err error) {
	if len(p.all) == maxProblems {
		p.more++
		return
	}
	p.all = append(p.all, err)
}

func (p *problemList) err() error {
	if p.more > 0 {
		return errors.Join(append(p.all, fmt.Errorf("and %d more lines that are wrong", p.more))...)
	}
	return errors.Join(p.all...)
}

// progress says how far the trial is.
func (t *trial) progress() string {
	if t.placed.Load() {
		return fmt.Sprintf("comparing %d deployments", t.taken.Load())
	}
	return fmt.Sprintf("%d lines read", t.taken.Load())
}

// showProgress tells how far a command is, every second from the first on, in a line that it takes away in the end. It does so
// where out is a terminal. stop has to be called before anything else is written to out.
func showProgress(out io.Writer, say func() string) (stop func()) {
	f, ok := out.(*os.File)
	if !ok {
		return func() {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func() {}
	}
	tick := time.NewTicker(time.Second)
	stopTelling := tellEach(tick.C, out, say)
	return func() {
		tick.Stop()
		stopTelling()
	}
}

// eraseLine is what a terminal takes its line away for.
const eraseLine = "\r\x1b[K"

// tellEach writes what say says at every tick, each in place of the one before.
func tellEach(tick <-chan time.Time, out io.Writer, say func() string) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		told := false
		for {
			select {
			case <-tick:
				told = true
				fmt.Fprint(out, eraseLine, say(), " …")
			case <-end:
				if told {
					fmt.Fprint(out, eraseLine)
				}
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
