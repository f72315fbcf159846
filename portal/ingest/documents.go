package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/document"
	"concierge/portal/told"
)

const (
	parallelDocuments = 4
	// describing is how many bytes of documents are read at a time; a larger one is read alone. A tree, which YAML becomes,
	// takes some twenty times the memory of its text.
	describing      = 8 << 20
	documentTimeout = time.Minute
	// unreadable documents in one sync, after which it is the gateway that fails and not they.
	maxUnreadable = 10
	// A batch is what one transaction stores, packed.
	batchBytes = 4 << 20
	batchSize  = 500
	// elsewhereShare is the part of a sync's time, as a divisor, in which documents that are not in the gateway may be fetched.
	elsewhereShare = 4
	// maxServers is how many of a document's servers a record keeps.
	maxServers = 10
	// keptBuffer is the largest buffer that is used again.
	keptBuffer = 1 << 20
)

// documents finds out what the documents of a gateway's deployments say. Those whose revision is known and unchanged are
// not opened. A document that cannot be had or is refused leaves its deployment with the last good one, and says why.
// The bytes are kept as they come, before any plan: nothing points at them yet, and memory holds a few at a time.
func (s *Service) documents(ctx context.Context, g catalog.Gateway, conn connectors.Connector, current []catalog.Record, all []connectors.Deployment, keep keeper, progress func(done, total int)) ([]Found, error) {
	before := make(map[connectors.Key]catalog.Record, len(current))
	for _, r := range current {
		before[r.Key()] = r
	}
	found := make([]Found, len(all))
	open := map[connectors.DocumentRef][]int{} // deployments can share a document
	for i, d := range all {
		had := before[d.Key]
		found[i] = Found{Deployment: d}
		if up := had.Override.Document; d.Document.ID == "" || up != nil && !up.Owners {
			continue
		}
		found[i].Described, found[i].Document, found[i].Revision = had.Described, had.Deployment.Document, had.Revision
		found[i] = found[i].own()
		kindless := found[i].Document != "" && had.Described.Kind == ""
		if d.Document.Revision == "" || d.Document.Revision != had.Revision || d.Document != had.Discovered.Document || kindless {
			open[d.Document] = append(open[d.Document], i)
		}
	}
	if len(open) == 0 {
		return found, nil
	}

	outside, err := fetcher(g)
	if err != nil {
		return nil, err
	}
	defer outside.CloseIdleConnections()
	var mu sync.Mutex // of what follows; what is found about a deployment is written by who opens its document
	done, unreadable := 0, 0
	progress(0, len(open))
	// Documents are opened and read by several at a time, and stored by one, which makes the others wait.
	fresh := make(chan catalog.Document)
	work, workCtx := errgroup.WithContext(ctx)
	work.Go(func() error { return keepAll(workCtx, keep, fresh) })
	work.Go(func() error {
		defer close(fresh)
		readers, readCtx := errgroup.WithContext(workCtx)
		readers.SetLimit(parallelDocuments)
		// Whoever may change an object in the gateway chooses where its document is: a place that takes its time must not
		// take that of all others.
		elsewhere, enough := context.WithTimeout(readCtx, s.opts.Timeout/elsewhereShare)
		defer enough()
		for ref, deployments := range open {
			if readCtx.Err() != nil {
				break
			}
			readers.Go(func() error {
				var doc catalog.Document
				var described catalog.Described
				var err error
				if ref.URL != "" {
					doc, described, err = s.openDocument(elsewhere, func(ctx context.Context) (io.ReadCloser, error) { return fetch(ctx, g, outside, ref.URL) })
					if err != nil && elsewhere.Err() != nil {
						err = fmt.Errorf("%s: %w", told.Warning(told.FetchTooLong), portal.ErrUnavailable)
					}
				} else {
					doc, described, err = s.openDocument(readCtx, func(ctx context.Context) (io.ReadCloser, error) { return conn.OpenDocument(ctx, ref) })
				}
				if readCtx.Err() != nil {
					return readCtx.Err()
				}
				mu.Lock()
				done++
				progress(done, len(open))
				failed := 0 // how many until now, this one among them
				if ref.URL == "" && (errors.Is(err, portal.ErrUnavailable) || errors.Is(err, portal.ErrDenied)) {
					unreadable++
					failed = unreadable
				}
				mu.Unlock()
				if err != nil {
					if failed == maxUnreadable+1 {
						return fmt.Errorf("opening %d documents: %w", failed, err)
					}
					for _, i := range deployments {
						found[i].Described.Unread = text(err.Error(), maxText)
						if errors.Is(err, portal.ErrInvalid) { // it will not get better
							found[i].Revision = ref.Revision
						}
					}
					return nil
				}
				news := false
				for _, i := range deployments {
					news = news || found[i].Document != doc.Hash
					found[i].Described, found[i].Document, found[i].Revision = described, doc.Hash, ref.Revision
				}
				if !news {
					return nil
				}
				doc.Description = document.Description{} // it is packed too, and many may wait here
				select {
				case fresh <- doc:
					return nil
				case <-readCtx.Done():
					return readCtx.Err()
				}
			})
		}
		return readers.Wait()
	})
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}

