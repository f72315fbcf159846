package people

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/told"
)

// A token is "cgp_", 30 random characters and 6 that check the rest: a typo, or a token of another product, is refused
// without a look-up, and secret scanners recognise it. 62^30 is 178 bits.
const (
	tokenPrefix   = "cgp_"
	tokenRandom   = 30
	tokenChecksum = 6
	tokenLength   = len(tokenPrefix) + tokenRandom + tokenChecksum
	tokenHint     = len(tokenPrefix) + 4

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newToken returns a fresh token.
func newToken() string {
	b := make([]byte, 0, tokenLength)
	b = append(b, tokenPrefix...)
	var random [64]byte
	for len(b) < len(tokenPrefix)+tokenRandom {
		_, _ = rand.Read(random[:]) // never fails: crypto/rand since Go 1.24
		for _, r := range random {
			if int(r) < 256/len(base62)*len(base62) && len(b) < len(tokenPrefix)+tokenRandom { // the rest would favour some characters
				b = append(b, base62[int(r)%len(base62)])
			}
		}
	}
	sum := checksum(b)
	return string(append(b, sum[:]...))
}

// checksum is the CRC-32 (IEEE) in base 62: it differs for any two texts that differ in one character. Written out,
// since crc32.ChecksumIEEE would move b to the heap.
func checksum(b []byte) (sum [tokenChecksum]byte) {
	n := ^uint32(0)
	for _, c := range b {
		n = crc32.IEEETable[byte(n)^c] ^ n>>8
	}
	n = ^n
	for i := range sum {
		sum[tokenChecksum-1-i] = base62[n%uint32(len(base62))]
		n /= uint32(len(base62))
	}
	return sum
}

// ParseToken checks the form of a token and returns the hash under which it is kept. It does not allocate.
func ParseToken(text string) (Hash, bool) {
	if len(text) != tokenLength || !strings.HasPrefix(text, tokenPrefix) {
		return Hash{}, false
	}
	var b [tokenLength]byte
	copy(b[:], text)
	for _, c := range b[len(tokenPrefix):] {
		if strings.IndexByte(base62, c) < 0 {
			return Hash{}, false
		}
	}
	if checksum(b[:tokenLength-tokenChecksum]) != [tokenChecksum]byte(b[tokenLength-tokenChecksum:]) {
		return Hash{}, false
	}
	return sha256.Sum256(b[:]), true
}

// Token is a personal API token, without its value. It acts for the organisation that its owner acted for when making
// it, with the roles that the owner has at the time of each call.
type Token struct {
	ID       string
	Name     string
	Hint     string // its first characters
	Created  time.Time
	LastUsed time.Time // zero: never; written at most once a minute
	Expires  time.Time
}

// NewToken asks for a token. Days 0 means 90.
type NewToken struct {
	Name string
	Days int
}

const (
	defaultTokenDays = 90
	maxTokenDays     = 365
	maxTokens        = 50 // per person and organisation
)

// Tokens returns the caller's tokens for the organisation that they act for, newest first. Expired ones stay in the
// list for 30 days.
func (s *Service) Tokens(ctx context.Context, c access.Caller) (tokens []Token, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		tokens, err = tx.People().Tokens(ctx, c.Person, c.Organisation)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	return tokens, nil
}

// CreateToken makes a token for the caller; its value is returned this once. Errors: portal.ErrConflict when the
// caller has 50.
func (s *Service) CreateToken(ctx context.Context, c access.Caller, n NewToken) (t Token, value portal.Secret, err error) {
	name, err := cleanName("token", n.Name)
	if err != nil {
		return Token{}, portal.Secret{}, err
	}
	if n.Days < 0 || n.Days > maxTokenDays {
		return Token{}, portal.Secret{}, told.TokenDays.As(portal.ErrInvalid, maxTokenDays)
	}
	if n.Days == 0 {
		n.Days = defaultTokenDays
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		if _, err := tx.People().Caller(ctx, c.Person, c.Organisation); err != nil {
			return err // disabled since the caller was read
		}
		have, err := tx.People().Tokens(ctx, c.Person, c.Organisation)
		if err != nil {
			return err
		}
		if len(have) >= maxTokens {
			return told.TokenMany.As(portal.ErrConflict, maxTokens)
		}
		t, value, err = s.addToken(ctx, tx, c, name, time.Duration(n.Days)*24*time.Hour)
		return err
	})
	if err != nil {
		return Token{}, portal.Secret{}, fmt.Errorf("creating a token: %w", err)
	}
	return t, value, nil
}

