package correlate

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
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
	// marks are hashes of the ends of up to maxMarks paths, drawn by lot with chances by weight. Two shapes draw the same
	// lots, so that a path which both have is likely to be drawn by both, or by neither (weighted MinHash, bottom-k).
	marks []uint64
}

// path is a hash of 40 bits, the methods as a mask of 8, and in 8 bits each its weight, and what it tells that the paths
// before it did not, both in eighths of a bit of information. The operations of one resource repeat its name: their weights
// say how much they are of the whole, what they tell how surely the whole is not another one.
//
// The hash is built from the last segment to the first, so that it can be continued with a segment in front: a gateway
// that takes a prefix away, or adds one, makes a set of paths that can still be compared.
type path uint64

func newPath(hash uint64, methods uint8, weight, tells float64) path {
	return path(hash<<24 | uint64(methods)<<16 | uint64(math.Round(8*weight))<<8 | uint64(math.Round(8*tells)))
}

func (p path) hash() uint64    { return uint64(p) >> 24 }
func (p path) methods() uint8  { return uint8(p >> 16) }
func (p path) weight() float64 { return float64(uint8(p>>8)) / 8 }
func (p path) tells() float64  { return float64(uint8(p)) / 8 }

const hashMask = 1<<40 - 1

// before continues the hash of a path with a segment in front of it.
func before(segment string, rest uint64) uint64 { return continued(textHash(segment), rest) }

// continued is before, for a segment whose hash is known.
func continued(segment, rest uint64) uint64 {
	x := segment ^ bits.RotateLeft64(rest*0x9E3779B97F4A7C15, 23)
	x ^= x >> 29
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 32
	return x & hashMask
}

// textHash is FNV-1a of 64 bits.
func textHash(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// Masks of methods that are not one of HTTP's common ones.
const (
	otherMethod = 128
	anyMethod   = 0xFF
)

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
	return otherMethod
}

// maxPaths bounds a shape. What exceeds it is left out by hash, so that two large documents leave out the same.
const maxPaths = 2048

const (
	maxMarks      = 6
	minMarkWeight = 4 // bits; what says less is no way to find anything
)

// route is one path of a set of operations.
type route struct {
	key     string // the segments as one word
	parts   []segment
	methods uint8
}

// segment is a part of a path that says what it is about.
type segment struct {
	text   string
	hash   uint64
	weight float64 // bits
}

// NewShape condenses operations; their order does not matter. Paths that stand for all below them say where an API is,
// not what it can do: they are no part of its shape.
func NewShape(operations []Operation) Shape {
	routes := routesOf(operations)
	slices.SortFunc(routes, func(a, b route) int { // the shorter ones first
		return cmp.Or(cmp.Compare(len(a.parts), len(b.parts)), cmp.Compare(a.key, b.key))
	})
	s := Shape{prefix: commonPrefix(routes)}
	told := map[string]bool{}
	s.paths = make([]path, 0, len(routes))
	for _, r := range routes {
		var hash uint64
		var weight, tells float64
		for _, part := range slices.Backward(r.parts[len(s.prefix):]) {
			hash = continued(part.hash, hash)
			if weight += part.weight; !told[part.text] {
				told[part.text] = true
				tells += part.weight
			}
		}
		s.paths = append(s.paths, newPath(hash, r.methods, min(weight, maxPathWeight), min(tells, maxPathWeight)))
	}
	slices.Sort(s.paths)
	s.paths = slices.CompactFunc(s.paths, func(a, b path) bool { return a.hash() == b.hash() })
	if len(s.paths) > maxPaths {
		s.paths = slices.Clip(s.paths[:maxPaths])
	}
	s.marks = draw(routes)
	return s
}

// routesOf gathers the methods of each path. Operations of one path often follow each other, and paths of one API share
// their segments: each is looked at once.
func routesOf(operations []Operation) []route {
	var routes []route
	at, known := map[string]int{}, map[string]segment{} // by key; by text
	stars := starsAreParameters(operations)
	last, i := "", -1
	for _, op := range operations {
		if op.Path != last {
			last, i = op.Path, -1
			parts, open := segments(op.Path)
			if open && stars && strings.HasSuffix(strings.TrimRight(op.Path, "/"), "/*") {
				parts, open = append(parts, parameter), false
			}
			if !open && len(parts) > 0 {
				key := strings.Join(parts, "/")
				var ok bool
				if i, ok = at[key]; !ok {
					i = len(routes)
					at[key] = i
					routes = append(routes, route{key: key, parts: weighed(parts, known)})
				}
			}
		}
		if i >= 0 {
			routes[i].methods |= methodMask(op.Method)
		}
	}
	return routes
}

