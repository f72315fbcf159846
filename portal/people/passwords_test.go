package people

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"

	"concierge/portal"
)

func TestPasswordRules(t *testing.T) {
	for password, want := range map[string]bool{
		"":                                  false,
		"eleven char":                       false,
		"twelve chars":                      true,
		"les bœufs à la mode":               true,
		"ééééééééééé":                       false, // eleven, in 22 bytes, and one character over and over
		"ábçdéfghíjkl":                      true,  // twelve
		"e\u0301a\u0301bcdefghijk":          true,  // twelve, accents apart
		"e\u0301e\u0301e\u0301bcdefgh":      false, // ten, accents apart
		strings.Repeat("long enough. ", 78): true,
		strings.Repeat("x1", 513):           false, // 1026 bytes
		"ada.lovelace@example.com":          false,
		"ADA.Lovelace@Example.com":          false,
		"ada.lovelace2026":                  false,
		"Password12345":                     false,
		"passwordpassword":                  false,
		"qwertyuiop123":                     false,
		"123456789012":                      false,
		"aaaaaaaaaaaaaa":                    false,
		"CorrectHorseBatteryStaple":         false,
		"\xff\xfe bytes of no text":         false,
		"my password is a long one":         true,
	} {
		err := CheckPassword(portal.NewSecret(password), "ada.lovelace@example.com")
		if (err == nil) != want || (err != nil && !errors.Is(err, portal.ErrInvalid)) {
			t.Errorf("%q: %v", password, err)
		}
		if err != nil && password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("the error repeats %q", password)
		}
	}
}

func TestPasswordParameters(t *testing.T) {
	want := argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	if RealParams != want {
		t.Errorf("got %+v, want %+v", RealParams, want)
	}
	h, err := newHasher(RealParams)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(h.dummy.Reveal(), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("dummy is %q", h.dummy.Reveal())
	}
}

func TestCompare(t *testing.T) {
	h, err := newHasher(passwordParams)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	composed, apart := portal.NewSecret("cr\u00e8me br\u00fbl\u00e9e"), portal.NewSecret("cre\u0300me bru\u0302le\u0301e")
	hash, err := h.hash(ctx, composed)
	if err != nil {
		t.Fatal(err)
	}
	if h.dummy, err = h.hash(ctx, composed); err != nil { // even whoever knew its password has no account
		t.Fatal(err)
	}
	other := *h
	other.params.Iterations++
	for name, tc := range map[string]struct {
		by              *hasher
		password, hash  portal.Secret
		match, outdated bool
	}{
		"right":            {h, composed, hash, true, false},
		"accents apart":    {h, apart, hash, true, false},
		"wrong":            {h, portal.NewSecret("creme brulee"), hash, false, false},
		"empty":            {h, portal.Secret{}, hash, false, false},
		"no account":       {h, composed, portal.Secret{}, false, false},
		"other parameters": {&other, composed, hash, true, true},
		"too long to try":  {h, portal.NewSecret(strings.Repeat("x", 1025)), hash, false, false},
	} {
		match, outdated, err := tc.by.compare(ctx, tc.password, tc.hash)
		if err != nil || match != tc.match || outdated != tc.outdated {
			t.Errorf("%s: %v, %v, %v", name, match, outdated, err)
		}
	}
	if _, _, err := h.compare(ctx, composed, portal.NewSecret("rubbish")); err == nil || strings.Contains(err.Error(), "rubbish") {
		t.Errorf("a hash that is none: %v", err)
	}
}

func TestHashesAtOnceAreBounded(t *testing.T) {
	h, err := newHasher(passwordParams)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(h.slots) {
		done, err := h.slot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer done()
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := h.hash(ctx, portal.NewSecret("one too many"))
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
