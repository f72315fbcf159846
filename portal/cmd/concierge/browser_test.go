//go:build browser

package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is one tab of a fresh profile. It needs Chromium; CHROMIUM names it, else it is looked for.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

func openBrowser(t *testing.T, url string) *browser {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1360, 900))
	if path := os.Getenv("CHROMIUM"); path != "" {
		flags = append(flags, chromedp.ExecPath(path))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	ctx, end = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	return &browser{t, ctx, url}
}

func (b *browser) goTo(path string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(b.url+path)); err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
}

func (b *browser) write(selector, text string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.SendKeys(chromedp.CSS(selector), text)); err != nil {
		b.t.Fatalf("%s: %v", selector, err)
	}
}

// press clicks and waits for the next page.
func (b *browser) press(selector string) {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, 30*time.Second)
	defer end()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("%s: %v", selector, err)
	}
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, 30*time.Second)
	defer end()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("%s: %v", selector, err)
	}
	return strings.TrimSpace(text)
}

func (b *browser) html() string {
	b.t.Helper()
	html, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.documentElement.outerHTML"))
	if err != nil {
		b.t.Fatal(err)
	}
	return html
}

// photograph keeps a picture of the page in the folder that SCREENSHOTS names.
func (b *browser) photograph(name string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "demo-"+name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) signIn(p demoPerson) {
	b.t.Helper()
	b.goTo("/sign-in")
	b.write("#email", p.Email)
	b.write("#password", p.Password)
	b.press("main form button[type=submit]")
}

// header finds the header that the page says to send.
var header = regexp.MustCompile(`-H '([^:]+): ([^']+)'`)

func status(t *testing.T, url, name, value string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestBrowserWholePath walks the demo as a partner and as an internal developer do: the same API and environment, two
// endpoints, a key each, which works until it is revoked.
func TestBrowserWholePath(t *testing.T) {
	o := demoOptions{listen: "127.0.0.1:0", database: testDatabase(t, filepath.Join(t.TempDir(), "demo.db"))}
	ctx, stop := context.WithCancel(t.Context())
	started := make(chan demoReady, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- demo(ctx, o, slog.New(slog.DiscardHandler), func(r demoReady) error { started <- r; return nil })
	}()
	var ready demoReady
	select {
	case ready = <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	endpoints := map[string]string{}
	for _, p := range ready.People[:2] {
		b := openBrowser(t, ready.URL)
		b.signIn(p)
		b.photograph("home-" + p.Audience)
		b.goTo("/apis")
		b.photograph("catalog-" + p.Audience)
		if strings.Contains(b.html(), "Yard Operations") != (p.Audience == "internal") {
			t.Errorf("%s: Yard Operations is for internal developers, and for them only", p.Audience)
		}
		b.goTo("/apis/shipments?environment=test")
		test := b.text(".endpoint code")
		b.goTo("/apis/shipments?environment=production")
		endpoint := b.text(".endpoint code")
		b.photograph("api-" + p.Audience)
		if test == endpoint {
			t.Errorf("%s: test and production are both %s", p.Audience, test)
		}
		endpoints[p.Audience] = endpoint

		b.write("#new_application", "Browser "+p.Audience)
		b.press("#get-key form button[type=submit]")
		b.photograph("granted-" + p.Audience)
		b.press("form[action$='/claim'] button[type=submit]")
		b.photograph("claim-" + p.Audience)
		sent := header.FindStringSubmatch(b.text("#secret-curl"))
		if sent == nil {
			t.Fatalf("%s: no header in %q", p.Audience, b.text("#secret-curl"))
		}
		secret := b.text("#secret-0")
		if got := status(t, endpoint+"/shipments", sent[1], sent[2]); got != http.StatusOK {
			t.Errorf("%s: with the key %d", p.Audience, got)
		}
		if got := status(t, endpoint+"/shipments", "", ""); got != http.StatusUnauthorized {
			t.Errorf("%s: without a key %d", p.Audience, got)
		}
		b.press(".secret .btn-primary")
		b.photograph("key-" + p.Audience)
		if strings.Contains(b.html(), secret) {
			t.Errorf("%s: the secret is shown again", p.Audience)
		}
		where, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.pathname"))
		if err != nil {
			t.Fatal(err)
		}
		b.goTo(where + "/revoke")
		b.press("main form button[type=submit]")
		revoked := time.Now()
		for status(t, endpoint+"/shipments", sent[1], sent[2]) == http.StatusOK {
			if time.Since(revoked) > 2*time.Second {
				t.Fatalf("%s: the revoked key still works after 2 s", p.Audience)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if endpoints["partner"] == endpoints["internal"] {
		t.Errorf("partner and internal developer are both sent to %s", endpoints["partner"])
	}
	b := openBrowser(t, ready.URL)
	b.signIn(ready.People[3])
	for name, path := range map[string]string{"gateways": "/gateways", "gateway": "/gateways/freight-lab", "people": "/people", "organisations": "/organisations"} {
		b.goTo(path)
		b.photograph(name)
	}
}
