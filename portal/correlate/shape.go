package correlate

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// Shape is a set of operations, condensed for comparison: what a document is read for once. The zero value is that of a
// deployment that tells no operations. It is marshalled as text of some ten bytes for each path.
type Shape struct {
	prefix []string // segments that all paths begin with
	paths  []path   // what follows them; ascending, each hash once
}

// path is a hash of 48 bits, the methods as a mask of 8, and its weight, in eighths of a bit of information.
//
// The hash is built from the last segment to the first, so that it can be continued with a segment in front: a gateway
// that takes a prefix away, or adds one, makes a set of paths that can still be compared.
type path uint64

func newPath(hash uint64, methods, weight uint8) path {
	return path(hash<<16 | uint64(methods)<<8 | uint64(weight))
}

func (p path) hash() uint64    { return uint64(p) >> 16 }
func (p path) methods() uint8  { return uint8(p >> 8) }
func (p path) weight() float64 { return float64(uint8(p)) / 8 }

const hashMask = 1<<48 - 1

// before continues the hash of a path with a segment in front of it.
func before(segment string, rest uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(segment))
	x := h.Sum64() ^ bits.RotateLeft64(rest*0x9E3779B97F4A7C15, 23)
	x ^= x >> 29
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 32
	return x & hashMask
}

const anyMethod = 0xFF

func methodMask(method string) uint8 {
	switch strings.ToUpper(strings.TrimSpace(method)) {
	case "GET":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 4
	case "DELETE":
		return 8
	case "PATCH":
		return 16
	case "HEAD":
		return 32
	case "OPTIONS":
		return 64
	case "", "*", "ANY", "ALL":
		return anyMethod
	}
	return 128
}

// maxPaths bounds a shape. What exceeds it is left out by hash, so that two large documents leave out the same.
const maxPaths = 2048

// NewShape condenses operations; their order does not matter. Paths that stand for all below them say where an API is,
// not what it can do: they are no part of its shape.
func NewShape(operations []Operation) Shape {
	byPath := map[string]uint8{}
	split := map[string][]string{}
	for _, op := range operations {
		parts, open := segments(op.Path)
		if open || len(parts) == 0 {
			continue
		}
		key := strings.Join(parts, "/")
		byPath[key] |= methodMask(op.Method)
		split[key] = parts
	}
	var s Shape
	first := true
	for _, parts := range split {
		static := parts[:len(parts)-1]
		if i := slices.Index(static, parameter); i >= 0 {
			static = static[:i]
		}
		if first {
			s.prefix, first = slices.Clone(static), false
			continue
		}
		n := 0
		for n < len(s.prefix) && n < len(static) && s.prefix[n] == static[n] {
			n++
		}
		s.prefix = s.prefix[:n]
	}
	for key, methods := range byPath {
		var hash uint64
		var weight float64
		rest := split[key][len(s.prefix):]
		for _, part := range slices.Backward(rest) {
			hash = before(part, hash)
			weight += segmentWeight(part)
		}
		s.paths = append(s.paths, newPath(hash, methods, uint8(math.Round(8*min(weight, maxPathWeight)))))
	}
	slices.Sort(s.paths)
	s.paths = slices.CompactFunc(s.paths, func(a, b path) bool { return a.hash() == b.hash() })
	if len(s.paths) > maxPaths {
		s.paths = slices.Clip(s.paths[:maxPaths])
	}
	return s
}

// IsZero reports whether there are no operations.
func (s Shape) IsZero() bool { return len(s.paths) == 0 }

// operations is how many there are; every method counts as one.
func (s Shape) operations() int {
	n := 0
	for _, p := range s.paths {
		if p.methods() == anyMethod {
			n++
			continue
		}
		n += bits.OnesCount8(p.methods())
	}
	return n
}

const shapeFormat = 1

// MarshalText writes the shape; see UnmarshalText.
func (s Shape) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return nil, nil
	}
	b := []byte{shapeFormat}
	b = binary.AppendUvarint(b, uint64(len(s.prefix)))
	for _, segment := range s.prefix {
		b = binary.AppendUvarint(b, uint64(len(segment)))
		b = append(b, segment...)
	}
	for _, p := range s.paths {
		b = binary.BigEndian.AppendUint64(b, uint64(p))
	}
	return base64.RawStdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads what MarshalText wrote. A shape of another format is an error: read the document again.
func (s *Shape) UnmarshalText(text []byte) error {
	*s = Shape{}
	if len(text) == 0 {
		return nil
	}
	b, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("shape of a document: %w", err)
	}
	if b[0] != shapeFormat {
		return fmt.Errorf("shape of a document: format %d is not known", b[0])
	}
	b = b[1:]
	number := func() int {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)) {
			return -1
		}
		b = b[size:]
		return int(n)
	}
	var read Shape
	n := number()
	for range n {
		size := number()
		if size < 0 || size > len(b) {
			return errShape
		}
		read.prefix, b = append(read.prefix, string(b[:size])), b[size:]
	}
	if n < 0 || len(b)%8 != 0 || len(b) > 8*maxPaths {
		return errShape
	}
	for ; len(b) > 0; b = b[8:] {
		read.paths = append(read.paths, path(binary.BigEndian.Uint64(b)))
	}
	if !slices.IsSorted(read.paths) {
		return errShape
	}
	*s = read
	return nil
}

var errShape = errors.New("shape of a document: it is damaged")
