package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/portal/access"
	"concierge/portal/api"
)

const (
	loadRounds      = 15                     // of each server, in turn
	loadRound       = 300 * time.Millisecond // long enough for some thousand calls
	loadConnections = 8
	// The calls are shared out, so that no token meets its limit of 200 calls a second.
	loadPeople, loadTokens = 8, 40
)

// BenchmarkResolveOverHTTP measures GET /api/v1/resolve, with everything that a call goes through, against a bare
// net/http handler that answers with a constant of equal size. Both are called over loopback on kept connections, in turn,
// and the median of the rounds' ratios is told.
func BenchmarkResolveOverHTTP(b *testing.B) {
	_, registration := paymentsGateway(b)
	r := run(b, registration)
	r.sync(b, "sample")
	path := "/api/v1/resolve?" + endpoint{"payments", "1", "production"}.query()
	var requests [][]byte
	var body []byte
	for n := range loadPeople {
		c := r.person(b, fmt.Sprintf("person-%d@brightmart.example", n), partners, access.Developer)
		answer := c.send(http.MethodGet, path, nil)
		if answer.status != http.StatusOK {
			b.Fatalf("%d %s", answer.status, answer.body)
		}
		body = answer.body
		for range loadTokens {
			token := post[api.CreatedTokenBody](c, "/tokens", api.NewToken{Name: "load"}).Value
			requests = append(requests, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: portal\r\nAuthorization: Bearer %s\r\n\r\n", path, token))
		}
	}
	if err := r.live.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}

	bare := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = bare.Serve(l) }() // ends with Close
	b.Cleanup(func() { _ = bare.Close() })

	portal := strings.TrimPrefix(r.url, "http://")
	for b.Loop() {
		var ours, theirs, ratios []float64
		for range loadRounds {
			a, z := load(b, portal, requests), load(b, l.Addr().String(), requests)
			ours, theirs, ratios = append(ours, a), append(theirs, z), append(ratios, a/z)
		}
		b.ReportMetric(median(ours), "portal-calls/s")
		b.ReportMetric(median(theirs), "bare-calls/s")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(float64(len(body)), "body-B")
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// load calls as fast as it can for a round, with as little work of its own as possible, and returns the calls a second.
func load(b *testing.B, address string, requests [][]byte) float64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), loadRound)
	defer cancel()
	counts, failures := make([]int, loadConnections), make([]error, loadConnections)
	began := time.Now()
	var wait sync.WaitGroup
	for i := range loadConnections {
		wait.Go(func() { counts[i], failures[i] = loadOne(ctx, address, requests, i*len(requests)/loadConnections) })
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		b.Fatal(err)
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(began).Seconds()
}

// loadOne calls over one connection until ctx ends.
func loadOne(ctx context.Context, address string, requests [][]byte, first int) (calls int, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		if _, err := conn.Write(requests[(first+calls)%len(requests)]); err != nil {
			return calls, err
		}
		if err := discardAnswer(in); err != nil {
			return calls, err
		}
		calls++
	}
	return calls, nil
}

// discardAnswer reads one answer that has to be 200 and to state its length.
func discardAnswer(in *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && string(line) != "HTTP/1.1 200 OK\r\n":
			return fmt.Errorf("answered %q", line)
		case string(line) == "\r\n":
			if length < 0 {
				return errors.New("an answer without its length")
			}
			_, err := io.CopyN(io.Discard, in, int64(length))
			return err
		}
		const name = "Content-Length: "
		if len(line) > len(name) && string(line[:len(name)]) == name {
			if length, err = strconv.Atoi(strings.TrimSpace(string(line[len(name):]))); err != nil {
				return err
			}
		}
	}
}

// BenchmarkDemoStart measures how long the built program takes from its start until everything can be used, and how large
// it is.
func BenchmarkDemoStart(b *testing.B) {
	path := program(b)
	about, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p := start(b, []string{"TMPDIR=" + b.TempDir()}, path, "demo", "--json")
		p.told(b, 10*time.Second)
		b.StopTimer()
		p.end(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(about.Size())/1e6, "MB")
}
