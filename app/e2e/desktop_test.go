//go:build desktop_e2e

// Package e2e drives the desktop application in its real window, from the first start to the last key, against the demo.
// build/desktop starts it with all that it needs: a display, a session bus and a keychain.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/client"
)

type demo struct {
	URL    string `json:"url"`
	People []struct {
		Email, Role, Audience, Token string
	} `json:"people"`
}

// startDemo starts the portal of CONCIERGE_DEMO until the test is over.
func startDemo(t *testing.T) demo {
	t.Helper()
	cmd := exec.Command(binary(t, "CONCIERGE_DEMO"), "demo", "--json")
	cmd.Stderr = io.Discard
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the demo says nothing: %v", err)
	}
	var d demo
	if err := json.Unmarshal(line, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d demo) token(t *testing.T, role, audience string) portal.Secret {
	t.Helper()
	for _, p := range d.People {
		if p.Role == role && p.Audience == audience {
			return portal.NewSecret(p.Token)
		}
	}
	t.Fatalf("the demo has no %s %s", audience, role)
	return portal.Secret{}
}

func binary(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: start this through build/desktop", variable)
	}
	return path
}

// start starts a program in a process group of its own and ends it with the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
}

func end(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
}

// application is one start of the desktop application.
type application struct {
	page
	cmd    *exec.Cmd
	opened string // what it gave to the browser, one address a line
	log    *bytes.Buffer
}

func startApplication(t *testing.T) application {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	opened := filepath.Join(dir, "opened")
	browser := "#!/bin/sh\necho \"$1\" >> '" + opened + "'\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(browser), 0o755); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	cmd := exec.Command(binary(t, "CONCIERGE_DESKTOP"))
	cmd.Env = append(os.Environ(), "WEBKIT_INSPECTOR_HTTP_SERVER="+address, "PATH="+dir+":"+os.Getenv("PATH"))
	cmd.Stderr, cmd.Stdout = log, log
	start(t, cmd)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	i, err := inspect(ctx, address)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	a := application{page: page{t, i}, cmd: cmd, opened: opened, log: log}
	a.within(30*time.Second, `document.readyState === "complete" && document.querySelector("h1") !== null`)
	return a
}

// connect fills in the first page.
func (a application) connect(address string, token portal.Secret) {
	a.t.Helper()
	a.at("/connect")
	a.do(fmt.Sprintf(`document.getElementById("address").value = %q; document.getElementById("token").value = %q;
		document.querySelector("form[action='/connect']").requestSubmit()`, address, token.Reveal()))
}

// keeps fails where the page that is shown has one of the secrets in it.
func (a application) keeps(secrets ...portal.Secret) {
	a.t.Helper()
	html := a.eval("document.documentElement.outerHTML + [...document.querySelectorAll('input')].map(i => i.value).join()")
	for _, s := range secrets {
		if strings.Contains(html, s.Reveal()) {
			a.t.Errorf("%s has a secret in it", a.eval("location.href"))
		}
	}
}

