package correlate

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// decorations are words that say how or where an API is offered, not which one it is.
var decorations = wordSet(`
	webapi restapi openapi fastapi restful graphql untitled my corp corporate inc ltd llc gmbh
	api apis io com net org service services svc svcs srv rest http https web ws soap rpc grpc json xml swagger oas
	documentation docs doc reference specification spec specs definition schema interactive guide explorer
	gateway gw proxy proxies apim ingress route router endpoint endpoints backend server facade bff host cluster k8s mesh
	virtualservice httproute ingressroute vs routes virtualservices rev revision stack ui
	microservice app application interface module component prd0 default main root base common
	public private internal external partner partners intern extern ext
	the a an of for and to in on by with from your our its or
	v ver version legacy old new current deprecated obsolete retired next latest stable beta alpha preview rc ga experimental early
	final draft copy edition release snapshot
	prod production prd live test tst testing tests qa qas uat ut sit sim simulation simulator sandbox sbx sand stage staging stg
	preprod preprd pprd ppd pre nonprod nonprd nprd npd dev devl dv develop development int integration itg intg acc accp acpt acceptance demo local canary blue green dr perf load training trn
	eu us uk emea apac na latam asia europe america global intl international west east north south central northeast southeast
	northwest southwest westeurope northeurope eastus westus weu neu euw use usw aws azure gcp onprem cloud dc region zone
	cluster0 cluster1 az`)

// lean are decorations that name an API, however little they tell, where nothing else does: "Proxy API", "Gateway".
var lean = wordSet(`gateway proxy router host cluster server facade backend mesh module component guide explorer cloud local
	global training`)

// Of these decorations one name has one and another has another where two APIs have a word in common: "LH Public API" and
// "LH Partner API", "Swagger Generator" and "OpenAPI Generator", "Local Search" and "Web Search".
var (
	audiences = wordSet(`public private internal external partner intern extern`)
	kinds     = wordSet(`swagger openapi graphql json xml soap aws azure gcp web local global cloud explorer guide training`)
)

// contradict reports whether two names each have words of a set, and none in common.
func contradict(a, b name, set map[string]bool) bool {
	says := func(w string) bool { return set[w] }
	if !slices.ContainsFunc(a.All, says) || !slices.ContainsFunc(b.All, says) {
		return false
	}
	return !slices.ContainsFunc(a.All, func(w string) bool { return set[w] && slices.Contains(b.All, w) })
}

// balancers are words of hosts that stand before many back ends, or hold many: balancers, service buses, servers of applications.
var balancers = wordSet(`esb mule bus datapower weblogic websphere tomcat iis lb elb alb nlb slb vip loadbalancer balancer ingresses haproxy nginx envoy istio traefik varnish apache
	apps lan node nodes worker workers edge front frontdoor dmz waf cdn`)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

var (
	versionWord = regexp.MustCompile(`^(v|r|ver|version)?[0-9]{1,4}((alpha|beta|rc|p)[0-9]*)?$`)
	regionWord  = regexp.MustCompile(`^(eu|us|na|ap|sa|ca|dc|az|gw|euw|use|usw|weu|neu|prod|prd|test|tst|dev|qa|uat|stg|node|k8s|svc|srv|v)[0-9]{1,3}[a-z]?$`)
	compounds   = regexp.MustCompile(`(?i)open ?api|rest ?ful|fast ?api|graph ?ql|web ?api`) // however they are written, one word each
	hexWord     = regexp.MustCompile(`^[0-9a-f]{8,}$|^[0-9a-f]{4}$`)
)

// name is one of the names of a deployment.
type name struct {
	Text string `json:"text"` // as told
	// Words are those that tell which API it is, in their first form; none where the name says nothing.
	Words []string `json:"words,omitempty"`
	All   []string `json:"all,omitempty"` // every word; none where Words are all
}

func newName(text string) name {
	n := name{Text: text}
	folded := strings.Map(func(r rune) rune {
		if r == '\'' || r == '’' || unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(strings.ToValidUTF8(text, " "))) // a broken byte would keep the accents behind it on
	all := words(compounds.ReplaceAllStringFunc(folded, func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }))
	for _, w := range all[:min(len(all), maxWords)] {
		n.All = append(n.All, stem(w))
		if tells(w) {
			n.Words = append(n.Words, stem(w))
		}
	}
	if len(n.Words) == 0 {
		n.Words = slices.DeleteFunc(slices.Clone(n.All), func(w string) bool { return !lean[w] })
	}
	if len(n.Words) == len(n.All) || len(n.Words) == 0 {
		n.All = nil
	}
	return n
}

const maxWords = 12

