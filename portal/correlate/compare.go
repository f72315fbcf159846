package correlate

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The least scores of the verdicts; see oneInOtherWords.
const (
	JoinScore   = 0.95
	ReviewScore = 0.5
)

// How much each signal may say, in bits. A signal that is absent on either side says nothing.
const (
	mostForReview = 3.0  // where title, operations or owner speak against it
	mostForApart  = -1.0 // where two of these do
	prior         = -6.0 // two deployments that share a key are more often two APIs than one
	maxTitle      = 12.0
	wholeTitle    = 6.0 // more than its words say
	maxOtherTitle = 12.0
	maxOperations = 14.0
	noOperations  = 10.0
	maxPlace      = 8.0
	otherNames    = 9.0
	maxUpstream   = 6.0
	otherUpstream = 2.0
	sameOwner     = 1.5
	otherOwner    = 2.0

	plainBits = 10.0 // what title and operations tell, up to which many companies have an API like it
	nearlyAll = 0.75 // share of the operations, from which on they are taken for the same
)

// Compare judges two deployments as if one division had both. It is symmetrical.
func Compare(a, b Sketch) Match {
	e := weighUp(&a, &b)
	return Match{Score: e.score, Verdict: e.verdict(), Reasons: e.reasons()}
}

// reasons are what was found, what weighs most first.
func (e *weighing) reasons() []Reason {
	found := slices.SortedStableFunc(slices.Values(e.found[:e.signals]), func(x, y finding) int {
		return cmp.Or(cmp.Compare(math.Abs(y.bits), math.Abs(x.bits)), strings.Compare(x.code, y.code))
	})
	var all []Reason
	for _, f := range found {
		all = append(all, Reason{f.code, e.args(f.code)})
	}
	return all
}

// weighUp looks at every signal.
func weighUp(a, b *Sketch) weighing {
	if x, y := a.Sum(), b.Sum(); x > y || x == y && compareSketches(a, b) > 0 { // so that no rule below can depend on which comes first
		a, b = b, a
	}
	x, y := newSubject(a, nil), newSubject(b, nil)
	return weighInOrder(&x, &y, false)
}

// weighInOrder is weighUp for sketches of which the second does not come before the first. Where nothing but the verdict is
// asked for, it leaves off once that is sure.
func weighInOrder(a, b *subject, verdict bool) weighing {
	e := weighing{a: a, b: b}
	if a.Explicit != "" && b.Explicit != "" {
		if a.Explicit == b.Explicit {
			e.add(maxBits, SameID)
			e.score = 1
			return e
		}
		e.clash = true
		e.add(-maxBits, OtherID)
		return e
	}
	e.titles()
	e.names()
	place := e.place()
	if verdict && e.hopeless(place) {
		return e
	}
	e.operations()
	if place > 0 {
		e.add(place, SamePath)
	}
	e.upstream()
	e.owner()
	e.addUp()
	return e
}

// hopeless reports whether two are apart whatever they can do, by what is found so far and what their base paths say.
func (e *weighing) hopeless(place float64) bool {
	most := prior + place + maxOperations
	for _, f := range e.found[:e.signals] {
		most += f.bits
	}
	if e.a.backEnd != nil && e.b.backEnd != nil {
		most += maxUpstream
	}
	if e.a.Owner != "" && e.b.Owner != "" {
		most += sameOwner
	}
	return most < -1 // 0 is worth a question
}

// weighing adds up what speaks for and against.
type weighing struct {
	a, b    *subject
	found   [7]finding // one for each signal
	signals int
	score   float64

	titled       bool     // both have a title
	alike        likeness // of the titles, or of whatever else calls them alike
	nameA, nameB *named   // the titles that are most alike, or what else calls them alike; nil: nothing
	ops          overlap
	shapes       bool // both tell operations

	otherTitle               bool // each title says what the other does not
	otherOwner, otherBackEnd bool
	otherName                bool // one has no title, and nothing else calls them alike
	nameless                 bool // one has no name at all
	plain                    bool // many companies have an API like this, and nothing else says that these are one's
	strangers                bool // and what else names them says that they are two's: ownA and ownB
	ownA, ownB               string
	decorated                bool // titles that tell little say different things about how they are offered
	deeds                    int8 // what they can do is: 1 the same, -1 something else, 0 not known
	clash                    bool // they cannot be joined through others either
}

