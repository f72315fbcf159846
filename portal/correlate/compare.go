package correlate

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The least scores of the verdicts.
const (
	JoinScore   = 0.95
	ReviewScore = 0.5
)

// How much each signal may say, in bits. A signal that is absent on either side says nothing.
const (
	mostForReview = 3.0  // where title, operations or owner speak against it
	prior         = -6.0 // two deployments that share a key are more often two APIs than one
	maxTitle      = 12.0
	wholeTitle    = 6.0 // more than its words say
	maxOtherTitle = 12.0
	maxOperations = 14.0
	noOperations  = 10.0
	maxPlace      = 8.0
	maxUpstream   = 6.0
	otherUpstream = 2.0
	sameOwner     = 1.5
	otherOwner    = 2.0
)

// Compare judges two deployments as if one division had both. It is symmetrical.
func Compare(a, b Sketch) Match {
	if a.Explicit != "" && b.Explicit != "" {
		if a.Explicit == b.Explicit {
			return Match{Score: 1, Verdict: Join, Reasons: []Reason{{SameID, []string{a.Explicit}}}}
		}
		return Match{Verdict: Apart, Reasons: []Reason{{OtherID, ordered(a.Explicit, b.Explicit)}}}
	}
	if compareSketches(&a, &b) > 0 { // so that no rule below can depend on which comes first
		a, b = b, a
	}
	e := weighing{a: &a, b: &b}
	e.titles()
	e.operations()
	e.place()
	e.upstream()
	e.owner()
	return e.match()
}

// weighing adds up what speaks for and against.
type weighing struct {
	a, b    *Sketch
	reasons []weighed

	title      likeness // of the titles that are most alike
	titled     bool     // both have one
	otherTitle bool     // each says what the other does not
	shapes     bool     // both have one
	ops        overlap
	deeds      int  // what they can do is: 1 the same, -1 something else, 0 not known of both
	clash      bool // it is something else, and there is much of it
	otherOwner bool
}

type weighed struct {
	bits float64
	Reason
}

func (e *weighing) add(bits float64, code string, args ...string) {
	e.reasons = append(e.reasons, weighed{bits, Reason{code, args}})
}

func (e *weighing) match() Match {
	slices.SortStableFunc(e.reasons, func(a, b weighed) int {
		switch x, y := math.Abs(a.bits), math.Abs(b.bits); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return strings.Compare(a.Code, b.Code)
	})
	total := prior
	m := Match{Verdict: Apart, clash: e.clash || e.otherTitle, deeds: e.deeds}
	for _, r := range e.reasons {
		total += r.bits
		m.Reasons = append(m.Reasons, r.Reason)
	}
	if e.otherTitle || e.deeds < 0 || e.otherOwner && e.deeds == 0 { // never without a person
		total = min(total, mostForReview)
	}
	m.Score = 1 / (1 + math.Exp2(-max(min(total, 20), -20)))
	switch {
	case m.Score >= JoinScore:
		m.Verdict = Join
	case m.Score >= ReviewScore:
		m.Verdict = Review
	}
	return m
}

// weigh is the weight of a word of a name, less if it is the company's.
func (e *weighing) weigh(w string) float64 {
	for _, s := range []*Sketch{e.a, e.b} {
		for _, d := range s.Domains {
			if label, _, _ := strings.Cut(d, "."); label == w || stem(label) == w {
				return 1
			}
		}
	}
	return wordWeight(w)
}

func (e *weighing) titles() {
	var nameA, nameB name
	for _, n := range e.a.Titles {
		for _, m := range e.b.Titles {
			l := compareNames(n, m, e.weigh)
			if !e.titled || l.net() > e.title.net() {
				e.title, nameA, nameB = l, n, m
			}
			e.titled = true
		}
	}
	if !e.titled {
		return
	}
	l := e.title
	switch {
	case l.same():
		shared := l.shared
		if shared <= float64(len(nameA.Words)) { // the company's name is all there is
			shared = 0
			for _, w := range nameA.Words {
				shared += wordWeight(w)
			}
		}
		e.add(min(shared+wholeTitle, maxTitle), SameTitle, e.common(nameA))
	case l.within():
		if bits := min(l.net(), maxTitle-4); bits > 0 {
			e.add(bits, SimilarTitle, ordered(nameA.Text, nameB.Text)...)
		}
	default:
		e.otherTitle = true
		if bits := l.net(); bits >= 0 {
			e.add(min(bits, 2), SimilarTitle, ordered(nameA.Text, nameB.Text)...)
		} else {
			e.add(max(bits, -maxOtherTitle), OtherTitle, ordered(nameA.Text, nameB.Text)...)
		}
	}
}

// common is what to call a title that both have.
func (e *weighing) common(n name) string { return strings.Join(n.Words, " ") }