func (s *Service) addToken(ctx context.Context, tx Tx, c access.Caller, name string, life time.Duration) (Token, portal.Secret, error) {
	text := newToken()
	hash := sha256.Sum256([]byte(text))
	now := s.time()
	t := Token{ID: portal.NewID("tok"), Name: name, Hint: text[:tokenHint], Created: now, Expires: now.Add(life)}
	if err := tx.People().AddToken(ctx, hash, c.Person, c.Organisation, t); err != nil {
		return Token{}, portal.Secret{}, err
	}
	changed(tx, c.Person)
	err := s.record(ctx, tx, c.Person, "token.create", t.ID, c.Organisation, map[string]string{"name": name, "expires": t.Expires.Format(time.RFC3339)})
	return t, portal.NewSecret(text), err
}

// RevokeToken ends one of the caller's tokens at once. Errors: portal.ErrNotFound for a token that is not theirs or not
// there any more.
func (s *Service) RevokeToken(ctx context.Context, c access.Caller, id string) error {
	err := s.db.InTx(ctx, func(tx Tx) error {
		done, err := tx.People().RevokeToken(ctx, c.Person, c.Organisation, id)
		if err != nil {
			return err
		}
		if !done {
			return portal.ErrNotFound
		}
		changed(tx, c.Person)
		return s.record(ctx, tx, c.Person, "token.revoke", id, c.Organisation, nil)
	})
	if err != nil {
		return fmt.Errorf("revoking a token: %w", err)
	}
	return nil
}

// usage remembers which tokens were used until Flush writes it. The zero value is ready.
type usage struct {
	mu      sync.Mutex
	written map[Hash]time.Time // the use last written, for a minute
	waiting map[Hash]time.Time
}

const usedEvery = time.Minute

// Used notes that a token was used, in memory: cheap enough for every request. Run writes it, at most once a minute
// per token.
func (s *Service) Used(h Hash, at time.Time) {
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	if last, ok := s.usage.written[h]; ok && at.Sub(last) < usedEvery {
		return
	}
	if s.usage.waiting == nil {
		s.usage.waiting = map[Hash]time.Time{}
	}
	s.usage.waiting[h] = at
}

// Flush writes the uses that Used noted. What could not be written is tried again with the next.
func (s *Service) Flush(ctx context.Context) error {
	waiting := s.usage.take(s.time())
	if len(waiting) == 0 {
		return nil
	}
	err := s.db.InTx(ctx, func(tx Tx) error {
		for h, at := range waiting {
			if err := tx.People().TokenUsed(ctx, h, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.usage.giveBack(waiting)
		return fmt.Errorf("writing when tokens were used: %w", err)
	}
	return nil
}

func (u *usage) take(now time.Time) map[Hash]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	waiting := u.waiting
	u.waiting = nil
	for h, at := range u.written {
		if now.Sub(at) >= usedEvery {
			delete(u.written, h)
		}
	}
	if u.written == nil {
		u.written = make(map[Hash]time.Time, len(waiting))
	}
	for h, at := range waiting {
		u.written[h] = at
	}
	return waiting
}

func (u *usage) giveBack(waiting map[Hash]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.waiting == nil {
		u.waiting = map[Hash]time.Time{}
	}
	for h, at := range waiting {
		delete(u.written, h)
		if u.waiting[h].Before(at) {
			u.waiting[h] = at
		}
	}
}