// finding is one signal with its weight.
type finding struct {
	bits float64
	code string
}

func (e *weighing) add(bits float64, code string) {
	e.found[e.signals] = finding{bits, code}
	e.signals++
}

const maxBits = 20.0

func (e *weighing) addUp() {
	total := prior
	for _, f := range e.found[:e.signals] {
		total += f.bits
	}
	e.lookAround()
	e.lookAtDecorations()
	e.clash = e.clash || e.otherTitle || e.strangers
	called := e.titled || e.alike.shared > 0
	// An edition, or a relative.
	partly := called && !e.alike.same() && e.shapes && e.ops.ratio() < nearlyAll
	// Another owner or back end, where it is not known what one of them can do, or what it is called.
	others := (e.deeds == 0 || e.nameless) && (e.otherOwner || e.otherBackEnd)
	if e.otherTitle || e.strangers || partly || e.shapes && e.deeds < 1 || e.otherName || e.decorated || others { // never without a person
		total = min(total, mostForReview)
	}
	// Two companies' "Payments API"; two services of a product.
	if e.deeds < 0 && (e.otherOwner || !e.alike.same()) {
		total = min(total, mostForApart)
	}
	e.score = 1 / (1 + math.Exp2(-max(min(total, maxBits), -maxBits)))
}

// oneInOtherWords reports whether two do the same under titles of which the one says all that the other does: that is worth a question,
// however little either tells. "ACME Lockers", "locker-svc".
func (e *weighing) oneInOtherWords() bool {
	return e.titled && e.alike.within() && e.shapes && e.ops.ratio() >= nearlyAll && min(e.ops.ofA, e.ops.ofB) >= fewOperations && !e.otherOwner && !e.strangers
}

func (e *weighing) verdict() Verdict {
	switch {
	case e.score >= JoinScore:
		return Join
	case e.score >= ReviewScore, e.oneInOtherWords():
		return Review
	}
	return Apart
}

// lookAtDecorations hears words that are decoration elsewhere, where the rest of two names says little.
func (e *weighing) lookAtDecorations() {
	if e.nameA == nil || e.alike.shared >= rare {
		return
	}
	a, b := e.nameA.name, e.nameB.name
	e.decorated = contradict(a, b, kinds) || contradict(a, b, audiences)
}

// lookAround looks at what else names the two, where title and operations are such as many companies have: the customers of
// one owner and the customers of another are two APIs, and so are those with two companies' names in title, id, base path or back end.
func (e *weighing) lookAround() {
	if !e.titled || max(e.alike.shared, e.ops.tells) >= plainBits {
		return
	}
	titleA, titleB := e.nameA.letters, e.nameB.letters
	namesA, namesB := beside(e.a.rare, titleA, titleB), beside(e.b.rare, titleA, titleB)
	ownersA, ownersB := beside(e.a.owners, titleA, titleB), beside(e.b.owners, titleA, titleB)
	common := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(w string) bool { return slices.Contains(b, w) })
	}
	if common(namesA, namesB) || common(namesA, ownersB) || common(ownersA, namesB) || common(ownersA, ownersB) {
		return
	}
	e.plain = true
	for _, side := range [][2][]string{{namesA, namesB}, {ownersA, ownersB}} {
		if len(side[0]) > 0 && len(side[1]) > 0 && !e.strangers {
			e.strangers, e.ownA, e.ownB = true, side[0][0], side[1][0]
			e.add(0, NamedApart)
		}
	}
}

// beside are the words that do not come from either title, in whatever spelling.
func beside(words []string, titleA, titleB string) []string {
	var out []string
	for _, w := range words {
		if !strings.Contains(titleA, w) && !strings.Contains(titleB, w) && !strings.Contains(w, titleA) && !strings.Contains(w, titleB) {
			out = append(out, w)
		}
	}
	return out
}