// starsAreParameters reports whether a star at the end of a path stands for one value: it does where one in the middle of a
// path does, or where one method of "/orders/*" is told beside "/orders".
func starsAreParameters(operations []Operation) bool {
	parents := map[string]bool{}
	for _, op := range operations {
		if strings.Contains(op.Path, "/*/") {
			return true
		}
		if parent, ok := strings.CutSuffix(strings.TrimRight(op.Path, "/"), "/*"); ok && methodMask(op.Method) != anyMethod {
			parents[parent] = true
		}
	}
	return len(parents) > 0 && slices.ContainsFunc(operations, func(op Operation) bool { return parents[op.Path] })
}

func weighed(parts []string, known map[string]segment) []segment {
	out := make([]segment, len(parts))
	for i, text := range parts {
		s, ok := known[text]
		if !ok {
			s = segment{text, textHash(text), segmentWeight(text)}
			known[text] = s
		}
		out[i] = s
	}
	return out
}

// commonPrefix returns the segments that all paths begin with. The last segment of a path stays out of it, unless it is
// where the paths fork: "/payments" beside "/payments/refunds" and "/payments/charges" is the root of them.
func commonPrefix(routes []route) []string {
	var short, long []segment
	for n, r := range routes {
		static := r.parts
		if i := slices.IndexFunc(static, func(s segment) bool { return s.text == parameter }); i >= 0 {
			static = static[:i]
		}
		inner := static[:min(len(static), len(r.parts)-1)]
		if n == 0 {
			short, long = inner, static
			continue
		}
		short, long = short[:shared(short, inner)], long[:shared(long, static)]
	}
	if len(long) > len(short) {
		forks := map[string]bool{}
		for _, r := range routes {
			if len(r.parts) > len(long) && r.parts[len(long)].text != parameter {
				forks[r.parts[len(long)].text] = true
			}
		}
		if len(forks) > 1 {
			short = long
		}
	}
	var prefix []string
	for _, s := range short {
		prefix = append(prefix, s.text)
	}
	return prefix
}

// shared is how many segments two paths begin with alike.
func shared(a, b []segment) int {
	n := 0
	for n < len(a) && n < len(b) && a[n].text == b[n].text {
		n++
	}
	return n
}

// draw makes the marks. The end of a path is its last two segments: it stays the same where a prefix moves.
func draw(routes []route) []uint64 {
	type lot struct {
		rank float64
		end  uint64
	}
	lots := make([]lot, 0, len(routes))
	for _, r := range routes {
		var end uint64
		var weight float64
		for _, part := range slices.Backward(r.parts[max(0, len(r.parts)-2):]) {
			end = continued(part.hash, end)
			weight += part.weight
		}
		if weight < minMarkWeight {
			continue
		}
		drawn := (float64(before("lot", end)) + 1) / (hashMask + 2) // evenly between 0 and 1
		lots = append(lots, lot{-math.Log(drawn) / weight, end})
	}
	slices.SortFunc(lots, func(a, b lot) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.end, b.end)) })
	lots = slices.Compact(lots)
	ends := make([]uint64, min(maxMarks, len(lots)))
	for i := range ends {
		ends[i] = lots[i].end
	}
	return ends
}

// calls reports whether the operations are those of another protocol than HTTP: messages, queries, remote calls.
func (s Shape) calls() bool {
	return !slices.ContainsFunc(s.paths, func(p path) bool { return p.methods() != otherMethod })
}

// IsZero reports whether there are no operations.
func (s Shape) IsZero() bool { return len(s.paths) == 0 }

