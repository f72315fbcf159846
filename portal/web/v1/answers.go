package v1

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"concierge/portal"
)

// answer is a body with its validator, made once and written often: its headers are shared and never changed.
type answer struct {
	body                    []byte
	etag, mediaType, length []string
	more                    http.Header // others that belong to it; nil: none
}

func newAnswer(body []byte, mediaType, etag string) answer {
	return answer{body: body, etag: []string{etag}, mediaType: []string{mediaType}, length: []string{strconv.Itoa(len(body))}}
}

// hashed is the validator of a body.
func hashed(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// write answers, or says that the caller has it already.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Etag"] = a.etag
	maps.Copy(h, a.more)
	if match := r.Header.Get("If-None-Match"); match != "" && (match == "*" || strings.Contains(match, a.etag[0])) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"], h["Content-Length"] = a.mediaType, a.length
	_, _ = w.Write(a.body)
}

// answerKey is who asked what.
type answerKey struct {
	person       portal.PersonID
	organisation portal.OrganisationID
	query        string // as it was written
}

type keptAnswer struct {
	answer
	expires time.Time
}

const (
	// manyAnswers is when all are forgotten, longQuery what is never kept: together they bound what is held to some 10 MB.
	manyAnswers = 4096
	longQuery   = 512
)

// answers keeps answers of one state of the portal: those of the state before are forgotten as a whole. The zero value is
// empty. It is safe for concurrent use.
type answers struct {
	mu    sync.RWMutex
	state any
	kept  map[answerKey]keptAnswer
}

// get returns what was answered in that state and still holds.
func (c *answers) get(state any, key answerKey, now time.Time) (answer, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if state == nil || c.state != state {
		return answer{}, false
	}
	a, ok := c.kept[key]
	return a.answer, ok && now.Before(a.expires)
}

// put keeps an answer that was worked out after the state was read.
func (c *answers) put(state any, key answerKey, a answer, expires time.Time) {
	if state == nil || len(key.query) > longQuery {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != state || len(c.kept) >= manyAnswers {
		c.state, c.kept = state, map[answerKey]keptAnswer{}
	}
	c.kept[key] = keptAnswer{a, expires}
}
