package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"concierge/portal"

	"pgregory.net/rapid"
)

// A test binary that is started with this variable opens the key file it names, prints what it got, and ends.
const helperVariable = "CONCIERGE_SEAL_TEST_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperVariable); path != "" {
		box, created, err := Open(path)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(box.Fingerprint("test", nil), created)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string) *Box {
	t.Helper()
	box, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func keyPath(t *testing.T) string { return filepath.Join(t.TempDir(), "master.key") }

func TestOpenMakesOneFile(t *testing.T) {
	path := keyPath(t)
	if _, err := Load(path); !errors.Is(err, portal.ErrNotFound) || !strings.Contains(err.Error(), "restore it") {
		t.Errorf("Load without a file: %v", err)
	}
	first, created, err := Open(path)
	if err != nil || !created {
		t.Fatalf("created %t, %v", created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	second, created, err := Open(path)
	if err != nil || created || second.Fingerprint("a", nil) != first.Fingerprint("a", nil) {
		t.Errorf("second Open: created %t, %v", created, err)
	}
	if names := files(t, path); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
	if _, _, err := Open(filepath.Join(filepath.Dir(path), "missing", "master.key")); err == nil {
		t.Error("no error for a folder that is missing")
	}
}

func files(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Processes that start for the first time at once get one key.
func TestConcurrentFirstStart(t *testing.T) {
	for range 5 {
		path := keyPath(t)
		const processes = 6
		outputs := make([]string, processes)
		var wg sync.WaitGroup
		for i := range processes {
			wg.Go(func() {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), helperVariable+"="+path)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%v: %s", err, out)
				}
				outputs[i] = string(out)
			})
		}
		wg.Wait()
		created, keys := 0, map[string]bool{}
		for _, out := range outputs {
			key, made, _ := strings.Cut(strings.TrimSpace(out), " ")
			keys[key] = true
			if made == "true" {
				created++
			}
		}
		if len(keys) != 1 || created != 1 || len(files(t, path)) != 1 {
			t.Fatalf("%d keys, created %d times, files %q", len(keys), created, files(t, path))
		}
	}
}

func TestSealAndUnseal(t *testing.T) {
	box, other := open(t, keyPath(t)), open(t, keyPath(t))
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringN(0, 5, -1)
		table, row, column := part.Draw(t, "table"), part.Draw(t, "row"), part.Draw(t, "column")
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		sealed, err := box.Seal(table, row, column, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		got, err := box.Unseal(table, row, column, sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%q, %v", got, err)
		}
		if len(plaintext) > 4 && bytes.Contains(sealed, plaintext) {
			t.Fatal("the value is in the clear")
		}
		fails := func(what string, b *Box, table, row, column string, sealed []byte) {
			if got, err := b.Unseal(table, row, column, sealed); !errors.Is(err, portal.ErrInvalid) || got != nil {
				t.Fatalf("%s: %q, %v", what, got, err)
			}
		}
		fails("another key", other, table, row, column, sealed)
		t2, r2, c2 := part.Draw(t, "table2"), part.Draw(t, "row2"), part.Draw(t, "column2")
		if t2 != table || r2 != row || c2 != column {
			fails("another place", box, t2, r2, c2, sealed)
		}
		changed := bytes.Clone(sealed)
		changed[rapid.IntRange(0, len(sealed)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		fails("changed", box, table, row, column, changed)
		fails("cut", box, table, row, column, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")])
	})
}

// The parts of a place cannot be shifted into each other.
func TestPlaceIsUnambiguous(t *testing.T) {
	box := open(t, keyPath(t))
	sealed, err := box.Seal("credentials", "1", "secret", []byte("s"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][3]string{{"credentials1", "", "secret"}, {"credential", "s1", "secret"}, {"1", "credentials", "secret"}, {"credentials", "1secret", ""}, {"", "", ""}} {
		if _, err := box.Unseal(p[0], p[1], p[2], sealed); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	box := open(t, keyPath(t))
	want := box.Fingerprint("credential", []byte("s3cret"))
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(want) || box.Fingerprint("credential", []byte("s3cret")) != want {
		t.Errorf("%q", want)
	}
	for what, got := range map[string]string{
		"another value":   box.Fingerprint("credential", []byte("s3cres")),
		"another purpose": box.Fingerprint("token", []byte("s3cret")),
		"another key":     open(t, keyPath(t)).Fingerprint("credential", []byte("s3cret")),
	} {
		if got == want {
			t.Errorf("%s has the same fingerprint", what)
		}
	}
}

func TestRotate(t *testing.T) {
	path := keyPath(t)
	old := open(t, path)
	sealed, err := old.Seal("t", "r", "c", []byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := old.Canary()
	if err != nil {
		t.Fatal(err)
	}
	if err := Rotate(path); err != nil {
		t.Fatal(err)
	}
	rotated := open(t, path)
	if got, err := rotated.Unseal("t", "r", "c", sealed); string(got) != "before" || err != nil {
		t.Errorf("what was sealed before: %q, %v", got, err)
	}
	if err := rotated.Verify(kept); err != nil {
		t.Errorf("canary: %v", err)
	}
	if rotated.Fingerprint("a", []byte("b")) != old.Fingerprint("a", []byte("b")) {
		t.Error("fingerprints changed")
	}
	after, err := rotated.Seal("t", "r", "c", []byte("after"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Unseal("t", "r", "c", after); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("the old key opens what the new one sealed: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || len(files(t, path)) != 1 {
		t.Errorf("%v, %v, files %q", info.Mode(), err, files(t, path))
	}
	if err := Rotate(keyPath(t)); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Rotate(path); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), path+".lock") {
		t.Errorf("while another one runs: %v", err)
	}
}

func TestCanary(t *testing.T) {
	path := keyPath(t)
	box := open(t, path)
	kept, err := box.Canary()
	if err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Verify(kept); err != nil {
		t.Errorf("the same file: %v", err)
	}
	otherPath := keyPath(t)
	for what, canary := range map[string][]byte{"another file": kept, "damaged": []byte("x"), "none": nil} {
		err := open(t, otherPath).Verify(canary)
		if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "sealed with another key file; restore the one that belongs to it to "+otherPath) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Sealing keys of this file, fingerprint keys of another one: fingerprints would not match those in the database.
	mixed, other := decode(t, path), decode(t, otherPath)
	mixed.Fingerprints = other.Fingerprints
	data, _ := json.Marshal(mixed)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Verify(kept); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("mixed file: %v", err)
	}
}

func decode(t *testing.T, path string) keyFileJSON {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out keyFileJSON
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLoadRefuses(t *testing.T) {
	good := keyPath(t)
	open(t, good)
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, tc := range map[string]struct {
		data string
		mode os.FileMode
		want string
	}{
		"group may read":       {text, 0o640, "chmod 600"},
		"others may read":      {text, 0o604, "chmod 600"},
		"others may write":     {text, 0o602, "chmod 600"},
		"empty":                {"", 0o600, "is empty; restore it"},
		"cut off":              {text[:len(text)/2], 0o600, "is damaged; restore it"},
		"not JSON":             {"hello", 0o600, "is damaged"},
		"no version":           {"{}", 0o600, "version 0"},
		"newer version":        {strings.Replace(text, `"version": 1`, `"version": 2`, 1), 0o600, "version 2"},
		"no sealing keys":      {strings.Replace(text, `"sealing"`, `"x"`, 1), 0o600, "is damaged"},
		"no fingerprint keys":  {strings.Replace(text, `"fingerprints"`, `"x"`, 1), 0o600, "is damaged"},
		"keys of another kind": {strings.Replace(text, "HkdfPrfKey", "HmacKey", 1), 0o600, "is damaged"},
		"no keys":              {`{"version":1,"sealing":{},"fingerprints":{}}`, 0o600, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := keyPath(t)
			if err := os.WriteFile(path, []byte(tc.data), tc.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{"Load": second(Load(path)), "Open": third(Open(path)), "Rotate": Rotate(path)} {
				if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v, want %q", what, err, tc.want)
				}
				for _, secret := range secretsOf(t, good) {
					if err != nil && strings.Contains(err.Error(), secret) {
						t.Errorf("%s shows key material", what)
					}
				}
			}
			if got, _ := os.ReadFile(path); string(got) != tc.data {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("a folder: %v", err)
	}
	if os.Getuid() != 0 { // root reads everything
		path := keyPath(t)
		if err := os.WriteFile(path, data, 0o200); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(path); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "let the user that runs the portal read it") {
			t.Errorf("unreadable: %v", err)
		}
	}
}

func second(_ *Box, err error) error        { return err }
func third(_ *Box, _ bool, err error) error { return err }

// secretsOf returns the key material in a file.
func secretsOf(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`"value": *"([^"]+)"`).FindAllSubmatch(data, -1) {
		if _, err := base64.StdEncoding.DecodeString(string(m[1])); err == nil {
			out = append(out, string(m[1]))
		}
	}
	if len(out) != 2 {
		t.Fatalf("%d keys in the file, want 2", len(out))
	}
	return out
}

// A crash after the new file was written and before it was put in place leaves the old state, and the next try works.
func TestCrashBeforePlacing(t *testing.T) {
	path := keyPath(t)
	crash := func() {
		t.Helper()
		keys, err := newKeyFile()
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if recover() == nil {
				t.Fatal("did not crash")
			}
		}()
		_ = keys.write(path, func(string, string) error { panic("crash") })
	}
	crash()
	if _, err := Load(path); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("after a crash in Open: %v", err)
	}
	box, created, err := Open(path)
	if err != nil || !created {
		t.Fatalf("created %t, %v", created, err)
	}
	crash()
	if got := open(t, path); got.Fingerprint("a", nil) != box.Fingerprint("a", nil) {
		t.Error("a crash in Rotate changed the keys")
	}
	if err := Rotate(path); err != nil {
		t.Error(err)
	}
}

func TestBoxPrintsNothing(t *testing.T) {
	path := keyPath(t)
	box := open(t, path)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "box", box)
	for _, got := range []string{fmt.Sprint(box), fmt.Sprintf("%+v %#v %x", box, box, box), fmt.Sprintf("%v", struct{ b *Box }{box}), log.String()} {
		if strings.Contains(got, "aead") || strings.Contains(got, path) {
			t.Errorf("prints %s", got)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	box, _, err := Open(filepath.Join(b.TempDir(), "master.key"))
	if err != nil {
		b.Fatal(err)
	}
	secret := bytes.Repeat([]byte("x"), 64)
	for b.Loop() {
		if _, err := box.Seal("credentials", "cred_1", "handle", secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	box, _, err := Open(filepath.Join(b.TempDir(), "master.key"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		box.Fingerprint("token", []byte("con_0123456789"))
	}
}