// TestWholePath: first start, catalog, endpoint, key, call, rotate, revoke; and the next start.
func TestWholePath(t *testing.T) {
	d := startDemo(t)
	token := d.token(t, "developer", "partner")
	desk, err := client.New(d.URL, token, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := startApplication(t)
	a.screenshot("connect")

	a.connect("http://apis.example.com", token)
	a.until(`document.querySelector("[role=alert]")?.textContent.includes("in clear") ?? false`)
	a.keeps(token)
	a.connect(d.URL, portal.NewSecret("cgp_wrong"))
	a.until(`document.querySelector("[role=alert]")?.textContent.includes("does not accept") ?? false`)
	a.screenshot("refused")
	a.connect(d.URL, token)
	a.at("/")
	a.keeps(token)
	a.screenshot("home")

	if got := a.eval("document.cookie + localStorage.length + sessionStorage.length"); got != "00" {
		t.Errorf("the web view keeps something: %s", got)
	}
	if got := a.eval("typeof window.go?.app?.Bindings?.Claim + typeof window.runtime?.BrowserOpenURL"); got != "functionfunction" {
		t.Errorf("bound methods and runtime are %s", got)
	}

	a.goTo("/apis")
	a.screenshot("catalog")
	a.until(`document.querySelector("main a[href^='/apis/']") !== null`)
	chosen, decision := callable(t, desk)
	a.goTo("/apis/" + chosen.ID + "?environment=" + decision.Environment)
	a.until(fmt.Sprintf("document.body.innerText.includes(%q)", decision.BaseURL))
	a.screenshot("api")

	a.do(`const f = document.querySelector("form[action='/subscriptions']");
		f.elements.application.value = "new"; f.elements.new_application.value = "From the desktop"; f.requestSubmit()`)
	a.until(`location.pathname.startsWith("/subscriptions/") && document.readyState === "complete"`)
	subscription := strings.TrimPrefix(a.eval("location.pathname"), "/subscriptions/")
	a.until(`document.querySelector("[data-desktop-action=claim]") !== null`)
	a.screenshot("claim")
	a.do(`document.querySelector("[data-desktop-action=claim]").click()`)
	a.until(`document.querySelector("[data-desktop-action=claim]") === null && document.querySelector("tr[data-key]") !== null`)
	a.screenshot("claimed")

	first := credential(t, desk, subscription, "active")
	key := kept(t, d.URL, first.ID)
	key.calls(t, http.StatusOK)
	key.without().calls(t, http.StatusUnauthorized)
	for _, path := range []string{"/", "/keys", "/keys/" + first.ID, "/keys/" + first.ID + "/rotate", "/keys/" + first.ID + "/revoke",
		"/subscriptions/" + subscription, "/applications", "/applications/" + first.Application, "/account", "/connect"} {
		a.goTo(path)
		a.keeps(token, key.secret())
	}
	a.screenshot("connected")

	a.goTo("/keys/" + first.ID)
	a.do(`document.querySelector("[data-desktop-action=copy]").click()`)
	a.until(`document.getElementById("desktop-report").textContent.startsWith("Copied")`)
	if got := clipboard(t); got != key.secret().Reveal() {
		t.Error("the clipboard does not have the key")
	}
	a.screenshot("copied")
	a.do(`document.querySelector("[data-desktop-action=copy-curl]").click()`)
	a.until(`document.getElementById("desktop-report").textContent.startsWith("Copied")`)
	eventually(t, "the clipboard has the command", func() bool { return strings.HasPrefix(clipboard(t), "curl ") })
	out, err := exec.Command("sh", "-c", clipboard(t)+" -sS -o /dev/null -w '%{http_code}'").Output()
	if err != nil || string(out) != "200" {
		t.Errorf("the copied command: %s, %v", out, err)
	}

	a.do(`document.querySelector("a[href$='/rotate']").click()`)
	a.until(`document.querySelector("dialog[open] [data-desktop-action=rotate]") !== null`)
	a.screenshot("rotate")
	a.do(`document.querySelector("dialog[open] [data-desktop-action=rotate]").click()`)
	a.at("/keys")
	second := credential(t, desk, subscription, "active")
	rotated := kept(t, d.URL, second.ID)
	if second.ID == first.ID || second.Replaces != first.ID || rotated.secret().Reveal() == key.secret().Reveal() {
		t.Fatalf("the second key is %+v", second)
	}
	a.keeps(key.secret(), rotated.secret())
	a.screenshot("rotated")
	key.calls(t, http.StatusOK)
	rotated.calls(t, http.StatusOK)

	for _, c := range []api.Credential{first, second} {
		a.goTo("/keys/" + c.ID + "/revoke")
		a.do(`document.querySelector("form[action$='/revoke']").requestSubmit()`)
		a.at("/keys/" + c.ID)
		a.until(`document.body.innerText.includes("Revoked")`)
	}
	a.screenshot("revoked")
	key.calls(t, http.StatusUnauthorized)
	rotated.calls(t, http.StatusUnauthorized)
	for _, c := range []api.Credential{first, second} {
		if _, err := keyring.Get("Concierge "+d.URL, c.ID); !errors.Is(err, keyring.ErrNotFound) {
			t.Errorf("the revoked key is still in the keychain: %v", err)
		}
	}

	t.Run("links to elsewhere open in the browser", func(t *testing.T) {
		a.do(`const l = document.createElement("a"); l.href = "https://docs.example/a?b=1"; l.textContent = "docs";
			document.querySelector("main").append(l); l.click()`)
		eventually(t, "the browser is asked", func() bool {
			content, _ := os.ReadFile(a.opened)
			return strings.Contains(string(content), "https://docs.example/a?b=1")
		})
		a.at("/keys/" + second.ID)
	})

	t.Run("documents are saved", func(t *testing.T) {
		a.goTo("/apis/" + chosen.ID + "?environment=" + decision.Environment)
		a.do(`document.querySelector("a[download][href*='json']").click()`)
		eventually(t, "the system asks where to save", func() bool {
			return exec.Command("xdotool", "search", "--onlyvisible", "--name", "json$").Run() == nil
		})
		time.Sleep(500 * time.Millisecond) // GTK draws its dialog before it takes keys
		native(t, "save")
		press(t, "Return")
		eventually(t, "the document is there", func() bool {
			found, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), "*.json"))
			if len(found) != 1 {
				return false
			}
			content, _ := os.ReadFile(found[0])
			return strings.Contains(string(content), decision.BaseURL)
		})
	})

	t.Run("preferences stay", func(t *testing.T) {
		a.do(`document.querySelector("form[action='/preferences'] button[value=fr]").click()`)
		a.until(`document.documentElement.lang === "fr"`)
		a.goTo("/apis")
		a.until(`document.documentElement.lang === "fr"`)
		a.screenshot("catalog-fr")
	})

	native(t, "window")
	press(t, "ctrl+q")
	eventually(t, "the menu's shortcut ends the application", func() bool {
		return exited(a.cmd.Process.Pid)
	})
	end(a.cmd)
	if strings.Contains(a.log.String(), token.Reveal()) || strings.Contains(a.log.String(), key.secret().Reveal()) {
		t.Errorf("the application's log has a secret in it")
	}
	a = startApplication(t)
	a.at("/")
	a.keeps(token)
	a.goTo("/connect")
	a.until(fmt.Sprintf("document.body.innerText.includes(%q)", d.URL))
	a.do(`document.querySelector("form[action='/connect/forget']").requestSubmit()`)
	a.until(`location.pathname === "/connect" && document.querySelector("form[action='/connect/forget']") === null && document.getElementById("token") !== null`)
	if _, err := keyring.Get("Concierge", "portal"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("the token is still in the keychain: %v", err)
	}
}

