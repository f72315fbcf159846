package v1

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAnswersHoldForOneStateAndTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key := answerKey{person: "petra", query: "api=payments"}
	for name, tc := range map[string]struct {
		state any
		key   answerKey
		at    time.Time
		want  bool
	}{
		"the same":               {1, key, now, true},
		"another state":          {2, key, now, false},
		"no state":               {nil, key, now, false},
		"another person":         {1, answerKey{person: "ivo", query: key.query}, now, false},
		"another organisation":   {1, answerKey{person: "petra", organisation: "org", query: key.query}, now, false},
		"another query":          {1, answerKey{person: "petra", query: "api=orders"}, now, false},
		"at the end of its time": {1, key, now.Add(time.Minute), false},
	} {
		t.Run(name, func(t *testing.T) {
			var c answers
			c.put(1, key, newAnswer([]byte("{}"), "application/json", `"a"`), now.Add(time.Minute))
			if _, ok := c.get(tc.state, tc.key, tc.at); ok != tc.want {
				t.Errorf("kept: %v, want %v", ok, tc.want)
			}
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	var c answers
	now := time.Now()
	for n := range 3 * manyAnswers {
		c.put(1, answerKey{query: fmt.Sprint(n)}, answer{}, now.Add(time.Hour))
	}
	c.put(1, answerKey{query: strings.Repeat("x", longQuery+1)}, answer{}, now.Add(time.Hour))
	c.put(nil, answerKey{query: "nil"}, answer{}, now.Add(time.Hour))
	if n := len(c.kept); n == 0 || n > manyAnswers {
		t.Errorf("%d answers are kept", n)
	}
	for _, query := range []string{strings.Repeat("x", longQuery+1), "nil"} {
		if _, kept := c.kept[answerKey{query: query}]; kept {
			t.Errorf("an answer to %.10q is kept", query)
		}
	}
}

func TestAnswerIsValidated(t *testing.T) {
	a := newAnswer([]byte(`{"a":1}`), "application/json", hashed([]byte(`{"a":1}`)))
	for match, want := range map[string]int{"": 200, `"other"`: 200, "*": 304, a.etag[0]: 304, `"other", W/` + a.etag[0]: 304} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("If-None-Match", match)
		a.write(w, r)
		if w.Code != want || w.Header().Get("ETag") != a.etag[0] || (w.Body.Len() > 0) != (want == 200) {
			t.Errorf("If-None-Match %q: %d %v %q", match, w.Code, w.Header(), w.Body)
		}
	}
}
