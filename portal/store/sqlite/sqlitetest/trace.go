//go:build unix

package sqlitetest

import (
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// node is a file, whatever its name.
type node struct{ before []byte } // its bytes when the trace began

type op int

const (
	opWrite op = iota
	opTruncate
	opSync
	opSyncFailed
	opName   // a name leads to the node, or to nothing
	opFolder // the folder is synced
)

// event is one thing that was asked of the disk.
type event struct {
	op     op
	node   *node
	name   string
	offset int64 // of a write; the size of a truncation
	data   []byte
}

// trace is everything that was asked of the disk, in order.
type trace struct {
	folder string
	before map[string]*node
	names  map[string]*node
	events []event
}

// Record keeps everything that is asked of the disk from now on. What the folder holds is taken for safely kept; no database
// in it may be open.
func (d *Disk) Record(t testing.TB) {
	t.Helper()
	tr := &trace{folder: d.folder, before: map[string]*node{}}
	entries, err := os.ReadDir(d.folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(d.folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		tr.before[e.Name()] = &node{before: b}
	}
	tr.names = maps.Clone(tr.before)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trace = tr
}

// Now is the instant after all that was asked of the disk so far.
func (d *Disk) Now() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.trace.events)
}

func (tr *trace) add(e event) { tr.events = append(tr.events, e) }

func (tr *trace) open(path string, created bool) *node {
	name, err := filepath.Rel(tr.folder, path)
	if err != nil {
		panic(err)
	}
	n := tr.names[name]
	switch {
	case created:
		n = &node{}
		tr.names[name] = n
		tr.add(event{op: opName, name: name, node: n})
	case n == nil: // somebody else than SQLite made it: that is for them to make safe
		n = &node{}
		tr.names[name], tr.before[name] = n, n
	}
	return n
}

func (tr *trace) remove(path string, synced bool) {
	name, err := filepath.Rel(tr.folder, path)
	if err != nil {
		panic(err)
	}
	delete(tr.names, name)
	tr.add(event{op: opName, name: name})
	if synced {
		tr.add(event{op: opFolder})
	}
}

func (tr *trace) write(n *node, offset int64, data []byte) {
	tr.add(event{op: opWrite, node: n, offset: offset, data: slices.Clone(data)})
}

func (tr *trace) truncate(n *node, size int64) { tr.add(event{op: opTruncate, node: n, offset: size}) }

func (tr *trace) sync(n *node, folder bool) {
	tr.add(event{op: opSync, node: n})
	if folder {
		tr.add(event{op: opFolder})
	}
}

func (tr *trace) syncFailed(n *node) { tr.add(event{op: opSyncFailed, node: n}) }

// PowerCuts yields, for each of the instants in rising order, what a disk may hold that lost power then. Chance decides by rng.
func (d *Disk) PowerCuts(rng *rand.Rand, instants []int) iter.Seq2[int, *Cut] {
	d.mu.Lock()
	tr := d.trace
	d.mu.Unlock()
	return func(yield func(int, *Cut) bool) {
		c := &Cut{rng: rng, names: maps.Clone(tr.before), kept: map[*node]*kept{}}
		done := 0
		for _, at := range slices.Sorted(slices.Values(instants)) {
			for ; done < at; done++ {
				c.add(tr.events[done])
			}
			if !yield(at, c) {
				return
			}
		}
	}
}

// Cut is a disk that lost power: it holds what was synced and, of what was not, anything.
type Cut struct {
	rng     *rand.Rand
	names   map[string]*node // safely kept
	waiting []event          // of names
	kept    map[*node]*kept
}

// kept is a file: what is safe, and what was asked since.
type kept struct {
	bytes   []byte
	waiting []event
}

func (c *Cut) of(n *node) *kept {
	k := c.kept[n]
	if k == nil {
		k = &kept{bytes: slices.Clone(n.before)}
		c.kept[n] = k
	}
	return k
}

func (c *Cut) add(e event) {
	switch e.op {
	case opWrite, opTruncate:
		k := c.of(e.node)
		k.waiting = append(k.waiting, e)
	case opSync:
		k := c.of(e.node)
		for _, w := range k.waiting {
			k.bytes = w.apply(k.bytes)
		}
		k.waiting = nil
	case opSyncFailed:
		k := c.of(e.node)
		k.bytes, k.waiting = c.survived(k), nil
	case opName:
		c.waiting = append(c.waiting, e)
	case opFolder:
		for _, w := range c.waiting {
			w.rename(c.names)
		}
		c.waiting = nil
	}
}

func (e event) rename(names map[string]*node) {
	if e.node == nil {
		delete(names, e.name)
	} else {
		names[e.name] = e.node
	}
}

// apply does a write or truncation.
func (e event) apply(to []byte) []byte {
	if e.op == opTruncate {
		return resize(to, e.offset)
	}
	to = resize(to, max(int64(len(to)), e.offset+int64(len(e.data))))
	copy(to[e.offset:], e.data)
	return to
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// Write makes a folder with the files of one such disk. Every call lets chance decide anew.
func (c *Cut) Write(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	names := maps.Clone(c.names)
	for _, w := range c.waiting {
		if c.rng.IntN(2) == 0 {
			w.rename(names)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := os.WriteFile(filepath.Join(folder, name), c.survived(c.of(names[name])), fs.FileMode(0o600)); err != nil {
			return fmt.Errorf("image after a power cut: %w", err)
		}
	}
	return nil
}

// survived is a file after the cut: of what was not synced, each sector holds what was there before or any of what was
// written to it since. Where a file grew but its content did not come through there are zeros or rubbish.
func (c *Cut) survived(k *kept) []byte {
	b := slices.Clone(k.bytes)
	through := []float64{0, 0.1, 0.5, 0.9, 1}[c.rng.IntN(5)] // how much comes through
	for _, w := range k.waiting {
		switch {
		case c.rng.Float64() < through:
			b = w.apply(b)
		case w.op == opWrite && c.rng.IntN(2) == 0:
			b = c.tear(b, w)
		}
	}
	return b
}

// tear does a write in some of its sectors only.
func (c *Cut) tear(b []byte, w event) []byte {
	end := w.offset + int64(len(w.data))
	if size := int64(len(b)); end > size {
		b = resize(b, end)
		if c.rng.IntN(2) == 0 {
			for i := size; i < end; i++ {
				b[i] = byte(c.rng.Uint32())
			}
		}
	}
	for from := w.offset; from < end; {
		to := min(end, from-from%sector+sector)
		if c.rng.IntN(2) == 0 {
			copy(b[from:to], w.data[from-w.offset:to-w.offset])
		}
		from = to
	}
	return b
}