// callable returns an API of which the partner can have a key at once.
func callable(t *testing.T, desk api.Desk) (api.API, api.Decision) {
	t.Helper()
	apis, err := desk.APIs(t.Context(), api.APIsQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range apis.Items {
		for _, v := range a.Versions {
			for _, e := range v.Environments {
				d, err := desk.Resolve(t.Context(), api.ResolveQuery{API: a.ID, Environment: e})
				if err == nil && d.Try != "" && len(d.Plans) > 0 && d.Plans[0].Approval == "automatic" && d.KeysRefused == "" {
					return a, d
				}
			}
		}
	}
	t.Fatal("the demo has no API with a key at once")
	return api.API{}, api.Decision{}
}

func credential(t *testing.T, desk api.Desk, subscription, state string) api.Credential {
	t.Helper()
	found, err := desk.Credentials(t.Context(), api.CredentialsQuery{Subscription: subscription, State: state})
	if err != nil || len(found.Items) != 1 {
		t.Fatalf("%d %s credentials, %v", len(found.Items), state, err)
	}
	return found.Items[0]
}

// sent is a key as the keychain has it.
type sent struct {
	BaseURL string `json:"base_url"`
	Try     string `json:"try"`
	Parts   []struct {
		In, Name, Prefix, Value string
	} `json:"parts"`
}

func kept(t *testing.T, address, credential string) sent {
	t.Helper()
	content, err := keyring.Get("Concierge "+address, credential)
	if err != nil {
		t.Fatalf("the key is not in the keychain: %v", err)
	}
	var s sent
	if err := json.Unmarshal([]byte(content), &s); err != nil || len(s.Parts) != 1 || s.Parts[0].Value == "" {
		t.Fatalf("the keychain has %d parts, %v", len(s.Parts), err)
	}
	return s
}

func (s sent) secret() portal.Secret { return portal.NewSecret(s.Parts[0].Value) }

func (s sent) without() sent { s.Parts = nil; return s }

// calls fails where the gateway does not come to answer with the status within the two seconds that a change may take.
func (s sent) calls(t *testing.T, want int) {
	t.Helper()
	status := 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.BaseURL+"/"+strings.TrimPrefix(s.Try, "/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Parts {
			if p.In == "query" {
				q := req.URL.Query()
				q.Set(p.Name, p.Value)
				req.URL.RawQuery = q.Encode()
			} else {
				req.Header.Set(p.Name, p.Prefix+p.Value)
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if status = resp.StatusCode; status == want {
			return
		}
	}
	t.Errorf("%s answers %d, want %d", s.BaseURL, status, want)
}

func clipboard(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "xclip", "-o", "-selection", "clipboard").Output()
	if err != nil {
		t.Logf("reading the clipboard: %v", err)
	}
	return string(out)
}

// native keeps what the whole display shows: the window's frame and menu, and dialogs of the system.
func native(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("CONCIERGE_SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := exec.Command("import", "-window", "root", filepath.Join(dir, "desktop-native-"+name+".png")).Run(); err != nil {
		t.Errorf("keeping a picture of the display: %v", err)
	}
}

// press presses keys in the window that has the focus.
func press(t *testing.T, keys string) {
	t.Helper()
	if err := exec.Command("xdotool", "key", keys).Run(); err != nil {
		t.Errorf("pressing %s: %v", keys, err)
	}
}

// exited reports whether a process of ours has ended and only waits to be asked for its status.
func exited(pid int) bool {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(content), ") Z ")
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Errorf("it never came about that %s", what)
}

// TestLockedKeychain runs where the keychain of the whole path is there and nobody unlocks it. The window says so instead
// of waiting for ever, keeps nothing, and goes on.
func TestLockedKeychain(t *testing.T) {
	d := startDemo(t)
	token := d.token(t, "developer", "internal")
	a := startApplication(t)
	a.until(`document.querySelector("h1").textContent === "Unlock your keyring" && document.querySelector("a[href='/']") !== null`)
	a.screenshot("locked")
	a.do(fmt.Sprintf(`fetch("/connect", {method: "POST", headers: {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"},
		body: new URLSearchParams({address: %q, token: %q}).toString()}).then(r => r.text()).then(text => { window.answer = text })`, d.URL, token.Reveal()))
	a.until(`(window.answer ?? "").includes("Unlock your keyring")`)
	if strings.Contains(a.eval("window.answer"), token.Reveal()) || strings.Contains(a.log.String(), token.Reveal()) {
		t.Error("the token is in the answer or in the log")
	}
}
