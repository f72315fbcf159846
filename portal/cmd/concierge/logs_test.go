package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"concierge/portal/api"
)

// TestLogsHoldNoSecrets walks the whole path, with everything logged, and looks for what may not be there.
func TestLogsHoldNoSecrets(t *testing.T) {
	var log transcript
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan demoReady, 1), make(chan error, 1)
	go func() {
		o := demoOptions{listen: "127.0.0.1:0", database: testDatabase(t, filepath.Join(t.TempDir(), "demo.db"))}
		ended <- demo(ctx, o, newLogger(&log, "text", slog.LevelDebug), func(r demoReady) error {
			ready <- r
			return nil
		})
	}()
	var told demoReady
	select {
	case told = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	partner := meet(t, told).partner
	var never []string
	for _, p := range told.People {
		never = append(never, p.Token, p.Password, p.Email)
	}
	e := endpoint{"shipments", "", "production"}
	partner.resolve(e)
	sub := partner.subscribe(e)
	first := partner.claim(sub.ID)
	second := post[api.ClaimBody](partner, "/credentials/"+first.ID+"/rotate", map[string]string{"overlap": "1h"})
	never = append(never, first.Secret, second.Secret)
	partner.revoke(first.ID)
	partner.revoke(second.ID)
	refused := partner.send(http.MethodGet, "/api/v1/apis?q=canary-query", nil, "Authorization", "Bearer canary-token")
	partner.send(http.MethodGet, "/invitation/canary-link?canary-query=1", nil, "Cookie", "x=canary-cookie")
	never = append(never, "canary-")

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: callTimeout}
	for _, p := range told.People[:1] {
		resp, err := browser.PostForm(told.URL+"/sign-in?canary-query=1", url.Values{"email": {p.Email}, "password": {p.Password}, "next": {"/"}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	at, err := url.Parse(told.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range jar.Cookies(at) {
		never = append(never, c.Value)
	}
	if len(never) < 4*3+4 {
		t.Errorf("only %d things are looked for", len(never))
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	text := log.String()
	for _, secret := range never {
		if secret != "" && strings.Contains(text, secret) {
			line, _, _ := strings.Cut(text[strings.LastIndex(text[:strings.Index(text, secret)], "\n")+1:], "\n")
			t.Errorf("%q is logged: %s", secret, line)
		}
	}
	id := refused.header.Get("X-Request-Id")
	if lines := strings.Count(text, "request_id="+id); refused.status != http.StatusUnauthorized || id == "" || lines < 2 {
		t.Errorf("request %q, refused with %d, has %d lines", id, refused.status, lines)
	}
	if !bytes.Contains(refused.body, []byte(id)) {
		t.Errorf("the problem does not name the request: %s", refused.body)
	}
	if !strings.Contains(text, `route="POST /api/v1/subscriptions/{id}/credentials" status=201`) {
		t.Error("the claim has no line")
	}
}
