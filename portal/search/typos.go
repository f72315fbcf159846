package search

import (
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Words of this many letters are corrected: of the shorter ones too many others are near.
const (
	minCorrected  = 4
	twoMistakes   = 6 // letters from which two mistakes are looked at
	maxCorrected  = 30
	maxCandidates = 6 // of a distance that the person may see, of which the one that most entries have is taken
)

// correctable reports whether a word may be a correction: letters alone, and not too few.
func correctable(word string) bool {
	n := utf8.RuneCountInString(word)
	if n < minCorrected || n > maxCorrected {
		return false
	}
	for _, r := range word {
		if r >= '0' && r <= '9' {
			return false
		}
	}
	return true
}

// dictionary holds the words of the index, by their length in letters. It says nothing about who may read them: whoever
// corrects looks each up. Only a memory uses it, under its lock.
type dictionary struct {
	known   map[string]bool
	lengths [maxCorrected + 1]words
}

// words are of one length; what is compared first lies close together.
type words struct {
	letters []uint64
	texts   []string
}

func (d *dictionary) add(word string) {
	if d.known[word] {
		return
	}
	if d.known == nil {
		d.known = map[string]bool{}
	}
	d.known[word] = true
	runes := []rune(word)
	of := &d.lengths[len(runes)]
	of.letters, of.texts = append(of.letters, letters(runes)), append(of.texts, word)
}

// letters has a bit for each letter that occurs: one mistake changes two at most.
func letters(word []rune) (set uint64) {
	for _, r := range word {
		set |= 1 << (r % 64)
	}
	return set
}

// near returns words at one mistake from the word, and at two, the likeliest first.
func (d *dictionary) near(word string) (one, two []string) {
	runes := []rune(word)
	if !correctable(word) {
		return nil, nil
	}
	most := 1
	if len(runes) >= twoMistakes {
		most = 2
	}
	type candidate struct {
		word            string
		distance, alike int
	}
	var found []candidate
	set := letters(runes)
	for length := max(0, len(runes)-most); length <= min(maxCorrected, len(runes)+most); length++ {
		of := &d.lengths[length]
		for i, other := range of.letters {
			if bits.OnesCount64(set^other) > 2*most {
				continue
			}
			there := []rune(of.texts[i])
			if distance := mistakes(runes, there, most); distance > 0 && distance <= most {
				alike := 0
				for alike < min(len(runes), len(there)) && runes[alike] == there[alike] {
					alike++
				}
				found = append(found, candidate{of.texts[i], distance, alike})
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		if a.alike != b.alike {
			return b.alike - a.alike
		}
		if a.word < b.word {
			return -1
		}
		return 1
	})
	for _, c := range found {
		if c.distance == 1 {
			one = append(one, c.word)
		} else {
			two = append(two, c.word)
		}
	}
	return one, two
}

// mistakes is the distance of Damerau and Levenshtein (optimal string alignment): letters left out, put in, exchanged for
// another or with their neighbour. What is above most is most+1.
func mistakes(a, b []rune, most int) int {
	var rows [3][maxCorrected + 3]int
	if len(a) > maxCorrected || len(b) > maxCorrected {
		return most + 1
	}
	before, last, now := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			n := min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, before[j-2]+1)
			}
			now[j] = n
			least = min(least, n)
		}
		if least > most {
			return most + 1
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