// args are what a reason is about.
func (e *weighing) args(code string) []string {
	switch code {
	case SameID:
		return []string{e.a.Explicit}
	case OtherID:
		return ordered(e.a.Explicit, e.b.Explicit)
	case SameTitle:
		return []string{strings.Join(e.nameA.Words, " ")}
	case SimilarTitle, OtherTitle:
		return ordered(e.nameA.Text, e.nameB.Text)
	case SameOperations, SomeOperations, FewOperations:
		return []string{strconv.Itoa(e.ops.common), strconv.Itoa(min(e.ops.ofA, e.ops.ofB)), strconv.Itoa(max(e.ops.ofA, e.ops.ofB))}
	case SamePath:
		return []string{e.a.Place.Text}
	case NamedAlike:
		return []string{strings.Join(e.nameB.Words, " ")}
	case SameUpstream:
		return []string{e.a.Upstream.Text}
	case OtherUpstream:
		return ordered(e.a.Upstream.Text, e.b.Upstream.Text)
	case SameOwner:
		return []string{min(e.a.Owner, e.b.Owner)}
	case NamedApart:
		return ordered(e.ownA, e.ownB)
	case OtherOwner:
		return ordered(e.a.Owner, e.b.Owner)
	}
	return nil
}

// words are those of a name; what is the company's name weighs less. room is where they are put if there is any.
func (e *weighing) words(n *named, room []word) (words []word, ours bool) {
	words = n.words
	for i, w := range n.words {
		if slices.Contains(e.a.company, w.text) || slices.Contains(e.b.company, w.text) {
			if !ours {
				words, ours = append(room, n.words...), true
			}
			words[i].weight = 1
		}
	}
	return words, ours
}

// compareNames says what two names have in common. Where each says what the other does not, a company's name counts in
// full: the APIs of two companies are two.
func (e *weighing) compareNames(a, b *named) likeness {
	l, ours := e.compareOurs(a, b)
	if ours && !l.within() {
		if full := compareNames(a, b, a.words, b.words); full.net() < l.net() {
			l.onlyA, l.onlyB = full.onlyA, full.onlyB
		}
	}
	return l
}

// compareOurs is compareNames with a company's name for little; ours reports whether it is in either.
func (e *weighing) compareOurs(a, b *named) (l likeness, ours bool) {
	var roomA, roomB [maxWords]word
	wordsA, oursA := e.words(a, roomA[:0])
	wordsB, oursB := e.words(b, roomB[:0])
	return compareNames(a, b, wordsA, wordsB), oursA || oursB
}

func (e *weighing) titles() {
	l := &e.alike
	for _, n := range e.a.titles {
		for _, m := range e.b.titles {
			if x := e.compareNames(n, m); !e.titled || x.net() > l.net() {
				*l, e.nameA, e.nameB, e.titled = x, n, m, true
			}
		}
	}
	switch {
	case !e.titled:
	case l.same():
		shared := l.shared
		if shared <= float64(len(e.nameA.Words)) { // the company's name is all there is
			shared = sum(e.nameA.words)
		}
		e.add(min(shared+wholeTitle, maxTitle), SameTitle)
	case l.within():
		if bits := min(l.net(), maxTitle-4); bits > 0 {
			e.add(bits, SimilarTitle)
		}
	default:
		e.otherTitle = true
		if bits := l.net(); bits >= 0 {
			e.add(min(bits, 2), SimilarTitle)
		} else {
			e.add(max(bits, -maxOtherTitle), OtherTitle)
		}
	}
}

func (e *weighing) operations() {
	if e.a.Shape.IsZero() || e.b.Shape.IsZero() || e.a.calls != e.b.calls { // what a gateway routes says nothing about queries and messages
		return
	}
	for _, frontA := range e.a.fronts {
		for _, frontB := range e.b.fronts {
			if o := compareShapes(e.a.Shape.paths, e.b.Shape.paths, frontA, frontB); !e.shapes || o.shared > e.ops.shared {
				e.ops, e.shapes = o, true
			}
			if e.ops.similarity() > 0.9 {
				break
			}
		}
	}
	o := e.ops
	tells := o.tells
	if !e.alike.same() { // resources are named after the title: only what they tell beyond it counts
		tells = max(0, tells-e.alike.shared)
	}
	ratio := o.ratio()
	if ratio >= 0.5 || ratio*tells >= 3 {
		e.deeds = 1
	}
	switch {
	case ratio >= nearlyAll:
		e.add(min(tells, maxOperations), SameOperations)
	case ratio >= 0.2:
		e.add(min(tells, maxOperations)*(ratio-0.2)/0.55, SomeOperations)
	case o.silent() && e.a.Shape.bare() && e.b.Shape.bare():
		e.shapes = false
	default:
		e.deeds = -1
		fewest := min(o.ofA, o.ofB)
		e.clash = fewest >= 3 && min(o.a, o.b) > noOperations
		e.add(-min(min(o.a, o.b), noOperations)*(1-ratio/0.2)*min(1, float64(fewest)/4), FewOperations)
	}
}

