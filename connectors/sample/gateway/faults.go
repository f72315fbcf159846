package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// Faults are what goes wrong. They touch the admin side, but for Propagation; GET and PUT of /v1/faults always work.
type Faults struct {
	// Delay comes before every answer.
	Delay time.Duration `json:"delay_ns"`
	// Down cuts every connection.
	Down bool `json:"down"`
	// LoseAnswers is how many of the next changing requests are carried out and then cut.
	LoseAnswers int `json:"lose_answers"`
	// RetryAfter above 0 answers everything with 429 and that time, in full seconds.
	RetryAfter time.Duration `json:"retry_after_ns"`
	// Half spoils lists.
	Half Half `json:"half"`
	// Rubbish answers everything with a page of HTML and 200.
	Rubbish bool `json:"rubbish"`
	// Propagation is how much later the data plane sees a change; the gateway declares it.
	Propagation time.Duration `json:"propagation_ns"`
}

// Half is a way to get half a list.
type Half string

// A list is cut in the middle of a page, or its second page answers 500 while the first names it.
const (
	HalfCut  Half = "cut"
	HalfPage Half = "page"
)

// recorded keeps an answer back until it is known what becomes of it.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(status int)      { r.status = status }
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }

// faulty lets the faults that are switched on happen around h.
func (g *Gateway) faulty(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := g.Faults()
		sleep(r.Context(), f.Delay)
		switch {
		case f.Down:
			cut()
		case f.RetryAfter > 0:
			w.Header().Set("Retry-After", seconds(f.RetryAfter))
			problem(w, http.StatusTooManyRequests, "too-many-requests", "Slow down.")
			return
		case f.Rubbish:
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<!doctype html><title>Welcome</title><p>It works!"))
			return
		case f.Half == HalfPage && r.URL.Query().Get("cursor") != "":
			problem(w, http.StatusInternalServerError, "broken", "The next page is lost.")
			return
		}
		answer := &recorded{header: w.Header(), status: http.StatusOK}
		h.ServeHTTP(answer, r)
		if r.Method != http.MethodGet && g.losesThis() {
			cut()
		}
		w.WriteHeader(answer.status)
		if f.Half == HalfCut && r.Method == http.MethodGet && answer.status == http.StatusOK {
			_, _ = w.Write(answer.body.Bytes()[:answer.body.Len()/2])
			_ = http.NewResponseController(w).Flush()
			cut()
		}
		_, _ = w.Write(answer.body.Bytes())
	})
}

// cut ends the connection without another byte.
func cut() { panic(http.ErrAbortHandler) }

func (g *Gateway) losesThis() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.faults.LoseAnswers == 0 {
		return false
	}
	g.faults.LoseAnswers--
	return true
}

func (g *Gateway) serveFaults(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		var f Faults
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&f); err != nil {
			problem(w, http.StatusBadRequest, "invalid", "This is no set of faults.")
			return
		}
		g.SetFaults(f)
	}
	reply(w, http.StatusOK, g.Faults())
}
