package document

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// removed stands where a word was taken out, and neutral where a URL was: a URL still, so that formats and links stay
// valid, of a name that never resolves (RFC 6761).
const (
	removed = "removed"
	neutral = "https://removed.invalid/"
)

// specHosts are named by descriptions themselves or reserved for examples (RFC 2606); they say nothing about anybody.
var specHosts = []string{"json-schema.org", "spec.openapis.org", "example.com", "*.example.com", "example.org", "*.example.org",
	"example.net", "*.example.net", "*.example"}

// A scrubber takes the URLs of hosts that may not be named, and hidden words, out of texts.
type scrubber struct {
	hosts  map[string]bool // exact, "host" or "host:port", lower case
	suffix []string        // ".example.com" for the pattern "*.example.com"
	words  []string        // lower case, in order: looking for thousands costs little more than looking for one
}

func newScrubber(allowed, hidden []string) *scrubber {
	s := &scrubber{hosts: map[string]bool{}}
	for _, pattern := range slices.Concat(specHosts, allowed) {
		pattern = strings.ToLower(strings.TrimSpace(pattern))
		if rest, wild := strings.CutPrefix(pattern, "*"); wild {
			s.suffix = append(s.suffix, rest)
		} else if pattern != "" {
			s.hosts[pattern] = true
		}
	}
	for _, word := range hidden {
		if word = lower(strings.TrimSpace(word)); len(word) >= 3 {
			s.words = append(s.words, word)
		}
	}
	slices.Sort(s.words)
	return s
}