// tells reports whether a word may say which API is meant.
func tells(w string) bool {
	if decorations[w] {
		return false
	}
	if n := digits(w); n > 0 && (n*2 > len(w) || versionWord.MatchString(w) || regionWord.MatchString(w) || hexWord.MatchString(w)) {
		return false
	}
	return len(w) > 1 || w[0] >= 0x80
}

func digits(w string) int {
	n := 0
	for _, r := range w {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}

// stem is the singular of an English word, near enough to compare with. It never makes a decoration of a word: news are
// not what is new.
func stem(w string) string {
	if s := singular(w); !decorations[s] {
		return s
	}
	return w
}

func singular(w string) string {
	switch {
	case len(w) > 4 && strings.HasSuffix(w, "ies"):
		return w[:len(w)-3] + "y"
	case len(w) > 4 && (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes")):
		return w[:len(w)-2]
	case len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		return w[:len(w)-1]
	}
	return w
}

// likeness is what two names have in common, in bits: shared, and what only the one or the other says. cut is how much of what is
// shared are words of the one that are but parts of words of the other.
type likeness struct {
	shared, onlyA, onlyB, cut float64
}

func (l likeness) same() bool { return l.shared > 0 && l.onlyA == 0 && l.onlyB == 0 && l.cut == 0 }

// within reports whether the one says all that the other does, or a part of a word of it and hardly more: "Dataflow" is not within
// "Country Data Standardization".
func (l likeness) within() bool {
	return l.shared > 0 && (l.onlyA == 0 || l.onlyB == 0) && (l.shared > l.cut || max(l.onlyA, l.onlyB) <= rare)
}

// net is what the names speak for being one (positive) or two.
func (l likeness) net() float64 {
	return l.shared - max(l.onlyA, l.onlyB)/4 - 1.5*min(l.onlyA, l.onlyB)
}

// compareNames says what two names have in common. wordsA and wordsB are their words, with the weights that they have here.
func compareNames(a, b *named, wordsA, wordsB []word) likeness {
	var l likeness
	if len(wordsA) == 0 || len(wordsB) == 0 {
		return l
	}
	var bufferA, bufferB [maxWords]word
	restA, restB := bufferA[:0], append(bufferB[:0], wordsB...)
	for _, w := range wordsA {
		if i := find(restB, w.text); i >= 0 {
			l.shared += w.weight
			restB = slices.Delete(restB, i, i+1)
			continue
		}
		restA = append(restA, w)
	}
	if len(restA) > 0 && len(restB) > 0 {
		if sameLetters(a.bare, b.bare) || runsThrough(a, b) || runsThrough(b, a) {
			return likeness{shared: max(sum(wordsA), sum(wordsB))}
		}
		if mayBeSpelled(restA, restB) {
			restA, restB = l.spelled(restA, restB)
		}
	}
	if turned(a.name, b.name) {
		l.onlyA, l.onlyB = rare, rare
	}
	for _, w := range restA {
		if find(wordsB, w.text) < 0 { // said twice
			l.onlyA += w.weight
		}
	}
	for _, w := range restB {
		if find(wordsA, w.text) < 0 {
			l.onlyB += w.weight
		}
	}
	return l
}

func find(words []word, text string) int {
	for i := range words {
		if words[i].text == text {
			return i
		}
	}
	return -1
}

// turned reports whether what leads to something in one name is led to in the other: "Speech-to-Text", "Text to Speech".
func turned(a, b name) bool {
	i, j := slices.Index(a.All, "to"), slices.Index(b.All, "to")
	return i > 0 && j > 0 && i+1 < len(a.All) && j+1 < len(b.All) &&
		a.All[i-1] != a.All[i+1] && a.All[i-1] == b.All[j+1] && a.All[i+1] == b.All[j-1]
}

// sameLetters reports whether the words of two names, written as one and without the decorations behind them, are the same:
// "NextGen (EU)" and "Nextgen".
func sameLetters(x, y []string) bool {
	if len(x) == 0 || len(y) == 0 {
		return false
	}
	var left, right string
	for {
		if left == "" {
			if len(x) == 0 {
				return right == "" && len(y) == 0
			}
			left, x = x[0], x[1:]
		}
		if right == "" {
			if len(y) == 0 {
				return false
			}
			right, y = y[0], y[1:]
		}
		n := min(len(left), len(right))
		if left[:n] != right[:n] {
			return false
		}
		left, right = left[n:], right[n:]
	}
}

// spelling is every word of a name.
func (n name) spelling() []string {
	if len(n.All) > 0 {
		return n.All
	}
	return n.Words
}

func undecorated(all []string) []string {
	for len(all) > 0 && !tells(all[len(all)-1]) {
		all = all[:len(all)-1]
	}
	return all
}

// cutWord takes a word from the beginning, and the s that its stem has lost from the word before it.
func cutWord(text, word string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(text, word); !ok && strings.HasPrefix(text, "s") {
		rest, ok = strings.CutPrefix(text[1:], word)
	}
	return rest, ok
}

func sum(words []word) float64 {
	var total float64
	for _, w := range words {
		total += w.weight
	}
	return total
}

// runsThrough reports whether the words of a, written without spaces, are those of b with decorations between or around
// them: "globalwinescore" is "Global Wine Score".
func runsThrough(a, b *named) bool {
	all := b.spelling()
	if !mayRunThrough(a.letters[0], all) {
		return false
	}
	for from := range all {
		rest := a.letters
		for i, w := range all[from:] {
			next, ok := cutWord(rest, w)
			if !ok {
				break
			}
			if rest = next; rest == "" || rest == "s" {
				return !slices.ContainsFunc(b.Words, func(w string) bool { return !slices.Contains(all[from:from+i+1], w) })
			}
		}
	}
	return false
}

// mayRunThrough reports whether any of the words can be the first in a text that begins with a letter: of most pairs none
// can.
func mayRunThrough(first byte, words []string) bool {
	return first == 's' || slices.ContainsFunc(words, func(w string) bool { return w[0] == first }) // an s may be cut: see cutWord
}

// mayBeSpelled reports whether a word of the one begins as one of the other, or would if it had lost an s: of most pairs none
// does, and spelled finds nothing.
func mayBeSpelled(a, b []word) bool {
	firstA, seenA := firsts(a)
	firstB, seenB := firsts(b)
	return firstA&seenB|firstB&seenA != 0
}

// firsts are the letters that words begin with, and these with those behind an s, as bits: see cutWord.
func firsts(words []word) (first, seen uint64) {
	for _, w := range words {
		first |= 1 << (w.text[0] % 64)
		if seen |= first; w.text[0] == 's' && len(w.text) > 1 {
			seen |= 1 << (w.text[1] % 64)
		}
	}
	return first, seen
}

// spelled finds words that are written otherwise: run together, cut short, or as initials.
func (l *likeness) spelled(a, b []word) (restA, restB []word) {
	a, b = l.contracted(a, b)
	b, a = l.contracted(b, a)
	for k := 0; k < len(a); {
		i := slices.IndexFunc(b, func(w word) bool { return abbreviates(a[k].text, w.text) || abbreviates(w.text, a[k].text) })
		if i < 0 {
			k++
			continue
		}
		part := min(a[k].weight, b[i].weight) / 2
		l.shared, l.cut = l.shared+part, l.cut+part
		a, b = slices.Delete(a, k, k+1), slices.Delete(b, i, i+1)
	}
	return a, b
}

// contracted takes words of a that are several words of b in one, or their initials, from both.
func (l *likeness) contracted(a, b []word) (restA, restB []word) {
	for k := 0; k < len(a); {
		n, from := 0, 0
		for i := range b {
			if n = runTogether(a[k].text, b[i:]); n > 1 {
				from = i
				break
			}
		}
		if n < 2 {
			k++
			continue
		}
		for _, part := range b[from : from+n] {
			l.shared += part.weight
		}
		a, b = slices.Delete(a, k, k+1), slices.Delete(b, from, from+n)
	}
	return a, b
}

// runTogether says how many of the words make up w: written one after the other, or all of them as initials.
func runTogether(w string, parts []word) int {
	rest := w
	for i, part := range parts {
		next, ok := cutWord(rest, part.text)
		if !ok {
			break
		}
		if next == "" || next == "s" {
			return i + 1
		}
		rest = next
	}
	if len(w) >= 3 && len(w) == len(parts) {
		for i, part := range parts {
			if part.text[0] != w[i] {
				return 0
			}
		}
		return len(parts)
	}
	return 0
}

// abbreviates reports whether short is a beginning of long, or its first letter and some of its consonants.
func abbreviates(short, long string) bool {
	if len(short) < 3 || len(short) >= len(long) || short[0] != long[0] {
		return false
	}
	if strings.HasPrefix(long, short) {
		return true
	}
	if len(short) > 5 {
		return false
	}
	i := 1
	for j := 1; j < len(long) && i < len(short); j++ {
		if long[j] == short[i] && !strings.ContainsRune("aeiou", rune(long[j])) {
			i++
		}
	}
	return i == len(short)
}

// key is the same for names that differ in decoration only.
func (n name) key() string {
	if len(n.Words) == 0 {
		return strings.ToLower(n.Text)
	}
	return strings.Join(n.Words, " ")
}
