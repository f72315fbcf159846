package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"concierge/portal"
)

// TestRealDiskFull fills a file system of the kernel's.
func TestRealDiskFull(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("a small file system cannot be mounted here (%v): run it as root where mounting is allowed; TestTroubledDisk has the same faults without it", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	ctx, ballast, path := t.Context(), filepath.Join(folder, "ballast"), filepath.Join(folder, "concierge.db")
	db := openAt(t, path)
	n := 0
	for range 3 {
		err := os.WriteFile(ballast, make([]byte, 32<<20), 0o600)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		info, err := os.Stat(ballast)
		if err := errors.Join(err, os.Truncate(ballast, info.Size()-100_000)); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			if err = loadOne(ctx, db, n+1); err == nil {
				n++
			}
		}
		if !errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
			t.Fatalf("after %d transactions: %v", n, err)
		}
		if found, err := loadFound(ctx, db); err != nil || found != n {
			t.Fatalf("of %d transactions %d are there, %v", n, found, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := loadOne(ctx, db, n+1); err != nil {
				t.Fatalf("with space again: %v", err)
			}
			n++
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := loadFound(ctx, openAt(t, path)); err != nil || found != n {
		t.Fatalf("of %d transactions %d are there, %v", n, found, err)
	}
}

// othersFile names, for the child of TestPermissions, the file to open.
const othersFile = "CONCIERGE_OTHERS_FILE"

// What one may not write is refused before anything is touched. The child is another user, as root may write everything.
func TestPermissions(t *testing.T) {
	for name, tc := range map[string]struct {
		folder, file os.FileMode
		words        []string
	}{
		"read-only folder": {0o555, 0o666, []string{"permissions", "--database"}},
		"read-only file":   {0o777, 0o444, []string{"permissions", "--database"}},
		"somebody else's":  {0o777, 0o600, []string{"permissions", "--database"}},
		"no entry":         {0o700, 0o600, []string{"permission denied", "--database"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "concierge.db")
			db := openAt(t, path)
			if err := errors.Join(loadOne(t.Context(), db, 1), db.Close(), os.Remove(path+".lock"), os.Chmod(path, tc.file), os.Chmod(folder, tc.folder)); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Skip("this account cannot read what it just closed to itself, and so not see that it stays as it was: run it as root, as CI does")
			}
			program, err := os.Open(os.Args[0])
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = program.Close() }()
			child := exec.Command("/proc/self/fd/3", "-test.run=^TestPermissionsChild$") // the folder of the test's program is not for others
			child.Env, child.Dir, child.ExtraFiles = append(os.Environ(), othersFile+"="+path), "/", []*os.File{program}
			if os.Getuid() == 0 {
				child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			out, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, word := range tc.words {
				if !strings.Contains(string(out), word) {
					t.Errorf("nothing of %q in: %s", word, out)
				}
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// TestPermissionsChild opens the file as somebody else.
func TestPermissionsChild(t *testing.T) {
	path := os.Getenv(othersFile)
	if path == "" {
		t.Skip("this is the other user's process: TestPermissions starts it")
	}
	_, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	fmt.Println(err)
}
