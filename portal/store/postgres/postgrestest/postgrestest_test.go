package postgrestest

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Neither the server nor its folder outlives the process, also where that is killed.
func TestNothingIsLeftBehind(t *testing.T) {
	if os.Getenv("POSTGRESTEST_CHILD") != "" {
		s := shared(t)
		_, _ = os.Stdout.WriteString("\nfolder " + s.folder + " " + s.Address("postgres") + "\n")
		select {}
	}
	need(t)
	child := exec.Command(os.Args[0], "-test.run=^TestNothingIsLeftBehind$")
	child.Env = append(os.Environ(), "POSTGRESTEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var folder, address string
	for lines := bufio.NewScanner(out); folder == "" && lines.Scan(); {
		if said := strings.Fields(lines.Text()); len(said) == 3 && said[0] == "folder" {
			folder, address = said[1], said[2]
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if folder == "" {
		t.Fatal("no server was started")
	}
	host := strings.TrimPrefix(address, "postgres://concierge@")
	host, _, _ = strings.Cut(host, "/")
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(folder)
		conn, dialErr := net.Dial("tcp", host)
		if dialErr == nil {
			_ = conn.Close()
		}
		if errors.Is(err, fs.ErrNotExist) && dialErr != nil {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("left behind: folder %v, server %v", err, dialErr)
		}
	}
}

// A server whose port was taken in the meantime takes another, and is not taken for the one that has it.
func TestPortsDoNotClash(t *testing.T) {
	need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := Start(t)
	s.Stop()
	own := s.port
	s.port = l.Addr().(*net.TCPAddr).Port
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	if err := s.Start(); !errors.Is(err, errPortTaken) {
		t.Errorf("started on a port that is taken: %v", err)
	}
	s.port = own
	if err := s.Start(); err != nil {
		t.Error(err)
	}
}

func TestServersSideBySide(t *testing.T) {
	need(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			s, err := start()
			if err != nil {
				t.Error(err)
				return
			}
			s.remove()
		})
	}
	all.Wait()
}
