//go:build cluster && linux

package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/keys"
)

// window is a time in which something was broken on purpose.
type window struct {
	what     string
	from, to time.Time
}

func (w window) meets(t trouble) bool { return t.from.Before(w.to) && t.to.After(w.from) }

const (
	clients = 240
	// normalWithin is how long after the database is back everything has to work again.
	normalWithin = 5 * time.Second
	// killNoticed is how long after a kill requests may still have been on their way to the dead replica.
	killNoticed = 2 * time.Second
)

// Three replicas under load lose one of them, then the database, then are restarted one by one. No credential is lost or
// doubled, nobody gets an answer that is not theirs, and what fails says so and only while something is broken.
func TestClusterUnderFaults(t *testing.T) {
	c := newCluster(t, clients)
	c.noteJobs()
	c.start(0, 1, 2)
	c.synced()
	w := newCrowd(c)
	began := time.Now()
	at := func() string { return time.Since(began).Round(100 * time.Millisecond).String() }
	wait := w.run(20)

	time.Sleep(10 * time.Second)
	killed := window{what: "replica 2 is killed", from: time.Now()}
	c.kill(1)
	killed.to = time.Now().Add(killNoticed)
	t.Logf("%s: %s", at(), killed.what)
	time.Sleep(4 * time.Second)
	c.start(1)
	t.Logf("%s: replica 2 is back", at())

	time.Sleep(5 * time.Second)
	gone := window{what: "the database is gone", from: time.Now()}
	c.postgres.Stop()
	t.Logf("%s: %s", at(), gone.what)
	time.Sleep(10 * time.Second)
	if err := c.postgres.Start(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	gone.to = back.Add(normalWithin)
	t.Logf("%s: the database is back", at())

	time.Sleep(normalWithin + 3*time.Second)
	rolling := window{what: "rolling restart", from: time.Now()}
	for i := range c.replicas {
		c.stop(i)
		c.start(i)
		t.Logf("%s: replica %d was restarted", at(), i+1)
	}
	rolling.to = time.Now()
	time.Sleep(3 * time.Second)
	close(w.stop)
	wait()
	ended := time.Now()
	t.Logf("%s: everybody has come to an end", at())

	w.judge(killed, gone, rolling, back)
	c.settles()
	w.audit()
	c.periods(began, ended, killed, gone, rolling)
	c.report(began, ended)
}

// judge says which of the requests that were not served had a reason.
func (w *crowd) judge(killed, gone, rolling window, back time.Time) {
	t := w.t
	counts := map[string]int{}
	var last time.Time
	var bad []string
	slices.SortFunc(w.troubles, func(a, b trouble) int { return strings.Compare(a.text, b.text) })
	for _, tr := range w.troubles {
		who := "portal"
		if tr.proxy {
			who = "proxy"
		}
		where := "with no reason"
		unanswered := tr.method != http.MethodGet && (tr.status == 0 || tr.status == http.StatusBadGateway)
		switch {
		case gone.meets(tr) && tr.status == http.StatusServiceUnavailable && tr.retryAfter && tr.problem && tr.what != "resolve, from the table":
			where = gone.what
			if tr.to.After(last) {
				last = tr.to
			}
		case killed.meets(tr) && unanswered:
			where = killed.what
		case rolling.meets(tr):
			where = "with no reason, " + rolling.what
			fallthrough
		default:
			bad = append(bad, fmt.Sprintf("%s %s: %d by the %s, Retry-After %t, %s after %s: %s", tr.method, tr.what, tr.status, who, tr.retryAfter,
				tr.from.Sub(killed.from).Round(time.Millisecond), killed.what, tr.text))
		}
		counts[fmt.Sprintf("%s: %d by the %s: %s", where, tr.status, who, tr.what)]++
	}
	print(t, "told", w.counts)
	print(t, "not served", counts)
	if !last.IsZero() {
		t.Logf("the last 503 came %s after the database was back", last.Sub(back).Round(time.Millisecond))
	}
	few(t, "requests were not served, with no reason", bad)
	few(t, "answers may never be", w.wrong)
}

// few shows some of many faults.
func few(t *testing.T, what string, all []string) {
	t.Helper()
	if len(all) > 0 {
		t.Errorf("%d %s:\n%s", len(all), what, strings.Join(all[:min(len(all), 15)], "\n"))
	}
}

// settles waits until nothing is left to do: every act of the portal is over.
func (c *cluster) settles() {
	took := c.eventually(readyWithin, "every act is over", func() error {
		if open := c.number(`SELECT count(*) FROM acts WHERE state = 'open'`); open > 0 {
			return fmt.Errorf("%d are open", open)
		}
		return nil
	})
	c.t.Logf("acts: all over %s after the last client", took.Round(time.Millisecond))
}

// audit compares what clients were given, what the database says, and what is on the gateways.
func (w *crowd) audit() {
	t, c := w.t, w.to
	counts := map[string]int{"keys whose secret a client saw": len(w.keys)}
	states := map[string]string{}
	for _, row := range c.query("", `SELECT id, state FROM credentials`) {
		states[row[0].(string)] = row[1].(string)
		counts["in the database: "+row[1].(string)]++
	}
	there := c.onGateways()
	counts["on the gateways"] = len(there)
	var bad []string
	wrong := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	for id, k := range w.keys {
		status := (&consumer{crowd: w}).call(k.address, k.parts)
		_, on := there[portal.CredentialID(id)]
		live := states[id] == "active" || states[id] == "retiring"
		switch {
		case k.revoked && refused(status) && states[id] == "revoked" && !on:
			counts["keys revoked by their client: refused, revoked, gone"]++
		case !k.revoked && status == http.StatusOK && live && on:
			counts["keys kept by their client: let in, live, there"]++
		default:
			wrong("credential %s, revoked by its client: %t; called: %d; in the database: %s; on a gateway: %t", id, k.revoked, status, states[id], on)
		}
	}
	for id, f := range there {
		state := states[string(id)]
		if state != "active" && state != "retiring" {
			wrong("a key with the mark %s of subscription %s is on a gateway; in the database it is %q", id, f.Mark.Subscription, state)
		}
		if w.keys[string(id)] == nil {
			wrong("a key with the mark %s works and nobody saw its secret", id)
		}
	}
	for id, state := range states {
		if _, on := there[portal.CredentialID(id)]; !on && (state == "active" || state == "retiring") {
			wrong("credential %s is %s and on no gateway", id, state)
		}
	}
	for what, query := range map[string]string{
		"subscriptions with two active keys":      `SELECT count(*) FROM (SELECT 1 FROM credentials WHERE state = 'active' GROUP BY subscription HAVING count(*) > 1) AS s`,
		"applications made twice":                 `SELECT count(*) FROM (SELECT 1 FROM applications GROUP BY organisation, name HAVING count(*) > 1) AS a`,
		"acts without audit":                      `SELECT count(*) FROM acts AS a WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.target = a.credential AND e.action LIKE 'credential.' || a.kind || '.%')`,
		"credentials without the event of intent": `SELECT count(*) FROM credentials AS c WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.target = c.id AND e.action = 'credential.issue.intent')`,
	} {
		n := c.number(query)
		counts[what] = n
		if n != 0 {
			wrong("%d %s", n, what)
		}
	}
	print(t, "credentials", counts)
	few(t, "things do not agree", bad)
}

// noteJobs makes the database write down when a job is taken up.
func (c *cluster) noteJobs() {
	for _, statement := range []string{
		`CREATE TABLE taken (kind TEXT NOT NULL, at TIMESTAMPTZ NOT NULL)`,
		`CREATE FUNCTION note_taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO taken VALUES (NEW.kind, clock_timestamp()); RETURN NULL; END $$`,
		`CREATE TRIGGER note_taken AFTER UPDATE ON river_job FOR EACH ROW
			WHEN (NEW.state = 'running' AND OLD.state <> 'running' AND NEW.args->>'subject' = '') EXECUTE FUNCTION note_taken()`,
	} {
		c.query("", statement)
	}
}

// periods checks that the periodic jobs ran once in each of their periods. While the database is gone nothing runs, and what a
// dead replica was at is handed to another one after a while. One that stops says so, and another one takes over within the
// same period; but who was cut off from the database a moment ago may not hear it, and finds out when it looks by itself.
func (c *cluster) periods(began, ended time.Time, killed, gone, rolling window) {
	c.t.Helper()
	const missed = 20 * time.Second // until a dead replica is, or one that stopped unheard
	for kind, every := range map[string]time.Duration{keys.JobSweep: keys.SweepEvery, keys.JobReconcile: clusterReconcile} {
		times := map[time.Time]int{} // by the beginning of the period
		for _, row := range c.query("", `SELECT at FROM taken WHERE kind = $1 AND at >= $2 AND at < $3`, kind, began, ended) {
			times[row[0].(time.Time).Truncate(every).UTC()]++
		}
		counts := map[string]int{}
		idle := time.Duration(0) // how long it has not run, while the database was there
		for from := began.Add(every).Truncate(every).UTC(); from.Add(every).Before(ended); from = from.Add(every) {
			n, to := times[from], from.Add(every)
			during := func(w window, after time.Duration) bool { return from.Before(w.to.Add(after)) && to.After(w.from) }
			counts[fmt.Sprintf("%d times in %s, database gone: %t", n, every, during(gone, every))]++
			if idle += every; n > 0 || during(gone, every) {
				idle = 0
			}
			switch {
			case n == 0 && !during(gone, every) && !during(killed, missed+every) && !during(rolling, every),
				n > 1 && !during(killed, missed+every) && !during(rolling, every):
				c.t.Errorf("%s ran %d times in the %s that began %s after the start", kind, n, every, from.Sub(began))
			case idle > missed+every:
				c.t.Errorf("%s has not run for %s at %s after the start", kind, idle, to.Sub(began))
			}
		}
		print(c.t, "periodic job "+kind, counts)
	}
}

// complained counts what the database has written down: what got in whose way.
func (c *cluster) complained() map[string]int {
	return map[string]int{
		"transactions that ran again: 40001": c.said(regexp.MustCompile(`(?m)^40001 ERROR`)),
		"deadlocks: 40P01":                   c.said(regexp.MustCompile(`(?m)^40P01 ERROR`)),
		"unique violations: 23505":           c.said(regexp.MustCompile(`(?m)^23505 ERROR`)),
		"time-outs: 57014, 55P03, 25P03":     c.said(regexp.MustCompile(`(?m)^(57014|55P03|25P03) `)),
		"waits for a lock of 200 ms or more": c.said(regexp.MustCompile(`(?m)still waiting for`)),
		"too many connections: 53300":        c.said(regexp.MustCompile(`(?m)^53300 `)),
	}
}

// report says what the database and the replicas complained about, and how often gateways were read.
func (c *cluster) report(began, ended time.Time) {
	t := c.t
	took := ended.Sub(began)
	print(t, "database", c.complained())
	rows := c.query("", `SELECT gateway, state, count(*) FROM runs WHERE started >= $1 AND started < $2 GROUP BY gateway, state ORDER BY gateway, state`, began.UnixMicro(), ended.UnixMicro())
	for _, row := range rows {
		t.Logf("syncs in %s, %s apart: %-16v %-10v %v", took.Round(time.Second), clusterEvery, row[0], row[1], row[2])
	}
	print(t, "logged as an error", c.complaints())
	var events []string
	for _, row := range c.query("", `SELECT action, count(*) FROM events WHERE at >= $1 GROUP BY action ORDER BY action`, began.UnixMicro()) {
		events = append(events, fmt.Sprintf("%v %v", row[0], row[1]))
	}
	t.Logf("audit events: %s", strings.Join(events, ", "))
}
