// Package postgrestest starts real PostgreSQL servers for tests. It uses the binaries of the machine, in PATH or where
// Debian's packages put them; where there are none, tests are skipped and say so, or fail where CONCIERGE_REQUIRE_POSTGRES
// is set. A server listens on loopback and keeps its files in a temporary folder; both go when the test's process has
// ended, in whatever way.
package postgrestest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// New makes an empty database on a server that all tests of this process share, and drops it after the test. The server
// does not wait for the disk: what a test says about crashes of the machine needs Start.
func New(t testing.TB) (address string) {
	t.Helper()
	s := shared(t)
	return s.Database(t)
}

var shared = func() func(testing.TB) *Server {
	var once sync.Once
	var server *Server
	var err error
	return func(t testing.TB) *Server {
		t.Helper()
		need(t)
		once.Do(func() {
			server, err = start("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
		})
		if err != nil {
			t.Fatal(err)
		}
		return server
	}
}()

// Start starts a server of the test's own, which it may stop, kill and start again.
func Start(t testing.TB) *Server {
	t.Helper()
	need(t)
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return s
}

func need(t testing.TB) {
	t.Helper()
	if _, err := binaries(); err != nil {
		if os.Getenv("CONCIERGE_REQUIRE_POSTGRES") != "" {
			t.Fatal(err)
		}
		t.Skipf("%v", err)
	}
}

// binaries is the folder of initdb and postgres.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed: on Debian, apt-get install postgresql")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// Server is a running PostgreSQL.
type Server struct {
	folder, bin string
	port        int
	options     []string
	as          *syscall.Credential
	process     *exec.Cmd
	ended       chan struct{}
	said        *bytes.Buffer
	watcher     *exec.Cmd
	alive       io.Closer // closed by the system when this process ends
}

func start(options ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "concierge-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, bin: bin, options: options}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		if s.as, err = owner(); err != nil {
			return nil, err
		}
		if err := os.Chown(folder, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return nil, err
		}
	}
	initialise := exec.Command(filepath.Join(bin, "initdb"), "-D", s.data(), "-U", "concierge", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	initialise.Dir, initialise.SysProcAttr = folder, &syscall.SysProcAttr{Credential: s.as}
	if out, err := initialise.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for try := 1; ; try++ {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		err := s.Start()
		if !errors.Is(err, errPortTaken) || try == 10 {
			return s, err
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// watch starts a shell that waits for the end of this process, which it sees by the end of its input even where the
// process is killed, and then ends the server and removes the folder.
func (s *Server) watch() (err error) {
	s.watcher = exec.Command("sh", "-c", `
		cat
		server=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$server" 2>/dev/null
		for i in 1 2 3 4 5 6 7 8 9 10; do
			rm -rf "$0" 2>/dev/null && exit
			sleep 0.2
		done`, s.folder)
	s.watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is not for it
	if s.alive, err = s.watcher.StdinPipe(); err != nil {
		return err
	}
	return s.watcher.Start()
}

// remove ends the server and removes its folder.
func (s *Server) remove() {
	s.Stop()
	_ = s.alive.Close()
	_ = s.watcher.Wait()
}

// owner is the account that Debian's packages make, or nobody.
func owner() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.ParseUint(u.Uid, 10, 32)
		gid, errG := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errU, errG)
	}
	return nil, errors.New("there is no account that PostgreSQL could run as")
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// Start starts a server that was stopped or killed, at the same address, and waits until it answers.
func (s *Server) Start() error {
	s.said = &bytes.Buffer{}
	s.process = exec.Command(filepath.Join(s.bin, "postgres"), append([]string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.folder,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}, s.options...)...)
	s.process.Dir, s.process.Stdout, s.process.Stderr = s.folder, s.said, s.said
	s.process.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	s.ended = make(chan struct{})
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	go func() {
		_ = s.process.Wait()
		close(s.ended)
	}()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := s.answers()
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			if strings.Contains(s.said.String(), "could not bind") {
				return errPortTaken
			}
			return fmt.Errorf("PostgreSQL ended: %s", s.said)
		default:
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		}
	}
}

var errPortTaken = errors.New("another program has taken the port")

// answers reports whether this server does, and not another one that has taken the port.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.Address("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var data string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
		return err
	}
	if data != s.data() {
		return errPortTaken
	}
	return nil
}

// Stop ends the server at once, as a fast shutdown: open transactions are rolled back.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends it without a word to anybody; the next start recovers.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(how syscall.Signal) {
	_ = s.process.Process.Signal(how) // one that has ended already gets none
	<-s.ended
}

// Address of a database of the server.
func (s *Server) Address(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User("concierge"), Host: fmt.Sprintf("127.0.0.1:%d", s.port), Path: "/" + name, RawQuery: "sslmode=disable"}
	return u.String()
}

// Database makes an empty database, dropped after the test, and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text())
	s.run(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.run(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return s.Address(name)
}

func (s *Server) run(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.Address("postgres"))
	if err != nil {
		select {
		case <-s.ended: // stopped by the test: nothing is left to drop
			return
		default:
			t.Fatal(err)
		}
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}
