package connectortest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"syscall"
)

// fault answers in the gateway's place, or spoils the answer that next gives.
type fault func(req *http.Request, next http.RoundTripper) (*http.Response, error)

// wire is the suite's transport between connector and gateway: it records, and does what a network can do.
type wire struct {
	next http.RoundTripper

	mu          sync.Mutex
	requests    int
	urls        []string
	credentials map[string]bool // values of Authorization headers, without their scheme
	fault       func(n int) fault
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests++
	w.urls = append(w.urls, req.URL.String())
	if _, value, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		w.credentials[value] = true
	}
	var f fault
	if w.fault != nil {
		f = w.fault(w.requests)
	}
	w.mu.Unlock()
	if f == nil {
		return w.next.RoundTrip(req)
	}
	resp, err := f(req, w.next)
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return resp, err
}

// CloseIdleConnections lets http.Client reach the transport below.
func (w *wire) CloseIdleConnections() {
	if c, ok := w.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// during runs do with the fault that choose picks for the nth request (from 1), and returns how many there were.
func (w *wire) during(choose func(n int) fault, do func()) int {
	w.mu.Lock()
	w.requests, w.fault = 0, choose
	w.mu.Unlock()
	defer func() { // also when do ends the rule
		w.mu.Lock()
		w.fault = nil
		w.mu.Unlock()
	}()
	do()
	return w.requested()
}

// requested returns how many requests there were since the fault was set.
func (w *wire) requested() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests
}

func always(f fault) func(int) fault { return func(int) fault { return f } }

func at(k int, f fault) func(int) fault {
	return func(n int) fault {
		if n == k {
			return f
		}
		return nil
	}
}

var errLost = errors.New("connection reset by the conformance suite")

// loseAnswer lets the gateway act and loses what it says.
func loseAnswer(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	resp, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return nil, errLost
}

// loseRequest never reaches the gateway.
func loseRequest(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errLost }

func unreachable(*http.Request, http.RoundTripper) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// cutBody ends the connection in the middle of the answer.
func cutBody(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	resp, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	whole, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), broken{io.ErrUnexpectedEOF}))
	return resp, nil
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// hang is a gateway that takes the request and says nothing. reached is called when it does.
func hang(reached func()) fault {
	return func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
		reached()
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
}

// hangBody is a gateway that stops in the middle of its answer. reached is called when somebody waits for the rest.
func hangBody(reached func()) fault {
	return func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
		resp := answer(req, http.StatusOK, "")
		resp.ContentLength = -1
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"`), stuck{req, reached}))
		return resp, nil
	}
}

type stuck struct {
	req     *http.Request
	reached func()
}

func (s stuck) Read([]byte) (int, error) {
	s.reached()
	<-s.req.Context().Done()
	return 0, s.req.Context().Err()
}

// says answers everything alike. headers are pairs.
func says(status int, body string, headers ...string) fault {
	return func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
		resp := answer(req, status, body)
		for i := 0; i+1 < len(headers); i += 2 {
			resp.Header.Set(headers[i], headers[i+1])
		}
		return resp, nil
	}
}

// echoes is a gateway that complains by quoting the whole request.
func echoes(status int) fault {
	return func(req *http.Request, _ http.RoundTripper) (*http.Response, error) {
		dump, err := httputil.DumpRequestOut(req, true)
		if err != nil {
			return nil, err
		}
		quoted := fmt.Sprintf("%q", dump)
		return answer(req, status, `{"message":`+quoted+`,"error":`+quoted+`,"detail":`+quoted+`,"title":`+quoted+`}`), nil
	}
}

func answer(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}
}
