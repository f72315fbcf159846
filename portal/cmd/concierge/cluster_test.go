//go:build cluster && linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v4"

	"concierge/connectors"
	"concierge/connectors/sample"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/cmd/concierge/estate"
	"concierge/portal/people"
	"concierge/portal/store/postgres/postgrestest"
)

// cluster is what a company runs: replicas of the portal on one PostgreSQL, behind a proxy, over its gateways. The replicas,
// the database and the proxy are processes of their own; the gateways are in the test's, which can look into them.
type cluster struct {
	t        *testing.T
	program  string
	file     string // the configuration of all replicas
	postgres *postgrestest.Server
	address  string // of the database
	company  *estate.Estate
	replicas [3]*replica
	proxy    *process
	control  string // the proxy's runtime socket
	url      string // where people come in
	http     *http.Client
	people   map[portal.Audience][]member
}

// replica is one `concierge serve`.
type replica struct {
	*process // nil while it does not run
	address  string
	logs     []*transcript // of all its lives
}

// member is somebody with tokens.
type member struct {
	email, password, organisation string
	audience                      portal.Audience
	tokens                        []string
}

const (
	// clusterReconcile and clusterCall make the replicas look after keys more often than a company would ask for.
	clusterReconcile = 5 * time.Second
	clusterCall      = 2 * time.Second
	// clusterEvery is the least time between two syncs of a gateway.
	clusterEvery = 10 * time.Second
	// clusterDelay is enough for the proxy to see, in two checks, that a replica is about to end.
	clusterDelay = 3 * time.Second
	// readyWithin is for a process that starts on a busy machine.
	readyWithin = 60 * time.Second
	// settledFor is longer than a replica takes to follow what another has brought in.
	settledFor = 5 * time.Second
)

// newCluster starts everything but the replicas. Each audience has people with tokens, tokens in all, shared evenly.
func newCluster(t *testing.T, tokens int) *cluster {
	t.Helper()
	proxy, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatal("HAProxy is not installed: on Debian, apt-get install haproxy")
	}
	c := &cluster{
		t: t, program: program(t), postgres: postgrestest.Start(t), people: map[portal.Audience][]member{},
		http: &http.Client{
			Transport: &http.Transport{MaxIdleConns: 2000, MaxIdleConnsPerHost: 1000}, Timeout: callTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	t.Cleanup(c.http.CloseIdleConnections)
	c.confide()
	c.address = c.postgres.Database(t)
	if c.company, err = estate.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.company.Close(); err != nil {
			t.Error(err)
		}
	})
	addresses := freeAddresses(t, len(c.replicas)+1)
	for i := range c.replicas {
		c.replicas[i] = &replica{address: addresses[i+1]}
	}
	c.url = "http://" + addresses[0]
	c.configure()
	c.seed(tokens)
	c.control = filepath.Join(t.TempDir(), "control")
	c.proxy = start(t, []string{
		"PORTAL=" + addresses[0], "CONTROL=" + c.control,
		"REPLICA_1=" + addresses[1], "REPLICA_2=" + addresses[2], "REPLICA_3=" + addresses[3],
	}, proxy, "-db", "-f", "testdata/haproxy.cfg")
	return c
}

