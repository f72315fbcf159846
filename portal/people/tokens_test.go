package people

import (
	"crypto/sha256"
	"hash/crc32"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTokenRoundTrip(t *testing.T) {
	seen := map[string]bool{}
	count := map[byte]int{}
	const n = 2000
	for range n {
		text := newToken()
		h, ok := ParseToken(text)
		if !ok || h != sha256.Sum256([]byte(text)) || len(text) != 40 || seen[text] {
			t.Fatalf("%q: %x, %v", text, h, ok)
		}
		seen[text] = true
		for _, c := range []byte(text[len(tokenPrefix) : len(tokenPrefix)+tokenRandom]) {
			count[c]++
		}
	}
	mean := n * tokenRandom / len(base62)
	for _, c := range []byte(base62) {
		if count[c] < mean*3/4 || count[c] > mean*5/4 {
			t.Errorf("character %c came %d times, others %d", c, count[c], mean)
		}
	}
}

func TestTokenWithOneCharacterChangedIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := newToken()
		i := rapid.IntRange(0, len(text)-1).Draw(t, "position")
		c := rapid.Byte().Draw(t, "character")
		if rapid.Bool().Draw(t, "of the alphabet") {
			c = base62[int(c)%len(base62)]
		}
		if c == text[i] {
			return
		}
		if _, ok := ParseToken(text[:i] + string([]byte{c}) + text[i+1:]); ok {
			t.Errorf("position %d", i)
		}
	})
}

func TestTokenWithTwoCharactersSwappedIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(newToken())
		i := rapid.IntRange(0, len(text)-2).Draw(t, "position")
		if text[i] == text[i+1] {
			return
		}
		text[i], text[i+1] = text[i+1], text[i]
		if _, ok := ParseToken(string(text)); ok {
			t.Errorf("position %d", i)
		}
	})
}

// A token that an earlier version, or a scanner with its own CRC-32, wrote.
func TestChecksumIsCRC32(t *testing.T) {
	for _, text := range []string{"", "a", "cgp_0123456789ABCDEFGHIJabcdefghij"} {
		want, sum := crc32.ChecksumIEEE([]byte(text)), checksum([]byte(text))
		var got uint64
		for _, c := range sum {
			got = got*62 + uint64(strings.IndexByte(base62, c))
		}
		if got != uint64(want) {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestParseTokenDoesNotAllocate(t *testing.T) {
	text := newToken()
	if n := testing.AllocsPerRun(100, func() { ParseToken(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseToken(f *testing.F) {
	good := newToken()
	for _, seed := range []string{"", "cgp_", good, good[1:], good + "0", strings.ToLower(good), "ghp_" + good[4:], " " + good, strings.Repeat("cgp_", 10), "cgp_" + strings.Repeat("0", 36)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := ParseToken(text)
		if !ok {
			if h != (Hash{}) {
				t.Error("a refused token has a hash")
			}
			return
		}
		sum := checksum([]byte(text[:34]))
		if text != text[:34]+string(sum[:]) || !strings.HasPrefix(text, tokenPrefix) {
			t.Errorf("%q passed", text)
		}
	})
}

func FuzzParseRandom(f *testing.F) {
	good, hash := newRandom()
	for _, seed := range []string{"", good.Reveal(), good.Reveal()[1:], good.Reveal() + "=", strings.Repeat("A", 42) + "B", strings.Repeat("\n", 43)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := parseRandom(text)
		if ok && h == hash && text != good.Reveal() {
			t.Errorf("%q is another spelling", text)
		}
		if !ok && h != (Hash{}) {
			t.Error("refused, and yet a hash")
		}
	})
}

func BenchmarkParseToken(b *testing.B) {
	text := newToken()
	for b.Loop() {
		ParseToken(text)
	}
}