// names looks at those in base paths and back ends where titles say nothing: is there any name for the one that fits a name
// of the other?
func (e *weighing) names() {
	if e.titled {
		return
	}
	namesA, namesB := e.a.names(), e.b.names()
	e.nameless = len(namesA) == 0 || len(namesB) == 0
	if e.nameless {
		return
	}
	for _, n := range namesA {
		for _, m := range namesB {
			if l := e.compareNames(n, m); l.net() > e.alike.net() {
				e.alike, e.nameA, e.nameB = l, n, m
			}
		}
	}
	if e.alike.net() <= 0 {
		e.alike = likeness{}
		e.otherName = true
		e.add(-otherNames, OtherNames)
		return
	}
	e.add(min(e.alike.net()+2, maxPlace), NamedAlike)
}

// place is what base paths say.
func (e *weighing) place() float64 {
	if e.a.place != nil && e.b.place != nil {
		if l, _ := e.compareOurs(e.a.place, e.b.place); l.same() {
			bits := min(l.shared+2, maxPlace)
			if e.titled && e.alike.same() { // a base path is made from the title as a rule: it says little more
				bits = min(bits, 1.5)
			}
			return bits
		}
	}
	return 0
}

func (e *weighing) upstream() {
	a, b := e.a.Upstream, e.b.Upstream
	if a == nil || b == nil {
		return
	}
	switch {
	case a.Text == b.Text && len(a.Words) > 0:
		words, _ := e.words(e.a.backEnd, nil)
		e.add(min(sum(words), maxUpstream), SameUpstream)
	case len(a.Words) > 0 && len(b.Words) > 0:
		if l, _ := e.compareOurs(e.a.backEnd, e.b.backEnd); l.shared == 0 {
			e.otherBackEnd = true
			e.add(-otherUpstream, OtherUpstream)
		}
	}
}

func (e *weighing) owner() {
	if a, b := e.a.Owner, e.b.Owner; a != "" && b != "" {
		if e.a.owner == e.b.owner {
			e.add(sameOwner, SameOwner)
		} else {
			e.otherOwner = true
			e.add(-otherOwner, OtherOwner)
		}
	}
}

func ordered(a, b string) []string { return []string{min(a, b), max(a, b)} }

// Sum is of all that a sketch is made of: another one as a rule has another.
func (s *Sketch) Sum() int64 {
	h := fnv.New64a()
	all := func(texts ...string) {
		for _, t := range texts {
			_, _ = io.WriteString(h, t)
			h.Write([]byte{0})
		}
		h.Write([]byte{1})
	}
	for _, n := range s.Titles {
		all(n.Text)
	}
	for _, b := range s.Base {
		all(b...)
	}
	all(s.Explicit, s.Owner, s.placeText(), s.upstreamText(), strconv.FormatBool(s.Routes))
	all(s.Domains...)
	all(s.Shape.prefix...)
	var b [8]byte
	for _, p := range s.Shape.paths {
		binary.BigEndian.PutUint64(b[:], uint64(p))
		h.Write(b[:])
	}
	return int64(h.Sum64())
}

// compareSketches is an order of sketches that are not the same.
func compareSketches(a, b *Sketch) int {
	return cmp.Or(
		strings.Compare(a.Explicit, b.Explicit),
		slices.CompareFunc(a.Titles, b.Titles, func(n, m name) int { return strings.Compare(n.Text, m.Text) }),
		slices.Compare(a.Shape.paths, b.Shape.paths),
		slices.Compare(a.Shape.prefix, b.Shape.prefix),
		strings.Compare(a.placeText(), b.placeText()),
		slices.CompareFunc(a.Base, b.Base, slices.Compare),
		slices.Compare(a.Domains, b.Domains),
		strings.Compare(a.Owner, b.Owner),
		strings.Compare(a.upstreamText(), b.upstreamText()),
	)
}

func (s *Sketch) placeText() string {
	if s.Place == nil {
		return ""
	}
	return s.Place.Text
}

func (s *Sketch) upstreamText() string {
	if s.Upstream == nil {
		return ""
	}
	return s.Upstream.Text
}