func freeAddresses(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n { // all at once, so that no two are the same
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// confide makes the database write down what gets in whose way: errors by their code, and waits for locks.
func (c *cluster) confide() {
	c.t.Helper()
	for name, value := range map[string]string{
		"logging_collector": "on", "log_filename": "cluster.log", "log_rotation_age": "0", "log_rotation_size": "0", "log_line_prefix": "%e ",
		"log_min_error_statement": "panic", "log_lock_waits": "on", "deadlock_timeout": "200ms", "log_checkpoints": "off",
	} {
		c.query("postgres", fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value))
	}
	c.postgres.Stop()
	if err := c.postgres.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// said counts what the database has written down so far.
func (c *cluster) said(pattern *regexp.Regexp) int {
	c.t.Helper()
	rows := c.query("postgres", "SELECT pg_read_file('log/cluster.log')")
	return len(pattern.FindAllString(rows[0][0].(string), -1))
}

// query asks a database: that of the cluster where none is named.
func (c *cluster) query(database, text string, args ...any) (rows [][]any) {
	c.t.Helper()
	address := c.address
	if database != "" {
		address = c.postgres.Address(database)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	found, err := conn.Query(ctx, text, args...)
	if err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	defer found.Close()
	for found.Next() {
		row, err := found.Values()
		if err != nil {
			c.t.Fatalf("%s: %v", text, err)
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
	return rows
}

// number is the one value of a query.
func (c *cluster) number(text string, args ...any) int {
	c.t.Helper()
	return int(c.query("", text, args...)[0][0].(int64))
}

// gatewayToken is where the replicas find the admin token of a gateway.
func gatewayToken(i int) string { return fmt.Sprintf("CONCIERGE_TEST_GATEWAY_%d", i) }

// configure writes the configuration that all replicas share.
func (c *cluster) configure() {
	c.t.Helper()
	conf := config{
		PublicURL: c.url, Database: c.address, ShutdownDelay: clusterDelay,
		Keys:     keysConfig{CallTimeout: clusterCall, Reconcile: clusterReconcile},
		Approval: []approvalConfig{{Approval: portal.Automatic}},
	}
	for i, g := range c.company.Gateways {
		r := g.Registration
		gateway := gatewayConfig{
			reachConfig: reachConfig{
				ID: string(r.ID), Kind: r.Kind, Address: r.Address, AllowPrivate: r.AllowPrivate, Secrets: map[string]secretConfig{"token": {Env: gatewayToken(i)}},
			},
			Title: r.Title, Division: string(r.Division), Placement: r.Defaults, Bounds: boundsConfig{r.Bounds.Audiences, r.Bounds.Environments}, Every: clusterEvery,
		}
		for _, rule := range r.Rules {
			var of ruleConfig
			of.Match.Path, of.Set = rule.Match.Path, rule.Set
			gateway.Rules = append(gateway.Rules, of)
		}
		conf.Gateways = append(conf.Gateways, gateway)
	}
	text, err := yaml.Marshal(conf)
	if err != nil {
		c.t.Fatal(err)
	}
	c.file = filepath.Join(c.t.TempDir(), "concierge.yaml")
	if err := os.WriteFile(c.file, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// seed makes the key file and the people.
func (c *cluster) seed(tokens int) {
	c.t.Helper()
	text, err := os.ReadFile(c.file)
	if err != nil {
		c.t.Fatal(err)
	}
	conf, err := parseConfig(text, filepath.Dir(c.file))
	if err != nil {
		c.t.Fatal(err)
	}
	conf.Gateways = nil
	s, err := open(c.t.Context(), conf, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			c.t.Error(err)
		}
	}()
	const each = 20 // tokens of one person
	audiences := []portal.Audience{portal.Internal, portal.Partner, portal.Public}
	for i := range max(len(audiences), tokens/each) {
		audience := audiences[i%len(audiences)]
		m := member{
			email: fmt.Sprintf("%s-%d@people.example", audience, i), password: portal.NewID("pass"), audience: audience,
			organisation: fmt.Sprintf("%s %d", audience, i/len(audiences)/2), // two people in one
		}
		caller, first, err := s.people.Seed(c.t.Context(), people.Seed{
			Organisation: people.NewOrganisation{Name: m.organisation, Audience: audience, Region: "eu-central"},
			Name:         "Test Person", Email: m.email, Password: portal.NewSecret(m.password), Roles: []access.Role{access.Developer},
		})
		if err != nil {
			c.t.Fatal(err)
		}
		m.tokens = append(m.tokens, first.Reveal())
		for len(m.tokens) < each {
			_, token, err := s.people.CreateToken(c.t.Context(), caller, people.NewToken{Name: fmt.Sprintf("client %d", len(m.tokens))})
			if err != nil {
				c.t.Fatal(err)
			}
			m.tokens = append(m.tokens, token.Reveal())
		}
		c.people[audience] = append(c.people[audience], m)
	}
}

// start starts replicas, all at once, and waits until they and the proxy are ready.
func (c *cluster) start(which ...int) {
	c.t.Helper()
	variables := []string{}
	for i, g := range c.company.Gateways {
		variables = append(variables, gatewayToken(i)+"="+g.Token.Reveal())
	}
	for _, i := range which {
		r := c.replicas[i]
		r.process = start(c.t, variables, c.program, "serve", "--config", c.file, "--listen", r.address)
		r.logs = append(r.logs, &r.log)
	}
	for _, i := range which {
		r := c.replicas[i]
		c.eventually(readyWithin, "replica "+strconv.Itoa(i+1)+" is ready", func() error { return c.answers("http://" + r.address + "/readyz") })
	}
	c.eventually(readyWithin, "the proxy sends people to them", func() error {
		for _, i := range which {
			if !strings.Contains(c.tell("show servers state replicas"), fmt.Sprintf(" %s 127.0.0.1 2 ", []string{"one", "two", "three"}[i])) {
				return fmt.Errorf("replica %d is not in use", i+1)
			}
		}
		return nil
	})
}

// answers asks for a page that has to be there.
func (c *cluster) answers(address string) error {
	resp, err := c.http.Get(address)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("%s: %d %s", address, resp.StatusCode, text), err)
	}
	return nil
}

// tell gives the proxy a command and returns its answer, empty while it does not run.
func (c *cluster) tell(command string) string {
	conn, err := net.Dial("unix", c.control)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return ""
	}
	text, _ := io.ReadAll(conn)
	return string(text)
}

// kill ends a replica without a word.
func (c *cluster) kill(i int) {
	c.t.Helper()
	r := c.replicas[i]
	if err := r.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = r.Wait()
	r.process = nil
}

// stop asks a replica to end and waits until it has.
func (c *cluster) stop(i int) {
	c.t.Helper()
	r := c.replicas[i]
	r.end(c.t)
	r.process = nil
}

// eventually waits until a check passes.
func (c *cluster) eventually(limit time.Duration, what string, check func() error) (took time.Duration) {
	c.t.Helper()
	began := time.Now()
	for {
		err := check()
		took = time.Since(began)
		switch {
		case err == nil:
			return took
		case took > limit:
			for _, r := range c.replicas {
				if r.process != nil {
					c.t.Logf("%s:\n%s", r.address, tail(r.log.String(), 30))
				}
			}
			c.t.Fatalf("after %s: %s: not yet: %v", limit, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// synced waits until every gateway has been read and every replica shows the same.
func (c *cluster) synced() {
	c.t.Helper()
	c.eventually(readyWithin, "every gateway has been read", func() error {
		if n := c.number(`SELECT count(DISTINCT gateway) FROM runs WHERE state IN ('applied', 'unchanged')`); n < len(c.company.Gateways) {
			return fmt.Errorf("%d of %d", n, len(c.company.Gateways))
		}
		return nil
	})
	// What was read last is followed within a second or two, by all replicas as late as by one.
	for audience, members := range c.people {
		var shown string
		var since time.Time
		c.eventually(readyWithin, "every replica shows "+string(audience)+" the same, for a while", func() error {
			var first string
			for i, r := range c.replicas {
				if r.process == nil {
					continue
				}
				a, err := client{c.t, "http://" + r.address, members[0].tokens[0]}.try(http.MethodGet, "/api/v1/apis?limit=200", nil)
				switch {
				case err != nil:
					return err
				case a.status != http.StatusOK:
					return fmt.Errorf("replica %d: %d", i+1, a.status)
				case first == "":
					first = string(a.body)
				case first != string(a.body):
					return fmt.Errorf("replica %d differs", i+1)
				}
			}
			if first != shown {
				shown, since = first, time.Now()
			}
			if shownFor := time.Since(since); shownFor < settledFor {
				return fmt.Errorf("for %s only", shownFor.Round(time.Millisecond))
			}
			return nil
		})
	}
}

// onGateways lists the keys of all gateways, by the mark that the portal gave them.
func (c *cluster) onGateways() map[portal.CredentialID]connectors.Found {
	c.t.Helper()
	all := map[portal.CredentialID]connectors.Found{}
	for _, g := range c.company.Gateways {
		opened, err := sample.Open(connectors.Config{
			ID: g.Registration.ID, Address: g.Registration.Address, Secrets: map[string]portal.Secret{"token": g.Token}, Client: c.http,
		})
		if err != nil {
			c.t.Fatal(err)
		}
		issuer, ok := connectors.As[connectors.Issuer](opened)
		if !ok {
			c.t.Fatalf("gateway %s issues no keys", g.Registration.ID)
		}
		for cursor := connectors.Cursor(""); ; {
			found, next, err := issuer.List(context.Background(), cursor, 200)
			if err != nil {
				c.t.Fatal(err)
			}
			for _, f := range found {
				if _, twice := all[f.Mark.Credential]; twice {
					c.t.Errorf("two keys carry the mark %s", f.Mark.Credential)
				}
				all[f.Mark.Credential] = f
			}
			if next == "" {
				break
			}
			cursor = next
		}
	}
	return all
}

// complaints are the errors that replicas have logged, in short and how often each.
func (c *cluster) complaints() map[string]int {
	message := regexp.MustCompile(`level=ERROR msg=("[^"]*"|\S+)`)
	all := map[string]int{}
	for _, r := range c.replicas {
		for _, log := range r.logs {
			for s := bufio.NewScanner(strings.NewReader(log.String())); s.Scan(); {
				if found := message.FindStringSubmatch(s.Text()); found != nil {
					all[found[1]]++
				}
				if strings.HasPrefix(s.Text(), "panic:") {
					all[s.Text()]++
				}
			}
		}
	}
	return all
}

// spent is the processor time of each part so far, those of dead replicas not among them.
func (c *cluster) spent() map[string]time.Duration {
	c.t.Helper()
	of := map[string]time.Duration{"test and gateways": processorTime(os.Getpid(), false), "proxy": processorTime(c.proxy.Process.Pid, false)}
	for _, r := range c.replicas {
		if r.process != nil {
			of["replicas"] += processorTime(r.Process.Pid, false)
		}
	}
	text := c.query("postgres", `SELECT pg_read_file('postmaster.pid')`)[0][0].(string)
	line, _, _ := strings.Cut(text, "\n")
	if pid, err := strconv.Atoi(line); err == nil {
		of["database"] = processorTime(pid, true)
	}
	return of
}

// processorTime reads what a process has used, with its children where asked.
func processorTime(pid int, children bool) (sum time.Duration) {
	const tick = 10 * time.Millisecond // of Linux's proc(5): USER_HZ is 100
	fields := func(pid int) []string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return nil
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		return strings.Fields(rest) // from the third field of proc(5) on
	}
	add := func(f []string, from, to int) {
		for _, text := range f[from:to] {
			n, _ := strconv.ParseInt(text, 10, 64)
			sum += time.Duration(n) * tick
		}
	}
	own := fields(pid)
	if own == nil {
		return 0
	}
	if !children {
		add(own, 11, 13)
		return sum
	}
	add(own, 11, 15) // with those that have ended
	running, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return sum
	}
	for _, dir := range running {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if f := fields(child); f != nil && f[1] == strconv.Itoa(pid) {
			add(f, 11, 13)
		}
	}
	return sum
}

// sign in to the pages and return the cookie.
func (c *cluster) signIn(m member) string {
	c.t.Helper()
	resp, err := c.http.PostForm(c.url+"/sign-in", url.Values{"email": {m.email}, "password": {m.password}})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) == 0 {
		c.t.Fatalf("signing in: %d", resp.StatusCode)
	}
	i := slices.IndexFunc(resp.Cookies(), func(k *http.Cookie) bool { return k.Name == "concierge" })
	if i < 0 {
		c.t.Fatalf("signing in gave no session: %v", resp.Cookies())
	}
	return resp.Cookies()[i].Name + "=" + resp.Cookies()[i].Value
}

// print shows counts in the order of their names.
func print[N any](t *testing.T, title string, counts map[string]N) {
	t.Helper()
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Logf("%s: %-58s %v", title, name, counts[name])
	}
}

// unmarshal reads an answer of the portal.
func unmarshal[T any](body []byte) (t T, err error) { return t, json.Unmarshal(body, &t) }