func (e *weighing) operations() {
	if e.a.Shape.IsZero() || e.b.Shape.IsZero() {
		return
	}
	e.shapes = true
	first := true
	for _, baseA := range bases(e.a) {
		for _, baseB := range bases(e.b) {
			if o := compareShapes(e.a.Shape, e.b.Shape, baseA, baseB); first || o.shared > e.ops.shared {
				e.ops, first = o, false
			}
			if e.ops.similarity() > 0.9 {
				break
			}
		}
	}
	o := e.ops
	one, other := strconv.Itoa(o.ofA), strconv.Itoa(o.ofB)
	if o.ofA > o.ofB {
		one, other = other, one
	}
	args := []string{strconv.Itoa(o.common), one, other}
	ratio := (o.containment() + o.similarity()) / 2
	e.deeds = 1
	switch {
	case ratio >= 0.75:
		e.add(min(o.shared, maxOperations), SameOperations, args...)
	case ratio >= 0.2:
		e.add(min(o.shared, maxOperations)*(ratio-0.2)/0.55, SomeOperations, args...)
	default:
		e.deeds = -1
		fewest := min(o.ofA, o.ofB)
		e.clash = fewest >= 3 && min(o.a, o.b) > noOperations
		e.add(-min(min(o.a, o.b), noOperations)*(1-ratio/0.2)*min(1, float64(fewest)/4), FewOperations, args...)
	}
}

// bases are the base paths of a sketch; one at least.
func bases(s *Sketch) [][]string {
	if len(s.Base) == 0 {
		return [][]string{nil}
	}
	return s.Base[:min(len(s.Base), 2)]
}

// place looks at base paths, and at names that stand in base paths and back ends where titles say nothing.
func (e *weighing) place() {
	placeA, okA := e.a.placeName()
	placeB, okB := e.b.placeName()
	if okA && okB {
		if l := compareNames(placeA, placeB, e.weigh); l.same() {
			bits := min(l.shared+2, maxPlace)
			if e.titled && !e.otherTitle { // a base path is made from the title as a rule: it says little more
				bits = min(bits, 1.5)
			}
			e.add(bits, SamePath, "/"+strings.Join(e.a.Place, "/"))
			return
		}
	}
	if e.titled {
		return
	}
	best := 0.0
	var path string
	for _, x := range []struct {
		s     *Sketch
		place name
		ok    bool
		o     *Sketch
	}{{e.a, placeA, okA, e.b}, {e.b, placeB, okB, e.a}} {
		if !x.ok {
			continue
		}
		for _, n := range x.o.names() {
			if l := compareNames(x.place, n, e.weigh); l.net() > best {
				best, path = l.net(), "/"+strings.Join(x.s.Place, "/")
			}
		}
	}
	if best > 0 {
		e.add(min(best+2, maxPlace), PathNamesIt, path)
	}
}

func (e *weighing) upstream() {
	a, b := e.a.Upstream, e.b.Upstream
	if a == nil || b == nil {
		return
	}
	var weight float64
	for _, w := range a.Words {
		weight += e.weigh(w)
	}
	switch {
	case a.Text == b.Text && weight > 0:
		e.add(min(weight, maxUpstream), SameUpstream, a.Text)
	case len(a.Words) > 0 && len(b.Words) > 0 && compareNames(name{Words: a.Words}, name{Words: b.Words}, e.weigh).shared == 0:
		e.add(-otherUpstream, OtherUpstream, ordered(a.Text, b.Text)...)
	}
}

func (e *weighing) owner() {
	if a, b := e.a.Owner, e.b.Owner; a != "" && b != "" {
		if newName(a).key() == newName(b).key() {
			e.add(sameOwner, SameOwner, min(a, b))
		} else {
			e.otherOwner = true
			e.add(-otherOwner, OtherOwner, ordered(a, b)...)
		}
	}
}

func ordered(a, b string) []string { return []string{min(a, b), max(a, b)} }

// compareSketches is an order of sketches that are not the same.
func compareSketches(a, b *Sketch) int {
	return cmp.Or(
		slices.CompareFunc(a.Titles, b.Titles, func(n, m name) int { return strings.Compare(n.Text, m.Text) }),
		slices.Compare(a.Shape.paths, b.Shape.paths),
		slices.Compare(a.Shape.prefix, b.Shape.prefix),
		slices.Compare(a.Place, b.Place),
		slices.CompareFunc(a.Base, b.Base, slices.Compare),
		slices.Compare(a.Domains, b.Domains),
		strings.Compare(a.Owner, b.Owner),
		strings.Compare(a.upstreamText(), b.upstreamText()),
	)
}

func (s *Sketch) upstreamText() string {
	if s.Upstream == nil {
		return ""
	}
	return s.Upstream.Text
}
