package keys_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/store/storetest"
)

// The secret of a key is in the answer to its claim and nowhere else: not in the database's files, though the handle holds
// it in its sealed part; not in the log, the audit or an error.
func TestSecretIsNowhere(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	north := w.gateways["north"]
	sub := w.subscribed(t)
	first := w.claimed(t, sub)
	second, err := w.Rotate(ctx, ann, first.Credential.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{secret(first), secret(second)}
	said := []string{fmt.Sprintf("%v %+v %#v", first, second, second.Parts)}

	// A lost answer, a client who left, a broken record, a revocation that fails: each tells about it somewhere.
	lost := w.subscribed(t)
	lose := func(_ context.Context, do func() issued) (issued, error) {
		made := do()
		secrets = append(secrets, made.Parts[1].Value.Reveal())
		return made, fmt.Errorf("reading %v: %w", made.Parts, portal.ErrUnavailable)
	}
	north.fail(lose)
	north.revoke = []error{errDown}
	_, err1 := w.Claim(ctx, ann, lost.ID)
	north.fail(func(ctx context.Context, do func() issued) (issued, error) {
		made, _ := lose(ctx, do)
		return made, nil
	})
	dying := w.service(&faultyDB{DB: w.keysDB(), fail: func(n int) bool { return n == 2 }})
	_, err2 := dying.Claim(ctx, ann, w.subscribed(t).ID)
	if err1 == nil || err2 == nil {
		t.Fatalf("no error: %v, %v", err1, err2)
	}
	north.revoke = []error{errors.New("no")}
	if _, err := w.Revoke(ctx, ann, first.Credential.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.SweepOnce(ctx); err != nil {
		t.Fatal(err)
	}
	said = append(said, err1.Error(), err2.Error(), fmt.Sprintf("%#v %#v", err1, err2), w.log.String(), w.dump(t), fmt.Sprint(w.events(t, "")))

	files, err := filepath.Glob(filepath.Join(w.folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := 1 // the key of the seals
	said = append(said, storetest.Dump(t, w.db))
	if storetest.IsFile(w.address) {
		kept, err := filepath.Glob(w.address + "*")
		if err != nil {
			t.Fatal(err)
		}
		files, want = append(files, kept...), 3
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(b))
	}
	if !strings.Contains(strings.Join(said, ""), string(first.Credential.ID)) || len(files) < want || len(secrets) != 4 {
		t.Fatalf("the test looks at the wrong things: %v, %d secrets", files, len(secrets))
	}
	for _, text := range said {
		for i, s := range secrets {
			if strings.Contains(text, s) || strings.Contains(text, strings.TrimPrefix(s, "canary-")) {
				t.Errorf("secret %d is in the open: %.100q…", i, text)
			}
		}
	}
	w.settle(t)
}
