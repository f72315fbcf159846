package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// press is a gateway with a document for each of its deployments, made from a few real ones as they are asked for, so that
// no two are the same and memory holds none of them.
type press struct {
	fake
	documents [][]byte
	own       bool // each has paths of its own, for an API of its own; else they are editions of a few APIs
}

func (p *press) OpenDocument(_ context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	n, err := strconv.Atoi(ref.ID)
	if err != nil {
		return nil, portal.ErrNotFound
	}
	doc := p.documents[n%len(p.documents)]
	if p.own {
		doc = bytes.ReplaceAll(doc, []byte("things"), fmt.Appendf(nil, "t%05d", n))
	}
	mark := fmt.Sprintf(`{"x-number":%d,`, n)
	return io.NopCloser(io.MultiReader(strings.NewReader(mark), strings.NewReader(string(doc[1:])))), nil
}

// size is the mean size of the documents of n deployments in bytes.
func (p *press) size(n int) float64 {
	sum := 0
	for i := range n {
		sum += len(p.documents[i%len(p.documents)])
	}
	return float64(sum) / float64(n)
}

func benchmarkDocuments(b *testing.B, documents [][]byte, own bool) {
	for b.Loop() {
		b.StopTimer()
		d := newDesk(b, Options{})
		p := &press{fake: fake{able: able(), deployments: many()}, documents: documents, own: own}
		for i := range p.deployments {
			if own {
				p.deployments[i].Title = fmt.Sprintf("Service of t%05d", i)
			}
			p.deployments[i].Document = connectors.DocumentRef{ID: strconv.Itoa(i), Revision: "1"}
		}
		d.registerAs("big", p)
		resetPeak(b)
		used := cpu(b)
		b.StartTimer()
		if run := d.sync("big"); run.State != catalog.Applied || run.Added != manyDeployments || len(run.Warnings) > 0 {
			b.Fatalf("%+v", run)
		}
		b.StopTimer()
		b.ReportMetric(cpu(b)-used, "cpu-s/op")
		b.ReportMetric(peak(b), "peak-MB")
		b.ReportMetric(p.size(manyDeployments), "B/document")
		if info, err := os.Stat(d.path); err == nil {
			b.ReportMetric(float64(info.Size())/1e6, "file-MB")
		}
		b.StartTimer()
	}
}

// BenchmarkSmallDocuments takes in 10,000 deployments whose documents have up to 5 kB each.
func BenchmarkSmallDocuments(b *testing.B) {
	var documents [][]byte
	for operations := range 17 {
		documents = append(documents, smallDocument(operations+1))
	}
	benchmarkDocuments(b, documents, true)
}

// smallDocument has some 300 bytes for each operation.
func smallDocument(operations int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n  \"openapi\": \"3.0.3\",\n  \"info\": {\"title\": \"Service of %d\", \"version\": \"1.0.0\"},\n  \"paths\": {", operations)
	for i := range operations {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    \"/things-%d/{id}\": {\n      \"get\": {\n        \"operationId\": \"getThing%d\",\n        \"summary\": \"Get a thing of kind %d\",\n        \"tags\": [\"things\"],\n        \"parameters\": [{\"name\": \"id\", \"in\": \"path\", \"required\": true}],\n        \"responses\": {\"200\": {\"description\": \"OK\"}}\n      }\n    }", i, i, i)
	}
	b.WriteString("\n  }\n}\n")
	return []byte(b.String())
}

// BenchmarkRealDocuments takes in 10,000 deployments whose documents are those in the folder that CONCIERGE_SPECS names,
// each made unique; files over 400 kB are left out, and the smallest, until the mean is at least 87 kB.
func BenchmarkRealDocuments(b *testing.B) {
	folder := os.Getenv("CONCIERGE_SPECS")
	if folder == "" {
		b.Skip("set CONCIERGE_SPECS to a folder of API descriptions in JSON")
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		b.Fatal(err)
	}
	var documents [][]byte
	for _, name := range names {
		doc, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		if len(doc) <= 400_000 && doc[0] == '{' {
			documents = append(documents, doc)
		}
	}
	slices.SortFunc(documents, func(a, b []byte) int { return len(a) - len(b) })
	for len(documents) > 1 && (&press{documents: documents}).size(len(documents)) < 87_000 {
		documents = documents[1:]
	}
	if len(documents) == 0 {
		b.Fatalf("no documents in %s", folder)
	}
	benchmarkDocuments(b, documents, false)
}

// cpu is the time that the process has used on all cores, in seconds.
func cpu(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(u.Utime) + seconds(u.Stime)
}

// resetPeak makes the kernel forget how much memory the process has had.
func resetPeak(b *testing.B) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Log("the peak includes what was before:", err)
	}
}

// peak is the most memory that the process has had, in MB; 0 where the kernel does not say.
func peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kB, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kB / 1e3
}