// shapeFormat is raised, with Format, when the same operations make another shape.
const shapeFormat = 4

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
	b = append(b, byte(len(s.marks)))
	for _, m := range s.marks {
		b = binary.BigEndian.AppendUint64(b, m)
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
	if len(b) == 0 {
		return errShape
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
	if n < 0 || len(b) == 0 || len(b)%8 != 1 || b[0] > maxMarks || 8*int(b[0]) >= len(b) || len(b) > 8*(maxPaths+maxMarks)+1 {
		return errShape
	}
	marks := int(b[0])
	for b = b[1:]; marks > 0; marks, b = marks-1, b[8:] {
		read.marks = append(read.marks, binary.BigEndian.Uint64(b))
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

// bare reports whether what all paths begin with says nothing either.
func (s Shape) bare() bool {
	var told float64
	for _, segment := range s.prefix {
		told += segmentWeight(segment)
	}
	return told < leastTold
}

// overlap is what two shapes have in common.
type overlap struct {
	shared   float64 // bits of the operations that both have
	tells    float64 // bits by which what both have is not to be found elsewhere
	a, b     float64 // bits of all operations of each
	common   int     // operations that both have
	ofA, ofB int     // operations of each
}

// containment is the share of the smaller one that the other has too, by weight.
func (o overlap) containment() float64 { return o.shared / max(min(o.a, o.b), 1e-9) }

// similarity is the share of all that both have, by weight.
func (o overlap) similarity() float64 { return o.shared / max(o.a+o.b-o.shared, 1e-9) }

// ratio is between the two.
func (o overlap) ratio() float64 { return (o.containment() + o.similarity()) / 2 }

// leastTold are the bits of operations below which they say nothing about which API it is: "GET /{id}", "GET /status".
const leastTold = 1.0

// silent reports whether the operations of one say nothing, and do not differ from the other's either.
func (o overlap) silent() bool {
	return min(o.a, o.b) < leastTold && (max(o.a, o.b) < leastTold || o.common >= min(o.ofA, o.ofB))
}

// maxMoved is how many segments a gateway may move between the address and the paths of an API.
const maxMoved = 3

// compareShapes lays two shapes over each other where they fit best, whatever their paths begin with. frontA and frontB
// are what stands in front of all paths of each.
func compareShapes(a, b []path, frontA, frontB []segment) overlap {
	var same float64
	for n := 1; n <= min(len(frontA), len(frontB)) && frontA[len(frontA)-n].hash == frontB[len(frontB)-n].hash; n++ {
		same += frontA[len(frontA)-n].weight
	}
	best := lay(a, b, same)
	if best.similarity() > 0.9 {
		return best
	}
	best = better(best, slide(a, b, frontA))
	back := slide(b, a, frontB)
	back.a, back.b, back.ofA, back.ofB = back.b, back.a, back.ofB, back.ofA
	return better(best, back)
}

func better(a, b overlap) overlap {
	if b.shared > a.shared {
		return b
	}
	return a
}

// slide is the best that comes of putting one to maxMoved of the segments in front of all paths into the paths.
func slide(paths, other []path, front []segment) overlap {
	var best overlap
	var few [64]uint64
	hashes := few[:0]
	for _, p := range paths {
		hashes = append(hashes, p.hash())
	}
	var weight float64
	for n := 1; n <= min(maxMoved, len(front)); n++ {
		s, met := front[len(front)-n], false
		weight += s.weight
		for i, h := range hashes {
			hashes[i] = continued(s.hash, h)
			if !met {
				at, _ := slices.BinarySearch(other, path(hashes[i]<<24))
				met = at < len(other) && other[at].hash() == hashes[i]
			}
		}
		if !met {
			continue
		}
		moved := make([]path, len(paths))
		for i, p := range paths {
			moved[i] = newPath(hashes[i], p.methods(), min(p.weight()+weight, maxPathWeight), p.tells())
		}
		slices.Sort(moved)
		best = better(best, lay(moved, other, 0))
	}
	return best
}

// lay counts what two lists of paths have in common; more is the weight of what is in front of each path of both.
func lay(a, b []path, more float64) overlap {
	o := overlap{tells: more}
	weight := func(p path) float64 { return min(p.weight()+more, maxPathWeight) }
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case j == len(b) || i < len(a) && a[i].hash() < b[j].hash():
			n := count(a[i].methods())
			o.ofA, o.a, i = o.ofA+n, o.a+float64(n)*weight(a[i]), i+1
		case i == len(a) || a[i].hash() > b[j].hash():
			n := count(b[j].methods())
			o.ofB, o.b, j = o.ofB+n, o.b+float64(n)*weight(b[j]), j+1
		default:
			p, q := a[i].methods(), b[j].methods()
			if p == anyMethod {
				p = q
			}
			if q == anyMethod {
				q = p
			}
			w := max(weight(a[i]), weight(b[j]))
			o.ofA, o.ofB, o.common = o.ofA+count(p), o.ofB+count(q), o.common+count(p&q)
			o.tells += max(a[i].tells(), b[j].tells())
			both := float64(count(p & q))
			if both == 0 { // what is done to a resource comes and goes; that it is there says half as much
				both = float64(min(count(p), count(q))) / 2
			}
			o.a, o.b, o.shared = o.a+float64(count(p))*w, o.b+float64(count(q))*w, o.shared+both*w
			i, j = i+1, j+1
		}
	}
	return o
}

// count is how many operations a mask stands for.
func count(methods uint8) int {
	if methods == anyMethod {
		return 1
	}
	return bits.OnesCount8(methods)
}