// keeper takes documents that were read, to keep them in one transaction.
type keeper func(ctx context.Context, docs []catalog.Document) error

// forget is the keeper of a dry run.
func forget(context.Context, []catalog.Document) error { return nil }

// keepAll hands documents over as they come, several together, until there are no more. While some are kept the next ones
// are gathered.
func keepAll(ctx context.Context, keep keeper, fresh <-chan catalog.Document) error {
	batches := make(chan []catalog.Document)
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		for batch := range batches {
			if err := keep(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
	work.Go(func() error {
		defer close(batches)
		for more := true; more; {
			var batch []catalog.Document
			for bytes := 0; more && bytes < batchBytes && len(batch) < batchSize; {
				var doc catalog.Document
				select {
				case doc, more = <-fresh:
				case <-ctx.Done():
					return ctx.Err()
				}
				if more {
					batch, bytes = append(batch, doc), bytes+len(doc.Packed.Bytes)
				}
			}
			select {
			case batches <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return work.Wait()
}

// store stores documents in one transaction.
func (s *Service) store(ctx context.Context, docs []catalog.Document) error {
	if len(docs) == 0 {
		return nil
	}
	return s.db.InTx(ctx, func(tx catalog.Tx) error {
		if err := tx.Singly(ctx); err != nil { // a large plan that is applied meanwhile would fail for what it refers to
			return err
		}
		return tx.Catalog().PutDocuments(ctx, docs)
	})
}

// buffers hold documents while they are read.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// openDocument fetches a document, says what it holds and packs it. A panic on the way is an error of this document: all
// others are taken over.
func (s *Service) openDocument(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) (doc catalog.Document, told catalog.Described, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.opts.Log.ErrorContext(ctx, "panic while a document was read", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			doc, told, err = catalog.Document{}, catalog.Described{}, errors.New("the document could not be read for a fault of the portal or its connector; its log says more")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	body, err := open(ctx)
	if err != nil {
		return doc, told, err
	}
	buffer := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= keptBuffer {
			buffers.Put(buffer)
		}
	}()
	*buffer, err = document.Read(*buffer, body, s.opts.Documents)
	if closeErr := body.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("reading the API description: %w: %w", portal.ErrUnavailable, closeErr)
	}
	if err != nil {
		return doc, told, err
	}
	weight := min(int64(len(*buffer)), describing)
	if err := s.describing.Acquire(ctx, weight); err != nil {
		return doc, told, err
	}
	defer s.describing.Release(weight)
	began := time.Now()
	defer func() { add(&s.watch.describe, began, 0) }()
	d, err := document.Describe(*buffer, s.opts.Documents)
	if err != nil {
		return doc, told, err
	}
	doc, err = catalog.Document{Hash: d.SHA256, Content: *buffer, Description: d, Stored: s.clock()}.Pack()
	return doc, described(d), err
}

// described is what a record keeps of its document.
func described(d document.Description) catalog.Described {
	tidied := catalog.Described{
		Title: text(d.Title, maxText), Summary: text(d.Summary, maxText), Description: text(d.Description, maxDescription),
		Version: text(d.Version, maxText), Kind: string(d.Kind), Tags: firm(d.Tags), API: text(d.API, maxText),
	}
	if len(d.Words) > 0 {
		tidied.Words = make(map[string]string, len(d.Words))
		for name, word := range d.Words {
			tidied.Words[text(name, maxText)] = text(word, maxText)
		}
	}
	if i := slices.IndexFunc(d.Operations, func(o document.Operation) bool { return o.Plain }); i >= 0 {
		tidied.Try = text(d.Operations[i].Path, maxText)
	}
	tidied.Servers = texts(d.Servers[:min(len(d.Servers), maxServers)])
	tidied.Shape = shape(d.Operations)
	return tidied
}

// shape condenses operations for correlation.
func shape(operations []document.Operation) string {
	all := make([]correlate.Operation, len(operations))
	for i, o := range operations {
		all[i] = correlate.Operation{Method: o.Method, Path: o.Path}
	}
	text, err := correlate.NewShape(all).MarshalText()
	if err != nil {
		panic(fmt.Sprintf("ingest: a shape cannot be written: %v", err)) // numbers and text only: cannot happen
	}
	return string(text)
}
