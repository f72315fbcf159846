// Package postgrestest starts real PostgreSQL servers for tests. It uses the binaries of the machine, in PATH or where
// Debian's packages put them; where there are none, tests are skipped and say so, or fail where CONCIERGE_REQUIRE_POSTGRES
// is set. A server listens on loopback, keeps its files in a temporary folder and ends with the test's process.
package postgrestest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
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
			var folder string
			if folder, err = os.MkdirTemp("", "concierge-postgres-"); err == nil {
				server, err = start(folder, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
			}
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
	folder, err := os.MkdirTemp("", "concierge-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		_ = os.RemoveAll(folder)
	})
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
}

func start(folder string, options ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, bin: bin, options: options}
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return nil, err
	}
	return s, s.Start()
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
	s.process.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	s.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the server ends with the thread that started it
		if err := s.process.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = s.process.Wait()
		close(s.ended)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(context.Background(), s.Address("postgres"))
		if err == nil {
			return conn.Close(context.Background())
		}
		select {
		case <-s.ended:
			return fmt.Errorf("PostgreSQL ended: %s", s.said)
		default:
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		}
	}
}

// Stop ends the server at once, as a fast shutdown: open transactions are rolled back.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends it without a word to anybody; the next start recovers.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(how syscall.Signal) {
	_ = s.process.Process.Signal(how)
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
