//go:build cluster && linux

package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

// What a change by one replica takes until the others act on it, and what heals a notification that was lost.
func TestClusterChangesAreSeen(t *testing.T) {
	c := newCluster(t, 60)
	c.start(0, 1, 2)
	c.synced()
	owner := c.people[portal.Internal][0]
	as := func(replica int, token string) client {
		return client{t, "http://" + c.replicas[replica].address, token}
	}
	// seen waits until a token is answered with a status on every replica, and says how long that took on each.
	seen := func(token string, status int, limit time.Duration) (took []time.Duration) {
		began := time.Now()
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range c.replicas {
			all.Go(func() {
				for {
					a, err := as(i, token).try(http.MethodGet, "/api/v1/me", nil)
					since := time.Since(began)
					if err == nil && a.status == status {
						mu.Lock()
						took = append(took, since)
						mu.Unlock()
						return
					}
					if since > limit {
						t.Errorf("replica %d answers %d after %s, %v", i+1, a.status, since, err)
						return
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		all.Wait()
		return took
	}
	made := func(replica int) api.CreatedTokenBody {
		return post[api.CreatedTokenBody](as(replica, owner.tokens[0]), "/tokens", api.NewToken{Name: "to be revoked"})
	}
	revoke := func(replica int, id string) {
		t.Helper()
		if a := as(replica, owner.tokens[0]).send(http.MethodDelete, "/api/v1/tokens/"+id, nil); a.status != http.StatusNoContent {
			t.Fatalf("revoking a token: %d %s", a.status, a.body)
		}
	}
	// heard is enough for a notification on a busy machine; compared, for the look at the version that makes up for one.
	const heard, compared = 10 * time.Second, 30 * time.Second
	var created, revoked []time.Duration
	for n := range 60 {
		token := made(n % 3)
		created = append(created, seen(token.Value, http.StatusOK, heard)...)
		revoke((n+1)%3, token.ID)
		revoked = append(revoked, seen(token.Value, http.StatusUnauthorized, heard)...)
	}
	told := func(what string, took []time.Duration) {
		if len(took) > 0 {
			slices.Sort(took)
			at := func(share float64) time.Duration {
				return took[int(share*float64(len(took)-1))].Round(10 * time.Microsecond)
			}
			t.Logf("%-72s p50 %-10s p99 %-10s most %s (%d)", what, at(0.5), at(0.99), at(1), len(took))
		}
	}
	told("a new token is let in, on all replicas, after", created)
	told("a revoked token is refused, on all replicas, after", revoked)

	// A connection that hears notifications is cut again and again.
	revoked = nil
	for range 5 {
		token := made(0)
		seen(token.Value, http.StatusOK, compared)
		// Those that were cut a moment ago come back after a tenth of a second: there has to be somebody to cut.
		c.eventually(readyWithin, "somebody listens", func() error {
			if c.number(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'concierge listener'`) == 0 {
				return errors.New("nobody does")
			}
			return nil
		})
		revoke(1, token.ID)
		c.query("", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'concierge listener'`)
		revoked = append(revoked, seen(token.Value, http.StatusUnauthorized, compared)...)
	}
	told("listeners cut before and after: a revoked token is refused after", revoked)

	// A change that nobody is notified of.
	revoked = nil
	for range 2 {
		token := made(0)
		seen(token.Value, http.StatusOK, compared)
		c.query("", `WITH gone AS (DELETE FROM tokens WHERE id = $1 RETURNING person) INSERT INTO changes (kind, id) SELECT 'person', person FROM gone`, token.ID)
		revoked = append(revoked, seen(token.Value, http.StatusUnauthorized, compared)...)
	}
	told("no notification at all: a revoked token is refused after", revoked)
}

// Claims, resolved endpoints and catalog pages per second with one, two and three replicas.
func TestClusterThroughput(t *testing.T) {
	c := newCluster(t, 60)
	const (
		workers = 48
		during  = 3 * time.Second
	)
	var w *crowd
	var cookies []string
	measures := []string{"resolve", "page", "claim and revoke"}
	first := map[string]float64{}
	for n := range c.replicas {
		c.start(n)
		c.synced()
		if w == nil {
			w = newCrowd(c)
			w.think = 0
			for _, members := range c.people {
				cookies = append(cookies, c.signIn(members[0]))
			}
		}
		for _, what := range measures {
			before, began := c.spent(), time.Now()
			var done atomic.Int64
			var all sync.WaitGroup
			clients := w.consumers()
			for i := range workers {
				client, cookie := clients[i%len(clients)], cookies[i%len(cookies)]
				all.Go(func() {
					var sub, address string
					if what == measures[2] {
						sub, address = client.subscribed()
					}
					for time.Since(began) < during {
						switch what {
						case measures[0]:
							client.resolvesAlways()
						case measures[1]:
							client.send(http.MethodGet, "/apis", "page", nil, "Cookie", cookie)
						default:
							claimed, ok := client.claims(sub, address)
							if !ok {
								return
							}
							client.revokes(claimed)
						}
						done.Add(1)
					}
				})
			}
			all.Wait()
			took := time.Since(began)
			rate := float64(done.Load()) / took.Seconds()
			if n == 0 {
				first[what] = rate
			}
			t.Logf("%d replicas: %-17s %7.0f a second, %.2f times one replica; processors busy: %s", n+1, what, rate, rate/first[what], c.shares(before, took))
		}
	}
	few(t, "answers may never be", w.wrong)
	counts := map[string]int{}
	for _, tr := range w.troubles {
		counts[fmt.Sprintf("%s %s: %d", tr.method, tr.what, tr.status)]++
	}
	print(t, "not served", counts)
	print(t, "database", c.complained())
}

// subscribed makes an application with a subscription of its own.
func (c *consumer) subscribed() (sub, address string) {
	for e, r := range c.view.routes {
		app, ok := c.application(portal.NewID("measured"))
		if !ok {
			break
		}
		sub, _ = c.subscription(app, e)
		return sub, r.address
	}
	return "", ""
}

// shares says how many processors each part has kept busy.
func (c *cluster) shares(before map[string]time.Duration, during time.Duration) string {
	var parts []string
	for name, now := range c.spent() {
		parts = append(parts, fmt.Sprintf("%s %.2f", name, (now-before[name]).Seconds()/during.Seconds()))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