// allows reports whether a host, as written in a URL with its port, may be named. A pattern without a port stands for
// the default ports only: another port of the same machine is another gateway.
func (s *scrubber) allows(host string) bool {
	host = strings.ToLower(host)
	for _, port := range []string{":80", ":443"} {
		host = strings.TrimSuffix(host, port)
	}
	host = strings.TrimSuffix(host, ".")
	if s.hosts[host] {
		return true
	}
	for _, suffix := range s.suffix {
		if len(host) > len(suffix) && strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// clean returns a text without the URLs and words that may not be named. Of what it was given, nothing else changes.
func (s *scrubber) clean(text string) string { return s.cleanWords(s.cleanURLs(text)) }

// urlHead finds where the host of a URL begins: after a scheme, also inside a JSON string ("https:\/\/") or
// percent-encoded inside another URL, or after "//" where no path can stand before it. Each host of nested URLs has its own.
var urlHead = regexp.MustCompile(`(?i)[a-z][a-z0-9+.\-]*(?::\\?/\\?/|%3a%2f%2f)|(?:^|[\s<>"'` + "`" + `(\[=,])//`)

const (
	urlEnds  = " \t\r\n<>\"'`()|^[]"
	hostEnds = urlEnds + "/?#\\&,;"
)

func (s *scrubber) cleanURLs(text string) string {
	if !strings.Contains(text, "/") && !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	done := 0 // text before it is written
	for _, at := range urlHead.FindAllStringIndex(text, -1) {
		start, hostStart := at[0], at[1]
		if start < done {
			continue
		}
		head := text[start:hostStart]
		relative := strings.HasSuffix(head, "//") && !strings.Contains(head, ":")
		if relative {
			start = hostStart - len("//")
		}
		host := hostAt(text, hostStart)
		if s.mayStay(host, relative, text[hostStart:]) {
			continue
		}
		end := hostStart + len(host)
		if i := strings.IndexAny(text[end:], urlEnds); i >= 0 {
			end += i
		} else {
			end = len(text)
		}
		end = start + len(strings.TrimRight(text[start:end], ".,;:!?*\\")) // these end a sentence, not a URL
		b.WriteString(text[done:start])
		b.WriteString(neutral)
		done = end
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// mayStay reports whether what follows a URL's head names no host, or one that is allowed.
func (s *scrubber) mayStay(host string, relative bool, rest string) bool {
	switch {
	case host == "":
		return !strings.HasPrefix(rest, "/") // "starts with https://" names nothing, "file:///etc" does
	case relative && !strings.Contains(host, "."):
		return true // a comment or a path
	case !isAlnum(host[0]) && strings.IndexByte("[{%_", host[0]) < 0 && host[0] < 0x80:
		return true // "https://…" or a regular expression
	case strings.HasPrefix(host, "{") && strings.IndexByte(host, '}') == len(host)-1:
		return true // "https://{host}/"
	}
	return s.allows(host[strings.LastIndexByte(host, '@')+1:])
}

// hostAt returns user, host and port as they stand at i.
func hostAt(text string, i int) string {
	rest := text[i:]
	skip := 0
	if strings.HasPrefix(rest, "[") { // an IPv6 address
		if skip = strings.IndexByte(rest, ']'); skip < 0 || strings.Trim(lower(rest[1:skip]), "0123456789abcdef:.") != "" {
			return ""
		}
		skip++
	}
	if end := strings.IndexAny(rest[skip:], hostEnds); end >= 0 {
		rest = rest[:skip+end]
	}
	// Percent-encoded, the host ends where its path begins.
	if end := strings.Index(lower(rest), "%2f"); end >= 0 {
		rest = rest[:end]
	}
	return strings.TrimRight(rest, ".:")
}

// cleanWords replaces hidden words. A word counts where no letter or digit touches it; case does not matter (ASCII). A
// word with a dot or colon is a host: it counts as a whole host or as the end of a longer one, and all of that host
// goes, unless the longer one may be named.
func (s *scrubber) cleanWords(text string) string {
	if len(s.words) == 0 {
		return text
	}
	var b strings.Builder
	done := 0 // text before it is written
	for i := 0; i < len(text); i++ {
		if i > 0 && isAlnum(text[i-1]) {
			continue
		}
		if start, end, found := s.anyWordAt(text, i); found {
			b.WriteString(text[done:max(start, done)])
			b.WriteString(removed)
			done, i = end, end-1
		}
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// anyWordAt finds the shortest hidden word that counts at i, and from where to where it goes.
func (s *scrubber) anyWordAt(text string, i int) (start, end int, found bool) {
	left := s.words // those that begin as the text does at i
	for j := i; j < len(text) && len(left) > 0 && !found; j++ {
		at, c := j-i, int(lowerByte(text[j]))
		compare := func(word string, c int) int { return cmp.Compare(int(word[at]), c) }
		first, _ := slices.BinarySearchFunc(left, c, compare)
		past, _ := slices.BinarySearchFunc(left, c+1, compare)
		left = left[first:past]
		for ; len(left) > 0 && len(left[0]) == at+1; left = left[1:] { // the shorter ones come first
			if !found {
				start, end, found = s.wordAt(text, i, left[0])
			}
		}
	}
	return start, end, found
}

// wordAt reports whether a hidden word, whose bytes stand at i, counts there, and from where to where it goes.
func (s *scrubber) wordAt(text string, i int, word string) (start, end int, found bool) {
	end = i + len(word)
	if end < len(text) && isAlnum(text[end]) {
		return 0, 0, false
	}
	if !strings.ContainsAny(word, ".:") {
		return i, end, true
	}
	start = i
	for start > 0 && isHostByte(text[start-1]) {
		start--
	}
	if start < i && text[i-1] != '.' || end < len(text) && isHostByte(text[end]) && text[end] != '.' {
		return 0, 0, false // "my-gw.corp" and "gw.corp-old" are not "gw.corp"
	}
	for end < len(text) && isHostByte(text[end]) {
		end++
	}
	for text[end-1] == '.' {
		end--
	}
	return start, end, !s.allows(text[start:end]) && !s.allows(text[start:end+portAt(text[end:])])
}

// portAt returns the length of the port that text starts with, its colon counted, or 0.
func portAt(text string) int {
	if !strings.HasPrefix(text, ":") {
		return 0
	}
	n := 1
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isHostByte(c byte) bool { return isAlnum(c) || c == '-' || c == '_' || c == '.' }

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// lower lowers ASCII letters, so that every byte keeps its place.
func lower(s string) string {
	for i := range len(s) {
		if lowerByte(s[i]) != s[i] {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}
