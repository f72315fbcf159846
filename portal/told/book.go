package told

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// Sentence names one. Programs may rely on it.
type Sentence string

// Book has the English of sentences, as formats of fmt with %s, %d, %v, %q and %w. A sentence is found again in a text that it made,
// for where texts are all that is kept or sent.
type Book struct {
	english  map[Sentence]string
	patterns func() []pattern
}

type pattern struct {
	Sentence
	*regexp.Regexp
	verbs []string
	words int // how many bytes of it are the sentence's own
}

// NewBook returns a book of sentences. A value with which one begins must be a single word, to be found again.
func NewBook(english map[Sentence]string) *Book {
	b := &Book{english: english}
	b.patterns = sync.OnceValue(func() []pattern {
		all := make([]pattern, 0, len(english))
		for s, format := range english {
			all = append(all, patternOf(s, format))
		}
		// Some end with a cause of any words: those that say more themselves are looked for first.
		slices.SortFunc(all, func(a, b pattern) int {
			return cmp.Or(cmp.Compare(b.words, a.words), cmp.Compare(a.Sentence, b.Sentence))
		})
		return all
	})
	return b
}

var verb = regexp.MustCompile(`%[sdvqw]`)

func patternOf(s Sentence, format string) pattern {
	words, verbs := verb.Split(format, -1), verb.FindAllString(format, -1)
	p := pattern{Sentence: s, verbs: verbs}
	expression := `(?s)^`
	for i, part := range words {
		p.words += len(part)
		expression += regexp.QuoteMeta(part)
		switch {
		case i == len(verbs):
		case verbs[i] == "%q":
			expression += `("(?:[^"\\]|\\.)*")`
		case i == 0 && part == "":
			expression += `(\S+)`
		default:
			expression += `(.*?)`
		}
	}
	p.Regexp = regexp.MustCompile(expression + `$`)
	return p
}

// Text says a sentence in English.
func (b *Book) Text(s Sentence, values ...any) string { return fmt.Sprintf(b.english[s], values...) }

// Error is a sentence as an error, which wraps the cause that it may say.
func (b *Book) Error(s Sentence, values ...any) error { return fmt.Errorf(b.english[s], values...) }

// Sentences are all of them, with how many values each says.
func (b *Book) Sentences() map[Sentence]int {
	all := make(map[Sentence]int, len(b.english))
	for s := range b.english {
		all[s] = b.Values(s)
	}
	return all
}

// Values is how many values a sentence says; -1 for one that is not in the book.
func (b *Book) Values(s Sentence) int {
	format, ok := b.english[s]
	if !ok {
		return -1
	}
	return len(verb.FindAllString(format, -1))
}

// Find finds the sentence that a whole text is, with its values in order. ok is false for any other text.
func (b *Book) Find(text string) (s Sentence, values []string, ok bool) {
	for _, p := range b.patterns() {
		found := p.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		values = found[1:]
		for i, value := range values {
			if plain, err := strconv.Unquote(value); err == nil && p.verbs[i] == "%q" {
				values[i] = plain
			}
		}
		return p.Sentence, values, true
	}
	return "", nil, false
}
