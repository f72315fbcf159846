//go:build desktop_e2e

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// inspector drives the page of a window through WebKit's HTTP inspector, which WEBKIT_INSPECTOR_HTTP_SERVER switches on.
// Its commands go to a target, and every navigation may bring a new one (WebKitGTK 2.50.6).
type inspector struct {
	conn *websocket.Conn

	mu      sync.Mutex
	serial  int
	target  string
	waiting map[int]chan reply
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

type event struct {
	Method string `json:"method"`
	Params struct {
		TargetInfo struct {
			TargetID      string `json:"targetId"`
			Type          string `json:"type"`
			IsProvisional bool   `json:"isProvisional"`
		} `json:"targetInfo"`
		NewTargetID string `json:"newTargetId"`
		Message     string `json:"message"`
	} `json:"params"`
}

// inspect connects to the window's inspector as soon as it is there.
func inspect(ctx context.Context, address string) (*inspector, error) {
	const socket = "/socket/1/1/WebPage"
	for {
		err := listed(ctx, "http://"+address+"/", socket)
		if err == nil {
			conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+address+socket, nil)
			if err != nil {
				return nil, err
			}
			i := &inspector{conn: conn, waiting: map[int]chan reply{}}
			go i.listen()
			return i, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the inspector at %s does not answer: %w", address, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// listed fails where the inspector does not list the page yet: its socket is there earlier, but who connects then is never
// told of a target.
func listed(ctx context.Context, address, socket string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(content), strings.TrimPrefix(socket, "/")) {
		err = errors.New("no page is listed")
	}
	return err
}

func (i *inspector) listen() {
	for {
		_, content, err := i.conn.ReadMessage()
		if err != nil {
			return // the window is gone
		}
		var e event
		if json.Unmarshal(content, &e) != nil {
			continue
		}
		i.mu.Lock()
		switch e.Method {
		case "Target.targetCreated":
			if e.Params.TargetInfo.Type == "page" && !e.Params.TargetInfo.IsProvisional {
				i.target = e.Params.TargetInfo.TargetID
			}
		case "Target.didCommitProvisionalTarget":
			i.target = e.Params.NewTargetID
		case "Target.dispatchMessageFromTarget":
			var r reply
			if json.Unmarshal([]byte(e.Params.Message), &r) == nil && i.waiting[r.ID] != nil {
				i.waiting[r.ID] <- r
				delete(i.waiting, r.ID)
			}
		}
		i.mu.Unlock()
	}
}

// send gives the page a command. An answer that a navigation took away is an error.
func (i *inspector) send(method string, params any) (json.RawMessage, error) {
	i.mu.Lock()
	if i.target == "" {
		i.mu.Unlock()
		return nil, fmt.Errorf("%s: the window has no page yet", method)
	}
	i.serial++
	id, target, answered := i.serial, i.target, make(chan reply, 1)
	i.waiting[id] = answered
	message, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err == nil {
		err = i.conn.WriteJSON(map[string]any{
			"id": 1_000_000 + id, "method": "Target.sendMessageToTarget",
			"params": map[string]any{"targetId": target, "message": string(message)},
		})
	}
	i.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case r := <-answered:
		if r.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, r.Error.Message)
		}
		return r.Result, nil
	case <-time.After(3 * time.Second):
		return nil, fmt.Errorf("%s: no answer", method)
	}
}

// evaluate runs a script in the page and returns its value as text.
func (i *inspector) evaluate(script string) (string, error) {
	content, err := i.send("Runtime.evaluate", map[string]any{"expression": "String(" + script + ")", "returnByValue": true})
	if err != nil {
		return "", err
	}
	var r struct {
		Result struct {
			Value       json.RawMessage `json:"value"`
			Description string          `json:"description"`
		} `json:"result"`
		WasThrown bool `json:"wasThrown"`
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return "", err
	}
	if r.WasThrown {
		return "", fmt.Errorf("%s: thrown: %s", script, r.Result.Description)
	}
	var value string
	return value, json.Unmarshal(r.Result.Value, &value)
}

// page is a window in the hands of a test.
type page struct {
	t *testing.T
	*inspector
}

func (p page) eval(script string) string {
	p.t.Helper()
	var err error
	for range 5 {
		var value string
		if value, err = p.evaluate(script); err == nil {
			return value
		}
		time.Sleep(200 * time.Millisecond)
	}
	p.t.Fatal(err)
	return ""
}

// do runs a script whose answer a navigation may take away.
func (p page) do(script string) {
	p.t.Helper()
	if _, err := p.evaluate("(() => { " + script + "; return 1 })()"); err != nil && !strings.Contains(err.Error(), "no answer") {
		p.t.Fatal(err)
	}
}

// until waits for a condition of the page.
func (p page) until(condition string) {
	p.t.Helper()
	p.within(time.Minute, condition)
}

func (p page) within(limit time.Duration, condition string) {
	p.t.Helper()
	end := time.Now().Add(limit)
	for {
		value, err := p.evaluate(condition)
		if err == nil && value == "true" {
			return
		}
		if time.Now().After(end) {
			p.screenshot("failed")
			text, _ := p.evaluate(`location.href + "\n" + document.body.innerText`)
			p.t.Fatalf("not within %v: %s (%v)\n%s", limit, condition, err, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// at waits for a page of the window to be there whole.
func (p page) at(path string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`location.pathname === %q && document.readyState === "complete" && document.querySelector("h1") !== null`, path))
}

func (p page) goTo(path string) {
	p.t.Helper()
	p.do(fmt.Sprintf("location.assign(%q)", path))
	p.at(strings.SplitN(path, "?", 2)[0])
}

// screenshot keeps the whole page as the window draws it.
func (p page) screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("CONCIERGE_SCREENSHOTS")
	if dir == "" {
		return
	}
	content, err := p.send("Page.snapshotRect", map[string]any{
		"x": 0, "y": 0, "width": 1240, "height": 860, "coordinateSystem": "Viewport",
	})
	if err != nil {
		p.t.Error(err)
		return
	}
	var r struct {
		DataURL string `json:"dataURL"`
	}
	if err := json.Unmarshal(content, &r); err != nil {
		p.t.Fatal(err)
	}
	image, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.DataURL, "data:image/png;base64,"))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/desktop-"+name+".png", image, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
